"""One step of a lesson: its text, its question, its reveal, and the way to the next."""

from __future__ import annotations

from functools import partial

import streamlit as st

from pruneattr_core.lessons import hans, lab
from pruneattr_core.lessons.tables import tables_of
from pruneattr_core.lessons.text import Lesson, Step
from pruneattr_core.ui.lessons import files, group, view
from pruneattr_core.ui.lessons.head import head
from pruneattr_core.ui.lessons.state import choose_language, word

#: (lesson, step) -> the answer given, as its place.
_GIVEN = "_lesson_answers"


def draw(lesson: Lesson, number: int) -> None:
    """Everything of the step but its page.

    Args:
        lesson: the lesson.
        number: of the step, from 1.
    """
    step = lesson.steps[number - 1]
    head(lesson, number)
    answer = given(lesson.name, number)
    if step.question:
        _ask(step, answer, (lesson.name, number))
        if group.leads() or (group.follows() and answer is not None):
            group.counts(lesson.name, number, step)
    if not step.question or answer is not None:
        if step.reveal:
            st.markdown(step.reveal)
        if step.table:
            _table(step.table)
    _way(lesson, number)
    if step.page:
        st.link_button(word("own_window"), view.link(step), icon=":material/open_in_new:", key="lesson_open")
    _switches(lesson)


def given(lesson: str, number: int) -> int | None:
    """Place of the answer that this session gave at a step, None before it has."""
    answers: dict[tuple[str, int], int] = st.session_state.setdefault(_GIVEN, {})
    return answers.get((lesson, number))


def _ask(step: Step, answer: int | None, place: tuple[str, int]) -> None:
    st.markdown(f"**{step.question}**")
    with st.container(key="lesson_choices"):
        for number, choice in enumerate(step.choices):
            st.button(
                choice.text, key=f"choice_{number}", shortcut=str(number + 1), wrap=True, width="stretch",
                type="primary" if number == answer else "secondary", on_click=_answer, args=(place, number),
            )  # fmt: skip
    if answer is None:
        st.caption(word("answer_first"))
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
    st.session_state[_GIVEN][place] = number
    group.answer(*place, number)


def _way(lesson: Lesson, number: int) -> None:
    with st.container(horizontal=True):
        st.button(
            word("back"), key="lesson_back", icon=":material/arrow_back:", shortcut="b", on_click=go,
            args=(number - 1,), disabled=group.follows() or number == 1,
        )  # fmt: skip
        st.button(
            word("next"), key="lesson_next", icon=":material/arrow_forward:", shortcut="n", on_click=go,
            args=(number + 1,), disabled=group.follows() or number == len(lesson.steps), type="primary",
        )  # fmt: skip
        st.button(
            word("all_lessons"), key="lesson_leave", icon=":material/list:", on_click=go, args=(0,),
            disabled=group.follows(),
        )  # fmt: skip


def go(number: int) -> None:
    """To a step; 0 leaves the lesson."""
    st.session_state["lesson_step"] = max(1, number)
    if number == 0:
        st.session_state["lesson"] = ""


def _switches(lesson: Lesson) -> None:
    with st.expander(word("more"), icon=":material/tune:"):
        st.toggle(word("presenter"), key="presenter", help=word("presenter_help"), persist_state="session")
        choose_language()
        group.controls()
        for kind, made in (("html", files.html), ("pdf", files.pdf)):
            st.download_button(
                word(f"file_{kind}"), partial(made, lesson), f"{lesson.name}-{lesson.language}.{kind}",
                "text/html" if kind == "html" else "application/pdf", key=f"lesson_{kind}",
                icon=":material/html:" if kind == "html" else ":material/print:", on_click="ignore",
                help=word(f"file_{kind}_help"),
            )  # fmt: skip


def _table(name: str) -> None:
    if name == "lab":
        st.dataframe(_lab(), hide_index=True, width="stretch", key="lab")
        for bench in lab.BENCHES.values():
            st.caption(f"**{bench.title}**: `{bench.formula}`. {bench.why}")
        st.caption(word("lab_note", right=lab.RIGHT))
        return
    right, mass = tables_of(name)
    st.dataframe(right, hide_index=True, width="stretch", key="hans_right")
    st.dataframe(mass, hide_index=True, width="stretch", key="hans_mass")
    st.caption(word("computed_by", command=hans.stored()["command"]))


@st.cache_data(max_entries=1, show_spinner="Asking every method")
def _lab() -> list[dict[str, str]]:
    return tables_of("lab")[0]
