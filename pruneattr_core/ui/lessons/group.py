"""A class that follows its teacher: opening it, following, and the counts of answers, live."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock

import streamlit as st

from pruneattr_core.errors import InputError
from pruneattr_core.lessons.classroom import Classes, Place
from pruneattr_core.lessons.text import Step
from pruneattr_core.ui.clocks import CLOCKS, only_when
from pruneattr_core.ui.component import keep_key, keep_voter
from pruneattr_core.ui.lessons.state import word
from pruneattr_core.ui.state import remark, viewer

#: (code, key) of the class that this session leads.
_LED = "_class_led"
#: Name under which this session's answers count; that of the first session of its tab.
_VOTER = "_class_voter"
#: Seconds between two looks at where the class is, and at its counts.
LOOK = 0.8
#: Seconds between two looks of a pupil at where the class is.
FOLLOW = 0.4
#: Pupils' pages that are drawn at a time: more at once would all come later, and hold up the others' texts.
AT_ONCE = 2
#: Seconds after which the next one is drawn, whatever became of the one before: its reader may have gone.
LEASE = 2.0


@st.cache_resource
def classes() -> Classes:
    """The classes of this server."""
    return Classes()


class Turns:
    """Whose whole page is drawn now, `AT_ONCE` at most."""

    def __init__(self) -> None:
        """Nobody's is yet."""
        self._lock, self._taken = Lock(), dict[str, float]()

    def take(self, who: str, now: float) -> bool:
        """Whether it is the turn of this session at `now`, in seconds; it stays so until it is given back."""
        with self._lock:
            self._taken = {one: since for one, since in self._taken.items() if now - since < LEASE}
            if who not in self._taken and len(self._taken) >= AT_ONCE:
                return False
            self._taken[who] = now
            return True

    def give_back(self, who: str) -> None:
        """The page of this session stands; nothing if it had no turn."""
        with self._lock:
            self._taken.pop(who, None)


@st.cache_resource
def _turns() -> Turns:
    return Turns()


def leads() -> bool:
    """Whether this session leads the class it is in."""
    return (
        bool(st.session_state["class"]) and st.session_state.get(_LED, ("",))[0] == st.session_state["class"]
    )


def follows() -> bool:
    """Whether this session is in a class that somebody else leads."""
    return bool(st.session_state["class"]) and not leads()


def _here(common: tuple[tuple[str, str], ...] = ()) -> Place:
    state = st.session_state
    return Place(state["lesson"], state["lesson_language"], state["lesson_step"], common)


def _go(place: Place) -> None:
    st.session_state.update(lesson=place.lesson, lesson_language=place.language, lesson_step=place.step)


def join() -> Mapping[str, str] | None:
    """Go where the class is; first of all on the page. A class that is no more is left, with a word.

    Returns:
        What those who follow have in common with their teacher; None for everybody else.
    """
    if not st.session_state["notes"]:
        _resume()
    if not follows():
        return None
    place = classes().place(st.session_state["class"])
    if place is None:
        remark("class", word("class_over"))
        st.session_state.update({"class": "", "notes": False})
        return None
    _go(place)
    _watch(st.session_state["class"], place)
    return dict(place.view)


def _resume() -> None:
    """Who led the class or answered before a reload, which makes another session, still is the same."""
    code = st.session_state["class"]
    if not code:
        return
    st.session_state[_VOTER] = keep_voter(viewer()) or viewer()
    held = keep_key(code, st.session_state[_LED][1] if leads() else "")
    place = classes().place(code)
    if held and not leads() and place is not None and classes().led(code, held):
        st.session_state[_LED] = code, held
        _go(place)


def lead(common: tuple[tuple[str, str], ...] = ()) -> None:
    """Take the class along, where this session leads one.

    Args:
        common: (name, text) of network, picture and class to be seen by all.
    """
    if leads():
        code, key = st.session_state[_LED]
        try:
            classes().move(code, key, _here(common))
            CLOCKS.wake()
        except InputError:  # hours without a sign of life
            st.session_state["class"] = ""


@st.fragment(run_every=FOLLOW)
def _watch(code: str, place: Place) -> None:
    """Draws the page of a step that the class has gone to, when it is the turn of this session."""
    room, turns, who = classes(), _turns(), viewer()

    def news() -> bool:
        now = room.place(code)
        return now != place and (now is None or not now.lesson or turns.take(who, time.monotonic()))

    only_when(news, whole=True)
    if room.place(code) != place:
        st.rerun()


@contextmanager
def drawing() -> Iterator[None]:
    """While the page is drawn; afterwards the next pupil's may be."""
    who = viewer()
    try:
        yield
    finally:
        _turns().give_back(who)
        CLOCKS.wake()


def answer(lesson: str, step: int, choice: int) -> None:
    """Count an answer of this session, if it is in a class."""
    if st.session_state["class"]:
        classes().answer(
            st.session_state["class"], lesson, step, st.session_state.get(_VOTER, viewer()), choice
        )


def answer_again(lesson: str, step: int, choice: int) -> None:
    """Count an answer that the tab has kept over a reload, once it has said under which name it votes."""
    if follows() and st.session_state.get(_VOTER, viewer()) != viewer():
        answer(lesson, step, choice)


def controls() -> None:
    """Open a class, or its link for the others, or leave it."""
    if not st.session_state["class"]:
        st.button(
            word("class_open"), key="class_open", icon=":material/group_add:", on_click=_open,
            help=word("class_help"),
        )  # fmt: skip
        return
    if leads():
        address = (st.context.url or "").partition("?")[0]
        st.markdown(word("class_link"))
        st.code(f"{address}?class={st.session_state['class']}", language=None)
        st.link_button(
            word("notes_window"), f"?class={st.session_state['class']}&notes=1", key="notes_window",
            icon=":material/speaker_notes:",
        )  # fmt: skip
    text = word("class_end" if leads() else "class_leave")
    st.button(text, key="class_leave", icon=":material/logout:", on_click=_leave)


def _open() -> None:
    st.session_state[_LED] = classes().open(_here())
    st.session_state["class"] = st.session_state[_LED][0]


def _leave() -> None:
    if leads():  # without its teacher it would stand still for everybody
        classes().close(*st.session_state[_LED])
        CLOCKS.wake()
    st.session_state.update({"class": "", "notes": False})


@st.fragment(run_every=LOOK)
def counts(lesson: str, number: int, step: Step) -> None:
    """How many of the class gave which answer, live."""
    room, code = classes(), st.session_state["class"]
    found = room.counts(code, lesson, number)
    only_when(lambda: room.counts(code, lesson, number) != found)
    total = sum(found.values())
    st.caption(word("class_answers", count=total))
    for place, choice in enumerate(step.choices):
        st.progress(found[place] / max(1, total), f"{found[place]} · {choice.text}")
