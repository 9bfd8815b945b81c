"""Where a component in the browser stands: what Python last said, and what the hand has said since.

A component draws a payload that names what it shows in `of`. It starts where the payload's `start` says, and
when the hand lets go it answers with that name, the token of the start, a value that means the same in any
payload (a sparsity, a fraction), and the time. An answer from before a link moved the component, or one that
was heard before, is dropped. One to a payload that was still on the screen while another was computed moves
that other one: whoever chooses a class and drags at once means the class chosen.

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

#: Payloads before the present one whose late answers are heard: as many as are asked for while one computes.
_FORMER = 8
#: Of a session: the page of its last whole run, places whose components are on the screen, those drawn since.
_SCREEN = "_hand_screen"


def name_of(*what: object) -> str:
    """A short name of frozen values, for `of`."""
    return hashlib.sha256(repr(what).encode()).hexdigest()[:16]


@contextmanager
def whole_run() -> Iterator[None]:
    """A whole run of a page, around all that it draws; afterwards what it did not draw has left the screen.

    A run that is superseded, or started again, leaves the screen as it is; see `on_page`.
    """
    _screen()["drawn"] = set()
    try:
        yield
    except Exception:  # Streamlit's own control flow is none
        all_drawn()
        raise
    all_drawn()


def on_page(page: str) -> None:
    """This run draws the page at an address; what another one drew has left the screen.

    Not told by Streamlit's own name of the page: where a session begins at it, its second run has another.
    """
    screen = _screen()
    if screen["page"] != page:
        screen.update(page=page, standing=set())


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
    frozen = st.session_state.setdefault(
        place, {"of": None, "token": -1, "seen": None, "when": None, "former": [], "news": None}
    )
    screen = _screen()
    left = place not in screen["standing"] and frozen.get("start") != view
    screen["standing"].add(place)
    screen["drawn"].add(place)
    if frozen["of"] != of or frozen["seen"] != view or left:
        linked = frozen["news"] is None and (left or frozen["seen"] != view)
        former = [] if linked else [*frozen["former"], (frozen["of"], frozen["token"])][-_FORMER:]
        frozen.update(of=of, token=frozen["token"] + 1, seen=dict(view), start=dict(view), former=former)
    return {"token": frozen["token"], **frozen["start"]}


def last_start(place: str, view: Mapping[str, Any]) -> dict[str, Any]:
    """Where the component started last, or will start first, without changing that; see `start_of`."""
    frozen = st.session_state.get(place)
    return {"token": 0, **view} if frozen is None else {"token": frozen["token"], **frozen["start"]}


def left_behind(place: str, of: str, view: Mapping[str, Any], message: object) -> Mapping[str, Any] | None:
    """What the hand has said about a payload before this one, and no run has heard; None without such news.

    Called before `start_of`, which then starts this payload where the hand let go of that one.

    Args:
        place: of the session, as in `start_of`.
        of: names what is to be shown.
        view: the position as the session has it now.
        message: the component's state, whatever a browser sends.
    """
    frozen = st.session_state.get(place)
    if frozen is None or not isinstance(message, Mapping) or message.get("when") == frozen["when"]:
        return None
    if getattr(get_script_run_ctx(), "is_history_navigation", False):
        frozen.update(former=[], when=message.get("when"), news=None)  # Back undoes what was done before it
        return None
    said, now = (message.get("of"), message.get("token")), (frozen["of"], frozen["token"])
    if not (said in frozen["former"] or (said == now and of != frozen["of"])):
        return None
    if frozen["news"] is None and frozen["seen"] != view:
        return None  # a link has moved it since
    frozen["news"] = message.get("when")
    return message


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
    frozen["news"] = message.get("when")
    return message


def settled(place: str, view: Mapping[str, Any]) -> None:
    """Remember where the hand let go, so that `start_of` does not take it for a link.

    Only now is it heard: a run that is superseded before has perhaps not taken it to where it belongs.
    """
    frozen = st.session_state[place]
    when = frozen["when"] if frozen["news"] is None else frozen["news"]
    frozen.update(seen=dict(view), when=when, news=None)
