"""The presenter's second window: notes, solution and answers of the step that the class is at."""

from __future__ import annotations

import streamlit as st

from pruneattr_core.lessons.text import Lesson
from pruneattr_core.ui.lessons import group
from pruneattr_core.ui.lessons.state import word


def draw(lesson: Lesson, number: int) -> None:
    """Everything but the view; it turns its pages with the class.

    Args:
        lesson: the lesson.
        number: of the step, from 1.
    """
    step = lesson.steps[min(number, len(lesson.steps)) - 1]
    st.markdown(f"## {word('notes_title')}: {lesson.title}")
    st.progress(number / len(lesson.steps), word("step_of", step=number, steps=len(lesson.steps)))
    st.markdown(f"### {step.title}")
    st.markdown(step.notes or word("no_notes"))
    if step.question:
        st.markdown(f"**{step.question}**")
        for choice in step.choices:
            st.markdown(f"{'✓' if choice.right else '✗'} **{choice.text}** {choice.reason}")
        group.counts(lesson.name, number, step)
        st.markdown(step.reveal)
    if number < len(lesson.steps):
        st.caption(word("then", title=lesson.steps[number].title))
