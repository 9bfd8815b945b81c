"""Signed distances to flat shapes: negative inside, positive outside, 0 on the outline.

Every function takes float arrays x (to the right) and y (down) of one shape and returns that shape. The
classes in `SHAPES` are centred at 0 and have an area near 2; the solids in `DISTRACTORS` belong to no class.
All end within `REACH`. Formulas after I. Quilez, *2D distance functions* (iquilezles.org).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Distance = Callable[[Array, Array], Array]

#: No point of a shape is farther from its centre.
REACH = 1.3


def circle(x: Array, y: Array) -> Array:
    """A disc."""
    return np.hypot(x, y) - 0.8


def ring(x: Array, y: Array) -> Array:
    """A disc with a round hole."""
    return np.abs(np.hypot(x, y) - 0.72) - 0.22


def box(x: Array, y: Array, width: float, height: float, rounding: float) -> Array:
    """A rectangle of these half sides with round corners."""
    over, under = np.abs(x) - (width - rounding), np.abs(y) - (height - rounding)
    outside = np.hypot(np.maximum(over, 0), np.maximum(under, 0))
    return outside + np.minimum(np.maximum(over, under), 0) - rounding


def triangle(x: Array, y: Array) -> Array:
    """An equilateral triangle on its base."""
    half, root = 0.98, 3**0.5
    x, y = np.abs(x) - half, half / root - y
    beyond = x + root * y > 0
    x, y = np.where(beyond, (x - root * y) / 2, x), np.where(beyond, (-root * x - y) / 2, y)
    x = x - np.clip(x, -2 * half, 0)
    return -np.hypot(x, y) * np.sign(y) - 0.08


def star(x: Array, y: Array) -> Array:
    """Five points."""
    radius, inner, rounding = 1.1, 0.52, 0.06
    c, s = 0.809016994375, 0.587785252292
    x, y = np.abs(x), -y
    fold = 2 * np.maximum(c * x - s * y, 0)
    x, y = x - fold * c, y + fold * s
    fold = 2 * np.maximum(-c * x - s * y, 0)
    x, y = x + fold * c, y + fold * s
    x, y = np.abs(x), y - radius
    edge_x, edge_y = inner * s, inner * c - 1
    along = np.clip((x * edge_x + y * edge_y) / (edge_x**2 + edge_y**2), 0, radius)
    return np.hypot(x - edge_x * along, y - edge_y * along) * np.sign(y * edge_x - x * edge_y) - rounding


def cross(x: Array, y: Array) -> Array:
    """A plus sign."""
    arm, width, rounding = 0.94, 0.25, 0.06
    x, y = np.abs(x), np.abs(y)
    x, y = np.maximum(x, y), np.minimum(x, y)
    over, under = x - arm, y - width
    worst = np.maximum(over, under)
    first = np.where(worst > 0, over, width - x)
    second = np.where(worst > 0, under, -worst)
    return np.sign(worst) * np.hypot(np.maximum(first, 0), np.maximum(second, 0)) - rounding


def heart(x: Array, y: Array) -> Array:
    """A heart, point down."""
    scale = 1.5
    x, y = np.abs(x) / scale, 0.56 - y / scale
    lobe = np.hypot(x - 0.25, y - 0.75) - 2**0.5 / 4
    half = 0.5 * np.maximum(x + y, 0)
    body = np.minimum(x**2 + (y - 1) ** 2, (x - half) ** 2 + (y - half) ** 2)
    return scale * np.where(x + y > 1, lobe, np.sqrt(body) * np.sign(x - y))


def crescent(x: Array, y: Array) -> Array:
    """A moon: a disc less another."""
    radius, bite, apart = 1.06, 0.84, 0.49
    x, y = x - 0.18, np.abs(y)
    tip_x = (radius**2 - bite**2 + apart**2) / (2 * apart)
    tip_y = (radius**2 - tip_x**2) ** 0.5
    at_tip = x * tip_y - y * tip_x > apart * np.maximum(tip_y - y, 0)
    arcs = np.maximum(np.hypot(x, y) - radius, bite - np.hypot(x - apart, y))
    return np.where(at_tip, np.hypot(x - tip_x, y - tip_y), arcs)


def drop(x: Array, y: Array) -> Array:
    """A falling drop: the hull of a large disc below and a small one above."""
    large, small, apart = 0.68, 0.05, 1.4
    x, y = np.abs(x), 0.4 - y
    slope = (large - small) / apart
    rest = (1 - slope**2) ** 0.5
    side = -slope * x + rest * y
    flank = rest * x + slope * y - large
    return np.where(
        side < 0, np.hypot(x, y) - large, np.where(side > rest * apart, np.hypot(x, y - apart) - small, flank)
    )


def arrow(x: Array, y: Array) -> Array:
    """An arrow that points up."""
    x = np.abs(x)
    shaft = box(x, y - 0.42, 0.34, 0.68, 0.06)
    nx, ny = 0.745, -0.667  # outward normal of the flank
    flank = nx * x + ny * (y + 1.12)
    head = np.maximum(flank, y + 0.06)
    return np.minimum(shaft, head)


#: The classes, in the order of their labels.
SHAPES: dict[str, Distance] = {
    "circle": circle,
    "triangle": triangle,
    "square": partial(box, width=0.7, height=0.7, rounding=0.1),
    "star": star,
    "ring": ring,
    "cross": cross,
    "heart": heart,
    "crescent": crescent,
    "arrow": arrow,
    "drop": drop,
}


def pill(x: Array, y: Array) -> Array:
    """A long capsule."""
    return np.hypot(np.maximum(np.abs(x) - 0.72, 0), y) - 0.3


def squiggle(x: Array, y: Array) -> Array:
    """A thick wave with square ends."""
    wave = np.abs(y - 0.34 * np.sin(3.6 * x)) * 0.72 - 0.15
    return np.maximum(wave, np.abs(x) - 1.05)


def leaf(x: Array, y: Array) -> Array:
    """What two discs share."""
    return np.hypot(np.abs(x) + 0.62, y) - 1.0


#: Solids that belong to no class.
DISTRACTORS: tuple[Distance, ...] = (
    pill,
    partial(box, width=1.0, height=0.24, rounding=0.05),
    squiggle,
    leaf,
)
