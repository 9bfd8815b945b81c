"""Which sparsities a sweep visits, and where they lie on the slider's track."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.paths.dial import DEFAULT
from pruneattr_core.results.nearest import distance, nearest

Array = NDArray[Any]

#: Shares of all neurons that are levels where something contributes beyond them, with a button each.
FIXED = (0.7, 0.8, 0.9, 0.95, 0.99)
#: Shares of the contributing neurons that always are levels, with a button each.
OF_CONTRIBUTING = (0.5, 0.8, 0.9, 0.95, 0.99)
#: What the slider counts; "change" allows an output change.
DIALS = ("contributing", "all", "change")
#: The highest sparsity on the slider: one neuron in a thousand stays.
TOP = 0.999
#: Share of the contributing neurons that is gone before anybody moves the slider: the dial's default.
START = DEFAULT
#: What a dial counts -> its stops on pages that compute at one place of it, equally far from each other.
STOPS: Mapping[str, tuple[float, ...]] = {
    "contributing": (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, START, 0.85, 0.9, 0.95, 0.98, 0.99),
    "all": (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99),
    "change": (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0),
}
#: A silent share as good as all: nothing is left to be spaced.
_ALL = 1 - 1e-6
#: The share of the contributing neurons that stands for "none of them, but all the silent ones".
SILENT_GONE = 1e-8
#: Share of the track given to the sparsities at which only silent neurons go.
QUIET_TRACK = 0.12


@dataclass(frozen=True)
class Preset:
    """A named place on the slider.

    Attributes:
        label: a few characters for the button.
        title: what it means, one sentence.
        level: index into the levels.
        dials: keys of `DIALS` for which it is shown.
    """

    label: str
    title: str
    level: int
    dials: tuple[str, ...] = DIALS


def spaced(quiet: float, calibrated: float | None = None, count: int = 24) -> tuple[float, ...]:
    """Sparsities that are dense where something happens.

    Nothing but 0 lies below `quiet`; above it the levels are equidistant in log(1 - sparsity), the
    logarithm of what is kept, and the presets are added.

    Args:
        quiet: share of neurons that contribute nothing, in [0, 1].
        calibrated: sparsity of the calibrated output change, if known.
        count: number of equidistant levels.

    Returns:
        Increasing sparsities from 0 to `TOP`, or beyond where few neurons contribute, at most `count` + 12 of
        them, cut to 6 digits (10 where few contribute), so that `quiet` itself removes zero scores only.
    """
    start, top = _ends(quiet)
    steps = [1 - (1 - start) * ((1 - top) / (1 - start)) ** (i / (count - 1)) for i in range(count)]
    asked = (*FIXED, *(start + share * (1 - start) for share in OF_CONTRIBUTING), calibrated)
    extra = [s for s in asked if s is not None and start < s < top]
    # A neighbour closer than a fifth of a step to a preset would only slow the slider down.
    width = math.log((1 - start) / (1 - top)) / (count - 1)
    steps = [
        s for s in steps[1:-1] if all(abs(math.log((1 - s) / (1 - e))) > width / 5 for e in extra)
    ] + extra
    digits = 1e6 if start < 0.99 else 1e10
    return tuple(sorted({math.floor(s * digits) / digits for s in (0.0, start, *steps, top)}))


def _ends(quiet: float) -> tuple[float, float]:
    """Sparsities between which something happens: silent neurons gone, and at most 1 % of the others left."""
    start = 0.99 if quiet > _ALL else max(quiet, 0.0)
    return start, max(TOP, start + OF_CONTRIBUTING[-1] * (1 - start))


def first_levels(levels: Sequence[float], quiet: float) -> tuple[float, ...]:
    """What makes a slider already: nothing removed, silent neurons only, the dial's default, the last one."""
    middle = nearest(levels, quiet + START * (1 - quiet))
    silent = nearest(levels, quiet) if quiet > 0.02 else 0
    return tuple(levels[k] for k in sorted({0, silent, middle, len(levels) - 1}))


def unmoved(maps: Array) -> tuple[bool, ...]:
    """(K,) which maps (K, ...) equal the first one, to 1e-4 of its largest magnitude."""
    within = 1e-4 * np.abs(maps[0]).max()
    return tuple(bool(np.abs(level - maps[0]).max() <= within) for level in maps)


