"""Where a component in the browser stands: what Python last said, and what the hand has said since.

A component draws a payload that names what it shows in `of`. It starts where the payload's `start` says, and
when the hand lets go it answers with that name, the token of the start, a value that means the same in any
payload (a sparsity, a fraction), and the time. An answer to another payload, one from before a link moved the
component, or one that was heard before, is dropped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import streamlit as st


def name_of(*what: object) -> str:
    """A short name of frozen values, for `of`."""
    return hashlib.sha256(repr(what).encode()).hexdigest()[:16]


def start_of(place: str, of: str, view: Mapping[str, Any]) -> dict[str, Any]:
    """Where the component stands first; it changes only with what is shown, or when a link moves it.

    The live position must not enter the payload, which would be sent again with every release.

    Args:
        place: of the session, one a component.
        of: names what is shown.
        view: the position as the session has it now.

    Returns:
        The view when it was last taken, and a token that says so.
    """
    frozen = st.session_state.setdefault(place, {"of": None, "token": -1, "seen": None, "when": None})
    if frozen["of"] != of or frozen["seen"] != view:
        frozen.update(of=of, token=frozen["token"] + 1, seen=dict(view), start=dict(view))
    return {"token": frozen["token"], **frozen["start"]}


def told(place: str, of: str, message: object) -> Mapping[str, Any] | None:
    """What the hand has said about `of` since the last run; None without news.

    Args:
        place: of the session, as in `start_of`, which comes first.
        of: names what is shown.
        message: the component's state, whatever a browser sends.
    """
    if not isinstance(message, Mapping) or message.get("of") != of:
        return None
    frozen = st.session_state[place]
    if message.get("when") == frozen["when"] or message.get("token", frozen["token"]) != frozen["token"]:
        return None
    frozen["when"] = message.get("when")
    return message


def settled(place: str, view: Mapping[str, Any]) -> None:
    """Remember where the hand let go, so that `start_of` does not take it for a link."""
    st.session_state[place]["seen"] = dict(view)
