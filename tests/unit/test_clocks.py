"""Questions of a page's parts that wait on the server until there is something new."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

from streamlit.proto.ClientState_pb2 import ClientState

from pruneattr_core.ui import clocks
from pruneattr_core.ui.clocks import Clocks


@dataclass
class Session:
    """Stands for an `AppSession`."""

    id: str


SESSION = Session(id="a session")
BY_THE_CLOCK = ClientState(fragment_id="part", is_auto_rerun=True, page_script_hash="page")


def test_a_question_waits_for_news_and_is_then_one_for_the_whole_page() -> None:
    found, news = Clocks(), list[bool]()
    assert found.passed(SESSION, BY_THE_CLOCK) is BY_THE_CLOCK  # of a part that has no condition
    found.only_when((SESSION.id, "part"), lambda: bool(news), whole=True)
    assert found.passed(SESSION, BY_THE_CLOCK) is None
    assert found.passed(SESSION, BY_THE_CLOCK) is None  # the browser asks again
    assert found.due() == []
    news.append(True)
    assert found.due() == [(SESSION, BY_THE_CLOCK)]  # once
    assert found.due() == []
    asked = found.passed(SESSION, BY_THE_CLOCK)
    assert (asked.fragment_id, asked.is_auto_rerun, asked.page_script_hash) == ("", False, "page")
    found.only_when((SESSION.id, "part"), lambda: True)
    assert found.passed(SESSION, BY_THE_CLOCK) is BY_THE_CLOCK


def test_what_a_reader_does_makes_the_waiting_question_void() -> None:
    found, other = Clocks(), Session(id="another")
    for session in (SESSION, other):
        found.only_when((session.id, "part"), lambda: False)
        assert found.passed(session, BY_THE_CLOCK) is None
    press = ClientState(page_script_hash="page")
    assert found.passed(SESSION, press) is press
    for session in (SESSION, other):
        found.only_when((session.id, "part"), lambda: True)
    assert [session for session, _ in found.due()] == [other]


def test_a_session_that_has_gone_is_not_kept() -> None:
    found, gone = Clocks(), Session(id="gone")
    for session in (gone, SESSION):
        found.only_when((session.id, "part"), lambda: True)
    found.only_when((gone.id, "part"), lambda: False)
    assert found.passed(gone, BY_THE_CLOCK) is None
    seen = weakref.ref(gone)
    del gone, session
    assert seen() is None
    found.only_when(("gone", "part"), lambda: True)
    found.wake()  # nobody is there to be woken
    assert found.due() == []


def test_conditions_are_bounded(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(clocks, "MOST", 2)
    found = Clocks()
    for number in range(3):
        found.only_when((f"session {number}", "part"), lambda: False)
    first, last = (Session(id=f"session {number}") for number in (0, 2))
    assert found.passed(first, BY_THE_CLOCK) is BY_THE_CLOCK  # forgotten: answered as ever
    assert found.passed(last, BY_THE_CLOCK) is None
