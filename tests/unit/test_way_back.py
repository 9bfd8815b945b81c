"""A file made without the app brings the app to its view, with its picture; else it does not say so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pruneattr_core import PruneGrad, compare, explain_view, load_model, model_card
from pruneattr_core.cli import main
from pruneattr_core.datasets import load_dataset
from pruneattr_core.errors import InputError
from pruneattr_core.images import decode_image
from pruneattr_core.response import difference, group
from pruneattr_core.share import html
from pruneattr_core.share.html import settings_in
from pruneattr_core.share.live import Live
from pruneattr_core.share.way_back import carried, picture_in
from pruneattr_core.ui.compare.entries import parse_entries
from pruneattr_core.ui.exports import SavedView, read_view
from pruneattr_core.ui.framing import header_of

NAME = "resnet8-cifar10"
BACK = "Drop this file on PruneAttr"


def saved(view: Live) -> SavedView:
    found = read_view("v.html", view.html().encode())
    assert found is not None
    return found


@pytest.mark.parametrize(
    "name", ["scenes-net", NAME, "efficientnet-lite0", "torchvision/resnet50", "torchvision/inception_v3"]
)
def test_a_picture_that_is_carried_is_seen_to_the_last_bit(name: str) -> None:
    card = model_card(name)
    noise = np.random.default_rng(0).integers(0, 256, (333, 500, 3), np.uint8)
    photo = card.display(Image.fromarray(noise))
    again = decode_image(carried(photo, card, "noise").data)
    np.testing.assert_array_equal(card.display(again), photo)


def test_the_command_s_file_holds_the_way_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = load_dataset("scenes")[2].image
    image.save(tmp_path / "a 'b\".png")
    out = tmp_path / "v.html"
    asked = ["explain", str(tmp_path / "a 'b\".png"), "--model", NAME, "--mode", "freeze", "--target", "3"]
    assert main([*asked, "--dial", "all:0.9", "--json", "--out", str(out)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["sparsity"] == pytest.approx(0.9, abs=0.01)
    found = read_view("v.html", out.read_bytes())
    assert found is not None
    assert found.picture is not None
    assert found.page == ""
    wanted = {"model": NAME, "target": "3", "mode": "freeze", "dial": "all", "at": "0.9", "source": "upload"}
    assert wanted.items() <= found.texts.items()
    assert found.texts["upload"] == found.picture.sha256
    assert found.picture.name == "a 'b\".png"
    card = model_card(NAME)
    np.testing.assert_array_equal(card.display(decode_image(found.picture.data)), card.display(image))
    assert BACK in out.read_text("utf-8")


def test_the_dial_of_a_file_stands_where_it_was_asked_to() -> None:
    image = load_dataset("scenes")[2].image
    view = explain_view(NAME, image, output_change=0.3)
    assert header_of(view.payload())["start"] == {"token": 0, "dial": "change", "share": 0.3}
    assert view.sweep.change[view.level] > 0.3 >= view.sweep.change[view.level - 1]
    assert saved(view).texts["dial"] == "change"


@pytest.mark.parametrize("word", ["half", "0.5:all", "change:0", "all:1.5", ":", "change:nan"])
def test_no_place_of_the_dial_is_one_sentence(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["explain", "x.png", "--out", "v.html", "--dial", word])
    assert "--dial: expected " in capsys.readouterr().err


def test_a_comparison_and_a_sweep_find_back_where_the_app_can_ask_for_them() -> None:
    model, card = load_model(NAME), model_card(NAME)
    inputs = torch.cat([card.preprocess(load_dataset("scenes")[i].image) for i in (0, 3)])
    methods = ["prunegrad:sparsity=0.9,mode=freeze", "edges"]
    found = saved(compare(model, inputs[:1], methods, difference(4), card=card, curves=False))
    assert (found.page, found.texts["target"], found.texts["contrast"]) == ("compare", "4", "runner-up")
    entries = ("prunegrad~sparsity=0.9~mode=freeze", "edges")
    assert parse_entries(found.texts["methods"]) == entries
    view = compare(model, inputs, ["edges"], card=card, curves=False)  # an upload stands alone there
    assert BACK not in view.html()
    sweep = PruneGrad(model).sweep(inputs, sparsities=[0, 0.9]).show(card)
    assert BACK not in sweep._repr_mimebundle_()[0]["text/html"]  # it does not say what ranked the neurons


def test_what_the_app_cannot_ask_for_says_nothing_of_a_way_back() -> None:
    image = load_dataset("scenes")[2].image
    for target in (group([1, 2]), difference(1, 2)):
        text = explain_view(NAME, image, target, shares=(0, 0.9)).html()
        assert "view" not in settings_in(text)
        assert BACK not in text


def test_damaged_pictures_are_one_sentence() -> None:
    text = explain_view(NAME, load_dataset("scenes")[2].image, shares=(0, 0.9)).html()
    head, start, rest = text.partition('id="pruneattr-picture" data-name="')
    name, _, rest = rest.partition('">')
    damaged = f'{head}{start}{name}">={rest}'
    with pytest.raises(InputError, match="is damaged"):
        read_view("v.html", damaged.encode())


def test_a_file_that_its_picture_makes_too_large_goes_without(monkeypatch: pytest.MonkeyPatch) -> None:
    view = explain_view(NAME, load_dataset("scenes")[2].image, shares=(0, 0.9))
    whole = len(view.html())
    monkeypatch.setattr(html, "FILE_LIMIT", whole)
    assert len(view.html()) == whole
    monkeypatch.setattr(html, "FILE_LIMIT", whole - 1)
    assert picture_in(view.html()) is None
    assert BACK not in view.html()
