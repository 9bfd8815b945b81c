"""What the Compare page computes, as values: an attribution per method and picture, and its numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pruneattr_core.attribution import METHODS
from pruneattr_core.attribution.collapse import collapse
from pruneattr_core.paths.dial import DEFAULT
from pruneattr_core.ui.subject import Subject

Array = NDArray[Any]
#: A picture of a data set: its name and the place in it.
Place = tuple[str, int]

#: Seconds a single map may take without being asked for twice.
PATIENT = 10.0
#: Passes below which nobody needs a prediction.
CHEAP_PASSES = 20
#: Pictures along one side of the grid of the pointing game.
GAME_SIDE = 2
#: Shares of the contributing neurons that are removed at the levels of what the slider moves.
SHARES = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, DEFAULT, 0.85, 0.9, 0.95, 0.98, 0.99)
#: Methods that move while the hand does -> passes of all levels. The others follow when it lets go.
LIVE = {"prunegrad": 2 + len(SHARES), "neuron_intgrad": 60 + len(SHARES), "prunegrad_mid": 3 * len(SHARES)}


@dataclass(frozen=True)
class Ask:
    """Explicit values that name one attribution; the key of its cached result.

    Attributes:
        subject: network, picture and class.
        method: key of `METHODS`.
        options: (name, value) pairs for `explain`.
        side: of the input, in pixels; with the options it says how many passes are needed.
    """

    subject: Subject
    method: str
    options: tuple[tuple[str, Any], ...]
    side: int


@dataclass(frozen=True)
class CurveAsk:
    """Names one removal curve.

    Attributes:
        ask: whose map.
        collapse: see `attribution.collapse`.
        sign: "signed", "positive" or "absolute": what is ranked is what is drawn.
        kind: key of `CURVES`.
        fill: key of `benchmarks.fills.FILLS`.
    """

    ask: Ask
    collapse: str
    sign: str
    kind: str
    fill: str


@dataclass(frozen=True)
class GameAsk:
    """Names one grid pointing game: the map of a grid of pictures, judged by where its mass lies.

    Attributes:
        ask: whose map; the picture is the one whose class is explained.
        collapse: see `attribution.collapse`.
        sign: as for `CurveAsk`.
        rivals: pictures that may take the other cells, in order; those of another class do.
    """

    ask: Ask
    collapse: str
    sign: str
    rivals: tuple[Place, ...]


@dataclass(frozen=True)
class LevelsAsk:
    """Names a method at every share of `SHARES`.

    Attributes:
        ask: of the method, with its options but without a place of the dial.
    """

    ask: Ask


@dataclass(frozen=True)
class Mapped:
    """One attribution.

    Attributes:
        attribution: float32 (C, H, W), or (1, H, W) from a method without channels.
        target: class explained.
        seconds: wall time.
        gap: |sum of the map - what it should be| in logit units, where the method promises a sum.
    """

    attribution: Array
    target: int
    seconds: float
    gap: float | None

    @property
    def nbytes(self) -> int:
        """Bytes kept."""
        return int(self.attribution.nbytes)


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
class Failed:
    """Why there is no result, one sentence for the user."""

    text: str
    nbytes: int = 200


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
    """A cell's map, levels, curve or game, with what it costs in passes."""

    key: Ask | CurveAsk | GameAsk | LevelsAsk
    picture: int
    cost: float


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
    asks: Sequence[Sequence[Ask]],
    how: str,
    sign: str,
    kind: str,
    fill: str,
    rivals: Sequence[tuple[Place, ...]] | None = None,
) -> list[Step]:
    """Everything a grid needs, cheap first: maps, their curves, and their games.

    Args:
        asks: per picture, one per method.
        how: of curves and games, see `CurveAsk`.
        sign: of curves and games.
        kind: of the curves.
        fill: of the curves.
        rivals: per picture, of the games; None for no games.
    """
    steps = []
    for picture, row in enumerate(asks):
        for ask in row:
            passes = float(passes_of(ask))
            steps.append(Step(ask, picture, passes))
            after = max(passes, CHEAP_PASSES)  # maps that are nearly free come before all curves
            steps.append(Step(CurveAsk(ask, how, sign, kind, fill), picture, after + 0.5))
            if rivals is not None:
                game = GameAsk(ask, how, sign, rivals[picture])
                steps.append(Step(game, picture, GAME_SIDE**2 * after + 0.5))
    return sorted(steps, key=lambda step: step.cost)


def levels_step(key: LevelsAsk, picture: int) -> Step:
    """The step of a method's levels: where they are nearly free, they come before all curves."""
    passes = float(passes_of(key))
    return Step(key, picture, passes if passes > 3 * CHEAP_PASSES else min(passes, CHEAP_PASSES))


def passes_of(key: Ask | GameAsk | LevelsAsk) -> int:
    """Forward-and-backward passes for this picture or grid, in passes of one picture, rounded up."""
    if isinstance(key, LevelsAsk):
        return LIVE[key.ask.method]
    if isinstance(key, GameAsk):
        ask = key.ask
        options = dict(ask.options)
        return math.ceil(GAME_SIDE**2 * METHODS[ask.method].cost(GAME_SIDE * ask.side, **options))
    return math.ceil(METHODS[key.method].cost(key.side, **dict(key.options)))


def pace_key(model: str, device: str) -> tuple[str, str, str]:
    """Names the measured seconds of one pass."""
    return ("pace", model, device)
