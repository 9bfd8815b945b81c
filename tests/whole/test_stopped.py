"""Long commands that are asked to end say what is kept, end their workers, and go on to the same bits."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pruneattr_core import cli

ROOT = Path(__file__).resolve().parents[2]
SOURCE = "--model scenes-net --data scenes --threads 1"
#: Command -> what it keeps while it works, below the folder it works in.
LONG = {
    f"bench pixels {SOURCE} --n 3 --chunk 1 --methods prunegrad random --out run": "run.partial",
    f"paths {SOURCE} --n 3 --n-dgr 0 --methods taylor greedy random --cache cells --out run": "cells",
    f"circuit {SOURCE} --n 3 --out run": "run.partial",
}


def started(line: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pruneattr_core", *line.split()], cwd=folder, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def finished(line: str, folder: Path) -> dict[str, bytes]:
    """The values of a run that nobody stops any more, in this process: another one imports for seconds."""
    with contextlib.chdir(folder):
        assert cli.main(line.split()) == 0
    return content(folder / "run")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, bytes]]:
    """What a command gives that nobody has stopped, once a command."""
    return functools.cache(lambda line: finished(line, tmp_path_factory.mktemp("whole")))


def content(run: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in run.iterdir() if file.name.startswith("values")}


def below(process: int) -> list[str]:
    """Processes of Linux that a process has begun, and theirs."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = file.read_text().rpartition(")")[2].split()[1]
        except OSError:  # it has ended
            continue
        if parent == str(process):
            found += [file.parent.name, *below(int(file.parent.name))]
    return found


def works(process: str) -> bool:
    """Whether a process is there and has not ended: who has ended may wait for being asked about it."""
    try:
        return Path("/proc", process, "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are looked up in /proc")
@pytest.mark.parametrize("workers", ["", " --workers 2"], ids=["alone", "two workers"])
@pytest.mark.parametrize("line", LONG, ids=lambda line: line.split()[0])
def test_sigterm_is_answered_as_ctrl_c_and_loses_nothing(
    line: str, workers: str, tmp_path: Path, whole: Callable[[str], dict[str, bytes]]
) -> None:
    with started(line + workers, tmp_path) as process:
        end = time.monotonic() + 120
        while process.poll() is None and not list((tmp_path / LONG[line]).rglob("*.cell")):
            assert time.monotonic() < end
            time.sleep(0.01)
        children = below(process.pid)
        process.send_signal(signal.SIGTERM)
        told = process.communicate(timeout=30)[1]
    assert process.returncode == 143, told
    last = told.strip().splitlines()[-1]
    assert last.startswith("stopped. ")
    assert last.endswith(f"kept in {LONG[line]}. The same command goes on there.")
    assert "Traceback" not in told
    end = time.monotonic() + 10
    while left := [child for child in children if works(child)]:
        assert time.monotonic() < end, left
        time.sleep(0.1)
    cells = list((tmp_path / LONG[line]).rglob("*.cell"))
    assert cells
    assert finished(line + workers, tmp_path) == whole(line) != {}


#: A command that is sent one signal, then the other; a terminal's or nohup's own answers are taken off first.
STOPPED = """
import importlib, os, signal, sys, time
from pruneattr_core import cli
both = signal.SIGTERM, signal.SIGHUP
for one in both:
    signal.signal(one, signal.SIG_DFL)
place, _, name = sys.argv[1].rpartition(".")
for number in both:
    def ended(*_, **__):
        os.kill(os.getpid(), number)
        time.sleep(5)
        sys.exit("nothing was stopped")
    setattr(importlib.import_module(place), name, ended)
    status = cli.main(sys.argv[2:])
    assert status == 128 + number, (status, number)
    assert all(signal.getsignal(one) is signal.SIG_DFL for one in both)
"""


@pytest.mark.parametrize(
    ("line", "inside"),
    [
        ("train scenes-net --cache CACHE --out OUT", "pruneattr_core.commands.train.use_threads"),
        (
            "compress distil --teacher scenes-vgg --count 8 --cache CACHE --out OUT",
            "pruneattr_core.commands.compress.use_threads",
        ),
        (
            "calibrate --model scenes-net --data scenes --out OUT/a.json",
            "pruneattr_core.commands.calibrate.network_of",
        ),
    ],
)
def test_every_signal_that_ends_is_answered_once(line, inside, tmp_path):
    words = line.replace("CACHE", str(tmp_path / "cache")).replace("OUT", str(tmp_path / "out")).split()
    # In a process of its own: one that runs tests answers signals in its own way.
    done = subprocess.run(
        [sys.executable, "-c", STOPPED, inside, *words], capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    kept = "Nothing of it is kept." if line.startswith("calibrate") else "The same command goes on there."
    said = [text for text in done.stderr.splitlines() if text.startswith("stopped. ")]
    assert len(said) == 2, done.stderr
    assert all(text.endswith(kept) for text in said)


def test_what_nohup_has_set_stays(monkeypatch):
    asked: list[object] = []
    monkeypatch.setattr(cli, "_main", lambda argv: asked.append(signal.getsignal(signal.SIGHUP)) or 0)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert cli.main([]) == 0
    finally:
        signal.signal(signal.SIGHUP, before)
    assert asked == [signal.SIG_IGN]
