"""What a stopped command says of what it has left: only what is there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pruneattr_core import cli
from pruneattr_core.runs.cells import Cells

SOURCE = ["--model", "scenes-net", "--data", "scenes"]
METHODS = ["--methods", "random"]
COMMANDS = {
    "bench": (
        ["bench", "pixels", *SOURCE, "--n", "2", "--chunk", "1", *METHODS, "--out", "OUT"],
        "Finished cells are kept in OUT.partial.",
    ),
    "all": (
        ["bench", "all", *SOURCE, "--n", "2", "--chunk", "1", *METHODS, "--out", "OUT"],
        "Finished runs and cells are kept in OUT.",
    ),
    "study": (
        ["paths", *SOURCE, "--n", "2", "--n-dgr", "0", "--cache", "CACHE", "--out", "OUT"],
        "Finished pictures are kept in CACHE.",
    ),
    "one by one": (
        ["paths", "shapley", *SOURCE, "--n", "2", "--orders", "2", "--reference", "1", "--out", "OUT"],
        "Its pictures are kept in OUT.partial.",
    ),
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("after", [0, 1])
def test_only_what_is_there_is_said_to_be_kept(
    name: str, after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words, kept = COMMANDS[name]
    put, done = Cells.put, []

    def stopping(self: Cells, *given: object) -> None:
        if len(done) == after:
            raise KeyboardInterrupt
        done.append(given)
        put(self, *given)  # type: ignore[arg-type]

    def placed(text: str) -> str:
        return text.replace("OUT", str(tmp_path / "out")).replace("CACHE", str(tmp_path / "cache"))

    monkeypatch.setattr(Cells, "put", stopping)
    assert cli.main([placed(word) for word in words]) == 130
    said = capsys.readouterr().err.strip().splitlines()[-1]
    there = f"{placed(kept)} The same command goes on there." if after else "Nothing of it is kept."
    assert said == f"stopped. {there}"


def test_a_gallery_says_so_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopping(done: int, *_: object) -> None:
        if done == 1:
            raise KeyboardInterrupt

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    words = ["gallery", "--n", "2", "--no-browser", "--out", str(tmp_path / "out")]
    monkeypatch.setattr("pruneattr_core.commands.gallery.build_gallery", stopped)
    assert cli.main(words) == 130
    assert capsys.readouterr().err.strip() == "stopped. Nothing of it is kept."
    monkeypatch.undo()
    monkeypatch.setattr("pruneattr_core.commands.gallery.Progress", lambda _: stopping)
    assert cli.main(words) == 130
    said = f"stopped. Finished pages are kept in {tmp_path / 'out'}. The same command goes on there."
    assert capsys.readouterr().err.strip().splitlines()[-1] == said


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        ("models.list_models", ["models"]),
        ("keeping.Progress", ["paths", "shapley", *SOURCE, "--n", "1"]),  # no folder was named
    ],
)
def test_a_command_that_keeps_nothing_says_so(
    inside: str, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"pruneattr_core.commands.{inside}", stopped)
    assert cli.main(words) == 130
    assert capsys.readouterr().err.strip() == "stopped. Nothing of it is kept."


CALIBRATING = "0 of 2 pictures, SceneNet on shape scenes, 00:00"


def test_an_app_that_is_stopped_has_done_what_it_should(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Reviews and downloads are kept; Streamlit itself has said that it stops."""

    class Stopped(subprocess.Popen):
        stopped = False

        def wait(self, timeout: float | None = None) -> int:
            if not self.stopped:
                self.stopped = True
                raise KeyboardInterrupt
            return super().wait(timeout)

    monkeypatch.setattr("subprocess.Popen", Stopped)
    monkeypatch.setattr("sys.executable", "/bin/true")
    assert cli.main(["app"]) == 130
    assert capsys.readouterr().err.strip() == ""


#: A command that takes long -> (its first work, what is said before).
BEGUN = {
    "train scenes-net --out OUT --cache CACHE": ("recipes.scene", "0 of 12000 pictures to learn from, 00:00"),
    "accuracy SOURCE --n 2": ("benchmarks.sources.Opened.inputs", "0 of 2 pictures, 00:00"),
    "paths SOURCE --n 2 --cache CACHE --out OUT": ("commands.paths._cell", "0 of 2 pictures, 00:00"),
    "paths circuit SOURCE --n 2": ("commands.keeping._timed", "0 of 2 pictures, 00:00"),
    "paths nesting SOURCE --n 2": ("benchmarks.sources.Opened.inputs", "0 of 2 pictures, 00:00"),
    "gallery --n 2 --out OUT": ("gallery.browser_page", "0 of 2 pictures, the page in the browser, 00:00"),
    "calibrate SOURCE --n 2": ("commands.calibrate.calibrations", CALIBRATING),
    "compress distil --teacher scenes-vgg --count 2 --batch 2 --out OUT --cache CACHE": (
        "compression.data._Scenes.__getitem__",
        "0 of 2 pictures read, 00:00",
    ),
}


@pytest.mark.parametrize("line", BEGUN)
def test_a_long_command_gives_a_sign_before_its_first_work(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object, **named: object) -> None:
        raise KeyboardInterrupt

    work, said = BEGUN[line]
    monkeypatch.setattr(f"pruneattr_core.{work}", stopped)
    line = line.replace("SOURCE", " ".join(SOURCE)).replace("OUT", str(tmp_path / "out"))
    assert cli.main(line.replace("CACHE", str(tmp_path / "cache")).split()) == 130
    assert said in capsys.readouterr().err.splitlines()
