"""What the review desk computes: maps of one page, numbers of many pictures; all of it bounded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.compression.review_maps import (
    LEVELS,
    PRUNING,
    START_LEVEL,
    Seen,
    answers,
    choose_target,
    look,
    numbers_of,
)
from pruneattr_core.compression.review_triage import Triage, empty_triage
from pruneattr_core.errors import Cancelled, ImageError, PruneAttrError
from pruneattr_core.models import load_model
from pruneattr_core.ui.cache import engine
from pruneattr_core.ui.jobs import Cache, Failed, Job, Jobs
from pruneattr_core.ui.pictures import mask_seen
from pruneattr_core.ui.review.lineup import Contender, Lineup
from pruneattr_core.ui.review.pictures import Pictures, Shown

#: Bytes of maps, of networks and of numbers kept for all sessions together.
MAP_BYTES, MODEL_BYTES, NUMBER_BYTES = 48 << 20, 600 << 20, 8 << 20
#: Pictures that triage reads at a time.
CHUNK = 16


@dataclass(frozen=True)
class Target:
    """The class that a row explains, and what the teacher answered."""

    index: int
    nbytes: int = 100


class Board:
    """What all sessions' desks share."""

    def __init__(self) -> None:
        """Start empty."""
        self.shelf = Cache(MAP_BYTES, lambda value: int(value.nbytes))
        self.models = Cache(MODEL_BYTES, _model_bytes)
        numbers = Cache(NUMBER_BYTES, lambda value: 1000 if value is None else int(value.nbytes))
        self.background = Jobs(numbers)

    def model(self, one: Contender, job: Job) -> nn.Module:
        """A frozen network, from the shelf or loaded."""
        key = (one.model, one.weights, one.sha256)
        kept: nn.Module | None = self.models.get(key)
        if kept is None:
            job.note = f"Loading {one.title}"
            kept = load_model(one.model, str(engine().device), one.weights or None)
            self.models.put(key, kept)
        return kept


def _model_bytes(model: nn.Module) -> int:
    return sum(one.numel() * one.element_size() for one in model.state_dict().values())


@st.cache_resource(show_spinner=False)
def board() -> Board:
    """The board of this process."""
    return Board()


@dataclass(frozen=True)
class Sheet:
    """What one page of the desk shows.

    Attributes:
        lineup: the columns.
        pictures: where rows come from.
        places: the rows, as positions in `pictures`.
        method: key of `attribution.METHODS`.
        wanted: class chosen by the reader, None for the teacher's strongest label.
    """

    lineup: Lineup
    pictures: Pictures
    places: tuple[int, ...]
    method: str
    wanted: int | None

    @property
    def key(self) -> tuple[Any, ...]:
        """Names everything that is computed for it."""
        columns = tuple(one.sha256 for one in self.lineup.columns)
        return (
            "sheet",
            columns,
            self.pictures.id,
            self.places,
            self.method,
            self.wanted,
            self.lineup.multi_label,
        )

    def target_key(self, place: int) -> tuple[Any, ...]:
        """Names the class of a row."""
        return ("target", self.lineup.teacher.sha256, self.pictures.id, place, self.wanted)

    def cell_key(self, one: Contender, place: int, target: int) -> tuple[Any, ...]:
        """Names a network's maps of a picture."""
        return (
            "seen",
            one.model,
            one.sha256,
            self.pictures.id,
            place,
            target,
            self.method,
            self.lineup.multi_label,
        )

    def cell(self, shelf: Cache, one: Contender, place: int) -> Seen | Failed | None:
        """What is known of a cell; None while it is to come."""
        target = shelf.get(self.target_key(place))
        if isinstance(target, Failed):
            return target
        if target is None:
            return None
        found: Seen | Failed | None = shelf.get(self.cell_key(one, place, target.index))
        return found

    def missing(self, shelf: Cache) -> int:
        """Cells that are still to come."""
        return sum(
            self.cell(shelf, one, place) is None for place in self.places for one in self.lineup.columns
        )


def inputs_of(one: Contender, shown: Iterable[Shown]) -> Tensor:
    """A normalised batch on the engine's device."""
    card = one.card
    return torch.cat([card.preprocess(picture.image) for picture in shown]).to(engine().device)


