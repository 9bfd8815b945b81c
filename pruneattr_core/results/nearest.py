"""Which level of a sweep a value of the dial means; without PyTorch, for a server that has just come up."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence


def level_at(dial: str, at: float, shares: Sequence[float], change: Sequence[float]) -> int:
    """Index of the level that the dial means.

    Args:
        dial: "change" allows an output change; anything else counts the neurons that are gone.
        at: where it stands.
        shares: of each level, what the dial counts.
        change: output change of each.
    """
    return first_beyond(change, at) if dial == "change" else nearest(shares, at)


def nearest(sparsity: Sequence[float], wanted: float) -> int:
    """Index of the realised sparsity closest to `wanted`, by what is kept (0.98 is far from 0.99)."""
    return min(range(len(sparsity)), key=lambda k: distance(sparsity[k], wanted))


def first_beyond(change: Sequence[float], allowed: float) -> int:
    """Index of the first level whose output change exceeds what is allowed; the last one where none does."""
    return next((k for k, value in enumerate(change) if value > allowed), len(change) - 1)


def shortest(value: float, same: Callable[[float], bool]) -> float:
    """The number of fewest digits, four at least, that means the same as `value`.

    Args:
        value: finite.
        same: whether a number does; true of `value`.
    """
    rounded = (float(f"{value:.{digits}g}") for digits in range(4, 18))
    return next(short for short in rounded if same(short))


def distance(one: float, other: float) -> float:
    """How far two sparsities are from each other, by the ratio of what they keep."""
    return abs(math.log(max(1 - one, 1e-9) / max(1 - other, 1e-9)))
