"""What a browser still holds of widgets that are gone travels with the next request, and undoes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import streamlit as st
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.testing.v1 import AppTest

from pruneattr_core.ui import late, shell
from pruneattr_core.ui.compare import state as compare
from pruneattr_core.ui.explore import page as explore
from pruneattr_core.ui.late import mind_late_presses
from pruneattr_core.ui.paths import state as paths
from pruneattr_core.ui.state import Field
from tests.app.conftest import ROOT, Draw, Start, healthy

SHARED = {"picture": "3", "target": "2", "contrast": "runner-up"}
#: Page -> its settings, some that its address asks for.
PAGES: dict[str, tuple[tuple[Field, ...], dict[str, str]]] = {
    "1_explore": (explore.FIELDS, {"mode": "freeze", "at": "0.95", "collapse": "sum"}),
    "2_compare": (compare.FIELDS, {"methods": "saliency,gradcam", "prune": "0.9"}),
    "3_paths": (paths.FIELDS, {"paths": "taylor,random", "kappa": "0.8"}),
}


def _opened(app: AppTest, page: str, asked: dict[str, str], held: Any = None) -> Any:
    """What a browser holds after it has opened a page at an address, having held something else before."""
    app.query_params.clear()
    for name, text in asked.items():
        app.query_params[name] = text
    app.switch_page(f"pages/{page}.py")._run(held)
    healthy(app)
    held = app._tree.get_widget_states()
    for one in [one for one in held.widgets if one.WhichOneof("value") == "trigger_value"]:
        held.widgets.remove(one)  # a browser tells of presses only
    return held


def _view(app: AppTest, page: str) -> dict[str, object]:
    return {field.name: app.session_state[field.name] for field in (*shell.FIELDS, *PAGES[page][0])}


@pytest.mark.parametrize("page", PAGES)
def test_coming_back_with_what_the_browser_had_not_let_go_of(start: Start, page: str) -> None:
    app = start()
    held = _opened(app, page, SHARED | PAGES[page][1])
    before = _view(app, page)
    assert (before["picture"], before["target"]) == (3, 2)
    _opened(app, "10_lessons", {})
    _opened(app, page, {}, held)  # the browser has not heard yet that the page's widgets are gone
    assert _view(app, page) == before


@pytest.mark.parametrize("page", PAGES)
def test_what_was_chosen_meanwhile_counts_more_than_what_the_browser_holds(start: Start, page: str) -> None:
    app = start()
    held = _opened(app, page, {})
    _opened(app, "10_lessons", SHARED, held)
    _opened(app, page, {}, held)
    assert {name: str(app.session_state[name]) for name in SHARED} == SHARED


def test_each_of_several_presses_counts_though_the_next_one_supersedes_its_run(
    lone_page: Callable[[Draw, str], Start],
) -> None:
    superseded = False

    def draw(chosen: Any) -> None:
        if superseded:  # as Streamlit ends a run when something else is asked for: nothing is tidied up
            st.stop()
        st.caption(chosen.picture.title)

    mind_late_presses()  # as the app does first of all
    app = lone_page(draw, "Any page")()
    held = app._tree.get_widget_states()
    strip = next(part.proto.id for part in app.get("bidi_component") if "picture_strip" in part.proto.id)
    for index in (1, 2, 3):
        superseded = index < 3
        said = json.dumps({"picked": {"of": "scenes", "index": index, "when": index}})
        others = [one for one in held.widgets if one.id != strip]
        app._run(WidgetStates(widgets=[*others, WidgetState(id=strip, json_value=said)]))
        assert (app.session_state["picture"], app.query_params["picture"]) == (index, str(index))
    healthy(app)
    assert any(one.value.startswith("0003 ") for one in app.caption)


def test_a_page_left_before_the_browser_has_told_of_its_widgets_hands_its_settings_on(start: Start) -> None:
    """As when a lesson is the first page and its reader goes on to the explorer at once."""
    start()  # the server is warm
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=600)
    app.query_params.update({"lesson": "4-clever-hans", "lesson_step": "2"})
    app.switch_page("pages/10_lessons.py").run()
    healthy(app)
    mode = app.session_state["mode"]
    app.query_params.clear()
    app.switch_page("pages/1_explore.py")._run(WidgetStates())
    healthy(app)
    assert (app.session_state["mode"], app.session_state["contribution"]) == (mode, "taylor")


def _boxes() -> None:
    import streamlit as st

    from pruneattr_core.ui.choose import over

    st.session_state.setdefault("setting", "a")
    st.selectbox("Over", list("abc"), **over("setting", "over", st.session_state["setting"]))
    st.selectbox("Own", list("abc"), key="own")
    st.button("Another press")


def _told(app: AppTest, *, pressed: bool = False, **values: str) -> None:
    """A request of a browser that has these values in the boxes, and may have pressed the button."""
    held = {"over": "a", "own": "a"} | values
    ids = {one.key: one.proto.id for one in app.selectbox}
    widgets = [WidgetState(id=ids[key], string_value=text) for key, text in held.items()]
    if pressed:
        widgets.append(WidgetState(id=app.button[0].proto.id, trigger_value=True))
    app._run(WidgetStates(widgets=widgets))


def _values(app: AppTest) -> list[str]:
    """What the boxes show; the settings are the same."""
    shown = [one.value for one in app.selectbox]
    assert shown == [app.session_state["setting"], app.session_state["own"]]
    return shown


def _moved() -> AppTest:
    """A session whose script has moved both boxes from a to b, of which no browser has heard."""
    mind_late_presses()
    app = AppTest.from_function(_boxes, default_timeout=120).run()
    _told(app)
    app.session_state["setting"] = app.session_state["own"] = "b"  # a preset, a link, a step back
    return app


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("why", ["a press", "a clock"])
def test_what_the_script_has_moved_is_not_moved_back(why: str, times: int) -> None:
    app = _moved()
    for _ in range(times):  # the second time it was sent before the browser has heard
        if why == "a clock":
            app.session_state._state._state._old_state[late._CHOSEN] = False
        _told(app, pressed=why == "a press")
    assert _values(app) == ["b", "b"]
    assert all(one.proto.set_value for one in app.selectbox)  # the browser is told again
    _told(app, over="c", own="c")
    assert _values(app) == ["c", "c"]


def test_who_has_heard_of_a_move_can_choose_the_former_value_again() -> None:
    app = _moved()
    _told(app, pressed=True)
    assert _values(app) == ["b", "b"]
    _told(app, own="b")  # the first box was set to a again by hand, the second tells of its move
    assert _values(app) == ["a", "b"]
    app.session_state["setting"] = "b"
    _told(app, own="b", pressed=True)
    assert _values(app) == ["b", "b"]
    _told(app, own="b")  # nothing is new but the choice itself
    assert _values(app) == ["a", "b"]
