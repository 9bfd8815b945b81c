"""Colours, scales, overlays, PNG with provenance, and maps in words."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from pruneattr_core.errors import ImageError, InputError
from pruneattr_core.images import decode_image
from pruneattr_core.render import (
    COLOUR_MAPS,
    Scale,
    colour_bar,
    colour_table,
    colourise,
    describe_map,
    overlay,
    png_bytes,
    read_provenance,
    scale_map,
    scale_of,
)

# Machado, Oliveira & Fernandes 2009: what a person without red or green cones sees, on linear RGB.
PROTAN = np.array(
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
)
DEUTAN = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)


def lightness(rgb: np.ndarray) -> np.ndarray:
    """CIE L* (0..100) of uint8 sRGB (..., 3)."""
    y = linear(rgb) @ [0.2126, 0.7152, 0.0722]
    return np.where(y > 216 / 24389, 116 * np.cbrt(y) - 16, y * 24389 / 27)


def linear(rgb: np.ndarray) -> np.ndarray:
    share = rgb / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_tables(name):
    table = colour_table(name)
    assert table.shape == (256, 3)
    assert table.dtype == np.uint8
    assert not table.flags.writeable
    steps = np.diff(lightness(table))
    if COLOUR_MAPS[name].signed:
        assert (table[0] == table[1]).all()
        assert np.ptp(table[128].astype(int)) == 0
        assert (steps[1:128] > -0.5).all()
        assert (steps[128:] < 0.5).all()
        assert abs(lightness(table[1]) - lightness(table[255])) < 15
    else:
        assert (steps > -0.5).all()
        assert lightness(table)[-1] - lightness(table)[0] > 70


@pytest.mark.parametrize("name", [name for name, colours in COLOUR_MAPS.items() if colours.signed])
@pytest.mark.parametrize("eye", [PROTAN, DEUTAN])
def test_signs_differ_for_colour_blind_eyes(name, eye):
    table = linear(colour_table(name)) @ eye.T
    below, above = table[128 - 90], table[128 + 90]
    assert np.abs(below - above).max() > 0.15


def test_unknown_colour_map():
    with pytest.raises(InputError, match=r"Expected a colour map out of cividis, .*, got 'jet'"):
        colour_table("jet")


def test_signed_levels():
    levels = scale_map([[-2.0, -1.0, 0.0, 1.0, 2.0]], signed=True, clip_percentile=100)
    assert levels.tolist() == [[1, 64, 128, 192, 255]]
    assert scale_map([[-1e9, 0, 1e-9]], scale=Scale(1.0, True)).tolist() == [[1, 128, 128]]


def test_unsigned_levels():
    assert scale_map([[-5.0, 0.0, 1.0, 2.0]], signed=False, clip_percentile=100).tolist() == [
        [0, 0, 128, 255]
    ]


def test_clip_percentile_and_its_fallback():
    values = np.arange(1001.0)
    assert scale_of(values, False, 90).vmax == 900
    assert scale_of(-values, True, 90).vmax == 900
    sparse = np.zeros(10_000)
    sparse[3] = 7
    assert scale_of(sparse, False, 99).vmax == 7


def test_shared_scale_keeps_magnitudes_apart():
    stack = np.stack([np.full((4, 4), 1.0), np.full((4, 4), 0.5)])
    shared = scale_map(stack, scale=scale_of(stack))
    assert [int(level.max()) for level in shared] == [255, 192]
    assert [int(scale_map(one).max()) for one in stack] == [255, 255]


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(
    ("value", "note"),
    [(0.0, "zero everywhere"), (np.nan, "16 values are not finite"), (np.inf, "16 values are not finite")],
)
def test_empty_maps_are_named(signed, value, note):
    values = np.full((4, 4), value)
    scale = scale_of(values, signed)
    assert scale.vmax == 0
    assert note in scale.note
    assert (scale_map(values, signed) == (128 if signed else 0)).all()


def test_all_negative_map():
    values = -np.ones((2, 2))
    assert "No value of this map is positive" in scale_of(values, False).note
    assert (scale_map(values, False) == 0).all()
    assert scale_of(values, True) == Scale(1.0, True)
    assert (scale_map(values, True) == 1).all()


def test_hidden_negative_values_are_named():
    assert "(25% of the magnitude)" in scale_of([3.0, -1.0], False).note


def test_extreme_magnitudes():
    for size in (1e-310, 1e-40, 1e300):
        assert scale_map([0.0, size], False, 100).tolist() == [0, 255]


def test_bad_scales():
    with pytest.raises(InputError, match="clip percentile above 0"):
        scale_of([1.0], clip_percentile=0)
    with pytest.raises(InputError, match="at least one value"):
        scale_of([])
    with pytest.raises(InputError, match="finite end"):
        Scale(float("nan"), True)


def test_colourise_and_overlay():
    levels = np.array([[0, 128, 255]], np.uint8)
    table = colour_table("gray")
    pixels = colourise(levels, table)
    assert pixels.tolist() == [[[0] * 3, [128] * 3, [255] * 3]]
    picture = np.full((1, 3, 3), 100, np.uint8)
    assert (overlay(picture, pixels, 0) == picture).all()
    assert (overlay(picture, pixels, 1) == pixels).all()
    assert overlay(picture, pixels, 0.5)[0, :, 0].tolist() == [50, 114, 178]
    with pytest.raises(InputError, match="resize one of them"):
        overlay(picture[:, :2], pixels, 0.5)
    with pytest.raises(InputError, match="opacity between 0 and 1"):
        overlay(picture, pixels, 50)
    with pytest.raises(InputError, match="Expected uint8 levels"):
        colourise(levels.astype(float), table)


def test_colour_bar():
    bar = colour_bar(Scale(2.0, True, "A note."), "blue-orange")
    assert bar.ticks == ((0.0, -2.0), (0.5, 0.0), (1.0, 2.0))
    assert bar.colours.shape == (255, 3)
    assert (bar.colours[127] == 255).all()
    assert bar.note == "A note."
    assert colour_bar(Scale(2.0, False), "magma").ticks == ((0.0, 0.0), (1.0, 2.0))


def test_png_keeps_pixels_and_provenance():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    record = {"model": "scenes-net", "sparsity": 0.9, "größe": [1, None, True]}
    data = png_bytes(pixels, record)
    assert data == png_bytes(pixels, dict(reversed(record.items())))
    assert (np.asarray(decode_image(data)) == pixels).all()
    assert read_provenance(data) == record
    assert read_provenance(png_bytes(pixels)) is None
    assert (np.asarray(decode_image(png_bytes(pixels[..., 0])))[..., 1] == pixels[..., 0]).all()


def test_provenance_of_strangers():
    pixels = np.zeros((2, 2, 3), np.uint8)
    for bad in ("[1]", "{", "[" * 100_000):
        text = PngImagePlugin.PngInfo()
        text.add_itxt("pruneattr", bad)
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "PNG", pnginfo=text)
        with pytest.raises(ImageError, match="settings inside this PNG are damaged"):
            read_provenance(out.getvalue())
    with pytest.raises(ImageError, match="not a picture"):
        read_provenance(b"MZ")
    with pytest.raises(InputError, match="plain JSON"):
        png_bytes(pixels, {"x": float("nan")})
    with pytest.raises(InputError, match="plain JSON"):
        png_bytes(pixels, {"x": object()})
    with pytest.raises(InputError, match="Expected uint8 pixels"):
        png_bytes(np.zeros((2, 2, 4), np.uint8))


@pytest.mark.parametrize(
    ("row", "column", "place"),
    [
        (0, 0, "top-left"),
        (4, 1, "centre-left"),
        (4, 4, "centre"),
        (0, 4, "top"),
        (7, 7, "bottom-right"),
        (7, 3, "bottom"),
    ],
)
def test_places_in_words(row, column, place):
    values = np.zeros((8, 8))
    values[row, column] = 3
    assert describe_map(values) == f"100 % of the positive mass in the {place} quarter."


def test_words():
    values = np.full((8, 8), -1.0)
    assert describe_map(values) == "The map is negative or zero everywhere."
    values[2:6, 0:4] = 1.0
    assert describe_map(values).endswith("centre-left quarter; 75 % of all mass is negative.")
    assert "negative" not in describe_map(values, signed=False)
    assert describe_map(np.full((3, 3), np.nan)) == "The map is zero everywhere."
    assert describe_map([[2.0]]).startswith("100 % of the positive mass in the centre")
    with pytest.raises(InputError, match="collapse it first"):
        describe_map(np.zeros((3, 4, 4)))


def test_matplotlib_is_imported_only_when_colours_are_drawn():
    code = "import sys, pruneattr_core.render; print('matplotlib' in sys.modules, 'torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "False"]
