"""Break the code on purpose, one place at a time, and see whether a test notices.

    python -m perf.mutants known                 the mutants of perf/mutants_known.py, each with its tests
    python -m perf.mutants sample --n 200        a seeded sample of all places where an operator applies
    python -m perf.mutants sample --n 200 --out perf/mutants_sample.json    ... whose results are kept
    python -m perf.mutants sample --n 20 --only pruneattr_core/scoring --list

Operators: comparison, arithmetic and boolean operators exchanged, a `not` taken away, constants changed,
min and max exchanged, a call that stands alone left out. Each mutant is made in a scratch copy of the
repository and meets the test files that belong to it (`TESTS`), in a process forked from one that has torch
loaded. Prints survivors, with the reason where perf/mutants_known.py gives one; exit status 1 where one
survives without. With --out every result is written at once, and a later call goes on where that file ends.
POSIX only.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import platform
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from perf.mutants_known import KNOWN, REASONS

ROOT = Path(__file__).resolve().parents[1]
#: Seconds of computing after which a mutant is taken for noticed, and of waiting, on a machine of any load.
LIMIT, PATIENCE = 300, 3600
#: Where mutants are made unless --only says otherwise: the method, compression, benchmarks, payloads.
SCOPE = ",".join(
    f"pruneattr_core/{name}"
    for name in ("tape.py", "graph.py", "selection.py", "values.py", "scoring/", "pruning.py", "paths/",
                 "attribution/", "compression/", "benchmarks/", "ui/payload.py", "ui/levels.py")
)  # fmt: skip
#: Prefix of a file -> test files (patterns in tests/) that speak about it; the first prefix that fits counts.
TESTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("pruneattr_core/scoring/intgrad", ("unit/test_intgrad.py", "unit/test_reference.py")),
    (
        "pruneattr_core/scoring/",
        ("unit/test_neurons.py", "unit/test_intgrad.py", "unit/test_paths.py", "unit/test_prunegrad.py"),
    ),
    ("pruneattr_core/tape.py", ("unit/test_neurons.py", "unit/test_tape.py", "unit/test_prunegrad.py")),
    ("pruneattr_core/graph.py", ("unit/test_neurons.py", "unit/test_prunegrad.py", "unit/test_paths.py")),
    ("pruneattr_core/pruning.py", ("unit/test_prunegrad.py", "unit/test_paths.py")),
    ("pruneattr_core/selection.py", ("unit/test_paths.py", "unit/test_prunegrad.py")),
    ("pruneattr_core/values.py", ("unit/test_paths.py", "unit/test_overlap.py", "unit/test_prunegrad.py")),
    ("pruneattr_core/paths/calibrate", ("unit/test_calibrate.py",)),
    ("pruneattr_core/paths/dgr", ("unit/test_dgr.py",)),
    ("pruneattr_core/paths/greedy", ("unit/test_greedy.py",)),
    ("pruneattr_core/paths/", ("unit/test_paths.py", "unit/test_path_study.py")),
    ("pruneattr_core/attribution/prunegrad", ("unit/test_prunegrad.py", "unit/test_reference.py")),
    ("pruneattr_core/attribution/rap", ("unit/test_rap.py",)),
    ("pruneattr_core/attribution/", ("unit/test_methods_*.py", "unit/test_conformance.py")),
    ("pruneattr_core/analysis/study", ("unit/test_path_study.py", "unit/test_migration.py")),
    ("pruneattr_core/analysis/", ("unit/test_overlap.py", "unit/test_decoding.py", "unit/test_linearity.py")),
    ("pruneattr_core/benchmarks/roar", ("unit/test_roar.py",)),
    ("pruneattr_core/benchmarks/similarity", ("unit/test_similarity.py",)),
    ("pruneattr_core/benchmarks/localisation", ("unit/test_localisation.py",)),
    ("pruneattr_core/benchmarks/sanity", ("unit/test_sanity.py",)),
    ("pruneattr_core/benchmarks/pixels", ("unit/test_pixels.py",)),
    ("pruneattr_core/benchmarks/fills", ("unit/test_pixels.py",)),
    ("pruneattr_core/benchmarks/evidence", ("unit/test_bench_evidence.py",)),
    ("pruneattr_core/benchmarks/executor", ("unit/test_executor.py", "unit/test_roar_run.py")),
    ("pruneattr_core/benchmarks/plan", ("unit/test_runs.py",)),
    ("pruneattr_core/benchmarks/run", ("unit/test_runs.py",)),
    (
        "pruneattr_core/benchmarks/",
        ("unit/test_bench_command.py", "unit/test_runs.py", "unit/test_roar_run.py"),
    ),
    ("pruneattr_core/compression/review", ("unit/test_review_*.py",)),
    ("pruneattr_core/compression/", ("unit/test_compression_*.py",)),
    ("pruneattr_core/runs/", ("unit/test_runs.py", "unit/test_damage.py", "unit/test_migration.py")),
    ("pruneattr_core/store.py", ("unit/test_store.py", "unit/test_damage.py")),
    ("pruneattr_core/descent.py", ("unit/test_training.py", "unit/test_damage.py")),
    ("pruneattr_core/training.py", ("unit/test_training.py",)),
    ("pruneattr_core/commands/", ("unit/test_commands.py", "unit/test_bench_command.py")),
    ("pruneattr_core/render/", ("unit/test_render.py",)),
    ("pruneattr_core/ui/payload.py", ("unit/test_payload.py", "unit/test_properties.py")),
    ("pruneattr_core/ui/levels.py", ("app/test_sweeps.py", "unit/test_payload.py")),
)
#: Exchanged for one another; spelled as in the source.
SWAPS = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="), ast.NotEq: ("!=", "=="), ast.In: ("in", "not in"), ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"), ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"), ast.FloorDiv: ("//", "/"), ast.BitAnd: ("&", "|"), ast.BitOr: ("|", "&"),
    ast.And: ("and", "or"), ast.Or: ("or", "and"),
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change of one file.

    Attributes:
        file: seen from the repository.
        start: place of the text that is replaced.
        old: that text.
        new: what stands there instead.
        where: function it is in, for people and for reasons.
        tests: patterns of test files in tests/, those that notice most first.
        number: how many like it the function holds up to here.
    """

    file: str
    start: int
    old: str
    new: str
    where: str
    tests: tuple[str, ...]
    number: int = 1

    @property
    def key(self) -> str:
        """Names it, as long as the code around it is as it is."""
        old, new = (" ".join(text.split()) for text in (self.old, self.new))
        number = f" ({self.number})" if self.number > 1 else ""
        return f"{self.file}::{self.where}: {old} -> {new or 'nothing'}{number}"


