"""The line that `explain` ends with: a probability, and of which network it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pruneattr_core import cli
from pruneattr_core.attribution import METHODS
from pruneattr_core.commands import explain
from pruneattr_core.datasets import load_dataset
from pruneattr_core.errors import InputError
from pruneattr_core.show import explain_view


@pytest.mark.parametrize(("dial", "removed"), [("0", "0 %"), ("all:0.3", "0 %"), ("0.95", "95 %")])
def test_the_probability_said_is_that_of_the_network_pruned_so_far(
    dial: str, removed: str, tmp_path: Path, capsys: Any
) -> None:
    """It was said of the network, and was another at every place of the dial."""
    photo, out = tmp_path / "one.png", tmp_path / "one.json"
    load_dataset("scenes")[0].image.save(photo)
    asked = ["--model", "scenes-net", "--beside", "none", "--dial", dial, "--out", str(out)]
    assert cli.main(["explain", str(photo), *asked]) == 0
    said, probability = capsys.readouterr().out, json.loads(out.read_text("utf-8"))["probability"]
    assert f"probability {probability:.3f} with {removed} of the contributing neurons removed" in said
    assert ("removed: still the plain gradient" in said) == (removed == "0 %")


def test_a_group_of_one_class_is_that_class(tmp_path: Path, capsys: Any) -> None:
    photo, out = tmp_path / "one.png", tmp_path / "one.json"
    load_dataset("scenes")[0].image.save(photo)
    asked = ["--model", "scenes-net", "--beside", "none", "--target", "1,1", "--out", str(out)]
    assert cli.main(["explain", str(photo), *asked]) == 0
    assert "the mean of" not in capsys.readouterr().out
    told = json.loads(out.read_text("utf-8"))
    assert (told["target"], told["target_name"]) == (1, "triangle")


def test_it_is_said_which_method_is_at_work(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    """Integrated Gradients took half of the time, under "34 of 35 maps" and no name."""
    told: list[str] = []
    monkeypatch.setattr(explain.Progress, "__call__", lambda self, done, total, what="": told.append(what))
    photo = tmp_path / "one.png"
    load_dataset("scenes")[0].image.save(photo)
    asked = ["--model", "scenes-net", "--beside", "saliency", "random", "--out", str(tmp_path / "one.json")]
    assert cli.main(["explain", str(photo), *asked]) == 0
    own, *others = dict.fromkeys(told)
    titles = [METHODS[name].title for name in ("saliency", "random")]
    assert own == METHODS["prunegrad"].title
    assert [name for name in others if name in titles] == titles
    assert told[-1] == ""


@pytest.mark.parametrize("new", ["some/new", ""])
def test_a_folder_that_is_made_for_a_file_is_said(new: str, tmp_path: Path, capsys: Any) -> None:
    """A slip of the pen in a path made folders in silence, and the file was looked for elsewhere."""
    photo, out = tmp_path / "one.png", tmp_path / new / "one.json"
    load_dataset("scenes")[0].image.save(photo)
    asked = ["--model", "scenes-net", "--beside", "none", "--json", "--out", str(out)]
    for made in (bool(new), False):
        assert cli.main(["explain", str(photo), *asked]) == 0
        said = capsys.readouterr()
        assert (f"Made the folder {out.parent}, which was not there." in said.err) == made
        json.loads(said.out)


def test_a_folder_is_said_of_every_command_that_writes_a_file(tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "new" / "pictures.npy"
    assert (
        cli.main(["data", "--data", "scenes", "--model", "scenes-net", "--n", "1", "--save", str(out)]) == 0
    )
    assert f"Made the folder {out.parent}" in capsys.readouterr().err
    assert (
        cli.main(["data", "--data", "scenes", "--model", "none", "--save", str(tmp_path / "no" / "x.npy")])
        == 1
    )
    assert "Made the folder" not in capsys.readouterr().err


def test_a_method_that_is_none_is_refused_before_anything_is_computed() -> None:
    told: list[int] = []
    with pytest.raises(InputError, match="nope"):
        explain_view(
            "scenes-net", load_dataset("scenes")[0].image, beside=["edges", "nope"],
            progress=lambda done, *_: told.append(done),
        )  # fmt: skip
    assert told == []
