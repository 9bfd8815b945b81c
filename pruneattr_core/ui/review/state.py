"""The review page's settings: what a link holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from pruneattr_core.compression.family import Member
from pruneattr_core.compression.measures import METHODS_OF_REVIEW
from pruneattr_core.compression.review_maps import LEVELS
from pruneattr_core.compression.review_triage import ORDERS, SHOWN
from pruneattr_core.compression.review_verdicts import VERDICTS, checked_name, load_review
from pruneattr_core.compression.table import RUNS, read_study
from pruneattr_core.errors import InputError, PruneAttrError
from pruneattr_core.runs.stored import HEADER
from pruneattr_core.ui.own_weights import architectures
from pruneattr_core.ui.review.lineup import first_students, zoo
from pruneattr_core.ui.shipped import shipped
from pruneattr_core.ui.state import Field, one_of, several_of, whole

VIEWS = {"desk": "Review desk", "paths": "Critical paths", "tables": "Tables"}
SOURCES = {"zoo": "Our teacher and its students", "own": "Your own pair"}
#: Which pictures of the chosen order are shown, by what was decided about them.
JUDGED = {"any": "Judged or not", "open": "Without a verdict", **VERDICTS}
#: How many pictures the desk and its triage look at.
COUNTS = (24, 60, 200, 500)
#: Rows on a page.
ROWS = 6
#: Students beside the teacher.
STUDENTS = 5
EVERY_CLASS = -1
#: Shares of neurons removed where the paths of teacher and student are compared.
SPARSITIES = (0.8, 0.9, 0.95, 0.99)
#: Of the session: the name that the page gave its review, before any verdict.
MADE_UP = "_review_made_up"
KEEP: dict[str, Any] = {"persist_state": "session"}


def _students() -> tuple[Member, ...]:
    """Of the teacher in the session, which is adopted before; of the first one before any is chosen."""
    known = zoo()
    name = st.session_state["teacher"] or next(iter(known), "")
    return known[name][1] if name in known else ()


def parse_students(text: str) -> tuple[str, ...]:
    """Comma-separated ids of the teacher's students, each once.

    Raises:
        Unknown: the teacher has no such student.
        ValueError: they are more than fit beside the teacher.
    """
    found = several_of(text, [one.id for one in _students()])
    if len(found) > STUDENTS:
        raise ValueError(text)
    return found


def _judged(text: str) -> str:
    return one_of(st.session_state["students"] or first_students(_students()))(text)


def _usual_judged() -> str:
    """The student whose verdicts come first where nobody chose one: the first of those chosen."""
    return next(iter(st.session_state["students"]), "")


def _unused() -> str | None:
    """The review's name while the page has made it up and nothing is kept under it: no link needs it."""
    name: str | None = st.session_state.get(MADE_UP)
    try:
        return None if name is None or load_review(name) else name
    except PruneAttrError:
        return None  # said where it is read


def _architecture(text: str) -> str:
    return one_of(architectures())(text)


def _named(text: str) -> str:
    try:
        return checked_name(text)
    except InputError as error:
        raise ValueError(text) from error


def _path(text: str) -> str:
    if len(text) > 400 or not Path(text).is_absolute() or any(ord(c) < 32 for c in text):
        raise ValueError(text)
    return text


FIELDS = (
    Field("desk", "desk", one_of(VIEWS), "the view"),
    Field("desk_source", "zoo", one_of(SOURCES), "the networks"),
    Field(
        "teacher", "", lambda text: one_of(zoo())(text), "the teacher", usual=lambda: next(iter(zoo()), "")
    ),
    Field(
        "students",
        (),
        parse_students,
        "the students",
        ",".join,
        usual=lambda: list(first_students(_students())),
    ),
    Field("judged", "", _judged, "the student under review", usual=_usual_judged),
    Field("desk_method", "gradcam", one_of(METHODS_OF_REVIEW), "the method"),
    Field("desk_count", COUNTS[1], lambda text: COUNTS[COUNTS.index(int(text))], "the number of pictures"),
    Field("desk_order", "series", one_of(ORDERS), "the order"),
    Field("desk_show", "all", one_of(SHOWN), "the filter"),
    Field("desk_class", EVERY_CLASS, whole(EVERY_CLASS, 10**5), "the class"),
    Field("desk_todo", "any", one_of(JUDGED), "the verdicts shown"),
    Field("desk_page", 1, whole(1, 10**5), "the page"),
    Field("desk_level", -1, whole(-1, len(LEVELS) - 1), "the sparsity level"),
    Field("desk_at", 0.9, lambda text: SPARSITIES[SPARSITIES.index(float(text))], "the size of the paths"),
    Field("study", "", lambda text: one_of(shipped(RUNS, HEADER, read_study))(text), "the run"),
    Field("review", "", _named, "the review", usual=_unused),
    Field("own_teacher", "", _architecture, "the teacher's architecture"),
    Field("own_teacher_file", "", _path, "the teacher's checkpoint"),
    Field("own_student", "", _architecture, "the student's architecture"),
    Field("own_student_file", "", _path, "the student's checkpoint"),
    Field("own_folder", "", _path, "the folder of pictures"),
    Field("own_many", "no", one_of(("no", "yes")), "several classes a picture"),
)
#: What a file that is sent holds: where networks and pictures lie on this disk stays here.
SENT = tuple(field for field in FIELDS if not field.name.startswith("own_"))