def silent_level(sparsity: Sequence[float], quiet: float) -> int | None:
    """Index of the level at which silent neurons are gone and no others, where there is one."""
    level = nearest(sparsity, quiet)
    return level if 0 < sparsity[level] <= quiet + 1e-6 and _near(sparsity[level], quiet) else None


def positions(sparsity: Sequence[float], quiet: float) -> list[float]:
    """Where each realised sparsity lies on the track, in [0, 1]; linear up to `quiet`, logarithmic above."""
    start = _ends(quiet)[0]
    floor = QUIET_TRACK if start > 0.02 else 0.0
    end = max(max(sparsity), start + (1 - start) / 1e4)
    span = math.log((1 - start) / max(1 - end, 1e-9))

    def place(s: float) -> float:
        if s <= start:
            return floor * s / start if start else 0.0
        return floor + (1 - floor) * math.log((1 - start) / max(1 - s, 1e-9)) / span

    return [place(s) for s in sparsity]


def _near(reached: float, wanted: float) -> bool:
    """Whether a level may be called by the sparsity wanted: what is kept differs by less than a seventh."""
    return distance(reached, wanted) < 0.15


def presets(
    sparsity: Sequence[float],
    quiet: float,
    change: Sequence[float],
    calibrated: float | None,
    plain: Sequence[bool],
) -> list[Preset]:
    """The named places on the slider of one sweep; of a few levels only those that they really hold.

    Args:
        sparsity: realised, increasing.
        quiet: share of neurons that contribute nothing.
        change: output change at each level.
        calibrated: sparsity of 15 % mean output change on a data set; None takes this picture's own.
        plain: whether the map of each level is still that of the whole network.
    """
    beyond = [k for k, s in enumerate(sparsity) if s > quiet + 1e-6]
    found = [] if sparsity[0] else [Preset("0", "Every neuron kept: the plain gradient.", 0)]
    if quiet > 0.02 and (silent := silent_level(sparsity, quiet)) is not None:
        silence = f"{100 * quiet:.0f}" if quiet <= 0.99 or quiet == 1 else f"{min(100 * quiet, 99.9):.1f}"
        text = f"Only the {silence} % of neurons that contribute nothing to first order are removed: "
        text += "still the plain gradient." if plain[silent] else "the map moves, for some are at work here."
        found.append(Preset("silent only", text, silent))
    if calibrated is not None and calibrated > quiet:
        level = nearest(sparsity, calibrated)
        text = (
            f"{100 * calibrated:.0f} % of all removed: over many pictures the score changes by 15 % on "
            f"average here; this picture's by {100 * change[level]:.0f} %."
        )
        found += [Preset("15 % mean change", text, level)] if _near(sparsity[level], calibrated) else []
    elif calibrated is None and (own := next((k for k in beyond if change[k] > 0.15), 0)):
        text = "Where the output change of this picture first exceeds 15 %; no calibration is stored."
        found.append(Preset("15 % here", text, own))
    for share in OF_CONTRIBUTING:
        wanted = quiet + share * (1 - quiet)
        level = nearest(sparsity, wanted)
        if level in beyond and _near(sparsity[level], wanted):
            text = f"{100 * share:.0f} % of the contributing neurons removed."
            found.append(Preset(f"{100 * share:.0f} %", text, level, ("contributing", "change")))
    for share in FIXED:
        level = nearest(sparsity, share)
        if share > quiet and _near(sparsity[level], share):
            text = f"{100 * share:.0f} % of all neurons removed" + (
                ", the papers' choice for ResNet-50." if share == FIXED[0] else "."
            )
            found.append(Preset(f"{100 * share:.0f} %", text, level, ("all",)))
    return found


def strip(sparsity: Sequence[float], quiet: float) -> list[int]:
    """Levels of the film strip: none removed, the quiet share, then eight steps of the logarithm."""
    start, top = _ends(quiet)
    wanted = [1 - (1 - start) * ((1 - top) / (1 - start)) ** (i / 8) for i in range(9)]
    return sorted({0, *(nearest(sparsity, s) for s in wanted)})
