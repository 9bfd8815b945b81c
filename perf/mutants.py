"""Break the code on purpose, one place at a time, and see whether a test notices.

    python -m perf.mutants known                 the mutants of perf/mutants_known.py, each with its tests
    python -m perf.mutants sample --n 200        a seeded sample of all places where an operator applies
    python -m perf.mutants sample --n 200 --out perf/mutants_sample.json    ... whose results are kept
    python -m perf.mutants sample --n 20 --only pruneattr_core/scoring --list
    python -m perf.mutants again --out perf/mutants_sample.json    its survivors without a reason, once more

Operators: see perf/mutants_places.py. Each worker (as many as cores, or --workers) makes mutants in a scratch
copy of the repository of its own; tests run in processes forked from one that has torch loaded. A mutant of a
sample meets every unit test that calls its function, those of the files that speak about it first (`TESTS`),
up to --seconds; which test calls what is traced first (--traces keeps it). Prints survivors, with the reason
where perf/mutants_known.py gives one; exit status 1 where one survives without. With --out every result is
written at once, and a later call goes on where that file ends. POSIX only.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import random
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from perf.mutants_known import REASONS
from perf.mutants_meeting import OWN, matching, meeting, speaking
from perf.mutants_places import SCOPE, Mutant, generated, known
from perf.mutants_trying import LIMIT, Trace, Traces, Verdict, prepare, trace_file, try_mutant, try_tests

ROOT = Path(__file__).resolve().parents[1]


class Kept:
    """Results by the mutant's key, and the file that holds them."""

    def __init__(self, file: Path | None, asked: dict[str, object]) -> None:
        """Read what an earlier call with the same arguments has written.

        Raises:
            SystemExit: the file answers other arguments.
        """
        self.file, self.asked, self.verdicts = file, asked, dict[str, Verdict]()
        if file is not None and file.exists():
            found = json.loads(file.read_text("utf-8"))
            if {name: found[name] for name in asked} != asked:
                sys.exit(f"{file} holds another sample: remove it or name another file.")
            self.verdicts = {
                one["mutant"]: Verdict(one["killed"], one["by"], one["tests"]) for one in found["mutants"]
            }

    def put(self, key: str, verdict: Verdict) -> None:
        """Add one result."""
        self.verdicts[key] = verdict
        if self.file is None:
            return
        rows = [
            {"mutant": one, **verdict._asdict(), **({} if verdict.killed else {"why": REASONS.get(one, "")})}
            for one, verdict in sorted(self.verdicts.items())
        ]
        killed = sum(one.killed for one in self.verdicts.values())
        made_with = {"python": platform.python_version(), "torch": version("torch")}
        figures = {**self.asked, "tried": len(rows), "killed": killed, "made with": made_with}
        self.file.write_text(json.dumps({**figures, "mutants": rows}, indent=1) + "\n", "utf-8")


@contextmanager
def workers(root: Path, count: int) -> Iterator[ProcessPoolExecutor]:
    """Processes with torch loaded, each with a copy of the repository."""
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(count, context, prepare, (root, Path(place))) as pool:
            try:
                yield pool
            finally:
                pool.shutdown(cancel_futures=True)


def traced(pool: ProcessPoolExecutor, root: Path, traces: Traces) -> dict[str, Trace]:
    """What every unit test calls."""
    names = [name for name in matching(root, ["unit/test_*.py"]) if not name.endswith(OWN)]
    for gone in traces.files.keys() - set(names):
        del traces.files[gone]
    work = {pool.submit(trace_file, name): name for name in names if not traces.fresh(root, name)}
    for done in as_completed(work):
        traces.put(root, work[done], done.result())
    tests = traces.tests()
    print(f"{len(tests)} tests of {len(names)} files pass and are of use", flush=True)
    return tests


def sound(pool: ProcessPoolExecutor, kept: Kept) -> None:
    """See that the tests that noticed something pass where nothing is broken.

    Raises:
        SystemExit: they do not.
    """
    noticed = sorted({one.by.partition("[")[0] for one in kept.verdicts.values() if one.killed})
    names = [name for name in noticed if "::" in name]
    ended = pool.submit(try_tests, names).result() if names else None
    if ended is not None and ended.status:
        sys.exit(f"{ended.failed} fails without any mutant: nothing can be told of what it has noticed.")


