"""Does a map lie on the object? Measures against a mask, and the grid pointing game without one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from pruneattr_core.arrays import as_array
from pruneattr_core.errors import InputError
from pruneattr_core.importing import one_at_a_time

#: What a measure answers when the mask is empty or full, or the map has no positive mass.
UNDEFINED = math.nan


def _pair(values: ArrayLike, mask: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    chosen = as_array(values)
    if chosen.ndim != 2:
        raise InputError(f"Expected a map (H, W), got {chosen.shape}: collapse the attribution first.")
    inside = check_mask(mask, chosen.shape)
    if not np.isfinite(chosen).all():
        raise InputError("The map holds NaN or infinite values, which cannot be compared with a mask.")
    return chosen, inside


def check_mask(mask: ArrayLike, shape: Sequence[int]) -> NDArray[np.bool_]:
    """`mask`, if it is a mask of this shape.

    Raises:
        InputError: another shape, or no truth values.
    """
    inside = np.asarray(mask.cpu() if isinstance(mask, Tensor) else mask)
    if inside.shape != tuple(shape) or inside.dtype != np.bool_:
        given = f"{inside.dtype} {inside.shape}"
        raise InputError(f"Expected a bool mask of the same shape as the map, {tuple(shape)}, got {given}.")
    return inside


def roc_auc(values: ArrayLike, mask: ArrayLike) -> float:
    """Chance that a pixel inside the mask has a higher value than one outside, ties counting half (AP).

    In [0, 1]; 0.5 for a map that knows nothing. Undefined for an empty or full mask.
    """
    chosen, inside = _pair(values, mask)
    if inside.all() or not inside.any():
        return UNDEFINED
    with one_at_a_time:
        from sklearn.metrics import roc_auc_score  # of the extra `bench`: what else stands here does without

    return float(roc_auc_score(inside.ravel(), chosen.ravel()))


def point_accuracy(values: ArrayLike, mask: ArrayLike) -> float:
    """Whether the map's maximum lies inside the mask (AP): 1, 0, or the share of tied maxima that do.

    A constant map therefore gets the share of the picture that the mask covers, as a random point would.
    Undefined for an empty or full mask.
    """
    chosen, inside = _pair(values, mask)
    if inside.all() or not inside.any():
        return UNDEFINED
    return float(inside[chosen == chosen.max()].mean())


def mass_inside(values: ArrayLike, mask: ArrayLike) -> float:
    """Share of the positive values' sum that lies inside the mask, in [0, 1].

    Undefined for an empty or full mask, and for a map without positive values; compare with the share of the
    picture that the mask covers.
    """
    chosen, inside = _pair(values, mask)
    if inside.all() or not inside.any():
        return UNDEFINED
    return counted_mass(chosen, inside)


def counted_mass(values: ArrayLike, mask: ArrayLike) -> float:
    """`mass_inside` as the runs that are shipped count it: 0 for an empty mask, 1 for a full one."""
    chosen, inside = _pair(values, mask)
    positive = chosen.clip(min=0)
    total = positive.sum()
    return float(positive[inside].sum() / total) if total else UNDEFINED


def compose_grid(images: Tensor, columns: int) -> Tensor:
    """One picture (C, rows * H, columns * W) out of images (N, C, H, W), row by row (grid pointing game).

    Raises:
        InputError: the images do not fill the rows.
    """
    if images.ndim != 4 or columns < 1 or len(images) == 0 or len(images) % columns:
        given = f"{tuple(images.shape)} in {columns} columns"
        raise InputError(f"Expected images (N, C, H, W) that fill rows of {columns}, got {given}.")
    count, channels, height, width = images.shape
    rows = images.view(count // columns, columns, channels, height, width)
    return rows.permute(2, 0, 3, 1, 4).reshape(channels, count // columns * height, columns * width)


def grid_share(values: ArrayLike, rows: int, columns: int, cell: int) -> float:
    """Grid pointing game (Böhle et al. 2021): share of the positive mass in cell number `cell`.

    Args:
        values: map (rows * H, columns * W) of a picture from `compose_grid`, for the class of that cell.
        rows: of the grid.
        columns: of the grid.
        cell: counted row by row from 0.

    Returns:
        In [0, 1], 1 / (rows * columns) by chance; undefined without positive mass.

    Raises:
        InputError: a map that the grid does not divide, or a cell outside it.
    """
    chosen = as_array(values)
    if (
        min(rows, columns) < 1
        or chosen.ndim != 2
        or chosen.shape[0] % rows
        or chosen.shape[1] % columns
        or not 0 <= cell < rows * columns
    ):
        given = f"shape {chosen.shape}, cell {cell}"
        raise InputError(
            f"Expected a map that {rows} x {columns} cells divide, and one of these cells, got {given}."
        )
    height, width = chosen.shape[0] // rows, chosen.shape[1] // columns
    inside = np.zeros(chosen.shape, bool)
    row, column = divmod(cell, columns)
    inside[row * height : (row + 1) * height, column * width : (column + 1) * width] = True
    return counted_mass(chosen, inside)
