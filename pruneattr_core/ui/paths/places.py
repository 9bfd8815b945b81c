"""Where neurons sit: channels and positions of an activation call, and their places on the picture."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[Any]


@dataclass(frozen=True)
class Grid:
    """One activation call seen as channels times positions.

    Attributes:
        channels: how many.
        size: (rows, columns) of the positions; (0, 0) where a neuron has no place on the picture.
        extra: tokens without a place (a class token).
    """

    channels: int
    size: tuple[int, int]
    extra: int = 0


def grid_of(shape: tuple[int, ...]) -> Grid:
    """How a call of `shape` (without batch) lies on the picture.

    (C, H, W) as in convolutional networks, (H, W, C) as in ConvNeXt and Swin, (T, C) tokens of a square
    grid with or without a class token as in ViT, (C,) without places.
    """
    if len(shape) == 3:
        last = shape[0] == shape[1] != shape[2]
        channels, size = (shape[2], shape[:2]) if last else (shape[0], shape[1:])
        return Grid(channels, (size[0], size[1]))
    if len(shape) == 2:
        tokens, channels = shape
        for extra in (0, 1):
            side = isqrt(tokens - extra)
            if side > 1 and side * side == tokens - extra:
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


def enlarge(values: Array, height: int, width: int) -> Array:
    """Nearest-neighbour enlargement of (h, w) to (height, width): every neuron becomes a block."""
    image = Image.fromarray(values.astype(np.uint8))
    return np.asarray(image.resize((width, height), Image.Resampling.NEAREST)).astype(values.dtype)


def shown_places(photo: Array, kept: Array, alive: Array, colour: str) -> NDArray[np.uint8]:
    """The photo in grey, alive positions lightened, kept ones in `colour`, at least 448 pixels high.

    Args:
        photo: (H, W, 3) uint8.
        kept: bool (h, w), positions the path keeps.
        alive: bool (h, w), positions that are not dead.
        colour: hexadecimal.
    """
    factor = max(1, -(-448 // photo.shape[0]))
    height, width = photo.shape[0] * factor, photo.shape[1] * factor
    large = np.repeat(np.repeat(photo, factor, 0), factor, 1).astype(np.float32)
    grey = large @ np.array([0.299, 0.587, 0.114], np.float32)
    canvas = np.repeat((0.62 * grey)[..., None], 3, 2)
    living = enlarge(alive & ~kept, height, width)
    canvas[living] = 0.72 * canvas[living] + 0.28 * 255
    path = enlarge(kept, height, width)
    ink = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], np.float32)
    canvas[path] = 0.3 * canvas[path] + 0.7 * ink
    return canvas.round().clip(0, 255).astype(np.uint8)
