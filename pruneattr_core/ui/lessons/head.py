"""What a step says before it asks or shows anything."""

from __future__ import annotations

import streamlit as st

from pruneattr_core.lessons.text import Lesson
from pruneattr_core.ui.lessons.state import word


def head(lesson: Lesson, number: int) -> None:
    """Title, place in the lesson, heading and text of the step `number`, from 1."""
    step = lesson.steps[number - 1]
    st.markdown(f"## {lesson.title}")
    st.progress(number / len(lesson.steps), word("step_of", step=number, steps=len(lesson.steps)))
    st.markdown(f"### {step.title}")
    st.markdown(step.body)