def known() -> list[Mutant]:
    """Those of the list.

    Raises:
        SystemExit: a text of the list is not, or not once, in its file.
    """
    found = []
    for file, old, new, tests in KNOWN:
        text = (ROOT / file).read_text("utf-8") if (ROOT / file).is_file() else ""
        if text.count(old) != 1:
            sys.exit(f"{file} holds {text.count(old)} times {old!r}: bring perf/mutants_known.py up to date.")
        found.append(Mutant(file, text.index(old), old, new, "known", tests))
    return found


def generated(file: str) -> Iterator[Mutant]:
    """Every mutant that the operators make of a file."""
    text = (ROOT / file).read_text("utf-8")
    tests = next((tests for prefix, tests in TESTS if file.startswith(prefix)), ())
    starts = [0]
    for line in text.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    data, seen = text.encode(), Counter[tuple[str, str, str]]()

    def span(node: ast.AST) -> tuple[int, int]:
        return (
            starts[node.lineno - 1] + node.col_offset,  # type: ignore[attr-defined]
            starts[node.end_lineno - 1] + node.end_col_offset,  # type: ignore[attr-defined]
        )

    def between(left: ast.AST, right: ast.AST, kind: type, where: str) -> Iterator[Mutant]:
        if kind in SWAPS:
            old, new = SWAPS[kind]
            begin, end = span(left)[1], span(right)[0]
            place = data[begin:end].find(old.encode())
            if place >= 0:
                yield made(begin + place, begin + place + len(old), new, where)

    def made(begin: int, end: int, new: str, where: str) -> Mutant:
        start, old = len(data[:begin].decode()), data[begin:end].decode()
        seen[where, old, new] += 1
        return Mutant(file, start, old, new, where, tests, seen[where, old, new])

    def visit(node: ast.AST, where: str) -> Iterator[Mutant]:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            where = node.name if where == "module" else f"{where}.{node.name}"
        if isinstance(node, ast.arg | ast.Raise | ast.JoinedStr | ast.AnnAssign) or node in annotations:
            return
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            for left, right, op in zip(sides, sides[1:], node.ops, strict=False):
                yield from between(left, right, type(op), where)
        elif isinstance(node, ast.BinOp):
            yield from between(node.left, node.right, type(node.op), where)
        elif isinstance(node, ast.BoolOp):
            for left, right in zip(node.values, node.values[1:], strict=False):
                yield from between(left, right, type(node.op), where)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield made(span(node)[0], span(node.operand)[0], "", where)
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
            value = node.value
            yield made(*span(node), str(not value) if isinstance(value, bool) else str(value + 1), where)
        elif isinstance(node, ast.Name) and node.id in ("min", "max"):
            yield made(*span(node), "max" if node.id == "min" else "min", where)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield made(*span(node), "None", where)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, where)

    tree = ast.parse(text)
    annotations = {
        one for node in ast.walk(tree) for one in (getattr(node, "returns", None),) if one is not None
    }
    if tests:
        yield from visit(tree, "module")


