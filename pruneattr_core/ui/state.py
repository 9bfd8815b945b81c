"""The view as a handful of named texts: in the address bar, in exports, in the session."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

_PUBLISHED = "_published"
_RESTORED = "_restored"
#: Longest value of the address bar that is repeated in a message.
_SHOWN = 40


@dataclass(frozen=True)
class Field:
    """One setting of the view.

    Attributes:
        name: key in the address bar, in exports and in the session.
        default: left out of the address.
        parse: text -> value; raises ValueError or KeyError for nonsense.
        text: value -> text.
        title: how messages call it.
    """

    name: str
    default: Any
    parse: Callable[[str], Any]
    title: str
    text: Callable[[Any], str] = str


def one_of(options: Sequence[str] | Mapping[str, Any]) -> Callable[[str], str]:
    """A parser that takes the given texts only."""

    def parse(text: str) -> str:
        if text not in options:
            raise ValueError(text)
        return text

    return parse


def number(low: float, high: float) -> Callable[[str], float]:
    """A parser of finite numbers in [low, high]."""

    def parse(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return parse


def adopt(fields: Sequence[Field]) -> list[str]:
    """Take what the address (or a restored file) says into the session; returns what could not be taken.

    An empty text stands for the default. Only texts that this session did not write itself are read, so a
    stale address never undoes a choice.
    """
    written: dict[str, str] = st.session_state.setdefault(_PUBLISHED, {})
    restored: dict[str, str] = st.session_state.setdefault(_RESTORED, {})
    complaints = []
    for field in fields:
        text = restored.pop(field.name, None)
        if (
            text is None
            and field.name in st.query_params
            and st.query_params[field.name] != written.get(field.name)
        ):
            text = st.query_params[field.name]
        if text is not None:
            written[field.name] = text
            try:
                # Nothing said, in a saved view of another page say, means the default.
                st.session_state[field.name] = field.parse(text) if text else field.default
            except (ValueError, KeyError):
                complaints.append(complaint(field.title, text))
        st.session_state.setdefault(field.name, field.default)
    return complaints


def complaint(title: str, text: object) -> str:
    """One sentence about a value that cannot be used; it repeats at most a few harmless characters of it."""
    shown = "".join(c if c.isalnum() or c in " ._-:@/" else "?" for c in str(text)[:_SHOWN])
    return f"The link asks for {title} “{shown}”, which does not exist here; the default is shown instead."


def restore(texts: Mapping[str, str], fields: Sequence[Field]) -> None:
    """Let the next run adopt these texts; settings that are not named go back to their defaults."""
    st.session_state[_RESTORED] = {
        field.name: texts.get(field.name, field.text(field.default)) for field in fields
    }


def view(fields: Sequence[Field], every: bool = False) -> dict[str, str]:
    """The settings that differ from their defaults, or all of them, as texts."""
    values = {field: st.session_state.get(field.name, field.default) for field in fields}
    return {
        field.name: field.text(value) for field, value in values.items() if every or value != field.default
    }


def publish(fields: Sequence[Field]) -> None:
    """Write the view into the address bar."""
    now = view(fields)
    known = {field.name for field in fields}
    here = st.query_params.to_dict()
    wanted = {name: text for name, text in here.items() if name not in known} | now
    if wanted != here:
        st.query_params.from_dict(wanted)
    st.session_state.setdefault(_PUBLISHED, {}).update({name: now.get(name, "") for name in known})
