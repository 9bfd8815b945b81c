"""Names of files, modules and commands in README, CONTRIBUTING, SECURITY and docstrings: they are there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pruneattr_core.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "pruneattr_core"
DOCUMENTS = sorted(path.name for path in ROOT.glob("*.md") if path.name != "CHANGELOG.md")
SOURCES = sorted(CORE.rglob("*.py")) + sorted((ROOT / "perf").glob("*.py"))
#: Of something that is made or given, not in the repository.
GIVEN = {
    "labels.json",
    "config.json",
    "classes.txt",
    "card.json",
    "plan.json",
    "app.py",
    "pruneattr.toml",
    "llms.txt",
}
_FILE = re.compile(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|md|txt|json|toml|js|css|html|csv|npy))`|`((?:[\w.-]+/)+)`")
_MODULE = re.compile(r"`{1,2}((?:pruneattr_core\.)?[a-z_]+(?:\.[A-Za-z_]+)+)(?:\(\))?`{1,2}")
_COMMAND = re.compile(r"-m pruneattr_core (\w+)")
#: Name of a file of ours, without its ending -> such files.
MODULES: dict[str, list[Path]] = {}
for _path in CORE.rglob("*.py"):
    MODULES.setdefault(_path.parent.name if _path.name == "__init__.py" else _path.stem, []).append(_path)
#: Of files, which look like dotted names.
_ENDINGS = (".txt", ".json", ".toml", ".yml", ".yaml", ".md", ".py", ".lock")
#: First parts of names that are others'.
FOREIGN = {"anywidget", "captum", "copy", "nn", "ray", "server", "st", "torch", "warnings", "weights"}
WORD = re.compile(r"[A-Za-z_]\w*")
#: Words of others, or of examples.
OTHERS = {
    "Bad", "COMMAND", "ClientState", "MultiLabelSoftMarginLoss", "_change", "fc", "locals", "max_unpool2d",
    "node_link_graph", "on_", "quantile", "vmap",
}  # fmt: skip


def is_there(name: str, near: Path) -> bool:
    """Whether a file or folder of this name is beside the text, or anywhere from the root or the package."""
    if any((base / name).exists() for base in (near, ROOT, CORE)):
        return True
    return "/" not in name and any(ROOT.glob(f"[!.]*/**/{name}"))


def known(name: str, bound: set[str]) -> bool:
    """Whether a dotted name leads to something in a module of ours, or is another's.

    Args:
        name: such as runs.stored or paths.table.METHODS; the last module in it decides.
        bound: names that the file imports, under whatever alias.
    """
    parts = name.removeprefix("pruneattr_core.").split(".")
    if parts[0] in FOREIGN | bound or f".{parts[-1]}" in _ENDINGS:
        return True
    if any(part not in MODULES for part in parts[:-1]):
        return False
    if parts[-1] in MODULES:
        return True
    last = parts[-1]
    made = rf"^\s*(def|class)\s+{last}\b|^\s*{last}\b\s*[:=,]|^from .*\b{last}\b|\"{last}\":"
    texts = (file.read_text("utf-8") for file in MODULES[parts[-2]])
    return any(re.search(made, text, re.MULTILINE) for text in texts)


def bound_in(file: Path) -> set[str]:
    """Names of imported modules under an alias of their own."""
    tree = ast.walk(ast.parse(file.read_text("utf-8")))
    return {
        one.asname
        for node in tree
        if isinstance(node, ast.Import | ast.ImportFrom)
        for one in node.names
        if one.asname
    }


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_name_what_there_is(document):
    text = (ROOT / document).read_text("utf-8")
    named = {one or other for one, other in _FILE.findall(text)}
    made = {"../shared", "tests/artefacts/"}
    assert {name for name in named if not is_there(name, ROOT) and name not in GIVEN | made} == set()
    assert {name for name in _COMMAND.findall(text) if name not in COMMANDS} == set()
    assert {name for name in _MODULE.findall(text) if not known(name, set())} == set()


def docstrings(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield ast.get_docstring(node) or ""


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_docstrings_name_what_there_is(file):
    text = "\n".join(docstrings(file))
    names = {name for name in _MODULE.findall(text) if not known(name, bound_in(file))}
    files = {one for one, _ in _FILE.findall(text) if one.endswith(".py") and not is_there(one, file.parent)}
    assert names | {name for name in files if name not in GIVEN} == set()
    assert {name for name in _COMMAND.findall(text) if name not in COMMANDS | {"COMMAND": ""}} == set()


def without_texts(tree: ast.Module) -> str:
    """Code again, without docstrings and comments."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            node.body[0] = ast.Pass()
    return ast.unparse(tree)


@pytest.fixture(scope="module")
def words() -> set[str]:
    """Every word of the code, of names of files and of settings."""
    texts = [without_texts(ast.parse(file.read_text("utf-8"))) for file in SOURCES]
    texts += [file.read_text("utf-8") for file in (ROOT / "assets").rglob("*.js")]
    texts += [
        (ROOT / name).read_text("utf-8") for name in ("pyproject.toml", ".streamlit/config.toml", "dev.py")
    ]
    return {*WORD.findall("\n".join(texts)), *(file.stem for file in SOURCES)}


def unknown_words(text: str, words: set[str]) -> set[str]:
    """Those in backticks that name nothing of ours, nor what others call so."""
    spans = re.findall(r"`{1,2}([^`\n]+)`{1,2}", text)
    return {word for span in spans for word in WORD.findall(span)} - words - OTHERS


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_words_in_backticks_are_words_of_the_code(file, words):
    """A function that is called otherwise today is named otherwise in what is said about it."""
    assert unknown_words("\n".join(docstrings(file)), words) == set()


def test_the_rule_of_words(words):
    assert unknown_words("See `contributions` and `Path.kept`; `lambda x: nothing_such`", words) == {
        "nothing_such"
    }
    assert "model_lock" not in words  # of an untrue sentence that once stood here


def test_the_rule_itself():
    for name in (
        "runs.stored",
        "pruneattr_core.scoring",
        "torch.optim.SGD",
        "paths.table.METHODS",
        "val.txt",
    ):
        assert known(name, set()), name
    for name in ("descent.Checkpunkt", "runs.nothing", "study_running.HEADER", "paths.tabel.METHODS"):
        assert not known(name, set()), name
    assert known("alias.METHODS", {"alias"})
    assert not is_there("pruneattr_core/nothing.py", ROOT)
    assert not is_there("nothing.py", ROOT)
