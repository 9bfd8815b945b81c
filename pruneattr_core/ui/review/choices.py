"""What the reader chooses above the desk: students, method, pictures, order and filters."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pruneattr_core.attribution import METHODS
from pruneattr_core.compression.measures import METHODS_OF_REVIEW
from pruneattr_core.compression.review_triage import ORDERS, SHOWN
from pruneattr_core.datasets.base import left_out
from pruneattr_core.render.plain import markdown_text
from pruneattr_core.ui.choose import select
from pruneattr_core.ui.review.judging import choose_review
from pruneattr_core.ui.review.lineup import Lineup, first_students, of_zoo, zoo
from pruneattr_core.ui.review.pictures import Folder, Pictures, Scenes
from pruneattr_core.ui.review.state import COUNTS, EVERY_CLASS, FIELDS, JUDGED, KEEP, STUDENTS
from pruneattr_core.ui.state import refuse, view

#: Two of them stand side by side on a phone.
_WIDTH = 182
#: Settings that are out of sight, and counted on their button where they differ from the default.
_HIDDEN = ("desk_order", "desk_show", "desk_class", "desk_todo", "desk_count")


@dataclass(frozen=True)
class Options:
    """What is looked at, and in which order.

    Attributes:
        method: key of `attribution.METHODS`.
        count: pictures looked at, the first ones of the set.
        order: key of `review_triage.ORDERS`.
        shown: key of `review_triage.SHOWN`.
        wanted: class to explain, None for the teacher's strongest label of each picture.
        todo: key of `review.state.JUDGED`.
    """

    method: str
    count: int
    order: str
    shown: str
    wanted: int | None
    todo: str

    @property
    def needs_numbers(self) -> bool:
        """Whether the order or a filter rests on the numbers of all pictures."""
        return self.order != "series" or self.shown != "all" or self.wanted is not None


def choose_lineup(row: DeltaGenerator) -> Lineup | None:
    """Teacher and students of the zoo, chosen in `row`; None, with a word on what to do, without any."""
    known = zoo()
    if not known:
        st.info(
            "No teacher with students is in this copy. Make them, or bring your own pair (above):",
            icon=":material/school:",
        )
        st.code("python -m pruneattr_core compress --help", language="sh")
        return None
    if st.session_state["teacher"] not in known:
        st.session_state["teacher"] = next(iter(known))
    member, students = known[st.session_state["teacher"]]
    by_id = {one.id: one for one in students}
    kept = tuple(name for name in st.session_state["students"] if name in by_id)
    st.session_state["students"] = list(kept or first_students(students))
    with row, st.popover(f"Students ({len(st.session_state['students'])})", icon=":material/school:"):
        if len(known) > 1:
            st.selectbox(
                "Teacher", list(known), key="teacher", format_func=lambda name: known[name][0].title, **KEEP
            )
        chosen = st.multiselect(
            f"Beside {member.title}, up to {STUDENTS}", list(by_id), key="students",
            format_func=lambda name: by_id[name].title, max_selections=STUDENTS, select_all=False, **KEEP,
        )  # fmt: skip
    columns = tuple(of_zoo(by_id[name]) for name in chosen)
    if st.session_state["desk"] == "paths":
        return Lineup(of_zoo(member), columns, 0, True)
    if st.session_state["judged"] not in chosen:
        st.session_state["judged"] = chosen[0]
    judged = row.selectbox(
        "Under review", chosen, key="judged", format_func=lambda name: by_id[name].title, width=_WIDTH,
        help="Verdicts, order and filters are about this student; the others stand beside it.", **KEEP,
    )  # fmt: skip
    return Lineup(of_zoo(member), columns, list(chosen).index(judged), True)


def open_pictures(lineup: Lineup) -> Pictures:
    """The pictures that suit a line-up.

    Raises:
        InputError: the folder cannot be read.
    """
    card = lineup.teacher.card
    if st.session_state["desk_source"] == "own" and st.session_state["own_folder"]:
        found = _folder(st.session_state["own_folder"], card.classes)
        if found.problems:
            st.warning(markdown_text(left_out(found.problems)), icon=":material/broken_image:")
        return found
    return _scenes(COUNTS[-1], max(card.size))


@st.cache_resource(max_entries=4, show_spinner=False)
def _scenes(count: int, size: int) -> Scenes:
    return Scenes(count, size)


@st.cache_resource(max_entries=4, ttl=60, show_spinner="Reading the folder")
def _folder(root: str, classes: tuple[str, ...]) -> Folder:
    return Folder(root, classes)


def choose_sheet_options(lineup: Lineup, pictures: Pictures) -> Options:
    """Method, review, order, filters, number of pictures."""
    classes = lineup.teacher.card.classes
    if st.session_state["desk_class"] >= len(classes):
        refuse("desk_class", instead="each picture's strongest label is explained")
        st.session_state["desk_class"] = EVERY_CLASS
    method = st.selectbox(
        "Method", list(METHODS_OF_REVIEW), key="desk_method", width=_WIDTH,
        format_func=lambda name: METHODS[name].title, **KEEP,
        help="The same for every column. PruneGrad has a sparsity: its slider moves all columns at once.",
    )  # fmt: skip
    choose_review()
    changed = sum(name in _HIDDEN for name in view(FIELDS))
    with st.popover(f"Order and filters{f' ({changed})' if changed else ''}", icon=":material/filter_list:"):
        order = st.selectbox("Order", list(ORDERS), key="desk_order", format_func=ORDERS.__getitem__, **KEEP)
        shown = st.selectbox("Show", list(SHOWN), key="desk_show", format_func=SHOWN.__getitem__, **KEEP)
        wanted = select(
            "Class", range(EVERY_CLASS, len(classes)), "desk_class",
            lambda k: "Strongest label" if k == EVERY_CLASS else classes[k],
            help="A class explains itself wherever the picture shows it; else each picture's label with the "
            "teacher's largest logit.",
        )  # fmt: skip
        todo = st.selectbox("Verdict", list(JUDGED), key="desk_todo", format_func=JUDGED.__getitem__, **KEEP)
        count = st.selectbox(
            "Pictures", COUNTS, key="desk_count", **KEEP,
            format_func=lambda n: f"first {min(n, len(pictures))}",
        )  # fmt: skip
    count = min(count, len(pictures))
    return Options(method, count, order, shown, None if wanted == EVERY_CLASS else wanted, todo)
