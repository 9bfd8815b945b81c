"""The numbers under each map of the grid, and ordering by them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from pruneattr_core.share.words import signed, sized

Array = NDArray[Any]


@dataclass(frozen=True)
class Numbers:
    """What is known about one map; nan where a number does not exist (yet).

    Attributes:
        seconds: wall time.
        passes: forward-and-backward passes.
        area: below the removal curve.
        spearman: rank correlation with the reference method's map of the same picture.
        ssim: structural similarity with it.
        mass: share of the positive mass inside the mask.
        game: share of it in the picture's own cell of a grid with others.
        gap: completeness gap.
    """

    seconds: float = math.nan
    passes: float = math.nan
    area: float = math.nan
    spearman: float = math.nan
    ssim: float = math.nan
    mass: float = math.nan
    game: float = math.nan
    gap: float = math.nan


@dataclass(frozen=True)
class Kind:
    """How a number is called, written and ordered."""

    label: str
    title: str
    write: Callable[[float], str]
    higher: bool


def seconds_text(value: float) -> str:
    """0.043 -> "43 ms"; 12.3 -> "12 s"; 200 -> "3 min"."""
    if value < 1:
        return f"{1000 * value:.0f} ms"
    return f"{value:.1f} s" if value < 10 else f"{value:.0f} s" if value < 100 else f"{value / 60:.0f} min"


def _signed(value: float) -> str:
    return signed(value, ".2f")


def _share(value: float) -> str:
    return f"{100 * value:.0f} %" if value >= 0.1 or value == 0 else f"{100 * value:.1f} %"


#: Every number, in the order shown. The removal curve's area is drawn with its curve.
KINDS: dict[str, Kind] = {
    "seconds": Kind("Time", "Wall time of this map on this machine.", seconds_text, False),
    "passes": Kind(
        "Passes",
        "Forward and backward passes through the network; a usual count where an integral ranks neurons.",
        lambda v: f"{v:.0f}",
        False,
    ),
    "spearman": Kind("Spearman", "Rank correlation with the reference map, -1 to 1.", _signed, True),
    "ssim": Kind(
        "SSIM",
        "Structural similarity with the reference map: window 5, maps divided by their largest magnitude.",
        _signed,
        True,
    ),
    "mass": Kind("Mass in mask", "Share of the positive values' sum inside the object's mask.", _share, True),
    "game": Kind(
        "Grid game",
        "Grid pointing game: the picture stands in a grid of four with pictures of other classes; share of "
        "the positive values' sum inside its own quarter. 25 % by chance.",
        _share,
        True,
    ),
    "gap": Kind(
        "Completeness gap",
        "|sum of the map - what the method promises it to be|, in logit units.",
        lambda v: f"{v:.2g}",
        False,
    ),
    "area": Kind("Curve area", "Area below the removal curve.", lambda v: sized(v, 3), False),
}


def written(numbers: Numbers, names: Sequence[str], best: str = "") -> list[dict[str, Any]]:
    """The numbers that exist, as the grid shows them; `best` names the one to stress."""
    rows = []
    for name in names:
        value = getattr(numbers, name)
        if not math.isnan(value):
            kind = KINDS[name]
            rows.append(
                {"label": kind.label, "text": kind.write(value), "title": kind.title, "best": name == best}
            )
    return rows


def ordered(methods: Sequence[str], values: Sequence[Sequence[Numbers]], by: str, higher: bool) -> list[int]:
    """Positions of the methods, best mean over pictures first; without a number last, else as given.

    Args:
        methods: as chosen.
        values: per method, one `Numbers` per picture.
        by: field of `Numbers`, or anything else to keep the order.
        higher: whether higher is better.
    """
    if by not in KINDS:
        return list(range(len(methods)))
    means = [mean([getattr(numbers, by) for numbers in row]) for row in values]

    def rank(place: int) -> tuple[bool, float]:
        return math.isnan(means[place]), 0.0 if math.isnan(means[place]) else (-1 if higher else 1) * means[
            place
        ]

    return sorted(range(len(methods)), key=rank)


def mean(values: Sequence[float]) -> float:
    """Mean of the numbers that exist; nan without any."""
    there = [value for value in values if not math.isnan(value)]
    return sum(there) / len(there) if there else math.nan
