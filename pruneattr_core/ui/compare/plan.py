"""What a grid asks for, and how much of it is there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pruneattr_core.models import ModelCard
from pruneattr_core.render.look import Look
from pruneattr_core.ui.compare.cells import (
    CHEAP_PASSES,
    LIVE,
    PATIENT,
    Ask,
    CurveAsk,
    GameAsk,
    LevelsAsk,
    Mapped,
    Place,
    Step,
    drawn,
    levels_step,
    pace_key,
    passes_of,
    steps_of,
)
from pruneattr_core.ui.compare.entries import follows, method_of
from pruneattr_core.ui.hand import name_of
from pruneattr_core.ui.jobs import Cache
from pruneattr_core.ui.levels import DIALS, START
from pruneattr_core.ui.pictures import Picture
from pruneattr_core.ui.subject import Subject


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

    @property
    def asks(self) -> list[list[Ask]]:
        """Per picture, the attributions that can be computed."""
        return [
            [self.ask(picture, entry) for entry in self.options if entry not in self.blocked]
            for picture in self.pictures
        ]

    def ask(self, picture: Picture, entry: str) -> Ask:
        """Names one attribution."""
        return self._ask(picture, entry, self.options[entry])

    def _ask(self, picture: Picture, entry: str, options: tuple[tuple[str, Any], ...]) -> Ask:
        side = max(self.card.size)
        subject = Subject(self.card.id, self.weights, picture.sha256, self.target, self.device)
        return Ask(subject, method_of(entry), options, side)

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
        pictures = [picture.sha256 for picture in self.pictures]
        return name_of(self.card.id, self.weights, pictures, self.target, tuple(self.options), self.device)

    def levels_ask(self, picture: Picture, entry: str) -> LevelsAsk | None:
        """Names the levels that the slider moves, if it moves this entry while it is dragged."""
        if entry not in self.following or method_of(entry) not in LIVE:
            return None
        kept = tuple(
            pair for pair in self.options[entry] if pair[0] not in ("sparsity", "of", "output_change")
        )
        return LevelsAsk(self._ask(picture, entry, kept))

    def curve_ask(self, ask: Ask) -> CurveAsk:
        """Names its removal curve."""
        return CurveAsk(ask, self.look.collapse, self.look.sign, self.curve, self.fill)

    def game_ask(self, picture: Picture, method: str) -> GameAsk | None:
        """Names its grid pointing game, if there is one."""
        if self.rivals is None:
            return None
        rivals = self.rivals[self.pictures.index(picture)]
        return GameAsk(self.ask(picture, method), self.look.collapse, self.look.sign, rivals)

    def find(self, shelf: Cache, picture: Picture, method: str) -> tuple[Any, NDArray[Any] | None, Any]:
        """The attribution (or why not), its map as drawn, its curve; None for what is missing."""
        if method in self.blocked:
            return None, None, None
        ask = self.ask(picture, method)
        found = shelf.get(ask)
        if not isinstance(found, Mapped):
            return found, None, None
        shown = drawn(found.attribution, self.look.collapse, self.look.sign)
        return found, shown, shelf.get(self.curve_ask(ask))

    def steps(self) -> list[Step]:
        """See `steps_of`."""
        look = self.look
        steps = steps_of(self.asks, look.collapse, look.sign, self.curve, self.fill, self.rivals)
        for j, picture in enumerate(self.pictures):
            keys = (self.levels_ask(picture, entry) for entry in self.options)
            steps += [levels_step(key, j) for key in dict.fromkeys(keys) if key is not None]
        return sorted(steps, key=lambda step: step.cost)


@dataclass(frozen=True)
class Standing:
    """How far a plan has come.

    Attributes:
        ready: maps that are there.
        wanted: maps that fit the network.
        dear: maps and grid games predicted to take long and not asked for twice.
        dear_seconds: their prediction together.
        open: maps, curves or games that are still to come, those that are dear left out.
    """

    ready: int
    wanted: int
    dear: int
    dear_seconds: float
    open: int


def mask_seen(card: ModelCard, mask: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """The mask (H, W) through the same resizing and cropping as the picture."""
    if mask is None:
        return None
    grey = Image.fromarray(np.repeat(255 * mask[:, :, None].astype(np.uint8), 3, 2))
    return np.asarray(card.display(grey))[:, :, 0] > 127


def standing(plan: Plan, shelf: Cache, dear: bool) -> Standing:
    """Count what is there; `dear` says that everything is wanted."""
    pace = shelf.get(pace_key(plan.card.id, plan.device))
    ready = waiting = costly = 0
    seconds = 0.0

    def missing(key: Ask | GameAsk) -> None:
        nonlocal waiting, costly, seconds
        predicted = math.nan if pace is None else float(pace) * passes_of(key)
        if not dear and passes_of(key) > CHEAP_PASSES and predicted > PATIENT:
            costly, seconds = costly + 1, seconds + predicted
        else:
            waiting += 1

    for picture in plan.pictures:
        for method in plan.options:
            if method in plan.blocked:
                continue
            ask, game, levels = (
                plan.ask(picture, method), plan.game_ask(picture, method), plan.levels_ask(picture, method)
            )  # fmt: skip
            found = shelf.get(ask)
            if levels is not None and shelf.get(levels) is None and isinstance(found, Mapped):
                waiting += 1
            if found is None:
                missing(ask)
                continue
            ready += 1
            if isinstance(found, Mapped):
                waiting += shelf.get(plan.curve_ask(ask)) is None
                if game is not None and shelf.get(game) is None:
                    missing(game)
    return Standing(ready, sum(map(len, plan.asks)), costly, seconds, waiting)
