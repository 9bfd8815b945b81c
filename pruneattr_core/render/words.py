"""A map in one sentence, for readers who cannot see it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pruneattr_core.errors import InputError

# Where the window of each place starts (rows, columns), in quarters. Of equal shares the first is named.
_PLACES: dict[str, tuple[int, int]] = {
    "centre": (1, 1),
    "top": (0, 1),
    "centre-left": (1, 0),
    "centre-right": (1, 2),
    "bottom": (2, 1),
    "top-left": (0, 0),
    "top-right": (0, 2),
    "bottom-left": (2, 0),
    "bottom-right": (2, 2),
}


def describe_map(values: ArrayLike, signed: bool = True) -> str:
    """One sentence on where a map (H, W) has its mass, such as a text alternative needs.

    Nine windows of half the height and half the width, a quarter of the area each, lie at the corners,
    the edges and the centre; named is the one with the largest share of the positive values' sum.

    Args:
        values: the map; values that are not finite count as 0.
        signed: whether to speak of negative values too.

    Raises:
        InputError: the map is not (H, W) with at least one value.
    """
    clean = np.nan_to_num(np.asarray(values, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    if clean.ndim != 2 or clean.size == 0:
        raise InputError(f"Expected a map (H, W), got shape {clean.shape}: collapse it first.")
    if not clean.any():
        return "The map is zero everywhere."
    positive = clean.clip(min=0)
    total, magnitude = positive.sum(), np.abs(clean).sum()
    if total == 0:
        return "The map is negative or zero everywhere."
    height, width = clean.shape
    shares = {
        name: positive[_half(height, row), _half(width, column)].sum() / total
        for name, (row, column) in _PLACES.items()
    }
    place = max(shares, key=shares.__getitem__)
    sentence = f"{_percent(shares[place])} of the positive mass in the {place} quarter"
    if signed and total < magnitude:
        sentence += f"; {_percent(1 - total / magnitude)} of all mass is negative"
    return sentence + "."


def _half(length: int, quarters: int) -> slice:
    start = quarters * length // 4
    return slice(start, max(start + 1, start + (length + 1) // 2))


def _percent(share: float) -> str:
    return f"{round(100 * share)} %" if share >= 0.005 else "less than 1 %"
