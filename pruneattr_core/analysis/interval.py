"""Mean and interval over a set."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pruneattr_core.errors import InputError
from pruneattr_core.importing import one_at_a_time


@dataclass(frozen=True)
class Interval:
    """A mean over a set and how sure it is.

    Attributes:
        mean: of the finite values.
        low: lower end of Student's t interval of that mean.
        high: upper end.
        n: number of finite values.
        level: coverage, in (0, 1).
    """

    mean: float
    low: float
    high: float
    n: int
    level: float = 0.95


def mean_interval(values: Iterable[float], level: float = 0.95, least: float = -math.inf) -> Interval:
    """Mean +- t * s / sqrt(n) over independent values; one value alone has no interval (NaN ends).

    The lower end stops at `least`, below which no value can lie: what is cut off can hold no mean, so the
    interval covers as often.

    Raises:
        InputError: no finite value, or a level outside (0, 1).
    """
    if not 0 < level < 1:
        raise InputError(f"Expected level in (0, 1), got {level!r}.")
    found = np.asarray([float(value) for value in values], dtype=np.float64)
    found = found[np.isfinite(found)]
    if not len(found):
        raise InputError("An interval needs at least one finite value.")
    mean = float(found.mean())
    if len(found) == 1:
        return Interval(mean, math.nan, math.nan, 1, level)
    with one_at_a_time:  # late: a third of a second, for which no page's first view has a use
        from scipy.special import stdtrit

    half = float(stdtrit(len(found) - 1, (1 + level) / 2)) * float(found.std(ddof=1)) / math.sqrt(len(found))
    return Interval(mean, max(least, mean - half), mean + half, len(found), level)
