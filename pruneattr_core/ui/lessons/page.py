"""The page Lessons: cards to choose from, or one lesson step by step."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from pruneattr_core.errors import InputError
from pruneattr_core.lessons.text import Lesson, names, read
from pruneattr_core.ui.component import begin_at_top, put_into
from pruneattr_core.ui.errors import complain, guarded
from pruneattr_core.ui.lessons import files, group, notes, view
from pruneattr_core.ui.lessons import step as steps
from pruneattr_core.ui.lessons.state import FIELDS, choose_language, word, words_of_pages
from pruneattr_core.ui.state import publish, refuse, remark, report

#: Large enough for the last row of a class room; everything else on the page stays as it is.
_LARGE = """<style>
.st-key-lesson_text :is(p, li) { font-size: 1.45rem; line-height: 1.5; }
.st-key-lesson_text table :is(p, td, th) { font-size: 1.1rem; line-height: 1.3; }
.st-key-lesson_text h2 { font-size: 2.6rem; } .st-key-lesson_text h3 { font-size: 2rem; }
.st-key-lesson_text [data-testid=stCaptionContainer] p { font-size: 1.1rem; }
</style>"""
#: Answers are sentences: they read from the left.
_STYLE = """<style>.st-key-lesson_choices button > div { justify-content: space-between; text-align: start; }
.st-key-lesson_choices [data-has-shortcut] { flex-grow: 1; justify-content: space-between; }</style>"""


def draw() -> None:
    """The page."""
    report(FIELDS)
    with group.drawing(), guarded():
        _draw()


def _draw() -> None:
    frozen = group.join()
    name = st.session_state["lesson"]
    if name and name not in names(st.session_state["lesson_language"]):
        refuse("lesson")
        remark("lesson_language", word("not_translated"))
        st.session_state["lesson_language"] = "en"
    if not name:
        group.lead()
        _cards()
    elif st.session_state["notes"] and frozen is not None:
        publish(FIELDS)
        notes.draw(read(name, st.session_state["lesson_language"]), st.session_state["lesson_step"])
    else:
        _lesson(read(name, st.session_state["lesson_language"]), frozen)


def _cards() -> None:
    st.set_page_config(initial_sidebar_state="auto")
    view.leave()
    publish(FIELDS)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="lessons_title"):
        st.markdown(f"## {word('lessons')}")
        choose_language()
    st.markdown(word("promise"))
    for name in names(st.session_state["lesson_language"]):
        try:
            _card(read(name, st.session_state["lesson_language"]))
        except InputError as error:  # a teacher's file; the others stand
            complain(error)
    begin_at_top("lessons")


def _card(lesson: Lesson) -> None:
    with st.container(border=True):
        st.markdown(f"### {lesson.title}")
        st.markdown(lesson.know)
        with st.container(horizontal=True, vertical_alignment="center", key=f"lesson_ways_{lesson.name}"):
            st.button(
                word("begin"), key=f"begin_{lesson.name}", icon=":material/play_arrow:", on_click=_open,
                args=(lesson.name,), type="primary",
            )  # fmt: skip
            st.caption(word("takes", minutes=lesson.minutes, steps=len(lesson.steps)), width="content")
            files.buttons(lesson)


def _open(name: str) -> None:
    st.session_state.update(lesson=name, lesson_step=1)


def _lesson(lesson: Lesson, frozen: Mapping[str, str] | None) -> None:
    if st.session_state["lesson_step"] > len(lesson.steps):
        refuse("lesson_step", instead="the first step is shown")
        st.session_state["lesson_step"] = 1
    st.set_page_config(initial_sidebar_state="collapsed")  # text and view need the width
    number = st.session_state["lesson_step"]
    step = lesson.steps[number - 1]
    steps.remember()
    wrong = view.complaint(step)
    locked = step.holds(steps.given(lesson, number) is not None)
    if not wrong:
        view.enter(lesson.name, number, step, locked, frozen)
    group.lead(view.common(step))
    st.html(_STYLE)
    if st.session_state["presenter"]:
        st.html(_LARGE)
    publish(FIELDS)
    text, picture = st.columns([2, 3], gap="large") if step.page else (st.container(), None)
    with text, st.container(key="lesson_text"):
        drawn, below = st.container(), st.container()
        with below:  # it takes some room; but first, as what is read may be reloaded
            steps.keep(lesson, number)
        with drawn:
            steps.draw(lesson, number)
        begin_at_top(f"{lesson.name} {number}")
        words = words_of_pages(lesson.language) if step.page else None
        if words is not None:
            put_into(lesson.language, words)
    if wrong:
        raise InputError(f"Lesson {lesson.name}, step {number}: {wrong}")
    if picture is not None:
        with picture:
            if group.leads() and view.is_own_picture(step):
                st.caption(word("class_own_picture"))
            view.draw(step, locked, spare=frozen is not None)
    if frozen is None:  # whoever follows comes to what the leader has
        hidden = locked and step.locked == "hidden"
        for coming in lesson.steps[number - 1 if hidden else number : number + 1]:
            view.prepare(coming)
