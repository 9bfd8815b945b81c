"""What the hand says is heard once, and only where it still stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pruneattr_core.ui import browser_store, strip


def page() -> None:
    import streamlit as st

    from pruneattr_core.ui.hand import settled, start_of, told

    state = st.session_state
    position = {"share": state["share"]}
    state["token"] = start_of("place", state["of"], position)["token"]
    news = told("place", state["of"], state["message"])
    state["heard"] = None if news is None else news["share"]
    if news is not None:
        state["share"] = news["share"]
    settled("place", {"share": state["share"]})


def whole() -> None:
    import streamlit as st

    from pruneattr_core.ui.hand import all_drawn, settled, start_of, whole_run

    state = st.session_state
    with whole_run():
        if state["early"] == "again":
            state["early"] = ""
            st.rerun()
        elif state["early"]:
            st.stop()  # as Streamlit does with a run that is superseded
        if state["drawn"]:
            state["start"] = start_of("place", "picture", {"share": state["share"]})
            settled("place", {"share": state["share"]})
        if state["stops"]:
            all_drawn()
            st.stop()


def start(app: AppTest, **now: Any) -> Any:
    """Where the component starts in a run with these values in the session."""
    for name, value in {"early": "", "drawn": True, "stops": False, **now}.items():
        app.session_state[name] = value
    app.run()
    assert not app.exception
    return app.session_state["start"]


@pytest.mark.parametrize("stops", [False, True])
def test_a_component_that_was_away_starts_where_the_hand_let_go(stops: bool) -> None:
    app = AppTest.from_function(whole, default_timeout=120)
    first = start(app, share=0.8)
    app.session_state["place"]["seen"] = {"share": 0.5}  # what the hand said was taken
    assert start(app, share=0.5) == first  # it stands there: nothing is sent to it again
    for early in ("again", "superseded"):
        assert start(app, early=early) == first  # also when a run ends before it comes to it
    assert start(app) == first
    assert start(app, drawn=False, stops=stops) == first
    again = start(app)
    assert again["share"] == 0.5
    assert again["token"] != first["token"]
    assert start(app) == again


def drawn(app: AppTest, **now: Any) -> Any:
    """What is heard by a run with these values in the session."""
    for name, value in now.items():
        app.session_state[name] = value
    app.run()
    assert not app.exception
    return app.session_state["heard"]


def test_what_was_said_before_a_link_moved_the_component_is_dropped() -> None:
    app = AppTest.from_function(page, default_timeout=120)
    assert drawn(app, of="picture 1", share=0.8, message=None) is None
    said = {"of": "picture 1", "token": app.session_state["token"], "share": 0.5, "when": 1}
    assert drawn(app, of="picture 2", message=said) is None  # meanwhile another picture was chosen
    assert drawn(app, of="picture 1") is None  # and Back pressed: on screen is the place of the address
    assert app.session_state["share"] == 0.8
    again = {**said, "token": app.session_state["token"], "when": 2}
    assert drawn(app, message=again) == 0.5
    assert drawn(app) is None  # once
    assert drawn(app, share=0.9, message={**again, "when": 3}) is None  # a link moved it on the same picture


def test_a_component_that_left_with_its_page_may_still_call_back(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: dict[str, Callable[[], None]] = {}
    for module in (strip, browser_store):
        monkeypatch.setattr(module, "_mount", lambda data, key, **later: calls.update(later))
    chosen: list[int] = []
    strip.choose_from_strip("scenes", 0, 0, chosen.append)
    assert browser_store.ask_browser("0" * 64)
    assert len(calls) == 2
    for call in calls.values():
        call()
    assert chosen == []
    assert browser_store.ask_browser("0" * 64)  # nobody said that the browser has it not
