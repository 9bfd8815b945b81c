"""Figures for papers: size in millimetres, text that is text, nothing cut, the settings inside."""

from __future__ import annotations

import io
import json
import re
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pruneattr_core.errors import InputError
from pruneattr_core.render import colour_bar, scale_of
from pruneattr_core.render.figure import _EDGE, _GAP, _NOTE, _POINT, _WIDE, Panel, _ticks, figure
from pruneattr_core.ui.figures import caption

LONG = "NeuronIntGrad-guided gradient, 51 uniform points, sparsity 0.95 of all neurons $x_1$"


def panels() -> list[Panel]:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (16, 16, 3)).astype(np.uint8)
    bar = colour_bar(scale_of(np.array([-0.25, 0.5])), "blue-orange")
    map_ = Panel(LONG, pixels, ("insertion 0.81", "p = 0.97"), bar, "logit per unit of input")
    return [Panel("Picture", pixels, ("answer cat 0.98",)), map_, map_, Panel("Wide", pixels[:8])]


def test_a_png_is_as_wide_as_its_dots_say_and_carries_its_settings() -> None:
    image = Image.open(io.BytesIO(figure(panels(), 2, "png", 85, 300, {"sparsity": 0.9})))
    dpi = float(image.info["dpi"][0])
    assert dpi == pytest.approx(300, abs=0.1)
    assert image.width / dpi * 25.4 == pytest.approx(85, abs=0.2)
    assert json.loads(image.info["pruneattr"]) == {"sparsity": 0.9}


def test_svg_text_is_text_and_whole() -> None:
    text = figure(panels(), 2, "svg", 85).decode()
    assert 'width="240.94' in text  # 85 mm in points
    said = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", text))
    for words in ("Picture", "insertion 0.81", "logit per unit of input", "-0.5", "0.5"):
        assert words in said.replace("\N{MINUS SIGN}", "-")
    for word in LONG.split():
        assert word in said  # wrapped, never cut
    assert text.count("<image") == 4 + 2  # panels, and a bar for each map


@pytest.mark.parametrize("side", [17.0, 22.0, 40.0, 80.0])
@pytest.mark.parametrize("value", [0.00035, 0.23, 7.5e-6, 12.0, 1234.0, 3.4e-08, 1.0])
def test_numbers_under_a_bar_never_touch(value: float, side: float) -> None:
    bar = colour_bar(scale_of(np.array([-value, value]), clip_percentile=100), "blue-orange")
    places, labels = _ticks(bar, side)
    assert (places[0], places[-1]) == (0, 1)
    assert labels[0] == "\N{MINUS SIGN}" + labels[-1]  # the sign of every other number of a figure
    assert [float(label.replace("\N{MINUS SIGN}", "-")) for label in labels] == pytest.approx(
        [-value, 0, value] if len(labels) == 3 else [-value, value], rel=0.05
    )
    wide = _NOTE * _WIDE * _POINT  # of a character
    ends = [wide * len(label) for label in labels]
    assert ends[0] + ends[-1] < side
    if len(labels) == 3:
        assert max(ends[0], ends[-1]) + ends[1] / 2 < side / 2


def test_what_stands_under_a_map_stays_in_its_column() -> None:
    one = replace(panels()[1], title="short", unit="difference of logits per unit of normalised input")
    text = figure([one] * 6, 6, "svg").decode()
    lines = re.findall(r"<text[^>]*>([^<]*)</text>", text)
    assert " ".join(lines).count("normalised") == 6
    side = (170 - 2 * _EDGE - 5 * _GAP) / 6
    assert max(map(len, lines)) <= side / (_NOTE * _WIDE * _POINT)


def test_many_panels_in_a_row_get_room() -> None:
    one = panels()[0]
    for count, wide in ((2, 170), (6, 170), (12, 312), (40, 600)):
        text = figure([one] * count, count, "svg").decode()
        assert f'width="{wide / 25.4 * 72:.4f}'.rstrip("0")[:-1] in text


def test_a_map_of_zeros_has_one_number_and_says_so() -> None:
    for signed, place in ((True, 0.5), (False, 0.0)):
        bar = colour_bar(scale_of(np.zeros(4), signed), "blue-orange")
        assert _ticks(bar, 22) == ([place], ["0"])
    panel = Panel("All removed", np.zeros((8, 8, 3), np.uint8), ("p = 0.00",), bar)
    text = figure([panel], 1, "svg", 85).decode()
    assert "This map is zero everywhere." in " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", text))


def test_pdf_embeds_its_font_and_equal_input_gives_equal_bytes() -> None:
    data = figure(panels(), 3, "pdf")
    assert b"/Type /Font" in data
    assert b"/FontFile2" in data
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", data, re.S)
    opened = [zlib.decompress(one) for one in streams if one[:1] == b"x"]
    assert any(b" Tf" in one and (b"Tj" in one or b"TJ" in one) for one in opened)  # text operators
    assert data == figure(panels(), 3, "pdf")


def test_pixels_are_those_given() -> None:
    pixels = panels()[0].pixels
    image = np.asarray(Image.open(io.BytesIO(figure([Panel("", pixels)], 1, "png", 85, 300))).convert("RGB"))
    drawn = {tuple(one) for one in image.reshape(-1, 3)} - {(255, 255, 255)}
    assert drawn <= {tuple(one) for one in pixels.reshape(-1, 3)}  # no smoothing, no new colour
    assert len(drawn) > 200


@pytest.mark.parametrize("bad", [("gif", 85, 300), ("png", 5, 300), ("png", 85, 5000)])
def test_sizes_nobody_can_mean_are_refused(bad: tuple[str, float, int]) -> None:
    with pytest.raises(InputError):
        figure(panels(), 2, *bad)


def test_the_caption_says_every_setting() -> None:
    record = {"format": "x", "view": {"at": "1"}, "model": {"id": "m", "input_size": [3, 4]}, "sparsity": 0.9}
    assert caption(record) == "model: id m, input size 3 4; sparsity: 0.9."
