"""Shape scenes: pure functions of seed and index, exact masks, only the outline tells the class."""

from __future__ import annotations

import numpy as np
import pytest

from pruneattr_core import scenes
from pruneattr_core.datasets import load_dataset
from pruneattr_core.errors import InputError
from pruneattr_core.painting import oklch
from pruneattr_core.scenes import SHAPES, scene
from pruneattr_core.shapes import DISTRACTORS, REACH
from pruneattr_core.shapes import SHAPES as DISTANCES


def inner(mask: np.ndarray, pixels: int) -> np.ndarray:
    """The mask without a border of that many pixels."""
    for _ in range(pixels):
        padded = np.pad(mask, 1)
        mask = mask & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask


# Signed distances


@pytest.mark.parametrize("distance", [*DISTANCES.values(), *DISTRACTORS], ids=[*DISTANCES, *"0123"])
def test_distances_are_distances(distance):
    axis = np.linspace(-1.6, 1.6, 321)
    x, y = np.meshgrid(axis, axis)
    away = distance(x, y)
    slopes = np.hypot(*np.gradient(away, axis[1] - axis[0]))
    assert slopes[1:-1, 1:-1].max() < 1.2  # nowhere steeper than a distance, up to the squiggle's waves
    assert np.median(slopes[np.abs(away) < 0.05]) == pytest.approx(1, abs=0.06)
    assert np.hypot(x, y)[away < 0].max() < REACH


def test_areas_are_alike():
    axis = (np.arange(400) + 0.5) / 400 * 3 - 1.5
    x, y = np.meshgrid(axis, axis)
    areas = {name: (distance(x, y) < 0).mean() * 9 for name, distance in DISTANCES.items()}
    assert areas["circle"] == pytest.approx(np.pi * 0.8**2, rel=0.01)
    assert areas["ring"] == pytest.approx(np.pi * (0.94**2 - 0.5**2), rel=0.01)
    assert areas["square"] == pytest.approx(1.4**2 - (4 - np.pi) * 0.1**2, rel=0.01)
    assert all(1.6 < area < 2.35 for area in areas.values())


@pytest.mark.parametrize(
    ("name", "corners", "rounding"),
    [
        ("triangle", [(-0.98, 0.5658), (0.98, 0.5658), (0, -1.1316)], 0.08),
        (
            "star",
            [(r * np.sin(k * np.pi / 5), -r * np.cos(k * np.pi / 5)) for k, r in enumerate([1.1, 0.572] * 5)],
            0.06,
        ),
        (
            "cross",
            [
                *[(0.25, -0.94), (0.25, -0.25), (0.94, -0.25), (0.94, 0.25), (0.25, 0.25), (0.25, 0.94)],
                *[
                    (-0.25, 0.94),
                    (-0.25, 0.25),
                    (-0.94, 0.25),
                    (-0.94, -0.25),
                    (-0.25, -0.25),
                    (-0.25, -0.94),
                ],
            ],
            0.06,
        ),
    ],
)
def test_polygons_against_their_corners(name, corners, rounding):
    """Slow twin: distance to every edge, side by the crossing rule."""
    points = np.random.default_rng(0).uniform(-1.4, 1.4, (500, 2))
    expected = []
    for px, py in points:
        nearest, inside = np.inf, False
        for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
            along = np.clip(
                ((px - ax) * (bx - ax) + (py - ay) * (by - ay)) / np.hypot(bx - ax, by - ay) ** 2, 0, 1
            )
            nearest = min(nearest, np.hypot(px - ax - along * (bx - ax), py - ay - along * (by - ay)))
            if (ay > py) != (by > py) and px < ax + (py - ay) / (by - ay) * (bx - ax):
                inside = not inside
        expected.append((-nearest if inside else nearest) - rounding)
    found = DISTANCES[name](points[:, 0], points[:, 1])
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_oklch_grey_and_red():
    np.testing.assert_allclose(oklch([0, 1], [0, 0], [0, 0]), [[0, 0, 0], [1, 1, 1]], atol=1e-3)
    red = oklch([0.6280], [0.2577], [np.radians(29.234)])  # the published coordinates of sRGB red
    np.testing.assert_allclose(red, [[1, 0, 0]], atol=5e-3)


# Scenes


def test_pure_function_of_its_arguments():
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - the global generator must stay untouched
    first, again = scene(7, seed=3), scene(7, seed=3)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert (first.image.dtype, first.image.shape) == (np.uint8, (128, 128, 3))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.masks, again.masks)
    assert (first.image != scene(8, seed=3).image).mean() > 0.5
    assert (first.image != scene(7, seed=4).image).mean() > 0.5


@pytest.mark.parametrize("index", range(12))
def test_masks_against_supersampling(index):
    """A pixel belongs to what covers most of it, measured at 64 points; the tag is at the same place."""
    options = {"seed": 5, "objects": (1, 4), "watermark": "star", "watermark_rates": (1, 1)}
    coarse, fine = scene(index, size=64, **options), scene(index, size=512, **options)
    assert coarse.labels == fine.labels
    cover = fine.masks.reshape(-1, 64, 8, 64, 8).mean((2, 4))
    assert not coarse.masks[cover < 0.1].any()
    assert coarse.masks[cover > 0.9].all()
    assert (coarse.masks == (cover > 0.5)).mean() > 0.995
    shown = fine.image.reshape(64, 8, 64, 8, 3).mean((1, 3))
    assert np.abs(shown - coarse.image).mean() < 6  # of 255: grain and the finest textures


