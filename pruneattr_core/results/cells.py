"""What the Compare page computes, as values: an attribution per method and picture, and its numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pruneattr_core.attribution.collapse import collapse
from pruneattr_core.results.keys import SHORT, MapKey, ScoresKey, Subject
from pruneattr_core.results.levels import SILENT_GONE, STOPS
from pruneattr_core.scoring.intgrad import integral_passes

Array = NDArray[Any]
#: A picture of a data set: its name and the place in it.
Place = tuple[str, int]

#: Seconds a single map may take without being asked for twice.
PATIENT = 10.0
#: Passes below which nobody needs a prediction.
CHEAP_PASSES = SHORT
#: Pictures along one side of the grid of the pointing game.
GAME_SIDE = 2
#: Shares of the contributing neurons that are removed at the levels of what the slider moves.
SHARES = (0.0, SILENT_GONE, *STOPS["contributing"][1:])
#: Methods that move while the hand does -> passes of all levels, without what ranks neurons.
#: The others follow when it lets go.
LIVE = {"prunegrad": 2 + len(SHARES), "neuron_intgrad": 2 + len(SHARES), "prunegrad_mid": 3 * len(SHARES)}


@dataclass(frozen=True)
class CurveKey:
    """Names one removal curve.

    Attributes:
        map: whose.
        collapse: see `attribution.collapse`.
        sign: "signed", "positive" or "absolute": what is ranked is what is drawn.
        kind: key of `CURVES`.
        fill: key of `benchmarks.fills.FILLS`.
    """

    map: MapKey
    collapse: str
    sign: str
    kind: str
    fill: str


@dataclass(frozen=True)
class GameKey:
    """Names one grid pointing game: the map of a grid of pictures, judged by where its mass lies.

    Attributes:
        map: whose method; the picture is the one whose class is explained.
        collapse: see `attribution.collapse`.
        sign: as for `CurveKey`.
        rivals: pictures that may take the other cells, in order; those of another class do.
    """

    map: MapKey
    collapse: str
    sign: str
    rivals: tuple[Place, ...]


@dataclass(frozen=True)
class RivalsKey:
    """Names who plays a grid pointing game against a picture.

    Attributes:
        subject: network, picture and the class explained.
        rivals: where others come from.
    """

    subject: Subject
    rivals: tuple[Place, ...]


@dataclass(frozen=True)
class LevelsKey:
    """Names a method at every share of `SHARES`.

    Attributes:
        subject: network, picture and class.
        method: key of `LIVE`.
        options: every option of the method that is no place of the dial.
    """

    subject: Subject
    method: str
    options: tuple[tuple[str, Any], ...]

    @property
    def scores(self) -> ScoresKey:
        """Names the scores that all levels rest on."""
        options = dict(self.options)
        return ScoresKey(
            self.subject, options.get("contribution", "taylor"), options.get("class_scores", False)
        )


@dataclass(frozen=True)
class Curve:
    """One removal curve: fractions (K,) and what is plotted over them (K,), with the area below it."""

    fractions: tuple[float, ...]
    values: tuple[float, ...]
    area: float
    nbytes: int = 200


@dataclass(frozen=True)
class Game:
    """Share of the positive mass in the picture's own cell, nan without any, and who stood in the others."""

    share: float
    rivals: tuple[Place, ...]
    nbytes: int = 400


@dataclass(frozen=True)
class CurveKind:
    """A removal curve on offer.

    Attributes:
        title: full name.
        short: for the caption of a small plot.
        across: what the horizontal axis counts.
        up: what the vertical axis shows.
        higher: whether a larger area is better.
    """

    title: str
    short: str
    across: str
    up: str
    higher: bool


CURVES = {
    "lerf": CurveKind(
        "LeRF: least relevant pixels removed first", "LeRF area", "pixels removed", "change |p0-p|/p0", False
    ),
    "deletion": CurveKind(
        "Deletion: most relevant pixels removed first",
        "Deletion area",
        "pixels removed",
        "probability",
        False,
    ),
    "insertion": CurveKind(
        "Insertion: most relevant pixels shown first", "Insertion area", "pixels shown", "probability", True
    ),
}


@dataclass(frozen=True)
class Step:
    """A cell's map, levels, curve or game, with what it costs in passes.

    Attributes:
        key: of the result.
        picture: its place among those of the grid.
        cost: passes, in the order of which steps are taken.
        beside: of levels, the map that they come with.
    """

    key: MapKey | CurveKey | GameKey | LevelsKey
    picture: int
    cost: float
    beside: MapKey | None = None


def drawn(attribution: Array, how: str, sign: str) -> Array:
    """The map (H, W) that is shown, ranked and compared.

    Args:
        attribution: (C, H, W).
        how: see `attribution.collapse`.
        sign: "signed" keeps both signs, "positive" cuts at 0, "absolute" takes magnitudes.
    """
    values = collapse(torch.from_numpy(attribution[None].copy()), how)[0].numpy()
    if sign == "absolute":
        return np.abs(values)
    return values.clip(min=0) if sign == "positive" else values


def steps_of(
    maps: Sequence[Sequence[MapKey]],
    how: str,
    sign: str,
    kind: str,
    fill: str,
    rivals: Sequence[tuple[Place, ...]] | None = None,
) -> list[Step]:
    """Everything a grid needs, cheap first: maps, their curves, and their games.

    Args:
        maps: per picture, one per method.
        how: of curves and games, see `CurveKey`.
        sign: of curves and games.
        kind: of the curves.
        fill: of the curves.
        rivals: per picture, of the games; None for no games.
    """
    steps = []
    for picture, row in enumerate(maps):
        for key in row:
            passes = float(passes_of(key))
            steps.append(Step(key, picture, passes))
            after = max(passes, CHEAP_PASSES)  # maps that are nearly free come before all curves
            steps.append(Step(CurveKey(key, how, sign, kind, fill), picture, after + 0.5))
            if rivals is not None:
                game = GameKey(key, how, sign, rivals[picture])
                steps.append(Step(game, picture, GAME_SIDE**2 * after + 0.5))
    return sorted(steps, key=lambda step: step.cost)


def levels_step(key: LevelsKey, picture: int, beside: MapKey) -> Step:
    """The step of a method's levels: where they are nearly free, they come before all curves."""
    passes = float(passes_of(key))
    return Step(key, picture, passes if passes > 3 * CHEAP_PASSES else min(passes, CHEAP_PASSES), beside)


def passes_of(key: MapKey | GameKey | LevelsKey) -> int:
    """Forward-and-backward passes for this picture or grid, in passes of one picture, rounded up."""
    if isinstance(key, LevelsKey):
        return math.ceil(LIVE[key.method] + integral_passes(key.scores.contribution))
    if isinstance(key, GameKey):
        return math.ceil(GAME_SIDE**2 * key.map.passes(GAME_SIDE))
    return math.ceil(key.passes())


def passes_left(key: MapKey | GameKey, there: Callable[[ScoresKey], bool]) -> int:
    """As `passes_of`, but for an integral that ranks its neurons and is there."""
    scores = None if isinstance(key, GameKey) else key.scores
    if scores is None or not there(scores):
        return passes_of(key)
    return max(1, passes_of(key) - math.floor(integral_passes(scores.contribution)))
