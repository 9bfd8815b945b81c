"""What a grid asks for, and how much of it is there."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.models import ModelCard
from pruneattr_core.render.look import Look
from pruneattr_core.response import Target
from pruneattr_core.results.cells import (
    CHEAP_PASSES,
    LIVE,
    PATIENT,
    CurveKey,
    GameKey,
    LevelsKey,
    Place,
    Step,
    drawn,
    levels_step,
    passes_left,
    steps_of,
)
from pruneattr_core.results.keys import DIAL, MapKey, Mapped, PaceKey, ScoresKey, Subject, map_key
from pruneattr_core.results.levels import DIALS, START
from pruneattr_core.share.entries import follows, method_of
from pruneattr_core.share.way_back import asked_again
from pruneattr_core.ui.hand import name_of
from pruneattr_core.ui.jobs import Cache
from pruneattr_core.ui.pictures import Picture


@dataclass(frozen=True)
class Plan:
    """Every choice behind a grid.

    Attributes:
        card: the model.
        weights: SHA-256 over its state dict.
        pictures: one or several.
        masks: per picture the object's mask (H, W) as the network sees it, or None.
        target: class index, None for each picture's predicted class.
        options: per entry (see `compare.entries`), what `explain` is called with beside model, inputs and
            target; in table order.
        blocked: entry -> why it does not fit this network.
        look: how maps are drawn.
        reference: method that Spearman and SSIM compare with.
        order: field of `Numbers`, or "table".
        curve: key of `CURVES`.
        fill: key of `FILLS`.
        layout: "rows" or "columns".
        device: device type.
        rivals: per picture, whom it may play the grid pointing game with; None for no games.
        dial: (scale, place on it) of the entries that follow the dial.
        against: what the target is explained instead of or together with, see `Subject`.
    """

    card: ModelCard
    weights: str
    pictures: tuple[Picture, ...]
    masks: tuple[NDArray[np.bool_] | None, ...]
    target: int | None
    options: Mapping[str, tuple[tuple[str, Any], ...]]
    blocked: Mapping[str, str]
    look: Look
    reference: str
    order: str
    curve: str
    fill: str
    layout: str
    device: str
    rivals: tuple[tuple[Place, ...], ...] | None = None
    dial: tuple[str, float] = (DIALS[0], START)
    against: str = ""

    @property
    def map_keys(self) -> list[list[MapKey]]:
        """Per picture, the attributions that can be computed."""
        return [
            [self.map_key(picture, entry) for entry in self.options if entry not in self.blocked]
            for picture in self.pictures
        ]

    def map_key(self, picture: Picture, entry: str) -> MapKey:
        """Names one attribution."""
        return map_key(self.subject(picture), method_of(entry), dict(self.options[entry]))

    def subject(self, picture: Picture) -> Subject:
        """Names the network, the picture and what is explained of it."""
        asked = self.target, self.device, self.against
        return Subject(self.card.id, self.weights, picture.sha256, *asked, self.card.state)

    @property
    def asked(self) -> Target:
        """What is explained of each picture, as the library takes it."""
        return asked_again(self.target, self.against)

    @property
    def following(self) -> tuple[str, ...]:
        """Entries that the dial moves."""
        return tuple(entry for entry in self.options if entry not in self.blocked and follows(entry))

    @property
    def reference_entry(self) -> str | None:
        """The entry that Spearman and SSIM compare with: the first one of that method."""
        fitting = (entry for entry in self.options if entry not in self.blocked)
        return next((entry for entry in fitting if method_of(entry) == self.reference), None)

    @property
    def name(self) -> str:
        """Of what is shown, wherever the dial stands; see `hand`."""
        return name_of([self.subject(picture) for picture in self.pictures], tuple(self.options))

    @property
    def whole(self) -> tuple[Hashable, ...]:
        """Names all that a finished grid shows."""
        drawn = self.look, self.reference, self.order, self.curve, self.fill, self.layout, self.rivals
        return self.name, *self.options.items(), *drawn, self.dial

    def levels_key(self, picture: Picture, entry: str) -> LevelsKey | None:
        """Names the levels that the slider moves, if it moves this entry while it is dragged."""
        if entry not in self.following or method_of(entry) not in LIVE:
            return None
        key = self.map_key(picture, entry)
        return LevelsKey(key.subject, key.method, tuple(pair for pair in key.options if pair[0] not in DIAL))

    def curve_key(self, key: MapKey) -> CurveKey:
        """Names its removal curve."""
        return CurveKey(key, self.look.collapse, self.look.sign, self.curve, self.fill)

    def game_key(self, picture: Picture, method: str) -> GameKey | None:
        """Names its grid pointing game, if there is one."""
        if self.rivals is None:
            return None
        rivals = self.rivals[self.pictures.index(picture)]
        return GameKey(self.map_key(picture, method), self.look.collapse, self.look.sign, rivals)

    def find(self, shelf: Cache, picture: Picture, method: str) -> tuple[Any, NDArray[Any] | None, Any]:
        """The attribution (or why not), its map as drawn, its curve; None for what is missing."""
        if method in self.blocked:
            return None, None, None
        key = self.map_key(picture, method)
        found = shelf.get(key)
        if not isinstance(found, Mapped):
            return found, None, None
        how, sign = self.look.collapse, self.look.sign
        # One array for every drawing of the grid: its downloads hold what they would write.
        place = ("drawn", key, how, sign)
        shown: NDArray[Any] | None = shelf.get(place)
        if shown is None:
            shown = drawn(found.attribution, how, sign)
            shelf.put(place, shown)
        return found, shown, shelf.get(self.curve_key(key))

    def steps(self) -> list[Step]:
        """See `steps_of`."""
        look = self.look
        steps = steps_of(self.map_keys, look.collapse, look.sign, self.curve, self.fill, self.rivals)
        for j, picture in enumerate(self.pictures):
            beside = {self.levels_key(picture, entry): self.map_key(picture, entry) for entry in self.options}
            steps += [levels_step(key, j, found) for key, found in beside.items() if key is not None]
        return sorted(steps, key=lambda step: step.cost)


@dataclass(frozen=True)
class Standing:
    """How far a plan has come.

    Attributes:
        ready: maps that are there.
        wanted: maps that fit the network.
        dear: maps and grid games predicted to take long and not asked for twice.
        dear_seconds: their prediction together.
        open: keys of the maps, curves and games that are still to come, those that are dear left out.
    """

    ready: int
    wanted: int
    dear: int
    dear_seconds: float
    open: frozenset[Hashable]

    @property
    def pictured(self) -> frozenset[Hashable]:
        """Those of `open` that are looked at: maps and their levels, not curves and games."""
        return frozenset(key for key in self.open if isinstance(key, MapKey | LevelsKey))


def standing(plan: Plan, shelf: Cache, dear: bool) -> Standing:
    """Count what is there; `dear` says that everything is wanted."""
    pace = shelf.get(PaceKey(plan.card.id, plan.device, plan.card.state))
    ready = costly = 0
    seconds = 0.0
    waiting: set[Hashable] = set()
    counted: set[ScoresKey] = set()

    def missing(key: MapKey | GameKey) -> None:
        nonlocal costly, seconds
        passes = passes_left(key, lambda scores: shelf.get(scores) is not None)
        predicted = math.nan if pace is None else float(pace) * passes
        if not dear and passes > CHEAP_PASSES and predicted > PATIENT:
            costly += 1
            seconds += predicted / passes * passes_left(key, counted.__contains__)
            counted.update({key.scores} if isinstance(key, MapKey) and key.scores else ())
        else:
            waiting.add(key)

    for picture in plan.pictures:
        for method in plan.options:
            if method in plan.blocked:
                continue
            key, game = plan.map_key(picture, method), plan.game_key(picture, method)
            levels = plan.levels_key(picture, method)
            found = shelf.get(key)
            if levels is not None and shelf.get(levels) is None and isinstance(found, Mapped):
                waiting.add(levels)
            if found is None:
                missing(key)
                continue
            ready += 1
            if isinstance(found, Mapped):
                if shelf.get(plan.curve_key(key)) is None:
                    waiting.add(plan.curve_key(key))
                if game is not None and shelf.get(game) is None:
                    missing(game)
    return Standing(ready, sum(map(len, plan.map_keys)), costly, seconds, frozenset(waiting))