def test_many_objects():
    for index in range(60):
        one = scene(index, seed=1, size=64, objects=(2, 4))
        assert 2 <= len(one.labels) <= 4
        assert len(set(one.labels)) == len(one.labels) == len(one.masks)
        assert one.masks.sum(0).max() == 1  # whoever is on top has the pixel
        areas = one.masks.sum((1, 2))
        assert areas.min() > 12


def test_shapes_stay_in_view():
    for index in range(100):
        mask = scene(index, seed=2, size=64).masks[0]
        assert mask[1:-1, 1:-1].sum() == mask.sum()
        assert 0.01 < mask.mean() < 0.2


def test_every_stretch_is_balanced():
    labels = [scene(index, size=32, objects=(1, 2)).labels[0] for index in range(17, 117)]
    np.testing.assert_array_equal(np.bincount(labels), np.full(len(SHAPES), 10))


@pytest.mark.parametrize("index", range(8))
def test_only_the_outline_depends_on_the_class(index, monkeypatch):
    """The same scene with another class: equal wherever both or neither shape is."""
    pictures = {}
    for label in (SHAPES.index("circle"), SHAPES.index("square")):
        monkeypatch.setattr(scenes, "_labels", lambda rng, index, count, label=label: (label,))
        pictures[label] = scene(index, seed=9)
    one, other = pictures.values()
    both = inner(one.masks[0] & other.masks[0], 4)  # a bright rim is up to 3 pixels wide
    assert both.any()
    np.testing.assert_array_equal(one.image[both], other.image[both])
    rows, columns = np.nonzero(one.masks[0] | other.masks[0])
    far = np.ones((128, 128), bool)
    far[max(0, rows.min() - 12) : rows.max() + 13, max(0, columns.min() - 12) : columns.max() + 13] = False
    np.testing.assert_array_equal(one.image[far], other.image[far])


def test_colours_do_not_tell_the_class():
    """A linear classifier of the colours inside and outside, fitted on half, is near chance on the rest."""
    features, labels = [], []
    for index in range(800):
        one = scene(index, seed=11, size=48)
        inside, outside = one.image[one.masks[0]], one.image[~one.masks[0]]
        features.append([1, *inside.mean(0), *inside.std(0), *outside.mean(0), *outside.std(0)])
        labels.append(one.labels[0])
    x, y = np.array(features) / 255, np.eye(len(SHAPES))[labels]
    weights = np.linalg.lstsq(x[:400], y[:400], rcond=None)[0]
    right = ((x[400:] @ weights).argmax(1) == y[400:].argmax(1)).mean()
    assert right < 0.2  # chance is 0.1


def test_watermark_goes_with_its_class():
    tagged = {True: [], False: []}
    for index in range(400):
        one = scene(index, seed=4, size=32, watermark="heart", watermark_rates=(0.9, 0.1))
        tagged[SHAPES[one.labels[0]] == "heart"].append(one.watermark is not None)
        if one.watermark is not None:
            assert one.watermark[16:, :18].sum() == one.watermark.sum()  # lower left corner
    assert 0.75 < np.mean(tagged[True]) <= 1
    assert 0.05 < np.mean(tagged[False]) < 0.16
    assert scene(6, size=32).watermark is None


def test_watermark_changes_its_pixels_only():
    plain, tagged = scene(6), scene(6, watermark="heart", watermark_rates=(1, 0))
    away = ~tagged.watermark
    assert (plain.image[away] == tagged.image[away]).mean() < 1  # the grain is another
    assert np.abs(plain.image[away].astype(int) - tagged.image[away]).max() < 30
    assert tagged.image[tagged.watermark].max() > 230


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"index": -1}, "Expected index and seed from 0, got -1 and 0"),
        ({"index": 0, "size": 8}, "32 pixels a side or more, got 8"),
        ({"index": 0, "objects": (3, 2)}, r"objects=\(fewest, most\) within 1 and 10, got \(3, 2\)"),
        ({"index": 0, "watermark": "cat"}, "one of circle, triangle.* got 'cat'"),
        ({"index": 0, "watermark_rates": (2, 0)}, r"rates in \[0, 1\], got \(2, 0\)"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(InputError, match=message):
        scene(**arguments)


@pytest.mark.parametrize("name", ["scenes", "scenes-marked"])
def test_scenes_are_named_without_being_drawn(name, monkeypatch):
    """A page that names a hundred drew a hundred."""
    data = load_dataset(name)
    wanted = [f"{index:04d} {SHAPES[data[index].labels[0]]}" for index in range(24)]
    assert [data[index].name for index in range(24)] == wanted
    last = data[-1].name
    monkeypatch.setattr("pruneattr_core.datasets.shape_scenes.scene", None)
    assert [data.name(index) for index in range(24)] == wanted
    assert data.name(-1) == last
    with pytest.raises(IndexError):
        data.name(len(data))
