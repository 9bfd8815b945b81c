"""Places where code can be broken: the mutants of a list, and those that operators make of a file.

Operators: comparison, arithmetic and boolean operators exchanged, a `not` taken away, constants changed,
min and max exchanged, a call that stands alone left out. Settings that no result can depend on are left as
they are (`UNSEEN`): their mutants would count as survivors that nobody could kill.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from perf.mutants_known import KNOWN

#: Where mutants are made unless --only says otherwise: the method, compression, benchmarks, payloads.
SCOPE = ",".join(
    f"pruneattr_core/{name}"
    for name in ("tape.py", "recording.py", "ways.py", "graph.py", "response.py", "heads.py", "opening.py",
                 "selection.py", "critical_path.py", "values.py",
                 "scoring/", "pruning.py", "paths/", "circuits/", "attribution/", "compression/",
                 "benchmarks/", "store.py", "runs/",
                 "share/payload.py", "share/framing.py", "results/", "ui/cache.py")
)  # fmt: skip
#: Prefix of a file -> test files (patterns in tests/) that speak about it; the first prefix that fits counts.
#: They, and the file of the module's own name, come before all others that call the code.
TESTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    *(
        (f"pruneattr_core/scoring/{one}", ("unit/test_intgrad.py", "unit/test_reference.py"))
        for one in ("intgrad", "settling")
    ),
    (
        "pruneattr_core/scoring/",
        ("unit/test_neurons.py", "unit/test_intgrad.py", "unit/test_paths.py", "unit/test_prunegrad.py"),
    ),
    *(
        (f"pruneattr_core/{one}.py", ("unit/test_tape.py", "unit/test_modes.py", "unit/test_neurons.py"))
        for one in ("tape", "recording", "ways")
    ),
    ("pruneattr_core/graph.py", ("unit/test_neurons.py", "unit/test_prunegrad.py", "unit/test_paths.py")),
    ("pruneattr_core/response.py", ("unit/test_response.py", "unit/test_prunegrad.py")),
    ("pruneattr_core/heads.py", ("unit/test_heads_units.py", "unit/test_response.py")),
    ("pruneattr_core/opening.py", ("unit/test_opening.py",)),
    ("pruneattr_core/circuits/", ("unit/test_circuits.py", "unit/test_edges.py", "unit/test_units.py")),
    ("pruneattr_core/pruning.py", ("unit/test_prunegrad.py", "unit/test_paths.py")),
    ("pruneattr_core/selection.py", ("unit/test_paths.py", "unit/test_prunegrad.py")),
    ("pruneattr_core/critical_path.py", ("unit/test_paths.py", "unit/test_overlap.py")),
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
    ("pruneattr_core/share/payload.py", ("unit/test_payload.py", "unit/test_properties.py")),
    ("pruneattr_core/results/levels.py", ("unit/test_levels.py", "unit/test_payload.py")),
    ("pruneattr_core/ui/", ("unit/test_payload.py",)),
)
#: Tests that read the package's code: no trace shows that they look at a function.
READING = ("unit/test_defaults.py",)
#: Exchanged for one another; spelled as in the source.
SWAPS = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="), ast.NotEq: ("!=", "=="), ast.In: ("in", "not in"), ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"), ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"), ast.FloorDiv: ("//", "/"), ast.BitAnd: ("&", "|"), ast.BitOr: ("|", "&"),
    ast.And: ("and", "or"), ast.Or: ("or", "and"),
}  # fmt: skip
#: Arguments that only guard (lengths equal by construction, fields nobody changes), or say how many results
#: are remembered or which line a warning names: (function's name, argument).
UNSEEN = {
    ("zip", "strict"), ("dataclass", "frozen"), ("dataclass", "slots"), ("lru_cache", "maxsize"),
    ("warn", "stacklevel"),
}  # fmt: skip


#: Another signal, or another process, would reach more than the test.
SIGNALS = ("kill", "killpg")


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


def known(root: Path) -> list[Mutant]:
    """Those of the list, in the repository `root`.

    Raises:
        SystemExit: a text of the list is not, or not once, in its file.
    """
    found = []
    for file, old, new, tests in KNOWN:
        text = (root / file).read_text("utf-8") if (root / file).is_file() else ""
        if text.count(old) != 1:
            sys.exit(f"{file} holds {text.count(old)} times {old!r}: bring perf/mutants_known.py up to date.")
        found.append(Mutant(file, text.index(old), old, new, "known", tests))
    return found


def generated(root: Path, file: str) -> Iterator[Mutant]:
    """Every mutant that the operators make of a file of the repository `root`."""
    text = (root / file).read_text("utf-8")
    tests = next((tests for prefix, tests in TESTS if file.startswith(prefix)), ())
    tests = tuple(dict.fromkeys([f"unit/test_{PurePosixPath(file).stem}.py", *tests, *READING]))
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
        if _called(node) in SIGNALS:
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
            if (_called(node), getattr(child, "arg", "")) not in UNSEEN:
                yield from visit(child, where)

    tree = ast.parse(text)
    annotations = {
        one for node in ast.walk(tree) for one in (getattr(node, "returns", None),) if one is not None
    }
    yield from visit(tree, "module")


def _called(node: ast.AST) -> str:
    """Last part of the name of the function that a call names, "" for what is no call."""
    function = node.func if isinstance(node, ast.Call) else None
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
