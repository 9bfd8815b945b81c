"""Brushes of the shape scenes: colours, backgrounds, textures, soft shadows.

They paint on a float canvas (3, H, W) in [0, 1]. Lengths are fractions of the picture's side, so that one
scene looks the same at every size.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from pruneattr_core.shapes import REACH, Distance

Array = NDArray[np.floating[Any]]

#: Fills of a solid; none belongs to a class.
TEXTURES = ("plain", "stripes", "dots", "checker")

_WHITE = np.full(3, 0.97, np.float32)


@dataclass(frozen=True)
class Ink:
    """The look of one solid.

    Attributes:
        colours: (3, 3) sRGB in [0, 1]: first and last colour of the gradient, colour of the pattern.
        texture: one of `TEXTURES`.
        slant: direction of gradient and pattern, radians.
        pitch: length of one period of the pattern, in radii.
        outline: width of a bright rim, in radii; 0 for none.
    """

    colours: Array
    texture: str
    slant: float
    pitch: float
    outline: float


def oklch(lightness: ArrayLike, chroma: ArrayLike, hue: ArrayLike) -> Array:
    """Perceptual colours to sRGB (B. Ottosson, *A perceptual color space*, 2020), clipped to its gamut.

    Args:
        lightness: (n,) in [0, 1].
        chroma: (n,) from 0; 0.15 is vivid.
        hue: (n,) radians.

    Returns:
        (n, 3) in [0, 1].
    """
    level, strength, angle = (np.asarray(v, np.float64) for v in (lightness, chroma, hue))
    a, b = strength * np.cos(angle), strength * np.sin(angle)
    cones = np.stack([level + a * u + b * v for u, v in _OKLAB], -1) ** 3
    linear = np.clip(cones @ _TO_LINEAR, 0, 1)
    return np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055).astype(
        np.float32
    )


_OKLAB = ((0.3963377774, 0.2158037573), (-0.1055613458, -0.0638541728), (-0.0894841775, -1.2914855480))
_TO_LINEAR = np.array(
    [
        [4.0767416621, -1.2684380046, -0.0041960863],
        [-3.3077115913, 2.6097574011, -0.7034186147],
        [0.2309699292, -0.3413193965, 1.7076147010],
    ]
)


@cache
def grid(size: int) -> tuple[Array, Array]:
    """Pixel centres in (0, 1): x as (1, size) and y as (size, 1)."""
    axis = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size)
    return axis[None], axis[:, None]


@cache
def _spread(size: int, knots: int) -> Array:
    """(size, knots) weights of a smooth interpolation: rows sum to 1."""
    at = grid(size)[0][0] * (knots - 1)
    away = np.abs(at[:, None] - np.arange(knots, dtype=np.float32))
    weights = np.exp(-1.6 * away**2)
    return np.asarray(weights / weights.sum(1, keepdims=True), np.float32)


def soft_noise(rng: Generator, size: int, knots: int) -> Array:
    """(size, size) smooth noise with about `knots` bumps a side, roughly in [-1, 1]."""
    weights = _spread(size, knots)
    values = rng.uniform(-1.6, 1.6, (knots, knots)).astype(np.float32)
    return np.asarray(weights @ values @ weights.T)


def blend(canvas: Array, colour: Array, alpha: Array) -> None:
    """Lay colour (3,) or (3, H, W) over the canvas (3, H, W) with alpha (H, W), in place."""
    canvas += alpha * (_planes(colour) - canvas)


def _planes(colour: Array) -> Array:
    return colour[:, None, None] if colour.ndim == 1 else colour


def background(rng: Generator, size: int, colours: Array) -> Array:
    """A new canvas: gradient, soft noise and one kind of large pattern.

    Args:
        rng: source of chance.
        size: side in pixels.
        colours: (4, 3) sRGB: both ends of the gradient, the noise, the pattern.

    Returns:
        (3, size, size) float32 in [0, 1].
    """
    x, y = grid(size)
    turn = rng.uniform(0, 2 * np.pi)
    ramp = 0.5 + (x - 0.5) * np.float32(np.cos(turn)) + (y - 0.5) * np.float32(np.sin(turn))
    noise = soft_noise(rng, size, 5)
    canvas = _planes(colours[0]) + _planes(colours[1] - colours[0]) * ramp
    blend(canvas, colours[2], np.clip(0.5 * noise, 0, 0.8))
    _PATTERNS[rng.integers(len(_PATTERNS))](rng, canvas, noise, colours)
    return canvas


def _ribbons(rng: Generator, canvas: Array, noise: Array, colours: Array) -> None:
    size = canvas.shape[1]
    x, y = grid(size)
    for _ in range(3):
        turn, phase, offset = rng.uniform(0, 2 * np.pi, 3)
        along, across = np.cos(turn), np.sin(turn)
        u, v = np.float32(along) * x + np.float32(across) * y, np.float32(along) * y - np.float32(across) * x
        wave = v - np.float32(0.7 * np.sin(offset)) - 0.08 * np.sin(rng.uniform(4, 9) * u + np.float32(phase))
        edge = np.abs(wave) - rng.uniform(0.008, 0.06)
        blend(canvas, colours[3], np.float32(rng.uniform(0.25, 0.6)) * _cover(edge, size))


def _hills(rng: Generator, canvas: Array, noise: Array, colours: Array) -> None:
    size = canvas.shape[1]
    x, y = grid(size)
    for level in range(3):
        shift, phase = rng.uniform(0, 6.3, 2)
        crest = 0.45 + 0.2 * level + 0.07 * np.sin(5 * x + shift) + 0.03 * np.sin(11 * x + phase)
        below = crest - y
        blend(canvas, colours[0] * np.float32(0.3), 0.3 * np.clip(1 - np.abs(below) / 0.05, 0, 1))
        tone = colours[3] + (colours[1] - colours[3]) * np.float32(level / 3)
        blend(canvas, tone, _cover(below, size))


def _rays(rng: Generator, canvas: Array, noise: Array, colours: Array) -> None:
    x, y = grid(canvas.shape[1])
    left, top = rng.uniform(-0.2, 1.2, 2)
    u, v = x - np.float32(left), y - np.float32(top)
    sectors = np.sin(int(rng.integers(7, 13)) * np.arctan2(v, u) + np.float32(rng.uniform(0, 6.3)))
    far = np.hypot(u, v)
    blend(canvas, colours[3], 0.45 * np.clip(sectors * far * 40 + 0.5, 0, 1) * np.clip(far * 3, 0, 1))


def _contours(rng: Generator, canvas: Array, noise: Array, colours: Array) -> None:
    levels = np.float32(rng.uniform(3, 5))
    steep = np.hypot(*np.gradient(noise)) * levels + np.float32(1e-3)
    lines = np.abs((noise * levels) % 1 - 0.5) / steep  # pixels to the nearest line
    half = np.float32(max(0.6, 0.0045 * len(noise)))
    blend(canvas, colours[3], 0.75 * np.clip(half + np.float32(0.5) - lines, 0, 1))


def _terrazzo(rng: Generator, canvas: Array, noise: Array, colours: Array) -> None:
    size = canvas.shape[1]
    x, y = grid(size)
    for left, top, turn, half in rng.uniform((0, 0, 0, 0.012), (1, 1, 6.3, 0.035), (24, 4)).astype(
        np.float32
    ):
        rows, columns = _window(top, left, 2 * half, size)
        u, v = x[:, columns] - left, y[rows] - top
        c, s = np.cos(turn), np.sin(turn)
        chip = np.maximum(np.abs(c * u + s * v), np.abs((c - s) * v - (c + s) * u)) - half * np.float32(0.6)
        blend(canvas[:, rows, columns], colours[3] * np.float32(0.7 + 0.3 * c), 0.8 * _cover(chip, size))


_PATTERNS = (_ribbons, _hills, _rays, _contours, _terrazzo)


def _cover(distance: Array, size: int) -> Array:
    """Share of a pixel inside, from the signed distance (in sides) of its centre."""
    return np.clip(np.float32(0.5) - distance * np.float32(size), 0, 1)


def _window(top: float, left: float, reach: float, size: int) -> tuple[slice, slice]:
    """Rows and columns of the square of half side `reach` (in sides) around a point, inside the picture."""
    low, high = (np.array([top, left]) - reach) * size, (np.array([top, left]) + reach) * size
    first, last = np.floor(low).clip(0, size).astype(int), np.ceil(high).clip(0, size).astype(int)
    return slice(int(first[0]), int(last[0])), slice(int(first[1]), int(last[1]))


def solid(
    canvas: Array, distance: Distance, centre: tuple[float, float], radius: float, turn: float, ink: Ink
) -> NDArray[np.bool_]:
    """Paint one solid with its soft shadow, in place.

    Args:
        canvas: (3, H, H).
        distance: its signed distance, in radii.
        centre: x and y, in sides.
        radius: in sides.
        turn: rotation, radians.
        ink: its look.

    Returns:
        bool (H, H): pixels whose centre is inside.
    """
    size = canvas.shape[1]
    rows, columns = _window(centre[1], centre[0], radius * (REACH + 0.3), size)
    x, y = grid(size)
    u, v = (x[:, columns] - np.float32(centre[0])) / radius, (y[rows] - np.float32(centre[1])) / radius
    c, s = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    away = np.asarray(distance(c * u + s * v, c * v - s * u), np.float32)
    patch = canvas[:, rows, columns]
    _shadow(patch, away, max(1, round(0.13 * radius * size)))
    scale = np.float32(radius * size)
    colour = _fill(u, v, ink)
    colour += np.float32(0.07) * np.clip(-(u + v), -1, 1)
    if ink.outline:
        rim = np.clip((away + np.float32(ink.outline)) * scale + np.float32(0.5), 0, 1)
        blend(colour, _WHITE, rim)
    blend(patch, np.clip(colour, 0, 1), np.clip(np.float32(0.5) - away * scale, 0, 1))
    inside = np.zeros((size, size), bool)
    inside[rows, columns] = away < 0
    return inside


def _shadow(patch: Array, away: Array, offset: int) -> None:
    """Darken below and to the right; the shape's own distances, shifted by whole pixels, do."""
    depth = np.clip(np.float32(0.55) - away[:-offset, :-offset] * np.float32(2.2), 0, 1)
    patch[:, offset:, offset:] *= 1 - np.float32(0.42) * depth * depth


def _fill(u: Array, v: Array, ink: Ink) -> Array:
    """(3, h, w) colours of a solid's inside; u (1, w) and v (h, 1) in radii."""
    c, s = np.float32(np.cos(ink.slant)), np.float32(np.sin(ink.slant))
    along, across = c * u + s * v, c * v - s * u
    ramp = np.clip(0.5 + 0.5 * along, 0, 1)
    colour = _planes(ink.colours[0]) + _planes(ink.colours[1] - ink.colours[0]) * ramp
    pace = np.float32(2 * np.pi / ink.pitch)
    if ink.texture == "stripes":
        pattern = np.sin(pace * along)
    elif ink.texture == "dots":
        pattern = np.cos(pace * along) + np.cos(pace * across) - np.float32(0.7)
    elif ink.texture == "checker":
        pattern = 2 * np.sin(0.7 * pace * along) * np.sin(0.7 * pace * across)
    else:
        return colour
    blend(colour, ink.colours[2], np.clip(np.float32(3) * pattern + np.float32(0.5), 0, 1))
    return colour
