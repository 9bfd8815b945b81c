"""Likeness of two sets and of two maps: the formulas, each in one place."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from pruneattr_core.arrays import as_array
from pruneattr_core.errors import InputError

#: Norms from here to one over it come of squares that float64 holds.
_SAFE = 1e-140


def jaccard(both: Tensor, either: Tensor, empty: float = 1.0) -> Tensor:
    """Overlap |A and B| / |A or B| (SCP section 2.4), float64.

    Args:
        both: sizes of intersections.
        either: sizes of unions, of the same shape.
        empty: the answer for two empty sets.
    """
    return torch.where(either == 0, empty, both.double() / either.clamp(min=1))


def normalise_l2(values: ArrayLike) -> NDArray[np.float64]:
    """A map divided by its Euclidean norm over all positions; a map of zeros stays as it is."""
    given = as_array(values)
    norm = _norm(given)
    if not _SAFE < norm < 1 / _SAFE and given.any():  # its squares are lost, or overflow
        given = given / np.abs(given).max()
        norm = _norm(given)
    return given / norm if norm > 0 else given


def _norm(given: NDArray[np.float64]) -> float:
    with np.errstate(over="ignore"):
        return float(np.sqrt((given**2).sum()))


def cosine(first: ArrayLike, second: ArrayLike) -> float:
    """<A, B> / (||A|| ||B||), in [-1, 1] (AP); nan where a map is zero everywhere.

    Raises:
        InputError: maps of different shapes.
    """
    one, other = _pair(first, second)
    if not one.any() or not other.any():
        return math.nan
    return float(np.clip((one * other).sum(), -1, 1))


def l2_distance(first: ArrayLike, second: ArrayLike) -> float:
    """|| A / ||A|| - B / ||B|| ||, in [0, 2]: the square root of 2 - 2 cosine; nan as there.

    AP prints another unit: its l2 columns are what 1e4 * mean squared difference over 14 x 14 positions would
    give (our reading; the paper does not say).

    Raises:
        InputError: maps of different shapes.
    """
    one, other = _pair(first, second)
    if not one.any() or not other.any():
        return math.nan
    return float(np.sqrt(((one - other) ** 2).sum()))


def _pair(one: ArrayLike, other: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, second = normalise_l2(one), normalise_l2(other)
    if first.shape != second.shape:
        raise InputError(f"Expected two maps of one shape, got {first.shape} and {second.shape}.")
    return first, second
