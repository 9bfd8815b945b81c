"""What the hand says is heard once, and only where it still stands."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pruneattr_core.ui import browser_store, hand, strip


def page() -> None:
    import streamlit as st

    from pruneattr_core.ui.hand import left_behind, settled, start_of, told

    state = st.session_state
    late = left_behind("place", state["of"], {"share": state["share"]}, state["message"])
    if late is not None:
        state["share"] = late["share"]
    state["start"] = start_of("place", state["of"], {"share": state["share"]})
    news = told("place", state["of"], state["message"])
    state["heard"] = next((one["share"] for one in (late, news) if one is not None), None)
    if state["superseded"]:
        st.stop()
    if news is not None:
        state["share"] = news["share"]
    settled("place", {"share": state["share"]})


def whole() -> None:
    import streamlit as st

    from pruneattr_core.ui.hand import all_drawn, on_page, settled, start_of, whole_run

    state = st.session_state
    with whole_run():
        on_page(state["page"])
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
    for name, value in {"early": "", "drawn": True, "stops": False, "page": "", **now}.items():
        app.session_state[name] = value
    app.run()
    assert not app.exception
    return app.session_state["start"]


@pytest.mark.parametrize("stops", [False, True])
def test_a_component_that_was_away_starts_where_the_hand_let_go(stops: bool) -> None:
    app = AppTest.from_function(whole, default_timeout=600)
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
    app.session_state["place"]["seen"] = {"share": 0.3}
    assert start(app, share=0.3) == again
    start(app, page="another", early="superseded")  # left before anything of it was drawn
    assert start(app)["share"] == 0.3


def drawn(app: AppTest, **now: Any) -> Any:
    """What is heard by a run with these values in the session."""
    for name, value in {"superseded": False, **now}.items():
        app.session_state[name] = value
    app.run()
    assert not app.exception
    return app.session_state["heard"]


def test_what_was_said_before_a_link_moved_the_component_is_dropped() -> None:
    app = AppTest.from_function(page, default_timeout=600)
    assert drawn(app, of="picture 1", share=0.8, message=None) is None
    said = {"of": "picture 1", "token": app.session_state["start"]["token"], "share": 0.5, "when": 1}
    assert drawn(app, of="picture 2", share=0.8, message={**said, "of": "picture 0"}) is None
    assert drawn(app, of="picture 1", share=0.7) is None
    assert drawn(app, message=said) is None  # a link came between: on screen is the place of the address
    assert app.session_state["share"] == 0.7
    again = {**said, "token": app.session_state["start"]["token"], "when": 2}
    assert drawn(app, message=again) == 0.5
    assert drawn(app) is None  # once
    assert drawn(app, share=0.9, message={**again, "when": 3}) is None  # a link moved it on the same picture


def test_a_run_that_is_superseded_before_it_takes_what_it_heard_leaves_it_to_the_next() -> None:
    app = AppTest.from_function(page, default_timeout=600)
    drawn(app, of="star", share=0.8, message=None)
    said = {"of": "star", "token": app.session_state["start"]["token"], "share": 0.5, "when": 1}
    assert drawn(app, message=said, superseded=True) == 0.5
    assert drawn(app) == 0.5
    assert drawn(app) is None
    app.session_state["share"] = 0.3  # taken as soon as it was heard, but the run went no further
    app.session_state["place"]["news"] = 2
    again = {**said, "share": 0.3, "when": 2}
    assert drawn(app, message=again, of="circle") == 0.3  # not taken for a link, which would drop it


@pytest.mark.parametrize("heard_first", [True, False])
def test_what_the_hand_said_while_another_was_computed_moves_the_other(heard_first: bool) -> None:
    app = AppTest.from_function(page, default_timeout=600)
    drawn(app, of="circle", share=0.8, message=None)
    shown = app.session_state["start"]["token"]
    if heard_first:  # or the run that asks for the star is the one that hears of it
        assert drawn(app, of="star") is None
    for when, share in enumerate((0.5, 0.3)):  # the circle stands on the screen until the star is drawn
        before = app.session_state["start"]["token"]
        said = {"of": "circle", "token": shown, "share": share, "when": when}
        assert drawn(app, of="star", message=said) == share
        assert app.session_state["start"]["share"] == share
        assert app.session_state["start"]["token"] != before  # so the star goes there in the browser, too
        assert drawn(app) is None  # once
    assert drawn(app, share=0.9, message={**said, "when": 9}) is None  # a link moved it


def test_a_step_back_undoes_what_no_run_has_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    app = AppTest.from_function(page, default_timeout=600)
    drawn(app, of="star", share=0.8, message=None)
    said = {"of": "star", "token": app.session_state["start"]["token"], "share": 0.5, "when": 1}
    with monkeypatch.context() as patch:
        patch.setattr(hand, "get_script_run_ctx", lambda: SimpleNamespace(is_history_navigation=True))
        assert drawn(app, of="circle", message=said) is None
    assert drawn(app) is None
    assert app.session_state["share"] == 0.8


def test_a_component_that_left_with_its_page_may_still_call_back(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: dict[str, Callable[[], None]] = {}
    for module in (strip, browser_store):
        monkeypatch.setattr(module, "_mount", lambda data, key, default=None, **later: calls.update(later))
    chosen: list[int] = []
    strip.choose_from_strip("scenes", 0, 0, lambda: ("scenes", 0, 0), chosen.append)
    assert browser_store.ask_browser("0" * 64)
    assert len(calls) == 2
    for call in calls.values():
        call()
    assert chosen == []
    assert browser_store.ask_browser("0" * 64)  # nobody said that the browser has it not


@pytest.mark.parametrize(
    ("news", "index"),
    [
        ({"of": "scenes", "index": 7}, 7),
        ({"of": "scenes", "index": 7, "step": 1}, 7),
        ({"of": "cifar10", "index": 7, "step": None}, None),  # a thumbnail of the data set before
        ({"of": "cifar10", "index": 7, "step": 1}, 4),
        ({"of": "cifar10", "index": 7, "step": -4}, 9),
        ({"of": "scenes", "index": 10}, None),
        ({"of": "scenes", "index": float("nan"), "step": "1"}, None),
        ({"of": "cifar10", "index": 7, "step": 1e300}, None),
        (None, None),
    ],
)
def test_next_means_the_one_after_the_picture_that_is_shown_now(news: object, index: int | None) -> None:
    assert strip._index(news, "scenes", 10, 3) == index
