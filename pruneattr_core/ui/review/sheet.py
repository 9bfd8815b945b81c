"""What the review desk computes: maps of one page, numbers of many pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.benchmarks.objects import mask_seen
from pruneattr_core.compression.measures import collapsed, predicted
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
from pruneattr_core.errors import ImageError, InputError, PruneAttrError
from pruneattr_core.results.keys import Subject, map_key
from pruneattr_core.ui.cache import engine
from pruneattr_core.ui.jobs import Cache, Failed, Job
from pruneattr_core.ui.pictures import pixels_hash
from pruneattr_core.ui.results import attempt, mapped, telling
from pruneattr_core.ui.review.keys import CellKey, SheetKey, TargetKey, TriageKey
from pruneattr_core.ui.review.lineup import Contender, Lineup
from pruneattr_core.ui.review.pictures import Pictures, Shown

#: Pictures that triage reads at a time.
CHUNK = 16


@dataclass(frozen=True)
class Target:
    """The class that a row explains, and what the teacher answered."""

    index: int
    nbytes: int = 100


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
    def key(self) -> SheetKey:
        """Names everything that is computed for it."""
        columns, several = tuple(one.sha256 for one in self.lineup.columns), self.lineup.multi_label
        contents = tuple(self.contents.values())
        return SheetKey(columns, contents, self.places, self.method, self.wanted, several)

    @cached_property
    def contents(self) -> Mapping[int, str]:
        """Place -> what names the picture there in keys: as it is when the page is drawn."""
        return {place: self.pictures.key([place]) for place in self.places}

    def target_key(self, place: int) -> TargetKey:
        """Names the class of a row."""
        return TargetKey(self.lineup.teacher.sha256, self.contents[place], place, self.wanted)

    def cell_key(self, one: Contender, place: int, target: int) -> CellKey:
        """Names a network's maps of a picture."""
        asked = place, target, self.method, self.lineup.multi_label
        return CellKey(one.model, one.sha256, self.contents[place], *asked)

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


def network_of(one: Contender, job: Job) -> tuple[nn.Module, str]:
    """The network of a column and the hash of its weights, as the engine keeps it for all pages."""
    return engine().model(one.model, job, (one.weights, one.sha256) if one.weights else None)


def fill_sheet(task: Job, sheet: Sheet, shelf: Cache) -> None:
    """Compute every missing cell, row by row; failures become sentences in their cells."""
    columns, shown = sheet.lineup.columns, {}
    task.tick(0, len(columns))
    for place in sheet.places:
        try:
            shown[place] = sheet.pictures[place]
        except PruneAttrError as error:
            shelf.put(sheet.target_key(place), Failed(str(error)))
        if sheet.pictures.key([place]) != sheet.contents[place]:
            shown.pop(place, None)  # another picture by now: the page's next run asks for it by its own name
    teacher, _ = network_of(sheet.lineup.teacher, task)
    for place in [place for place in shown if shelf.get(sheet.target_key(place)) is None]:
        logits = answers(teacher, inputs_of(sheet.lineup.teacher, [shown[place]]))[0]
        shelf.put(sheet.target_key(place), Target(choose_target(logits, shown[place].labels, sheet.wanted)))
    steps = [(one, place) for place in shown for one in columns]
    for done, (one, place) in enumerate(steps):
        task.tick(done, len(steps))
        if sheet.cell(shelf, one, place) is None:
            task.note, target = one.title, shelf.get(sheet.target_key(place)).index
            cell = attempt(partial(seen, task, sheet, one, shown[place], target, shelf))
            shelf.put(sheet.cell_key(one, place, target), cell)
    task.tick(len(steps), len(steps))


def seen(task: Job, sheet: Sheet, one: Contender, shown: Shown, target: int, shelf: Cache) -> Seen:
    """What a network makes of one picture; its map is the one that the other pages ask for."""
    network, weights = network_of(one, task)
    inputs, method, several = inputs_of(one, [shown]), sheet.method, sheet.lineup.multi_label
    if method == PRUNING:
        return look(network, inputs, [target], method, several)[0]
    asked = pixels_hash(shown.image), target, engine().device.type
    subject = Subject(one.model, weights, *asked, code=one.card.state)
    found = mapped(shelf, network, inputs, map_key(subject, method, {}), telling(task))
    logits = answers(network, inputs)
    maps = collapsed(torch.from_numpy(found.attribution[None].copy()), method).numpy()
    return Seen(maps, np.asarray(predicted(logits, several)[0]), float(logits[0, target]))


def triage_key(lineup: Lineup, pictures: Pictures, method: str, count: int, wanted: int | None) -> TriageKey:
    """Names the numbers of many pictures."""
    pair = (lineup.teacher.sha256, lineup.student.sha256, lineup.multi_label)
    return TriageKey(*pair, pictures.key(range(count)), method, count, wanted)


def triage(
    task: Job, lineup: Lineup, pictures: Pictures, method: str, count: int, wanted: int | None
) -> Triage:
    """The numbers of the first `count` pictures; maps are forgotten chunk by chunk.

    Raises:
        InputError: some of them became others meanwhile.
    """
    key = triage_key(lineup, pictures, method, count, wanted)
    fields = empty_triage(count, len(lineup.teacher.card.classes))
    teacher, student = (network_of(one, task)[0] for one in (lineup.teacher, lineup.student))
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
    if triage_key(lineup, pictures, method, count, wanted) != key:
        raise InputError("Files of the folder were changed while they were read: start again.")
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
