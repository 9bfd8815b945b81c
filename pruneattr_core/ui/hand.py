"""Where a component in the browser stands: what Python last said, and what the hand has said since.

A component draws a payload that names what it shows in `of`. It starts where the payload's `start` says, and
when the hand lets go it answers with that name, the token of the start, a value that means the same in any
payload (a sparsity, a fraction), and the time. An answer to another payload, one from before a link moved the
component, or one that was heard before, is dropped.

A component that was not on the screen knows nothing of what the hand did to the one before it: after another
page, or another network that had to be fetched first, it starts where the session stands.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

#: Of a session: the page of its last whole run, places whose components are on the screen, those drawn since.
_SCREEN = "_hand_screen"


def name_of(*what: object) -> str:
    """A short name of frozen values, for `of`."""
    return hashlib.sha256(repr(what).encode()).hexdigest()[:16]


@contextmanager
def whole_run() -> Iterator[None]:
    """A whole run of a page, around all that it draws; afterwards what it did not draw has left the screen.

    A run that is superseded, or started again, leaves the screen as it is; another page clears it at once.
    """
    context, screen = get_script_run_ctx(), _screen()
    page = context.page_script_hash if context else ""
    if screen["page"] != page:
        screen["standing"] = set()
    screen["page"], screen["drawn"] = page, set()
    try:
        yield
    except Exception:  # Streamlit's own control flow is none
        all_drawn()
        raise
    all_drawn()


def all_drawn() -> None:
    """This run draws nothing more, also when it is stopped now."""
    screen = _screen()
    screen["standing"] = set(screen["drawn"])


def _screen() -> dict[str, Any]:
    screen: dict[str, Any] = st.session_state.setdefault(
        _SCREEN, {"page": None, "standing": set(), "drawn": set()}
    )
    return screen


def start_of(place: str, of: str, view: Mapping[str, Any]) -> dict[str, Any]:
    """Where the component stands first; changes with what is shown, when a link moves it, or where it is new.

    The live position must not enter the payload, which would be sent again with every release.

    Args:
        place: of the session, one a component.
        of: names what is shown.
        view: the position as the session has it now.

    Returns:
        The view when it was last taken, and a token that says so.
    """
    frozen = st.session_state.setdefault(place, {"of": None, "token": -1, "seen": None, "when": None})
    screen = _screen()
    left = place not in screen["standing"] and frozen.get("start") != view
    screen["standing"].add(place)
    screen["drawn"].add(place)
    if frozen["of"] != of or frozen["seen"] != view or left:
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
