"""A file made without the app brings the app to its view, with its picture; else it does not say so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pruneattr_core import PruneGrad, compare, explain_view, load_model, model_card
from pruneattr_core.cli import main
from pruneattr_core.datasets import load_dataset
from pruneattr_core.errors import ImageError, InputError
from pruneattr_core.images import decode_image
from pruneattr_core.response import Target, asked_of, custom, difference, group, region
from pruneattr_core.share import html
from pruneattr_core.share.entries import parse_entries
from pruneattr_core.share.framing import header_of
from pruneattr_core.share.html import settings_in
from pruneattr_core.share.live import Live
from pruneattr_core.share.way_back import (
    asked_again,
    asked_in_address,
    asked_of_one,
    carried,
    others_in,
    pictures_in,
)
from pruneattr_core.share.words import several
from pruneattr_core.show import sweep_view
from pruneattr_core.ui.exports import SavedView, read_view

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
    (picture,) = found.pictures
    assert found.page == ""
    wanted = {"model": NAME, "target": "3", "mode": "freeze", "dial": "all", "at": "0.9", "source": "upload"}
    assert wanted.items() <= found.texts.items()
    assert found.texts["upload"] == picture.sha256
    assert picture.name == "a 'b\".png"
    card = model_card(NAME)
    np.testing.assert_array_equal(card.display(decode_image(picture.data)), card.display(image))
    text = out.read_text("utf-8")
    assert BACK in text
    assert len(text) < 1_000_000
    for label in ("Gradient (saliency)", "Grad-CAM", "Integrated Gradients"):
        assert f'alt="{label}: ' in text
    rows = {row["method"]: row for row in told["methods_beside"]}
    assert len(rows) == 4
    own = rows.pop("PruneGrad (sparsity 0.9, of all, mode freeze)")
    assert own["passes"] == 2
    assert all(np.isfinite(row["area"]) for row in rows.values())


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
    of_two = compare(model, inputs, ["edges"], group([1, 2]), curves=False)
    assert of_two.answers == ("the mean of class 1, class 2",) * 2
    assert several("abcdefg", range(7)) == "a, b, c and 4 more"
    grid = saved(compare(model, inputs, ["edges"], card=card, titles=["a", "b"], curves=False))
    assert [one.name for one in grid.pictures] == ["a", "b"]
    named = [grid.texts["upload"], grid.texts["uploads"]]
    assert named == [one.sha256 for one in grid.pictures]
    found = saved(sweep_view(PruneGrad(model).sweep(inputs, [4, 2], sparsities=[0, 0.9]), card, image=1))
    assert found.texts["target"] == "2"
    assert found.left_out.startswith(
        "What ranked the neurons"
    )  # the sweep does not say it; nothing else is lost


@pytest.mark.parametrize(
    ("target", "texts"),
    [
        (None, ("-1", "")),
        (3, ("3", "")),
        (difference(), ("-1", "runner-up")),
        (difference(1, 2), ("1", "2")),
        (difference(None, 2), ("-1", "2")),
        (group([4]), ("4", "")),
        (group([4, 1, 4, 2]), ("4", "+1,2")),
    ],
)
def test_what_is_asked_goes_into_an_address_and_comes_back(target: Target, texts: tuple[str, str]) -> None:
    said = asked_in_address(target)
    assert said is not None
    assert (said["target"], said["contrast"]) == texts
    again = asked_again(None if said["target"] == "-1" else int(said["target"]), said["contrast"])
    wanted = group([4, 1, 2]) if texts[1] == "+1,2" else 4 if texts[0] == "4" else target
    first, second = (asked_of(one, 1).response.setting() for one in (again, wanted))
    assert first == second


@pytest.mark.parametrize("text", ["+", "+1,", "1,2", "-3", "+a", "²", "99999999", "+" + "1," * 300 + "2"])
def test_an_address_names_classes_or_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        others_in(text)


@pytest.mark.parametrize(
    ("target", "texts", "says"),
    [
        ([1, 2], ("1", ""), "Only the first picture"),
        ([2, 2], ("2", ""), ""),
        (torch.tensor([1, 2]), ("1", ""), "Only the first picture"),
        (difference([1, 2]), ("1", "runner-up"), "Only the first picture"),
        (difference([1, 2], [3, 4]), ("1", "3"), "Only the first picture"),
        (custom(lambda outputs: outputs[:, 1] * 2, "twice"), ("-1", ""), "a function"),
    ],
)
def test_of_what_the_app_cannot_ask_for_comes_back_what_can_and_the_rest_is_said(
    target: Target, texts: tuple[str, str], says: str
) -> None:
    model, card = load_model(NAME), model_card(NAME)
    inputs = torch.cat([card.preprocess(load_dataset("scenes")[i].image) for i in (0, 3)])
    view = compare(model, inputs, ["edges"], target, card=card, curves=False)
    found = saved(view)
    assert (found.page, found.texts["target"], found.texts["contrast"]) == ("compare", *texts)
    assert says in found.left_out
    assert bool(says) == bool(found.left_out)
    assert len(found.pictures) == (1 if "first picture" in says else 2)
    assert found.texts["upload"] == found.pictures[0].sha256
    assert f"{BACK} to come back to this view. {found.left_out}".strip() in view.html()


def test_regions_more_pictures_and_methods_of_one_s_own_come_back_in_part() -> None:
    model, card = load_model(NAME), model_card(NAME)
    photo = load_dataset("scenes")[2].image
    mask = torch.ones(4, 4, dtype=torch.bool)
    assert asked_of_one(region(mask, 3)) == ({"target": "3", "contrast": ""}, ("region",))
    assert asked_of_one(region(mask), answered=5) == ({"target": "5", "contrast": ""}, ("region",))
    assert asked_of_one(region(mask, [3, 4]), 1) == ({"target": "4", "contrast": ""}, ("region",))
    assert asked_of_one(group(range(300))) == ({"target": "-1", "contrast": ""}, ("target",))
    preview = saved(explain_view(NAME, photo, 1, shares=(0, 0.9), contribution="intgrad_preview"))
    assert (preview.texts["target"], preview.texts["contribution"]) == ("1", "taylor")
    assert "ranked by the app's default" in preview.left_out
    seven = compare(model, card.preprocess(photo).repeat(7, 1, 1, 1), ["edges"], card=card, curves=False)
    assert len(saved(seven).pictures) == 6
    assert "Only the first 6 pictures" in saved(seven).left_out


def test_what_has_no_way_back_says_why_when_it_is_dropped() -> None:
    nameless = compare(load_model(NAME), torch.rand(1, 3, 32, 32), ["edges"], curves=False)
    text = nameless.html()
    assert "view" not in settings_in(text)
    assert BACK not in text
    with pytest.raises(InputError, match=r"cannot come back: .*no card"):
        read_view("v.html", text.encode())
    earlier = text.replace(
        '"no_way_back": "network"', '"no_way_back": "target"'
    )  # as versions before wrote it
    with pytest.raises(InputError, match=r"cannot come back: what it explains .*a class of its own for each"):
        read_view("v.html", earlier.encode())
    strange = text.replace('"no_way_back": "network"', '"no_way_back": "![a](//b)"')
    assert strange != text
    with pytest.raises(InputError, match="does not hold a view"):  # no word of a stranger's file is shown
        read_view("v.html", strange.encode())


def test_damaged_pictures_are_one_sentence() -> None:
    text = explain_view(NAME, load_dataset("scenes")[2].image, shares=(0, 0.9)).html()
    head, start, rest = text.partition('class="pruneattr-picture" data-name="')
    name, _, rest = rest.partition('">')
    damaged = f'{head}{start}{name}">={rest}'
    with pytest.raises(InputError, match="is damaged"):
        read_view("v.html", damaged.encode())


def test_a_file_too_large_has_fewer_shades_then_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    view = explain_view(NAME, load_dataset("scenes")[2].image, shares=(0, 0.9))
    whole = view.html()
    monkeypatch.setattr(html, "FILE_LIMIT", len(whole))
    assert view.html() == whole
    monkeypatch.setattr(html, "FILE_LIMIT", len(whole) - 1)
    fewer = view.html()  # shades go first
    assert pictures_in(fewer) == pictures_in(whole)
    assert len(fewer) < len(whole)
    shaded = [len(view.small_payload(shades)) for shades in html.SHADES]
    assert shaded == sorted(shaded, reverse=True)
    monkeypatch.setattr(html, "FILE_LIMIT", len(whole) - (shaded[0] - shaded[-1]) * 4 // 3 - 500)
    alone = view.html()
    assert pictures_in(alone) == ()
    assert BACK not in alone
    with pytest.raises(InputError, match="did not fit"):
        read_view("v.html", alone.encode())
    monkeypatch.setattr(html, "FILE_LIMIT", 1)
    assert view.html() == whole  # too large either way


@pytest.mark.parametrize("name", ["drawing.png", "drawing.svg"])
@pytest.mark.parametrize("head", ["", '<?xml version="1.0"?>\n'])
def test_a_drawing_is_no_page_of_ours(name: str, head: str) -> None:
    text = f'{head}<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>'
    with pytest.raises(ImageError, match="is not a picture we can read: save it as PNG"):
        read_view(name, text.encode())
