"""Runs tests on broken code: a copy of the repository for each worker, tests in forked processes with limits.

Which tests meet a mutant follows from a trace: which functions of the package each test calls. POSIX only.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import pytest

from perf.mutants_places import Mutant

PACKAGE = "pruneattr_core"
#: Computing seconds that any call of pytest may take, besides what is expected; waiting for each of them.
START, WAIT = 60, 6
#: Computing seconds for a whole test file without a mutant.
LIMIT = 600
#: What most tests import besides torch; each of their processes has it from the start.
_LOADED = (
    *("scipy.stats", "torchvision", "captum.attr", "zennit.composites", "sklearn.cluster", "torch_pruning"),
    *("skimage.segmentation", "matplotlib.pyplot"),
)
#: Pytest's status where it was told to stop, and where it does not know a test.
_STOPPED, _NAMES = 2, 4


class Ended(NamedTuple):
    """How a call of pytest ended: its exit status (negative: killed), and the test that failed first."""

    status: int
    failed: str


class Verdict(NamedTuple):
    """What became of a mutant: whether it was noticed, by which test, how many tests met it at most."""

    killed: bool
    by: str
    tests: int


class Trace(NamedTuple):
    """One test function (all its parameters): computing seconds, and `file::function` of what it calls."""

    seconds: float
    calls: frozenset[str]


class Watcher:
    """A plugin of pytest: writes down the first failure and, where asked, what each test calls."""

    def __init__(self, root: Path, report: Path, traced: bool, budget: float) -> None:
        self.package = str(root / PACKAGE) + os.sep
        self.cut = len(str(root)) + 1
        self.report, self.traced, self.budget, self.ends = report, traced, budget, float("inf")
        self.failed = ""
        self.useless: set[str] = set()
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, set[str]] = defaultdict(set)

    def pytest_addoption(self, parser: pytest.Parser) -> None:
        """The settings name the time limit of a plugin that need not be there."""
        if importlib.util.find_spec("pytest_timeout") is None:
            parser.addini("timeout", "not used")

    def pytest_configure(self, config: pytest.Config) -> None:
        """Its marker likewise."""
        config.addinivalue_line("markers", "timeout(seconds): a test's limit")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> object:
        """Time a test; note its calls. Where too much time is gone it is the last one."""
        if self.ends == float("inf"):  # imports are over
            self.ends = time.process_time() + self.budget
        if time.process_time() > self.ends:
            item.session.shouldstop = "out of time"
        name = item.nodeid.partition("[")[0]
        begin = sum(os.times()[:4])
        if self.traced:
            codes = set()

            def called(frame: FrameType, event: str, _: object) -> None:
                if frame.f_code.co_filename.startswith(self.package):
                    codes.add(frame.f_code)

            threading.settrace(called)
            sys.settrace(called)
        try:
            return (yield)
        finally:
            if self.traced:
                sys.settrace(None)
                threading.settrace(None)  # type: ignore[arg-type]
                self.calls[name] |= {
                    f"{code.co_filename[self.cut :]}::{_plain(code.co_qualname)}" for code in codes
                }
            self.seconds[name] += sum(os.times()[:4]) - begin

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what failed."""
        if not report.passed:
            self.useless.add(report.nodeid.partition("[")[0])
        if report.failed and not self.failed:
            self.failed = report.nodeid
            self.report.write_text(json.dumps({"failed": self.failed}), "utf-8")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be imported is noticed as well."""
        if report.failed and not self.failed:
            self.failed = report.nodeid
            self.report.write_text(json.dumps({"failed": self.failed}), "utf-8")

    def pytest_sessionfinish(self) -> None:
        """Write the traces of what passed."""
        if self.traced:
            good = {
                name: [seconds, sorted(self.calls[name])]
                for name, seconds in self.seconds.items()
                if name not in self.useless
            }
            self.report.write_text(json.dumps({"failed": self.failed, "traces": good}), "utf-8")


def _plain(qualified: str) -> str:
    """`Class.f.<locals>.g.<locals>.<lambda>` as "Class.f.g"."""
    return ".".join(part for part in qualified.split(".") if not part.startswith("<")) or "module"


class Scratch:
    """A copy of the repository's files in which mutants are tried."""

    def __init__(self, repository: Path, place: Path) -> None:
        self.root, self.place = place / "repository", place
        for name in _files(repository):
            if (repository / name).is_file():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(repository / name, self.root / name)
        if (repository.parent / "shared").is_dir():
            (place / "shared").symlink_to((repository.parent / "shared").resolve())

    def noticed(self, mutant: Mutant, chunks: Iterable[tuple[Sequence[str], float]]) -> Verdict:
        """Whether a test fails, or hangs, with this mutant: chunks of tests, and seconds for them."""
        file = self.root / mutant.file
        text = file.read_text("utf-8")
        end, met = mutant.start + len(mutant.old), 0
        file.write_text(text[: mutant.start] + mutant.new + text[end:], "utf-8")
        try:
            for names, seconds in chunks:
                met += len(names)
                ended = self.run(names, 2 * START + 3 * seconds, budget=START + 3 * seconds)
                if ended.status == _NAMES:  # a mutant of a test's parameters may take the test's name away
                    ended = self.run(sorted({name.partition("::")[0] for name in names}), LIMIT)
                if ended.status == _STOPPED and not ended.failed:
                    break
                if ended.status not in (0, 5):
                    return Verdict(True, ended.failed or f"status {ended.status}", met)
        finally:
            file.write_text(text, "utf-8")
        return Verdict(False, "", met)

    def traced(self, name: str) -> dict[str, Trace]:
        """What each test of a file calls; tests that fail or skip without any mutant are left out."""
        self.run([name], LIMIT, traced=True)
        found = self._report().get("traces", {})
        return {name: Trace(seconds, frozenset(calls)) for name, (seconds, calls) in found.items()}

    def run(self, names: Sequence[str], limit: float, traced: bool = False, budget: float = LIMIT) -> Ended:
        """Pytest, seen from the copy's root.

        No test begins after `budget` seconds of computing, and none goes on after `limit`.
        """
        (self.place / "report").unlink(missing_ok=True)
        process = os.fork()
        if process == 0:
            self._child(list(names), int(limit), traced, budget)
        ends, status = time.monotonic() + WAIT * limit, None
        while status is None and time.monotonic() < ends:
            done, waited = os.waitpid(process, os.WNOHANG)
            status = os.waitstatus_to_exitcode(waited) if done else None
            time.sleep(0.02)
        if status is None:
            os.killpg(process, 9)
            os.waitpid(process, 0)
            status = -1
        return Ended(status, self._report().get("failed", ""))

    def _report(self) -> dict[str, object]:
        file = self.place / "report"
        return json.loads(file.read_text("utf-8")) if file.exists() else {}

    def _child(self, names: list[str], limit: int, traced: bool, budget: float) -> None:
        status = 70
        try:
            os.setsid()
            quiet = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(quiet, stream)
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
            os.environ |= {
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONPATH": str(self.root),
            }
            os.chdir(self.root)
            sys.dont_write_bytecode = True
            sys.path[:] = [str(self.root), *(path for path in sys.path if path != str(self.root))]
            for name in [one for one in sys.modules if one.partition(".")[0] in (PACKAGE, "perf")]:
                del sys.modules[name]
            importlib.invalidate_caches()
            if importlib.util.find_spec("hypothesis") is not None:
                from hypothesis import settings

                settings.register_profile("mutants", deadline=None, derandomize=True, database=None)
                settings.load_profile("mutants")
            plugins = ["-p", "no:cacheprovider"]
            if importlib.util.find_spec("pytest_timeout") is not None:
                plugins += ["-p", "pytest_timeout"]
            watcher = Watcher(self.root, self.place / "report", traced, budget)
            status = int(pytest.main([*([] if traced else ["-x"]), "-q", *plugins, *names], [watcher]))
        finally:
            os._exit(status)


