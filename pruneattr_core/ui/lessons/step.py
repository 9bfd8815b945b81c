"""One step of a lesson: its text, its question, its reveal, and the way to the next."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import streamlit as st

from pruneattr_core.lessons import hans, lab
from pruneattr_core.lessons.tables import Rows, scores, tables_of
from pruneattr_core.lessons.text import Lesson, Step
from pruneattr_core.ui.component import keep_answers, kept_answers
from pruneattr_core.ui.kept import dataframe
from pruneattr_core.ui.lessons import files, group, view
from pruneattr_core.ui.lessons.state import choose_language, word, word_in

#: "lesson step" -> the answer given, as its place.
_GIVEN = "_lesson_answers"


def draw(lesson: Lesson, number: int) -> None:
    """Everything of the step but its page.

    Args:
        lesson: the lesson.
        number: of the step, from 1.
    """
    step = lesson.steps[number - 1]
    head(lesson, number)
    answer = given(lesson, number)
    if step.question:
        _ask(step, answer, (lesson.name, number))
        if answer is not None:
            group.answer_again(lesson.name, number, answer)
        if group.leads() or (group.follows() and answer is not None):
            group.counts(lesson.name, number, step)
    if not step.question or answer is not None:
        if step.reveal:
            st.markdown(step.reveal)
        if step.table:
            _table(step.table)
    _way(lesson, number)
    if step.page and not (step.locked == "hidden" and answer is None):
        st.link_button(word("own_window"), view.link(step), icon=":material/open_in_new:", key="lesson_open")
        if word("tool_help"):
            st.caption(word("tool_help"))
    _switches(lesson, number)


def remember() -> None:
    """Take the answers that were given in this tab before a reload, which makes another session."""
    answers: dict[str, Any] = st.session_state.setdefault(_GIVEN, {})
    for place, answer in kept_answers().items():
        answers.setdefault(str(place), answer)


def keep(lesson: Lesson, number: int) -> None:
    """Let the tab keep the answers, that of step `number`, from 1, as it is pressed."""
    keep_answers(st.session_state[_GIVEN], _name(lesson.name, number))


def given(lesson: Lesson, number: int) -> int | None:
    """Place of the answer that was given in this tab at a step, None before it has been."""
    found = st.session_state.setdefault(_GIVEN, {}).get(_name(lesson.name, number))
    # Of a file that has changed since, or from a browser that says anything.
    choices = range(len(lesson.steps[number - 1].choices))
    return int(found) if isinstance(found, int | float) and found in choices else None


def _name(lesson: str, number: int) -> str:
    return f"{lesson} {number}"


def _ask(step: Step, answer: int | None, place: tuple[str, int]) -> None:
    st.markdown(f"**{step.question}**")
    with st.container(key="lesson_choices"):
        for number, choice in enumerate(step.choices):
            st.button(
                choice.text, key=f"choice_{number}", shortcut=str(number + 1), wrap=True, width="stretch",
                type="primary" if number == answer else "secondary", on_click=_answer, args=(place, number),
            )  # fmt: skip
    if answer is None:
        st.caption(word("answer_first_class" if group.follows() else "answer_first"))
        return
    chosen = step.choices[answer]
    (st.success if chosen.right else st.warning)(
        f"**{word('right' if chosen.right else 'not_quite')}** {chosen.reason}"
    )
    with st.expander(word("the_others")):
        for number, choice in enumerate(step.choices):
            if number != answer:
                mark = "✓" if choice.right else "✗"
                st.markdown(f"{mark} **{choice.text}** {choice.reason}")


def _answer(place: tuple[str, int], number: int) -> None:
    st.session_state[_GIVEN][_name(*place)] = number
    group.answer(*place, number)


def _way(lesson: Lesson, number: int) -> None:
    last = number == len(lesson.steps)
    if group.follows():
        st.caption(word("class_follows"))
    else:
        with st.container(horizontal=True):
            st.button(
                word("back"), key="lesson_back", icon=":material/arrow_back:", shortcut="b", on_click=go,
                args=(number - 1,), disabled=number == 1,
            )  # fmt: skip
            st.button(
                word("next"), key="lesson_next", icon=":material/arrow_forward:", shortcut="n", on_click=go,
                args=(number + 1,), disabled=last, type="primary",
            )  # fmt: skip
            st.button(word("all_lessons"), key="lesson_leave", icon=":material/list:", on_click=go, args=(0,))
    if last:
        st.markdown(word("take_home"))
        with st.container(horizontal=True):
            files.buttons(lesson)


def go(number: int) -> None:
    """To a step; 0 leaves the lesson."""
    st.session_state["lesson_step"] = max(1, number)
    if number == 0:
        st.session_state["lesson"] = ""


def _switches(lesson: Lesson, number: int) -> None:
    # The counts of a class come above it: then it is another box, which would hide the link just made.
    with st.expander(word("more"), icon=":material/tune:", expanded=group.leads()):
        st.toggle(word("presenter"), key="presenter", help=word("presenter_help"), persist_state="session")
        if group.follows():
            group.controls()
            return
        choose_language()
        group.controls()
        if number < len(lesson.steps):
            files.buttons(lesson)


def _table(name: str) -> None:
    if name == "lab":
        with st.spinner(word("lab_asking")):
            _asked()
        (rows,) = _rows(name, st.session_state["lesson_language"])
        if st.session_state["presenter"]:  # all of it, and as large as the text beside it
            st.markdown(_still(rows))
        else:
            dataframe(rows, width="stretch", key="lab")
        for key, bench in lab.BENCHES.items():
            st.caption(f"**{word(f'lab_{key}')}**: `{bench.formula}`. {word(f'lab_{key}_why')}")
        st.caption(word("lab_note", right=lab.RIGHT))
        return
    for rows in _rows(name, st.session_state["lesson_language"]):
        # Static, so that a narrow column breaks lines and cuts nothing off.
        st.markdown(_still(rows))
    st.caption(word("computed_by", command=_stored_command()))


def _still(rows: Rows) -> str:
    """The rows as a table of Markdown: for Streamlit's own one it imports pandas."""
    texts = [[text.replace("|", r"\|") for text in row.values()] for row in rows]
    lines = [list(rows[0]), ["---"] * len(rows[0]), *texts]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@cache
def _rows(name: str, language: str) -> tuple[Rows, ...]:
    return tables_of(name, partial(word_in, language))


@cache
def _stored_command() -> str:
    return str(hans.stored()["command"])


@st.cache_resource(show_spinner=False)
def _asked() -> bool:
    """Once, however many of a class wait for it."""
    return bool(scores())


def head(lesson: Lesson, number: int) -> None:
    """Title, place in the lesson, heading and text of the step `number`, from 1."""
    step = lesson.steps[number - 1]
    st.markdown(f"## {lesson.title}")
    st.progress(number / len(lesson.steps), word("step_of", step=number, steps=len(lesson.steps)))
    st.markdown(f"### {step.title}")
    st.markdown(step.body)
