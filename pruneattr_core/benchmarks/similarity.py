"""How alike two maps are: the measures of the sanity check (PG2 fig. 3) and of map matching (AP).

Maps are (H, W) of one shape. Where a measure is undefined (a constant map has no ranks, a zero map no
direction) the answer is `UNDEFINED`, a nan, and never a made-up number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pruneattr_core import likeness
from pruneattr_core.arrays import as_array
from pruneattr_core.errors import InputError
from pruneattr_core.importing import one_at_a_time

Map = NDArray[np.float64]

#: What a measure answers when the maps leave it undefined.
UNDEFINED = math.nan
#: Cells of the histogram of oriented gradients, in pixels (PG2, after Adebayo et al.).
HOG_CELL = 16
#: Side of the SSIM window in pixels, and the range of maps in [-1, 1].
SSIM_WINDOW, SSIM_RANGE = 5, 2.0


def normalised(values: ArrayLike) -> Map:
    """The map divided by its largest magnitude, in [-1, 1]; a zero map stays zero.

    Raises:
        InputError: not (H, W) with at least one value, or values that are not finite.
    """
    chosen = as_array(values)
    if chosen.ndim != 2 or chosen.size == 0:
        raise InputError(f"Expected a map (H, W), got shape {chosen.shape}: collapse the attribution first.")
    if not np.isfinite(chosen).all():
        raise InputError("The map holds NaN or infinite values, which no measure of likeness can use.")
    largest = float(np.abs(chosen).max())
    return chosen / largest if largest else chosen


def _pair(first: ArrayLike, second: ArrayLike) -> tuple[Map, Map]:
    a, b = normalised(first), normalised(second)
    if a.shape != b.shape:
        raise InputError(f"Expected two maps of one shape, got {a.shape} and {b.shape}: resize one of them.")
    return a, b


def _correlation(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Pearson's correlation of two flat arrays; undefined when either is constant."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return UNDEFINED
    a, b = a - a.mean(), b - b.mean()
    return float(np.clip(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), -1, 1))


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Ranks of all values from 1, equal ones sharing their mean; scipy.stats takes a second to import."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = counts.cumsum()
    return np.asarray((last - (counts - 1) / 2)[place.ravel()])


def spearman(first: ArrayLike, second: ArrayLike) -> float:
    """Rank correlation in [-1, 1], equal values sharing their mean rank; undefined for a constant map."""
    a, b = _pair(first, second)
    return _correlation(_ranks(a), _ranks(b))


def spearman_abs(first: ArrayLike, second: ArrayLike) -> float:
    """Rank correlation of the magnitudes, in [-1, 1]; undefined when one is constant."""
    a, b = _pair(first, second)
    return _correlation(_ranks(np.abs(a)), _ranks(np.abs(b)))


def ssim(first: ArrayLike, second: ArrayLike) -> float:
    """Mean structural similarity (Wang et al. 2004) in [-1, 1], uniform 5x5 window, range 2.

    Undefined for maps smaller than the window. Two equal constant maps answer 1.
    """
    with one_at_a_time:
        from skimage.metrics import structural_similarity

    a, b = _pair(first, second)
    if min(a.shape) < SSIM_WINDOW:
        return UNDEFINED
    measure = cast(Callable[..., float], structural_similarity)  # scikit-image leaves it untyped
    return float(measure(a, b, win_size=SSIM_WINDOW, data_range=SSIM_RANGE))


def hog_pearson(first: ArrayLike, second: ArrayLike) -> float:
    """Pearson's correlation of histograms of oriented gradients, 9 orientations, 16x16 pixels a cell.

    Undefined for maps smaller than one block of 3x3 cells (48 pixels) and for constant maps.
    """
    with one_at_a_time:
        from skimage.feature import hog

    a, b = _pair(first, second)
    if min(a.shape) < 3 * HOG_CELL:
        return UNDEFINED
    features = [hog(values, pixels_per_cell=(HOG_CELL, HOG_CELL)) for values in (a, b)]
    return _correlation(*features)


def cosine(first: ArrayLike, second: ArrayLike) -> float:
    """See `likeness.cosine`; undefined for a zero map."""
    return likeness.cosine(*_pair(first, second))


def l2_distance(first: ArrayLike, second: ArrayLike) -> float:
    """See `likeness.l2_distance`; undefined for a zero map."""
    return likeness.l2_distance(*_pair(first, second))


#: Every measure by name: (map, map) -> number; higher is more alike, but for the distance.
MEASURES: dict[str, Callable[[ArrayLike, ArrayLike], float]] = {
    "spearman": spearman,
    "spearman_abs": spearman_abs,
    "ssim": ssim,
    "hog_pearson": hog_pearson,
    "cosine": cosine,
    "l2_distance": l2_distance,
}
