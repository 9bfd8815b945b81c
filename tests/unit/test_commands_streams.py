"""The command line's own usage, a full output, and a reader who has gone."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from pruneattr_core import cli
from pruneattr_core.commands.progress import Progress

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = [
    *(f"bench {name}" for name in ("calibrate", "pixels", "all")),
    *(f"compress {name}" for name in ("zoo", "table", "distil --teacher t")),
    *("models", "doctor", "data", "circuit --model m --data d", "explain a.png --out b.html"),
]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_wrong_option_shows_the_usage_of_its_own_command(line: str, capsys) -> None:
    words = line.split()
    more = ["--model", "m", "--data", "d", "--out", "o"] if words[0] == "bench" else []
    with pytest.raises(SystemExit) as stopped:
        cli.main([*words, *more, "--no-such-option", "value"])
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    named = " ".join(words[: 2 if words[0] in ("bench", "compress") else 1])
    assert said.startswith(f"usage: python -m pruneattr_core {named} [-h]")
    assert said.splitlines()[-1].endswith(f"{named}: error: unrecognized arguments: --no-such-option value")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is always full")
@pytest.mark.parametrize("line", ["models", "--help", "bench pixels --help", "--version", "doctor --json"])
def test_a_full_output_is_named(line: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pruneattr_core", *line.split()], cwd=ROOT, stdout=full,
            stderr=subprocess.PIPE, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "error: the standard output: No space left on device.\n")


@pytest.mark.parametrize("line", ["reproduce --json", "models --json", "bench pixels --help"])
def test_nobody_is_told_that_he_has_gone(line: str) -> None:
    asked = [sys.executable, "-m", "pruneattr_core", *line.split()]
    with subprocess.Popen(asked, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("out", [io.StringIO, Terminal])
def test_what_is_over_at_once_is_told_once(out: type[io.StringIO]) -> None:
    tell = Progress("maps", written := out())
    tell(3, 3)
    tell(3, 3)
    assert written.getvalue().count("\n") == 1
    assert written.getvalue().endswith("\n")


def test_another_line_does_not_stand_behind_a_bar() -> None:
    for written, cleared in ((Terminal(), True), (io.StringIO(), False)):
        tell = Progress("steps", written)
        tell.clear()
        tell(1, 9)
        before = written.getvalue()
        tell.clear()
        assert (written.getvalue() != before) == cleared
        assert written.getvalue().endswith("\r") == cleared
