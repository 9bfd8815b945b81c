"""A class that follows its teacher: opening it, following, and the counts of answers, live."""

from __future__ import annotations

import streamlit as st

from pruneattr_core.errors import InputError
from pruneattr_core.lessons.classroom import Classes, Place
from pruneattr_core.lessons.text import Step
from pruneattr_core.ui.lessons.state import word
from pruneattr_core.ui.state import viewer

#: (code, key) of the class that this session leads.
_LED = "_class_led"
#: Seconds between two looks at where the class is, and at its counts.
LOOK = 0.8


@st.cache_resource
def classes() -> Classes:
    """The classes of this server."""
    return Classes()


def leads() -> bool:
    """Whether this session leads the class it is in."""
    return (
        bool(st.session_state["class"]) and st.session_state.get(_LED, ("",))[0] == st.session_state["class"]
    )


def follows() -> bool:
    """Whether this session is in a class that somebody else leads."""
    return bool(st.session_state["class"]) and not leads()


def here() -> Place:
    """Where this session is."""
    state = st.session_state
    return Place(state["lesson"], state["lesson_language"], state["lesson_step"])


def join() -> None:
    """Go where the class is; first of all on the page. A class that is no more is left, with a word."""
    if not follows():
        return
    place = classes().place(st.session_state["class"])
    if place is None:
        st.info(word("class_over"), icon=":material/group_off:")
        st.session_state["class"] = ""
        return
    st.session_state.update(lesson=place.lesson, lesson_language=place.language, lesson_step=place.step)


def keep_up() -> None:
    """Take the class along where this session leads it; else start again when the class has moved."""
    if leads():
        code, key = st.session_state[_LED]
        try:
            classes().move(code, key, here())
        except InputError:  # hours without a sign of life
            st.session_state["class"] = ""
    elif follows():
        _watch(st.session_state["class"], here())


@st.fragment(run_every=LOOK)
def _watch(code: str, place: Place) -> None:
    if classes().place(code) != place:
        st.rerun()


def answer(lesson: str, step: int, choice: int) -> None:
    """Count an answer of this session, if it is in a class."""
    if st.session_state["class"]:
        classes().answer(st.session_state["class"], lesson, step, viewer(), choice)


def controls() -> None:
    """Open a class, or its link for the others, or leave it."""
    if not st.session_state["class"]:
        st.button(word("class_open"), key="class_open", icon=":material/group_add:", on_click=_open)
        return
    if leads():
        address = (st.context.url or "").partition("?")[0]
        st.markdown(word("class_link"))
        st.code(f"{address}?class={st.session_state['class']}", language=None)
    else:
        st.markdown(word("class_follows"))
    st.button(word("class_leave"), key="class_leave", icon=":material/logout:", on_click=_leave)


def _open() -> None:
    st.session_state[_LED] = classes().open(here())
    st.session_state["class"] = st.session_state[_LED][0]


def _leave() -> None:
    st.session_state["class"] = ""


@st.fragment(run_every=LOOK)
def counts(lesson: str, number: int, step: Step) -> None:
    """How many of the class gave which answer, live."""
    found = classes().counts(st.session_state["class"], lesson, number)
    total = sum(found.values())
    st.caption(word("class_answers", count=total))
    for place, choice in enumerate(step.choices):
        st.progress(found[place] / max(1, total), f"{found[place]} · {choice.text}")