def _files(repository: Path) -> list[str]:
    """Names of what belongs to a repository, with git or without."""
    if (repository / ".git").exists() and shutil.which("git"):
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"],
            cwd=repository,
            capture_output=True,
            text=True,
            check=True,
        )
        return listed.stdout.splitlines()
    names = (path.relative_to(repository) for path in repository.rglob("*"))
    hidden = ("__pycache__", ".venv", ".git", "node_modules", "shared")
    return [name.as_posix() for name in names if not set(name.parts) & set(hidden)]


class Traces:
    """What the tests call, kept in a file: a test file that has not changed is not traced again."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self.functions: list[str] = []
        self.files: dict[str, dict[str, object]] = {}
        if file is not None and file.exists():
            kept = json.loads(file.read_text("utf-8"))
            self.functions, self.files = kept["functions"], kept["files"]
        self.numbers = {name: number for number, name in enumerate(self.functions)}

    def fresh(self, root: Path, name: str) -> bool:
        """Whether this test file, as it is, has been traced."""
        return name in self.files and self.files[name]["sha256"] == _digest(root / name)

    def put(self, root: Path, name: str, found: dict[str, Trace]) -> None:
        """Add a test file."""
        tests: dict[str, object] = {}
        for test, (seconds, calls) in found.items():
            for call in calls - self.numbers.keys():
                self.numbers[call] = len(self.functions)
                self.functions.append(call)
            tests[test] = [round(seconds, 3), sorted(self.numbers[call] for call in calls)]
        self.files[name] = {"sha256": _digest(root / name), "tests": tests}
        if self.file is not None:
            draft = self.file.with_suffix(".draft")
            draft.write_text(json.dumps({"functions": self.functions, "files": self.files}), "utf-8")
            draft.replace(self.file)

    def tests(self) -> dict[str, Trace]:
        """Every test with what it calls."""
        return {
            test: Trace(seconds, frozenset(self.functions[one] for one in calls))
            for file in self.files.values()
            for test, (seconds, calls) in file["tests"].items()  # type: ignore[attr-defined]
        }


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


class _Worker:
    """This process's copy; made at its first use."""

    scratch: Scratch | None = None


def prepare(repository: Path, place: Path) -> None:
    """Give this process its copy, in a folder of its own below `place`."""
    import torch

    torch.set_num_threads(1)
    for name in _LOADED:
        with suppress(ImportError):
            importlib.import_module(name)
    _Worker.scratch = Scratch(repository, Path(tempfile.mkdtemp(dir=place)))


def scratch() -> Scratch:
    """This process's copy.

    Raises:
        RuntimeError: `prepare` was not called.
    """
    if _Worker.scratch is None:
        raise RuntimeError("No copy of the repository: call prepare first.")
    return _Worker.scratch


def try_mutant(mutant: Mutant, chunks: list[tuple[list[str], float]]) -> Verdict:
    """In a worker: see whether a mutant is noticed."""
    return scratch().noticed(mutant, chunks)


def try_tests(names: Sequence[str]) -> Ended:
    """In a worker: run test files without any mutant."""
    return scratch().run(names, LIMIT)


def trace_file(name: str) -> dict[str, Trace]:
    """In a worker: see what the tests of a file call."""
    return scratch().traced(name)
