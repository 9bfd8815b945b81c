"""Where neurons sit: channels and positions of an activation call, and their places on the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pruneattr_core.circuits.replacement import channels_last

Array = NDArray[Any]
#: Tokens without a place that a network of tokens may have.
_EXTRA = 8


@dataclass(frozen=True)
class Grid:
    """One activation call seen as channels times positions.

    Attributes:
        channels: how many.
        size: (rows, columns) of the positions; (0, 0) where a neuron has no place on the picture.
        extra: tokens without a place, which come first: a class token, registers.
    """

    channels: int
    size: tuple[int, int]
    extra: int = 0


def grid_of(shape: tuple[int, ...]) -> Grid:
    """How a call of `shape` (without batch) lies on the picture.

    (C, H, W) as in convolutional networks, (H, W, C) as in ConvNeXt and Swin, (T, C) tokens of a square
    grid behind up to `_EXTRA` others (a class token, registers) as in ViT, (C,) without places.
    """
    if len(shape) == 3:
        last = channels_last(shape)
        channels, size = (shape[2], shape[:2]) if last else (shape[0], shape[1:])
        return Grid(channels, (size[0], size[1]))
    if len(shape) == 2:
        tokens, channels = shape
        for extra in range(min(_EXTRA, tokens) + 1):
            side = isqrt(tokens - extra)
            # Of few tokens many numbers are a square and a rest.
            if side * side == tokens - extra and side > (1 if extra < 2 else 3):
                return Grid(channels, (side, side), extra)
        return Grid(channels, (0, 0), tokens - 1)
    return Grid(int(np.prod(shape)), (0, 0))


def by_channel(values: Array) -> Array:
    """(C, positions) of one call's values (*shape); tokens without a place come first."""
    grid = grid_of(values.shape)
    if values.ndim == 3 and values.shape[0] != grid.channels:
        return values.reshape(-1, grid.channels).T
    if values.ndim == 2:
        return values.T
    return values.reshape(grid.channels, -1)


def channel_shares(mask: Array) -> Array:
    """Share of each channel's positions where `mask` (*shape, bool) is True: (C,) in [0, 1]."""
    return np.asarray(by_channel(mask).mean(1))


def positions(values: Array, channel: int) -> Array | None:
    """The values (rows, columns) of one channel, or None where it has no places."""
    grid = grid_of(values.shape)
    if grid.size == (0, 0):
        return None
    return by_channel(values)[channel, grid.extra :].reshape(grid.size)


def token_shares(mask: Array) -> tuple[Array, Array] | None:
    """Of tokens (T, C): share of the features where `mask` is True; None of others, and without places.

    Returns:
        Of the tokens without a place, (extra,), and of the patches, (rows, columns).
    """
    grid = grid_of(mask.shape)
    if mask.ndim != 2 or grid.size == (0, 0):
        return None
    shares = mask.mean(1)
    return shares[: grid.extra], shares[grid.extra :].reshape(grid.size)


def token_names(extra: int, said: Sequence[str] = ()) -> Sequence[str]:
    """What tokens without a place are, by what the network says; else most have the class token first."""
    if len(said) == extra:
        return said
    return ["class token", *(f"register {i}" for i in range(1, extra))][:extra]


def enlarge(values: Array, height: int, width: int) -> Array:
    """Nearest-neighbour enlargement of (h, w) to (height, width): every neuron becomes a block."""
    image = Image.fromarray(values.astype(np.uint8))
    return np.asarray(image.resize((width, height), Image.Resampling.NEAREST)).astype(values.dtype)


def shown_shares(photo: Array, shares: Array, colour: str) -> NDArray[np.uint8]:
    """The photo in grey under `colour`, the stronger the larger the share, at least 448 pixels high.

    Args:
        photo: (H, W, 3) uint8.
        shares: (rows, columns), >= 0; the largest has the full colour.
        colour: hexadecimal.
    """
    canvas, ink = _grey(photo), _ink(colour)
    strength = shares / max(float(shares.max()), 1e-12)
    levels = enlarge(np.round(255 * strength), *canvas.shape[:2])[..., None] / 255 * 0.85
    return np.asarray(((1 - levels) * canvas + levels * ink).round().clip(0, 255).astype(np.uint8))


def _grey(photo: Array) -> Array:
    """The photo in darkened grey, (H, W, 3) float32, enlarged to at least 448 pixels."""
    factor = max(1, -(-448 // photo.shape[0]))
    large = np.repeat(np.repeat(photo, factor, 0), factor, 1).astype(np.float32)
    grey = large @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.repeat((0.62 * grey)[..., None], 3, 2)


def _ink(colour: str) -> Array:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], np.float32)


def shown_places(photo: Array, kept: Array, alive: Array, colour: str) -> NDArray[np.uint8]:
    """The photo in grey, alive positions lightened, kept ones in `colour`, at least 448 pixels high.

    Args:
        photo: (H, W, 3) uint8.
        kept: bool (h, w), positions the path keeps.
        alive: bool (h, w), positions that are not dead.
        colour: hexadecimal.
    """
    canvas = _grey(photo)
    height, width = canvas.shape[:2]
    living = enlarge(alive & ~kept, height, width)
    canvas[living] = 0.72 * canvas[living] + 0.28 * 255
    path = enlarge(kept, height, width)
    canvas[path] = 0.3 * canvas[path] + 0.7 * _ink(colour)
    return canvas.round().clip(0, 255).astype(np.uint8)