def fill_sheet(task: Job, sheet: Sheet, desk: Board) -> None:
    """Compute every missing cell, the teacher's column first; failures become sentences in their cells."""
    shelf, shown = desk.shelf, {}
    task.tick(0, len(sheet.lineup.columns))
    for place in sheet.places:
        try:
            shown[place] = sheet.pictures[place]
        except PruneAttrError as error:
            shelf.put(sheet.target_key(place), Failed(str(error)))
    teacher = desk.model(sheet.lineup.teacher, task)
    for place in [place for place in shown if shelf.get(sheet.target_key(place)) is None]:
        logits = answers(teacher, inputs_of(sheet.lineup.teacher, [shown[place]]))[0]
        shelf.put(sheet.target_key(place), Target(choose_target(logits, shown[place].labels, sheet.wanted)))
    targets = {place: shelf.get(sheet.target_key(place)).index for place in shown}
    # A sweep is much work: picture by picture, rows complete from the top and a cancelled page stops soon.
    parts = [[place] for place in shown] if sheet.method == PRUNING else [list(shown)]
    steps = [(one, part) for part in parts for one in sheet.lineup.columns]
    for done, (one, part) in enumerate(steps):
        task.tick(done, len(steps))
        todo = [place for place in part if sheet.cell(shelf, one, place) is None]
        if not todo:
            continue
        task.note = one.title
        batch = [targets[place] for place in todo]
        found = _attempt(task, desk, one, sheet, [shown[place] for place in todo], batch)
        for place, cell in zip(todo, found, strict=True):
            shelf.put(sheet.cell_key(one, place, targets[place]), cell)
    task.tick(len(steps), len(steps))


def _attempt(
    task: Job, desk: Board, one: Contender, sheet: Sheet, shown: list[Shown], targets: list[int]
) -> list[Seen] | list[Failed]:
    try:
        network = desk.model(one, task)
        return look(network, inputs_of(one, shown), targets, sheet.method, sheet.lineup.multi_label)
    except Cancelled:
        raise
    except PruneAttrError as error:
        return [Failed(str(error))] * len(shown)


def triage_key(
    lineup: Lineup, pictures: Pictures, method: str, count: int, wanted: int | None
) -> tuple[Any, ...]:
    """Names the numbers of many pictures."""
    pair = (lineup.teacher.sha256, lineup.student.sha256, lineup.multi_label)
    return ("triage", pair, pictures.id, method, count, wanted)


def triage(
    task: Job, lineup: Lineup, pictures: Pictures, method: str, count: int, wanted: int | None, desk: Board
) -> Triage:
    """The numbers of the first `count` pictures; maps are forgotten chunk by chunk."""
    fields = empty_triage(count, len(lineup.teacher.card.classes))
    teacher, student = desk.model(lineup.teacher, task), desk.model(lineup.student, task)
    task.note = ""
    for start in range(0, count, CHUNK):
        task.tick(start, count)
        shown: dict[int, Shown] = {}
        for place in range(start, min(count, start + CHUNK)):
            try:
                shown[place] = pictures[place]
            except ImageError as error:
                fields["problems"][place] = str(error)
        if not shown:
            continue
        logits = answers(teacher, inputs_of(lineup.teacher, shown.values()))
        targets = [
            choose_target(row, one.labels, wanted) for row, one in zip(logits, shown.values(), strict=True)
        ]
        level = (LEVELS[START_LEVEL],)
        pair = [
            look(network, inputs_of(one, shown.values()), targets, method, lineup.multi_label, level)
            for network, one in ((teacher, lineup.teacher), (student, lineup.student))
        ]
        for k, (place, picture) in enumerate(shown.items()):
            mask = mask_seen(lineup.teacher.card, picture.mask(targets[k]))
            _note(fields, place, targets[k], picture.labels, pair[0][k], pair[1][k], mask)
    task.tick(count, count)
    return Triage(**fields)


def _note(
    fields: dict[str, Any],
    place: int,
    target: int,
    labels: tuple[int, ...],
    teacher: Seen,
    student: Seen,
    mask: NDArray[np.bool_] | None,
) -> None:
    own, other = numbers_of(teacher.maps, None, mask), numbers_of(student.maps, teacher.maps, mask)
    fields["target"][place] = target
    fields["labels"][place, list(labels)] = True
    known = not labels or target in labels
    fields["teacher_right"][place] = known and teacher.predicted[target]
    fields["student_right"][place] = known and student.predicted[target]
    for name, values in (
        ("cosine", other.cosine),
        ("l2", other.l2),
        ("teacher_point", own.point),
        ("student_point", other.point),
    ):
        if values is not None and values[0] is not None:
            fields[name][place] = values[0]