class Scratch:
    """A copy of the repository's files in which mutants are tried."""

    def __init__(self, place: Path) -> None:
        self.root = place / "repository"
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        for name in listed.stdout.splitlines():
            if (ROOT / name).is_file():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.root / name)
        if (ROOT.parent / "shared").is_dir():
            (place / "shared").symlink_to(ROOT.parent / "shared")

    def noticed(self, mutant: Mutant) -> bool:
        """Whether a test fails, or hangs, with this mutant."""
        file = self.root / mutant.file
        text = file.read_text("utf-8")
        end = mutant.start + len(mutant.old)
        file.write_text(text[: mutant.start] + mutant.new + text[end:], "utf-8")
        try:
            return self.status(mutant.tests) != 0
        finally:
            file.write_text(text, "utf-8")

    def status(self, tests: Sequence[str]) -> int:
        """Exit status of pytest; negative after `LIMIT` seconds of computing or `PATIENCE` of anything."""
        found = (sorted((self.root / "tests").glob(one.partition("::")[0])) for one in tests)
        files = list(dict.fromkeys(str(path) for some in found for path in some))
        names = [f"{file}::{one.partition('::')[2]}" for one in tests for file in files if "::" in one]
        process = os.fork()
        if process == 0:
            self._child(names or files)
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends:
            done, status = os.waitpid(process, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.05)
        os.kill(process, 9)
        os.waitpid(process, 0)
        return -1

    def _child(self, names: list[str]) -> None:
        status = 70
        try:
            import pytest

            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT))
            os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
            os.chdir(self.root)
            sys.path[:] = [str(self.root), *(path for path in sys.path if path not in ("", str(ROOT)))]
            sys.dont_write_bytecode = True
            for name in [one for one in sys.modules if one.partition(".")[0] in ("pruneattr_core", "perf")]:
                del sys.modules[name]
            plugins = ("-p", "no:cacheprovider", "-p", "pytest_timeout")
            status = int(pytest.main(["-x", "-q", *plugins, *names]))
        finally:
            os._exit(status)


class Kept:
    """Results by the mutant's key, and the file that holds them."""

    def __init__(self, file: Path | None, asked: dict[str, object]) -> None:
        """Read what an earlier call with the same arguments has written.

        Raises:
            SystemExit: the file answers other arguments.
        """
        self.file, self.asked, self.noticed = file, asked, dict[str, bool]()
        if file is not None and file.exists():
            found = json.loads(file.read_text("utf-8"))
            if {name: found[name] for name in asked} != asked:
                sys.exit(f"{file} holds another sample: remove it or name another file.")
            self.noticed = {one["mutant"]: one["killed"] for one in found["mutants"]}

    def put(self, key: str, noticed: bool) -> None:
        """Add one result."""
        self.noticed[key] = noticed
        if self.file is None:
            return
        rows = [
            {"mutant": one, "killed": killed, **({} if killed else {"why": REASONS.get(one, "")})}
            for one, killed in self.noticed.items()
        ]
        killed = sum(self.noticed.values())
        made_with = {"python": platform.python_version(), "torch": version("torch")}
        figures = {**self.asked, "tried": len(rows), "killed": killed, "made with": made_with}
        self.file.write_text(json.dumps({**figures, "mutants": rows}, indent=1) + "\n", "utf-8")


def main() -> int:
    """Try mutants, report the survivors."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("which", choices=("known", "sample"))
    parser.add_argument("--n", type=int, default=200, help="sample: how many (default 200)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (default 0)")
    parser.add_argument("--only", help="files whose path begins so, or so (by commas)")
    parser.add_argument("--out", type=Path, help="sample: results so far and from now on (JSON)")
    parser.add_argument("--list", action="store_true", help="show the mutants, try none")
    options = parser.parse_args()
    asked = options.only or (SCOPE if options.which == "sample" else "")
    only = tuple(asked.split(","))
    if options.which == "known":
        mutants = [one for one in known() if one.file.startswith(only)]
    else:
        files = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "pruneattr_core").rglob("*.py"))
        mutants = [one for file in files if file.startswith(only) for one in generated(file)]
        mutants = random.Random(options.seed).sample(mutants, min(options.n, len(mutants)))
    if options.list:
        print(*(f"{one.key}   [{' '.join(one.tests)}]" for one in mutants), sep="\n")
        return 0
    import torch

    torch.set_num_threads(1)
    kept = Kept(options.out, {"n": options.n, "seed": options.seed, "only": asked})
    sound: set[tuple[str, ...]] = set()
    with tempfile.TemporaryDirectory() as place:
        scratch = Scratch(Path(place))
        for number, one in enumerate(mutants, 1):
            if one.key in kept.noticed:
                continue
            if one.tests not in sound and scratch.status(one.tests):
                sys.exit(f"{' '.join(one.tests)} fails without any mutant: nothing can be told.")
            sound.add(one.tests)
            kept.put(one.key, scratch.noticed(one))
            said = "killed  " if kept.noticed[one.key] else "SURVIVED"
            print(f"{number} of {len(mutants)} {said} {one.key}", flush=True)
    alive = [key for key, noticed in kept.noticed.items() if not noticed]
    print(f"{len(kept.noticed) - len(alive)} of {len(kept.noticed)} killed")
    for key in alive:
        print(f"survivor: {key}: {REASONS.get(key, 'no reason is known')}")
    return int(any(key not in REASONS for key in alive))


if __name__ == "__main__":
    sys.exit(main())
