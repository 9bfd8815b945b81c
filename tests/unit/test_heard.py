"""A run hears what it was asked with before it ends, whatever ends it."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner_utils.exceptions import StopException
from streamlit.runtime.scriptrunner_utils.script_requests import (
    RerunData,
    ScriptRequests,
    ScriptRequestType,
)
from streamlit.runtime.state.safe_session_state import SafeSessionState
from streamlit.runtime.state.session_state import SessionState

from pruneattr_core.ui import heard
from pruneattr_core.ui.heard import hear_last_words, unheard


class _Run:
    """A run of Streamlit's as far as it is asked: its requests, and where it looks for the next one."""

    def __init__(self, session: Any) -> None:
        self._requests, self._execing, self._session_id = ScriptRequests(), False, session.id
        self.state = SafeSessionState(session._session_state, self.look)
        self.request_stop = self._requests.request_stop
        session._scriptrunner = self

    def look(self) -> None:
        if self._execing and self._requests._state is ScriptRequestType.STOP:
            raise StopException

    def begin(self) -> None:
        asked = self._requests.on_scriptrunner_ready()
        if asked.type is ScriptRequestType.RERUN:
            self._execing = True
            self.state.on_script_will_rerun(asked.rerun_data.widget_states)
            self.look()


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A session whose state notes what it is told."""
    for owner, name in ((AppSession, "request_script_stop"), (SafeSessionState, "on_script_will_rerun")):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    hear_last_words()
    session = SimpleNamespace(
        id="one", _scriptrunner=None, _session_state=SessionState(), heard=[], then=None
    )

    def told(_: SessionState, widgets: WidgetStates, **more: Any) -> None:
        if session.then:
            session.then()
        session._scriptrunner.state["seen"] = True  # as a callback does, where a run looks for the next one
        session.heard.append(widgets.widgets[0].json_value)

    monkeypatch.setattr(SessionState, "on_script_will_rerun", told)
    return session


def _word(text: str) -> RerunData:
    return RerunData(widget_states=WidgetStates(widgets=[WidgetState(id="note", json_value=text)]))


def _leave(session: Any) -> None:
    AppSession.request_script_stop(session)


def test_a_run_whose_browser_goes_before_it_begins_hears_and_ends(session: Any) -> None:
    run = _Run(session)
    run._requests.request_rerun(_word("typed"))
    _leave(session)
    with pytest.raises(StopException):
        run.begin()
    assert session.heard == ["typed"]


@pytest.mark.parametrize("end", [_leave, lambda session: session._scriptrunner.request_stop()])
def test_a_run_that_is_ended_while_it_hears_hears_it_all(session: Any, end: Callable[[Any], None]) -> None:
    run = _Run(session)
    run._requests.request_rerun(_word("typed"))
    session.then = lambda: end(session)
    with pytest.raises(StopException):
        run.begin()
    assert session.heard == ["typed"]


def test_what_waits_behind_a_run_is_heard_when_the_browser_goes(session: Any) -> None:
    run = _Run(session)
    run._requests.request_rerun(_word("first"))

    def more() -> None:
        session.then = None
        run._requests.request_rerun(_word("typed"))
        _leave(session)

    session.then = more
    run.begin()
    run._execing = False
    with pytest.raises(StopException):
        run.begin()
    assert session.heard == ["first", "typed"]


def test_a_run_that_has_heard_ends_at_once(session: Any) -> None:
    run = _Run(session)
    run._requests.request_rerun(_word("typed"))
    run.begin()
    assert unheard(run._requests) is None
    _leave(session)
    assert run._requests._state is ScriptRequestType.STOP
    with pytest.raises(StopException):
        run.look()


def test_what_a_run_has_not_heard_when_another_takes_its_place_is_there_for_that(session: Any) -> None:
    run = _Run(session)
    run._requests.request_rerun(_word("typed"))
    taken = run._requests.on_scriptrunner_ready().rerun_data.widget_states
    assert unheard(run._requests) is taken
    run._requests.request_stop()  # as Streamlit does with each request for a whole page
    run._execing = True
    with pytest.raises(StopException):
        run.state.on_script_will_rerun(taken)
    assert not session.heard
    assert unheard(run._requests) is taken


def test_two_runs_of_a_session_hear_one_after_the_other(session: Any) -> None:
    inside, most = [0], [0]

    def one_more() -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.1)
        inside[0] -= 1

    session.then = one_more
    begins = list[Callable[[], None]]()
    for text in ("a", "b"):
        run = _Run(session)
        run._requests.request_rerun(_word(text))
        begins.append(run.begin)
    threads = [threading.Thread(target=begin) for begin in begins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, sorted(session.heard)) == ([1], ["a", "b"])


def test_no_session_waits_for_another_to_hear(session: Any) -> None:
    together = threading.Barrier(100, timeout=20)
    session.then = together.wait
    runs = []
    for number in range(100):
        session.id = str(number)
        runs.append(_Run(session))
        runs[-1]._requests.request_rerun(_word(session.id))
    threads = [threading.Thread(target=run.begin) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(int, session.heard)) == [*range(100)]


def test_a_session_that_is_gone_leaves_no_lock(session: Any) -> None:
    for number in range(50):
        session.id = f"gone {number}"
        run = _Run(session)
        run._requests.request_rerun(_word("typed"))
        run.begin()
    run = session._scriptrunner = None
    gc.collect()
    assert not [name for name in heard._turns if name.startswith("gone")]


def test_a_browser_that_is_back_before_its_word_is_heard_keeps_its_run(session: Any) -> None:
    run = _Run(session)
    run._requests.request_rerun(_word("typed"))
    _leave(session)
    run._requests.request_rerun(_word("back"))
    run.begin()
    assert session.heard == ["back"]
    assert run._requests._state is ScriptRequestType.CONTINUE
    run.look()


def test_what_raises_while_it_is_heard_is_not_told_again(session: Any) -> None:
    def fail() -> None:
        raise ValueError("of a page's own")

    session.then = fail
    run = _Run(session)
    run._requests.request_rerun(_word("typed"))
    with pytest.raises(ValueError, match="own"):
        run.begin()
    assert unheard(run._requests) is None
    assert run._execing
    _leave(session)
    assert run._requests._state is ScriptRequestType.STOP
    other = _Run(session)
    other._requests.request_rerun(_word("next"))
    session.then = None
    other.begin()
    assert session.heard == ["next"]


def test_a_browser_that_goes_again_and_again_ends_its_run_once_it_has_heard(session: Any) -> None:
    run = _Run(session)
    run._requests.request_rerun(_word("typed"))
    session.then = lambda: [_leave(session) for _ in range(3)]
    with pytest.raises(StopException):
        run.begin()
    assert session.heard == ["typed"]
