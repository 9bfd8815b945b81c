"""Every command that a text shows, run at its smallest size: does it do what stands there?

    python -m perf.documented                      all of them, a line each
    python -m perf.documented "bench pixels"       those that hold these words, or whose text is called so
    python -m perf.documented --list               what would be run, and what not and why

Texts: README, CONTRIBUTING, SECURITY, llms.txt, docs/ with its notebooks, the READMEs of runs, and what the
scripts of perf/ and docs/ say of themselves. Each command runs in a copy of the repository as it is written,
but for what `SMALL` makes small and `STAND_INS` puts in the place of a word that stands for the reader's own.
What only serves is asked whether it is well and stopped; a training that has no small size is stopped by
Ctrl-C, and must say what is kept. Exit status 1 where a command fails or takes longer than --seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import torch
from torchvision.models import get_model

from perf.documented_shown import (
    ROOT,
    SERVING,
    STOPPED,
    Command,
    belongs,
    elsewhere,
    is_setting,
    shown,
    smallest,
)
from pruneattr_core.assets import ASSETS
from pruneattr_core.datasets import load_dataset
from tests.browser.serving import answering_sigterm, free_port

_PATIENCE = 120.0


def prepared(folder: Path) -> Path:
    """A copy of the repository, and beside it a folder `desk` of a reader's."""
    copy = folder / "repository"
    asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(asked, cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, copy / name)
    for place, link in ((ROOT / ".venv", copy / ".venv"), (ROOT.parent / "shared", folder / "shared")):
        if place.exists():
            link.symlink_to(place.resolve())
    desk = folder / "desk"
    desk.mkdir()
    (desk / "assets").symlink_to(copy / "assets")
    (desk / "perf").symlink_to(copy / "perf")
    belongings(desk)
    return copy


def belongings(folder: Path) -> None:
    """What `STAND_INS` and the texts take to be there: a photograph, code, weights, a lesson, pictures."""
    load_dataset("scenes")[3].image.save(folder / "photo.jpg")
    (folder / "pictures" / "cats").mkdir(parents=True)
    load_dataset("scenes")[4].image.save(folder / "pictures" / "cats" / "one.png")
    layers = "nn.Conv2d(3, 4, 3, stride=8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)"
    code = f"from torch import nn\n\n\ndef build():\n    return nn.Sequential({layers})\n"
    (folder / "own.py").write_text(code)
    (folder / "runs").mkdir()
    network = get_model("mobilenet_v3_small", num_classes=2)
    torch.save({"state_dict": network.state_dict(), "classes": ["cat", "dog"]}, folder / "runs" / "best.pth")
    board = (ROOT / "docs" / "scoreboard.md").read_text("utf-8")
    (folder / "my_method.py").write_text(board.split("```python\n")[1].split("```")[0])
    shutil.copyfile(ASSETS / "lessons" / "en" / "1-local-or-global.md", folder / "a-lesson.md")


def _interrupt(command: subprocess.Popen[bytes]) -> None:
    """As a terminal's Ctrl-C, which all of a command get."""
    with contextlib.suppress(ProcessLookupError):  # it ended by itself
        os.killpg(command.pid, signal.SIGINT)


def tried(command: Command, copy: Path, seconds: float) -> tuple[bool, str]:
    """(whether it did what it should, what is told of it): ours on the reader's desk, others in the copy."""
    folder = copy if command.ours is None else copy.parent / "desk"
    settings, words = {} if command.ours is None else {"PYTHONPATH": str(copy)}, smallest(command)
    while is_setting(words[0]):
        name, _, value = words.pop(0).partition("=")
        settings[name] = value.replace("$PWD", str(folder))
    words = [sys.executable if word in ("python", "python3") else word for word in words]
    if words[0] == "pruneattr":
        words[:1] = [sys.executable, "-m", "pruneattr_core"]
    if "--out" in words:  # of another command
        place = folder / words[words.index("--out") + 1]
        shutil.rmtree(place, ignore_errors=True)
        if place.name.startswith("a-result"):
            place.unlink(missing_ok=True)
    asked = max((begin for begin in SERVING if belongs(command, begin)), key=len, default=None)
    port = free_port()
    if asked:
        words += [word.format(port) for word in SERVING[asked][:-1] if word]
        words = [word for word in words if word != "--server.port=8600"]
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryFile("w+") as log:
        done = subprocess.Popen(words, cwd=folder, env={**kept, **settings}, stdout=log, stderr=log,
                                stdin=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
        try:
            stop = next((after for begin, after in STOPPED.items() if belongs(command, begin)), None)
            if asked:
                right = _well(f"http://localhost:{port}/{SERVING[asked][-1]}", done)
                _interrupt(done)
                done.wait(_PATIENCE)
            elif stop is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    done.wait(stop)
                _interrupt(done)
                right = done.wait(_PATIENCE) == 130
            else:
                right = done.wait(seconds) == 0
        except subprocess.TimeoutExpired:
            right = False
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(done.pid, signal.SIGKILL)
            done.wait()
        log.seek(0)
        last = (log.read().strip().splitlines() or [""])[-1][:160]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return right, f"{used:6.1f} s  {shlex.join(command.words)[:150]}" + (
        "" if right else f"\n         {last}"
    )


def _well(address: str, server: subprocess.Popen[bytes]) -> bool:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=10) as reply:
            return reply.status == 200
        time.sleep(0.3)
    return False


def main() -> int:
    """Exit status: 1 where a command failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("words", nargs="*", help="only commands, or texts, that hold one of these")
    parser.add_argument("--list", action="store_true", help="run nothing")
    parser.add_argument("--seconds", type=float, default=600.0, help="a command may take (default 600)")
    options = parser.parse_args()
    if (weights := ROOT.parent / "shared" / "data" / "torch_home").is_dir():
        os.environ.setdefault("TORCH_HOME", str(weights))
    asked = [
        one
        for one in shown()
        if not options.words or any(w in f"{one.file}: {shlex.join(one.words)}" for w in options.words)
    ]
    counts = {"ok": 0, "FAILED": 0, "skipped": 0}
    with answering_sigterm(), tempfile.TemporaryDirectory() as scratch:
        folder = None if options.list else prepared(Path(scratch))
        for command in asked:
            why = elsewhere(command)
            if why or folder is None:
                verdict, told = (
                    "skipped" if why else "ok",
                    f"{shlex.join(command.words)[:150]}  ({why or shlex.join(smallest(command))})",
                )
            else:
                right, told = tried(command, folder, options.seconds)
                verdict = "ok" if right else "FAILED"
            counts[verdict] += 1
            print(f"{verdict:<8} {command.file}: {told}", flush=True)
    print(", ".join(f"{number} {verdict}" for verdict, number in counts.items()))
    return int(counts["FAILED"] > 0)


if __name__ == "__main__":
    sys.exit(main())
