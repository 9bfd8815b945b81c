"""Shape scenes: an endless, licence-free data set with exact masks, a pure function of seed and index.

A scene shows one or more class shapes (`SHAPES`) among solids of no class on a patterned background. Only
the outline tells the class: colours, textures, sizes, places and backgrounds are drawn from a stream of
random numbers that never sees the label. An optional corner watermark can be tied to one class, for lessons
about networks that look at the wrong thing (Clever Hans).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from pruneattr_core.brief import brief
from pruneattr_core.errors import InputError
from pruneattr_core.one_of import is_one_of
from pruneattr_core.painting import TEXTURES, Array, Ink, background, oklch, solid
from pruneattr_core.shapes import DISTRACTORS, Distance
from pruneattr_core.shapes import SHAPES as _DISTANCES

#: Class names, in the order of their labels.
SHAPES: tuple[str, ...] = tuple(_DISTANCES)

_SHAPES = tuple(_DISTANCES.values())
_TAG = ("###.###.#.#", "#.#..#..#.#", "###..#...#.", "#....#..#.#", "#...###.#.#")  # PIX


@dataclass(frozen=True, eq=False)
class Scene:
    """One picture and its ground truth.

    Attributes:
        image: uint8 (H, W, 3).
        labels: class of each object, all different; indices into `SHAPES`.
        masks: bool (objects, H, W): pixels whose centre shows that object, so masks never overlap.
        parts: bool (solids, H, W): the same of every solid, class shapes first, then those of no class.
        watermark: bool (H, W), the corner tag, or None where there is none.
    """

    image: NDArray[np.uint8]
    labels: tuple[int, ...]
    masks: NDArray[np.bool_]
    parts: NDArray[np.bool_]
    watermark: NDArray[np.bool_] | None

    __repr__ = brief


def scene(
    index: int,
    seed: int = 0,
    size: int = 128,
    objects: tuple[int, int] = (1, 1),
    watermark: str | None = None,
    watermark_rates: tuple[float, float] = (0.95, 0.05),
    without: int | None = None,
) -> Scene:
    """Scene number `index` of the series `seed`.

    Args:
        index: >= 0; the first object has class `index % len(SHAPES)`, so that every stretch is balanced.
        seed: >= 0; another series.
        size: side in pixels, >= 32; the same scene at every size.
        objects: fewest and most class shapes.
        watermark: class that the corner tag goes with; None for no tags.
        watermark_rates: probability of a tag where that class is present, and where it is not.
        without: number of a solid that is not painted, as in `Scene.parts`; all else is the same scene, so
            the two differ exactly by what that solid covers.

    Returns:
        The scene; equal arguments give equal bits.

    Raises:
        InputError: a negative index or seed, a size, count, rate or class that does not exist.
    """
    _check(index, seed, size, objects, watermark, watermark_rates)
    rng = np.random.default_rng((seed, index, 0))
    label_rng = np.random.default_rng((seed, index, 1))
    count = int(rng.integers(objects[0], objects[1] + 1))
    labels = _labels(label_rng, index, count)
    others = int(rng.integers(2, 7))
    outlines = [_SHAPES[label] for label in labels]
    outlines += [DISTRACTORS[kind] for kind in rng.integers(len(DISTRACTORS), size=others)]

    dark = bool(rng.random() < 0.5)
    canvas = background(rng, size, _backdrop(rng, dark))
    if without is not None and not 0 <= without < len(outlines):
        raise InputError(
            f"Expected without in 0 to {len(outlines) - 1}, a solid of scene {index}; got {without}."
        )
    parts = _paint(rng, canvas, outlines, count, dark, without)
    tagged = watermark is not None and rng.random() < watermark_rates[SHAPES.index(watermark) not in labels]
    canvas += np.float32(0.009) * rng.standard_normal((size, size), dtype=np.float32)
    tag = _stamp(canvas) if tagged else None
    image = np.ascontiguousarray((np.clip(canvas, 0, 1) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0))
    return Scene(image, labels, parts[:count], parts, tag)


def _check(
    index: int,
    seed: int,
    size: int,
    objects: tuple[int, int],
    watermark: str | None,
    rates: tuple[float, float],
) -> None:
    if index < 0 or seed < 0:
        raise InputError(f"Expected index and seed from 0, got {index} and {seed}.")
    if size < 32:
        raise InputError(f"Expected scenes of 32 pixels a side or more, got {size}.")
    if not 1 <= objects[0] <= objects[1] <= len(SHAPES):
        raise InputError(f"Expected objects=(fewest, most) within 1 and {len(SHAPES)}, got {objects}.")
    if watermark is not None and not is_one_of(watermark, SHAPES):
        raise InputError(
            f"Expected the watermark's class to be one of {', '.join(SHAPES)}, got {watermark!r}."
        )
    if not all(0 <= rate <= 1 for rate in rates):
        raise InputError(f"Expected watermark rates in [0, 1], got {rates}.")


def _labels(rng: Generator, index: int, count: int) -> tuple[int, ...]:
    first = index % len(SHAPES)
    rest = [label for label in range(len(SHAPES)) if label != first]
    return (first, *(int(label) for label in rng.permutation(rest)[: count - 1]))


def _backdrop(rng: Generator, dark: bool) -> Array:
    """(4, 3) related colours for `background`."""
    base = rng.uniform(2.8, 6.6) if dark else rng.uniform(0, 2 * np.pi)  # dark yellows are mud
    hue = base + rng.uniform(-0.6, 0.6, 4)
    level = rng.uniform(0.27, 0.38) if dark else rng.uniform(0.82, 0.92)
    sides = np.array([-0.05, 0.06, 0.02, 0.1 if dark else -0.1])
    return oklch(np.minimum(level + sides, 0.97), rng.uniform(0.03, 0.09, 4), hue)


def _ink(rng: Generator, dark: bool) -> Ink:
    hue = rng.uniform(0, 2 * np.pi) + np.array([0, rng.uniform(-0.7, 0.7), 0])
    level = rng.uniform(0.66, 0.82) if dark else rng.uniform(0.48, 0.68)
    pattern = level + rng.choice([-0.17, 0.17])
    colours = oklch([level + 0.05, level - 0.06, pattern], rng.uniform(0.11, 0.18, 3), hue)
    return Ink(
        colours,
        TEXTURES[max(0, int(rng.integers(-1, len(TEXTURES))))],
        rng.uniform(0, 2 * np.pi),
        rng.uniform(0.3, 0.55),
        0.09 if rng.random() < 0.3 else 0.0,
    )


def _paint(
    rng: Generator, canvas: Array, outlines: list[Distance], count: int, dark: bool, without: int | None
) -> NDArray[np.bool_]:
    """Paint all solids but one from back to front; their masks. The stream is drawn from all the same."""
    size = canvas.shape[1]
    largest = 0.27 if count == 1 else 0.42 / (count + 0.4) ** 0.6
    radii = np.concatenate(
        [rng.uniform(0.5 * largest, largest, count), rng.uniform(0.065, 0.13, len(outlines) - count)]
    )
    centres = _places(rng, radii)
    masks = np.zeros((len(outlines), size, size), bool)
    for which in rng.permutation(len(outlines)):
        ink, turn = _ink(rng, dark), rng.uniform(-0.6, 0.6)
        turn = turn if which < count else 5 * turn
        if which == without:
            continue
        inside = solid(canvas, outlines[which], centres[which], float(radii[which]), turn, ink)
        masks &= ~inside
        masks[which] = inside
    return masks


def _places(rng: Generator, radii: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Centres that overlap little: the first of some candidates with room, else the one with the most."""
    placed: list[tuple[float, float]] = []
    for k, radius in enumerate(radii):
        candidates = rng.uniform(1.25 * radius, 1 - 1.25 * radius, (16, 2))
        if placed:
            gaps = np.hypot(*(candidates[:, None] - np.array(placed)).transpose(2, 0, 1))
            room = (gaps / (radii[:k] + radius)).min(1)
            best = candidates[np.argmax(room > 0.9) if (room > 0.9).any() else np.argmax(room)]
        else:
            best = candidates[0]
        placed.append((float(best[0]), float(best[1])))
    return placed


def _stamp(canvas: Array) -> NDArray[np.bool_]:
    """Stamp the tag into the lower left corner, in place; the pixels it covers."""
    size = canvas.shape[1]
    cell = max(1, round(size / 64))
    letters = np.array([[c == "#" for c in row] for row in _TAG]).repeat(cell, 0).repeat(cell, 1)
    height, width = (side + 4 * cell for side in letters.shape)
    top, left = size - height - 2 * cell, 2 * cell
    plate = canvas[:, top : top + height, left : left + width]
    plate *= np.float32(0.35)
    plate[:, 2 * cell : -2 * cell, 2 * cell : -2 * cell][:, letters] = 0.96
    covered = np.zeros((size, size), bool)
    covered[top : top + height, left : left + width] = True
    return covered