def _given(root: Path, tests: tuple[str, ...]) -> list[str]:
    """The test files, or tests in them, that a mutant of the list names."""
    names = []
    for one in tests:
        pattern, _, test = one.partition("::")
        names += [f"{file}::{test}" if test else file for file in matching(root, [pattern])]
    return list(dict.fromkeys(names))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("which", choices=("known", "sample", "again"))
    parser.add_argument("--n", type=int, default=200, help="sample: how many (default 200)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (default 0)")
    parser.add_argument("--only", help="files whose path begins so, or so (by commas)")
    parser.add_argument("--skip", default="", help="leave these out for now, drawn or not (paths by commas)")
    parser.add_argument("--out", type=Path, help="results so far and from now on (JSON)")
    parser.add_argument("--traces", type=Path, help="what the tests call, so far and from now on (JSON)")
    parser.add_argument(
        "--seconds",
        type=float,
        default=60,
        help="computing seconds of tests that a mutant meets (default 60)",
    )
    parser.add_argument(
        "--spoken",
        action="store_true",
        help="no trace: the files whose text names the function or module, and those of TESTS",
    )
    cores = os.cpu_count() or 1
    parser.add_argument("--workers", type=int, default=cores, help=f"processes (default {cores})")
    parser.add_argument("--root", type=Path, default=ROOT, help="a repository (default this one)")
    parser.add_argument("--list", action="store_true", help="show the mutants, try none")
    options = parser.parse_args()
    if options.which == "again":
        if options.out is None or not options.out.exists():
            parser.error("again needs --out with the results of a sample.")
        options.__dict__ |= {
            name: json.loads(options.out.read_text("utf-8"))[name] for name in ("n", "seed", "only")
        }
    return options


def drawn(root: Path, which: str, n: int, seed: int, only: str) -> list[Mutant]:
    """The mutants that are asked for."""
    begins = tuple(only.split(","))
    if which == "known":
        return [one for one in known(root) if one.file.startswith(begins)]
    files = sorted(path.relative_to(root).as_posix() for path in (root / "pruneattr_core").rglob("*.py"))
    mutants = [one for file in files if file.startswith(begins) for one in generated(root, file)]
    return random.Random(seed).sample(mutants, min(n, len(mutants)))


def main() -> int:
    """Try mutants, report the survivors."""
    options = arguments()
    root, which = options.root.resolve(), options.which
    only = options.only or ("" if which == "known" else SCOPE)
    kept = Kept(options.out, {"n": options.n, "seed": options.seed, "only": only})
    if which == "again":
        alive = {key for key, verdict in kept.verdicts.items() if not verdict.killed} - REASONS.keys()
        files = sorted({key.partition("::")[0] for key in alive})
        mutants = [one for file in files for one in generated(root, file) if one.key in alive]
    else:
        mutants = drawn(root, which, options.n, options.seed, only)
        mutants = [one for one in mutants if one.key not in kept.verdicts]
    if options.skip:
        mutants = [one for one in mutants if not one.file.startswith(tuple(options.skip.split(",")))]
    if options.list:
        print(*(f"{one.key}   [{' '.join(one.tests)}]" for one in mutants), sep="\n")
        return 0
    with workers(root, options.workers) as pool:
        if which == "known":
            plans = [[([name], LIMIT) for name in _given(root, one.tests)] for one in mutants]
        elif options.spoken:
            plans = [[(speaking(root, one), options.seconds)] for one in mutants]
        else:
            tests = traced(pool, root, Traces(options.traces))
            plans = [meeting(one, tests, matching(root, one.tests), options.seconds) for one in mutants]
        work: dict[Future[Verdict], Mutant] = {
            pool.submit(try_mutant, one, plan): one for one, plan in zip(mutants, plans, strict=True)
        }
        for number, done in enumerate(as_completed(work), 1):
            verdict, key = done.result(), work[done].key
            kept.put(key, verdict)
            said = f"killed   {key}   by {verdict.by}" if verdict.killed else f"SURVIVED {key}"
            print(f"{number} of {len(mutants)} {said}", flush=True)
        sound(pool, kept)
    alive = sorted(key for key, verdict in kept.verdicts.items() if not verdict.killed)
    print(f"{len(kept.verdicts) - len(alive)} of {len(kept.verdicts)} killed")
    for key in alive:
        print(f"survivor: {key}: {REASONS.get(key) or 'no reason is known'}")
    return int(any(not REASONS.get(key) for key in alive))


if __name__ == "__main__":
    sys.exit(main())
