"""What leaves a lesson: one HTML file with live views, and a worksheet as PDF."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import streamlit as st

from pruneattr_core.datasets import load_dataset
from pruneattr_core.lessons.figures import Figure, figure_of
from pruneattr_core.lessons.sheet import sheet
from pruneattr_core.lessons.text import Lesson, Step
from pruneattr_core.lessons.worksheet import worksheet
from pruneattr_core.models import model_card
from pruneattr_core.show import explain_view
from pruneattr_core.ui import exports, shell
from pruneattr_core.ui.lessons.state import word, word_in
from pruneattr_core.ui.lessons.view import fields_of, needs_selection
from pruneattr_core.ui.pictures import stamp_of

#: Places of the dial in a live explorer, as shares of the contributing neurons: enough to pull, and small.
SHARES = (0.0, 0.3, 0.5, 0.8, 0.9, 0.95)


def html(lesson: Lesson) -> bytes:
    """The lesson as one file; its explorers can be moved."""
    view = {"lesson": lesson.name, "lesson_step": "1", "lesson_language": lesson.language}
    settings = exports.alone_record("lessons", view)
    # Made when it is asked for, outside any run: the session's language cannot be looked up there.
    written = partial(word_in, lesson.language)
    return sheet(lesson, written, settings, _figures(lesson), explorers(lesson)).encode()


def pdf(lesson: Lesson) -> bytes:
    """The lesson as a worksheet with its answer sheet."""
    return worksheet(lesson, partial(word_in, lesson.language), _figures(lesson))


def buttons(lesson: Lesson) -> None:
    """What takes the lesson away; made when pressed."""
    for kind, made in (("html", html), ("pdf", pdf)):
        st.download_button(
            word(f"file_{kind}"), partial(made, lesson), f"{lesson.name}-{lesson.language}.{kind}",
            "text/html" if kind == "html" else "application/pdf", key=f"{kind}_{lesson.name}",
            icon=":material/html:" if kind == "html" else ":material/print:", on_click="ignore",
            help=word(f"file_{kind}_help"),
        )  # fmt: skip


def explorers(lesson: Lesson) -> dict[int, bytes]:
    """Step number -> what the explorer draws there; of steps that differ in its slider alone, the first."""
    found: dict[tuple[tuple[str, str], ...], int] = {}
    for number, step in enumerate(lesson.steps, 1):
        if step.page == "explore":
            found.setdefault(tuple(pair for pair in step.view if pair[0] != "at"), number)
    return {number: _live(_filled(lesson.steps[number - 1])) for number in found.values()}


def _filled(step: Step) -> Step:
    """The step with what its view leaves to the page: network, pictures, methods."""
    if not step.page or not needs_selection(step):
        return step
    view = dict(step.view)
    usual = {field.name: field.text(field.default) for field in fields_of(step)}
    model = view.get("model") or shell.default_model()
    usual |= {"model": model, "source": shell.default_source(model)}
    return replace(step, view=tuple((usual | view).items()))


def _live(step: Step) -> bytes:
    view = dict(step.view)
    return _explored(
        view["model"], view["source"], int(view.get("picture", 0)), int(view.get("target", -1)),
        view.get("mode", "zero"), float(view.get("at", 0.8)), _stamps(step),
    )  # fmt: skip


def _stamps(step: Step) -> tuple[str, ...]:
    """Change when the code of its network, or a picture of its source, is another under the same name."""
    view = dict(step.view)
    code = model_card(view["model"]).state if "model" in view else ""
    return code, stamp_of(view.get("source", ""))


@st.cache_data(max_entries=16, show_spinner=False)
def _explored(
    model: str, source: str, picture: int, target: int, mode: str, at: float, stamps: tuple[str, ...]
) -> bytes:
    sample = load_dataset(source)[picture]
    asked = None if target < 0 else target
    return explain_view(
        model, sample.image, asked, sparsity=at, mode=mode, picture=sample.name, shares=SHARES
    ).payload()


def _figures(lesson: Lesson) -> dict[int, Figure]:
    steps = enumerate(map(_filled, lesson.steps), 1)
    found = ((number, _drawn(step, lesson.language, _stamps(step))) for number, step in steps)
    return {number: figure for number, figure in found if figure is not None}


@st.cache_resource(max_entries=80, show_spinner=False)
def _drawn(step: Step, language: str, stamps: tuple[str, ...]) -> Figure | None:
    return figure_of(step, partial(word_in, language))
