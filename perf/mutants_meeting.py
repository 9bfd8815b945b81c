"""Which tests meet a mutant, those that notice it most likely first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from perf.mutants_places import Mutant
from perf.mutants_trying import Trace

#: The test of this command would run it again.
OWN = "test_mutants.py"
#: Sums of expected seconds at which the tests of a mutant are divided, so that the first failure comes early.
STEPS = (2.0, 15.0)


def matching(root: Path, patterns: Iterable[str]) -> list[str]:
    """Test files seen from the repository, in the patterns' order."""
    found = (sorted((root / "tests").glob(pattern)) for pattern in patterns)
    return list(dict.fromkeys(path.relative_to(root).as_posix() for some in found for path in some))


def meeting(
    mutant: Mutant, tests: dict[str, Trace], spoken: Sequence[str], seconds: float
) -> list[tuple[list[str], float]]:
    """Tests for a mutant, those that notice it first in front, in chunks with the seconds they should take.

    First those of the files that speak about its file and call its function, then all others that call it,
    then the rest of the first files; quick ones before slow ones, up to `seconds`.
    """
    where = mutant.where.split(".")
    calling: set[str] = set()
    while where and not calling:
        function = f"{mutant.file}::{'.'.join(where)}"
        calling = {test for test, trace in tests.items() if function in trace.calls}
        where.pop()
    if not calling:
        inside = f"{mutant.file}::"
        calling = {
            test for test, trace in tests.items() if any(one.startswith(inside) for one in trace.calls)
        }

    def place(test: str) -> tuple[bool, bool, float]:
        return test not in calling, test.partition("::")[0] not in spoken, tests[test].seconds

    candidates = sorted(calling | {test for test in tests if test.partition("::")[0] in spoken}, key=place)
    chunks: list[tuple[list[str], float]] = [([], 0.0) for _ in range(len(STEPS) + 1)]
    total = 0.0
    for test in candidates:
        total += tests[test].seconds
        if total > seconds:
            break
        step = sum(total > bound for bound in STEPS)
        chunks[step] = ([*chunks[step][0], test], chunks[step][1] + tests[test].seconds)
    return [chunk for chunk in chunks if chunk[0]]


def speaking(root: Path, mutant: Mutant) -> list[str]:
    """Unit test files, those that name the function most often first, then those of the table."""
    module = mutant.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    package, _, stem = module.rpartition(".")
    names = [part for part in mutant.where.split(".") if not part.startswith("__")]

    def named(file: str) -> tuple[int, int]:
        text = (root / file).read_text("utf-8")
        told = text.count(module) + len(re.findall(rf"from {package} import [^\n]*\b{stem}\b", text))
        return sum(text.count(name) for name in names), told

    files = {file: named(file) for file in matching(root, ["unit/test_*.py"]) if not file.endswith(OWN)}
    told = [file for file, (_, of_module) in files.items() if of_module]
    table = matching(root, mutant.tests)
    return list(dict.fromkeys([*sorted(told, key=lambda file: files[file], reverse=True)[:4], *table]))
