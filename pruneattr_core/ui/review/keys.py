"""What results of the review are named by: frozen values, of networks by the SHA-256 of their file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SheetKey:
    """Names everything on one page of the desk.

    Attributes:
        columns: teacher and students.
        pictures: a name of each row's, by what is in its file.
        places: the rows.
        method: of the maps.
        wanted: class chosen by the reader, None for the teacher's strongest label.
        multi_label: whether a picture may have several.
    """

    columns: tuple[str | None, ...]
    pictures: tuple[str, ...]
    places: tuple[int, ...]
    method: str
    wanted: int | None
    multi_label: bool


@dataclass(frozen=True)
class TargetKey:
    """Names the class of a row."""

    teacher: str | None
    pictures: str
    place: int
    wanted: int | None


@dataclass(frozen=True)
class CellKey:
    """Names a network's maps of one picture; the model says how pictures are prepared for it."""

    model: str
    network: str | None
    pictures: str
    place: int
    target: int
    method: str
    multi_label: bool


@dataclass(frozen=True)
class TriageKey:
    """Names the numbers of teacher and student on the first `count` pictures."""

    teacher: str | None
    student: str | None
    multi_label: bool
    pictures: str
    method: str
    count: int
    wanted: int | None


@dataclass(frozen=True)
class OverlapKey:
    """Names the overlap of paths of teacher and student on the first `count` pictures."""

    teacher: str | None
    student: str | None
    pictures: str
    count: int
    device: str
