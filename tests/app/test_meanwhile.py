"""What is chosen while something is computed stands in the address before that is there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest
import streamlit as st
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.local_script_runner import LocalScriptRunner

from pruneattr_core.ui.cache import engine
from pruneattr_core.ui.compare import page as compare
from pruneattr_core.ui.explore import page as explore
from pruneattr_core.ui.jobs import Job, Jobs
from pruneattr_core.ui.late import mind_late_presses
from pruneattr_core.ui.paths import carrying, tasks
from pruneattr_core.ui.paths import decoding_page as decoding
from pruneattr_core.ui.paths import page as paths
from pruneattr_core.ui.removal import page as removal
from pruneattr_core.ui.sanity import page as sanity
from tests.app.conftest import Draw, Start, healthy

#: Page -> one of its settings, another value, and how the address says it.
PAGES: dict[str, tuple[Draw, str, Any, str]] = {
    "explore": (explore.draw, "mode", "freeze", "freeze"),
    "compare": (compare.draw, "fill", "blur", "blur"),
    "paths": (paths.draw, "instead", "mean", "mean"),
    "decoding": (decoding.draw, "kappa", 0.8, "0.8"),
    "sanity": (sanity.draw, "sane_variant", "text", "text"),
    "removal": (removal.draw, "gone_order", "morf", "morf"),
}
#: Seconds after which a choice counts as unheard.
UNHEARD = 20.0


@pytest.mark.parametrize("name", PAGES)
def test_whatever_is_waited_for_the_address_says_what_was_chosen(
    lone_page: Callable[[Draw, str], Start], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    draw, setting, value, text = PAGES[name]
    app = lone_page(draw, "Any page")()
    healthy(app)
    said: list[dict[str, Any]] = []
    run = Jobs.run

    def asked(self: Jobs, key: Any, *more: Any) -> Any:
        if self.results.get(key) is None:
            said.append(st.query_params.to_dict())
        return run(self, key, *more)

    monkeypatch.setattr(Jobs, "run", asked)
    engine().jobs.results.clear()  # what a page asks of a network it asks once
    app.session_state["picture"], app.session_state[setting] = 1, value
    app.run()
    healthy(app)
    answer, *page = said
    assert page, "nothing new was computed"
    assert answer["picture"] == "1"
    assert [(one["picture"], one.get(setting)) for one in page] == [("1", text)] * len(page)


class Browser:
    """Asks for a part of a page while a run of it goes on; the run is the application's last."""

    def __init__(self, app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
        self.held = app._tree.get_widget_states()
        self.parts = {
            key: one.fragment_id
            for key, one in app._session_state._state._new_widget_state.widget_metadata.items()
        }
        self.first: RerunData | None = None  # what is asked for instead of a whole run
        begin = LocalScriptRunner.run

        def run(runner: LocalScriptRunner, *told: Any, **more: Any) -> Any:
            self.runner, asked = runner, runner.request_rerun

            def first(data: RerunData) -> bool:
                del runner.request_rerun  # type: ignore[method-assign]
                runner._requests = ScriptRequests()  # it asks for a whole run itself
                return asked(self.first or data)

            runner.request_rerun = first  # type: ignore[method-assign]
            return begin(runner, *told, **more)

        monkeypatch.setattr(LocalScriptRunner, "run", run)

    def told(self, key: str, *texts: str, pressed: str = "") -> RerunData:
        """A request with other words of the widget under a key, or with a press."""
        widgets = [one for one in self.held.widgets if not one.id.endswith(f"-{key}")]
        widgets = [one for one in widgets if one.WhichOneof("value") != "trigger_value"]
        widget = next(one for one in self.parts if one.endswith(f"-{key}"))
        changed = WidgetState(id=widget, string_array_value={"data": texts})
        self.held = WidgetStates(widgets=[*widgets, changed])
        more = [WidgetState(id=pressed, trigger_value=True)] if pressed else []
        return RerunData(
            widget_states=WidgetStates(widgets=[*self.held.widgets, *more]), fragment_id=self.parts[widget]
        )

    def address(self) -> dict[str, list[str]]:
        """What the run has said last."""
        messages = [
            one for one in self.runner.forward_msgs() if one.WhichOneof("type") == "page_info_changed"
        ]
        return parse_qs(messages[-1].page_info_changed.query_string) if messages else {}

    def waits_for(self, said: dict[str, list[str]], seconds: float = UNHEARD) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if said.items() <= self.address().items():
                return True
            time.sleep(0.02)
        return False


@pytest.fixture
def opened(lone_page: Callable[[Draw, str], Start], monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The critical paths of a picture, of which every widget is known."""
    mind_late_presses()  # as the app does first of all
    app = lone_page(paths.draw, "Critical paths")(instead="counterfactual")
    healthy(app)
    return app.run()


def test_a_choice_in_a_part_of_the_page_is_heard_while_the_page_waits(
    opened: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, found, begun = Browser(opened, monkeypatch), list[bool](), list[Any]()
    ground_of = tasks.ground_of

    def slow(*what: Any) -> Any:
        begun.append(what)
        for text, title in (("mean", "Their mean"), ("freeze", "Their own value")):
            browser.runner.request_rerun(browser.told("instead", title))
            found.append(browser.waits_for({"picture": ["1"], "instead": [text]}))
        return ground_of(*what)

    monkeypatch.setattr(tasks, "ground_of", slow)
    opened.session_state["picture"] = 1
    opened.run()
    healthy(opened)
    assert found == [True, True]
    assert len(begun) == 1  # what the page waits for goes on, however often its reader chooses
    assert (opened.session_state["picture"], opened.session_state["instead"]) == (1, "freeze")


def test_a_choice_is_heard_while_the_part_of_the_page_that_it_is_in_waits(
    opened: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, found, map_of = Browser(opened, monkeypatch), list[bool](), carrying.map_of
    whole, begun = list[Any](), list[Job]()

    def slow(*what: Any) -> Callable[[Job], Any]:
        work = map_of(*what)

        def slowly(job: Job) -> Any:
            begun.append(job)
            if len(begun) == 1:  # what is chosen then begins beside it, as nobody waits for this any more
                browser.runner.request_rerun(browser.told("instead", "Their own value"))
                found.append(browser.waits_for({"instead": ["freeze"]}))
            return work(job)

        return slowly

    monkeypatch.setattr(carrying, "map_of", slow)
    monkeypatch.setitem(paths._VIEWS, "carries", whole.append)
    browser.first = browser.told("instead", "Another picture's value")
    opened.run()
    healthy(opened)
    assert found == [True]
    assert opened.session_state["instead"] == "freeze"
    assert not whole  # the part alone is drawn anew
