"""Commands that the texts show are run: here one of each kind, all of them by `python -m perf.documented`."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from perf.documented import belongings
from perf.documented_shown import ELSEWHERE, SERVING, STOPPED, Command, elsewhere, shown, smallest
from pruneattr_core import cli

COMMANDS = shown()
ROOT = Path(__file__).resolve().parents[2]
#: Kind of command -> further words, so that it takes seconds: a small network, few methods, no second build.
QUICK = {
    "explain": "--beside edges",
    "sweep": "--model resnet8-cifar10",
    "compare": "--model resnet8-cifar10",
    "accuracy": "--model scenes-net --data scenes",
    "bench all": "--model scenes-net --data scenes --methods random",
    "bench roar": "--model resnet8-cifar10 --data cifar10 --fractions 0.5 --methods random",
    "bench fidelity": "--methods random",
    "bench circuits": "--methods taylor-zero",
    "bench quantus": "--metrics complexity --methods random",
    "bench calibrate": "--methods taylor",
    **dict.fromkeys(("bench pixels", "bench sanity", "bench localise", "bench logits", "bench quality"),
                    "--model scenes-net --data scenes --methods prunegrad random"),
    "gallery": "--no-browser",
    "linearity": "--model own.py:build",
    "paths": "--model resnet8-cifar10",
}  # fmt: skip


def kind(words: list[str]) -> str:
    below = {"bench", "compress", "runs", "paths"}
    return " ".join(words[: 2 if words[0] in below and not words[1].startswith("-") else 1])


def kinds() -> dict[str, Command]:
    """One command of each kind; of several one that is said wholly, and needs no other before it."""
    found: dict[str, Command] = {}
    for command in sorted(COMMANDS, key=lambda one: (not one.whole, "my-runs/pixels" in one.words)):
        if command.ours:
            full = Command(command.file, tuple(smallest(command)), True).ours
            found.setdefault(kind(full or []), command)
    return found


KINDS = kinds()
#: `tests/whole/test_package.py` serves the app; what has no small size is begun by `perf.documented` alone.
QUICK_ONES = [name for name in KINDS if name not in (*SERVING, *STOPPED)]


def test_every_command_can_be_made_small_or_says_where_it_is_run() -> None:
    assert len(COMMANDS) > 150
    assert {command.file for command in COMMANDS} >= {
        "README.md", "llms.txt", "SECURITY.md", "docs/first-steps.md", "assets/runs/bench/README.md",
        "docs/notebooks/your-own.ipynb", "perf/soak.py", "mkdocs.yml", "CONTRIBUTING.md",
    }  # fmt: skip
    tables = {*ELSEWHERE, *SERVING, *STOPPED}
    for command in COMMANDS:
        words = smallest(command)
        assert words, command
        ours = command.ours is not None
        assert ours or command.words[0] in tables or (ROOT / _script(command.plain)).exists(), command
    said = {table for table in tables if any(f"{one.begins} ".startswith(f"{table} ") or table in one.words
                                             for one in COMMANDS)}  # fmt: skip
    assert said == tables, "something stands in a table that no text shows"


def _script(plain: list[str]) -> str:
    """The file that a command of Python's runs."""
    if plain[0].startswith(".venv/") or plain[1] == "-c" or plain[1:3] == ["-m", "mkdocs"]:
        return "."
    return f"{plain[2].replace('.', '/')}.py" if plain[1] == "-m" else plain[1]


def test_no_part_of_the_command_line_goes_unmentioned() -> None:
    """A command that no text shows would be run by nobody here."""
    assert {name.split()[0] for name in KINDS} == {*cli.COMMANDS}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the texts take to be there."""
    folder = tmp_path_factory.mktemp("desk")
    belongings(folder)
    runs = Path("assets/runs/bench")
    shutil.copytree(ROOT / runs / "scenes-calibrate", folder / runs / "scenes-calibrate")
    shutil.copyfile(ROOT / runs / "README.md", folder / runs / "README.md")
    return folder


@pytest.mark.parametrize("name", QUICK_ONES)
def test_a_command_of_each_kind_does_what_stands_there(
    name: str, desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = KINDS[name]
    words = [*smallest(command), *shlex.split(QUICK.get(name, ""))]
    if name.startswith("bench "):  # the texts name one folder for several
        words += ["--out", name.replace(" ", "-")]
    words = [word.replace("a-result", name.replace(" ", "-")) for word in words]
    quick = Command(command.file, tuple(words), command.whole)
    if why := elsewhere(quick):
        pytest.skip(why)
    monkeypatch.chdir(desk)
    assert cli.main(quick.ours) == 0, capsys.readouterr().err
