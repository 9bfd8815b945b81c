"""Components of the app: registered with Streamlit, without an iframe."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from pruneattr_core.assets import ASSETS
from pruneattr_core.share.component import Component


def register(name: str, parts: Component) -> Callable[..., Any]:
    """Make a component known to Streamlit; called once each, at import, and mounted as often as wanted.

    Args:
        name: of the component, unique in the app.
        parts: its HTML, style and script.

    Returns:
        The function that mounts it: `data=`, `key=`, `default=` and one `on_<name>_change=` a state value.
    """
    return st.components.v2.component(name, html=parts.html, css=parts.css, js=parts.js)


def said(key: str, name: str) -> Any:
    """What a component said under a name, for its callback; None where it has left with its page.

    A browser may still send what was pressed, and Streamlit calls back for it, when the next page's run has
    superseded the one that drew the component.
    """
    state = st.session_state.get(key)
    return None if state is None else state.get(name)


_HISTORY = f"<script>{(ASSETS / 'address' / 'address.js').read_text('utf-8')}</script>"


def mind_history() -> None:
    """Let one gesture of the reader make one entry in the browser's history, however often Python writes."""
    # No component: a browser busy with a page of charts came to it after the reader's first press.
    st.html(_HISTORY, unsafe_allow_javascript=True)


_top = st.components.v2.component("pruneattr_top", js=(ASSETS / "lessons" / "top.js").read_text("utf-8"))


def begin_at_top(place: str) -> None:
    """Scroll the page to its top when this is another place than in the run before."""
    _top(key="top", data={"place": place})


_SCRIPTS = ("browser/numbers.js", "share/german.js", "lessons/translate.js")
_translate = st.components.v2.component(
    "pruneattr_translate", js="\n".join((ASSETS / name).read_text("utf-8") for name in _SCRIPTS)
)


def put_into(language: str, words: Mapping[str, Any]) -> None:
    """Put the texts of the page in a lesson into a language, in the browser, for as long as this is drawn.

    Args:
        language: two letters.
        words: "exact", English -> other; "patterns", pairs of a regular expression and a text with $1;
            "decimal", its decimal sign; "glossary", entries of the glossary in that language.
    """
    # One text: for a dictionary inside Streamlit imports pandas, to see whether it is a table.
    _translate(key="translate", data={"words": json.dumps({"language": language, **words})})


_key = st.components.v2.component("pruneattr_key", js=(ASSETS / "lessons" / "key.js").read_text("utf-8"))


def keep_key(code: str, key: str) -> str:
    """Keep the key of a class in the browser's tab, or ask the tab for it.

    Args:
        code: of the class.
        key: of whoever leads it; empty asks.

    Returns:
        What the tab has kept for this class; empty at first, and where it has nothing else than `key`.
    """
    return _kept("class", code, key)


def keep_voter(name: str) -> str:
    """Keep the name of this session in the browser's tab, whose later sessions vote under it, too.

    Returns:
        The name that the tab has kept before; empty at first, and where there is no other than `name`.
    """
    return _kept("voter", "", name)


def _kept(what: str, code: str, value: str) -> str:
    data = {"name": f"pruneattr-{what}", "code": code, "value": value}
    found = _key(key=f"{what}_key", data=data, on_held_change=lambda: None)
    return str(getattr(found, "held", None) or "")


_answers = st.components.v2.component(
    "pruneattr_answers", js=(ASSETS / "lessons" / "answers.js").read_text("utf-8")
)


def keep_answers(given: Mapping[str, int], place: str) -> None:
    """Keep the answers of lessons in the browser's tab.

    Args:
        given: name of a step -> place of the answer.
        place: name of the step that is drawn: the answer pressed there is kept at once.
    """
    pairs = tuple(given.items())  # see put_into
    _answers(key="answers", data={"given": pairs, "place": place}, on_held_change=lambda: None)


def kept_answers() -> Mapping[str, Any]:
    """Those that the tab has kept from sessions before, whatever a browser sends; empty at first."""
    held = said("answers", "held")
    return held if isinstance(held, Mapping) else {}


_words = register("pruneattr_words", Component("words", ("words/words.js",)))


def explain_words() -> None:
    """Let the words of the glossary on the page explain themselves, and list them here."""
    _words(key="words")
