"""What the address of the page Lessons holds, and its words in the language chosen."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import streamlit as st

from pruneattr_core.lessons.glossary import glossary_in
from pruneattr_core.lessons.text import FOLDER, languages, names
from pruneattr_core.ui.state import Field, one_of, whole

LANGUAGES = {"en": "English", "de": "Deutsch"}
_CODE = re.compile(r"[A-Z2-9]{6}")


def _lesson(text: str) -> str:
    return one_of([name for language in languages() for name in names(language)])(text)


def _code(text: str) -> str:
    if not _CODE.fullmatch(text):
        raise ValueError(text)
    return text


def _switch(name: str, title: str) -> Field:
    return Field(name, False, {"1": True, "0": False}.__getitem__, title, lambda on: str(int(on)))


FIELDS = (
    Field("lesson", "", _lesson, "the lesson"),
    Field("lesson_step", 1, whole(1, 1000), "the step"),
    Field("lesson_language", "en", lambda text: one_of(languages())(text), "the language"),
    _switch("presenter", "the presenter view"),
    _switch("notes", "the notes"),
    Field("class", "", _code, "the class"),
)


@cache  # asked forty times a run
def _words(language: str) -> Mapping[str, str]:
    found: Mapping[str, str] = json.loads((FOLDER / language / "words.json").read_text("utf-8"))
    return found


def word(key: str, **values: object) -> str:
    """A text of the page in the language chosen, English where that has none."""
    return word_in(st.session_state["lesson_language"], key, **values)


def word_in(language: str, key: str, **values: object) -> str:
    """A text of the page in a language, English where that has none."""
    text = _words(language).get(key, _words("en").get(key))
    if text is None:
        raise KeyError(key)
    return text.format(**values)


@cache
def words_of_pages(language: str) -> Mapping[str, Any] | None:
    """What `put_into` takes: the texts of the app's pages, as far as lessons show them; None without any."""
    file, words = FOLDER / language / "tool.json", glossary_in(language) or {}
    if not file.is_file():
        return None
    texts = json.loads(file.read_text("utf-8"))
    return {**texts, **words, "exact": {**words.get("exact", {}), **texts["exact"]}}


def choose_language() -> None:
    """One of the languages that have lessons."""
    st.segmented_control(
        word("language"), list(languages()), key="lesson_language", required=True,
        format_func=lambda one: LANGUAGES.get(one, one), persist_state="session",
    )  # fmt: skip
