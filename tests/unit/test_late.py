"""What a page that has been left still asks for."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.media_file_storage import MediaFileStorageError
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests
from streamlit.runtime.state.session_state import SessionState

from pruneattr_core.ui.late import (
    _CHOSEN,
    GRACE,
    UNHEARD,
    forget_replaced,
    has_chosen,
    mind_late_presses,
    said_in_leaving,
    taken,
    with_what_waits,
    without_passengers,
)


def _asked(page: str, part: str = "", url: str = "/", widgets: str = "frame", back: bool = False) -> Any:
    return ClientState(
        page_script_hash=page, fragment_id=part, query_string=f"on={page}", is_history_navigation=back,
        context_info={"url": url}, widget_states={"widgets": [{"id": one} for one in widgets.split()]},
    )  # fmt: skip


class _Session(SimpleNamespace):
    """A session of Streamlit's, as far as it is asked: the page of its latest run."""

    def whole(self, page: str, **said: Any) -> Any:
        return taken(_asked(page, **said), self).page_script_hash

    def part_is_late(self, page: str) -> bool:
        return taken(_asked(page, "f"), self) is None


@pytest.fixture
def session() -> _Session:
    session = _Session(page_script_hash="")
    session.whole("")  # a browser arrives
    session.page_script_hash = "explore"  # and its run begins
    return session


def test_a_part_of_the_page_that_was_left_is_late_before_and_after_the_next_one_runs(
    session: _Session,
) -> None:
    assert not session.part_is_late("explore")
    session.whole("removal")
    assert session.part_is_late("explore")
    session.page_script_hash = "removal"
    assert session.part_is_late("explore")
    assert not session.part_is_late("removal")


def test_a_page_that_the_script_turned_to_is_not_left(session: _Session) -> None:
    session.whole("explore")
    session.page_script_hash = "compare"  # st.switch_page
    assert not session.part_is_late("compare")
    assert session.part_is_late("explore")


def test_whoever_stays_is_never_late(session: _Session) -> None:
    session.whole("explore")
    assert not session.part_is_late("explore")
    session.whole("")  # a line that broke is taken up again
    assert not session.part_is_late("explore")


@pytest.mark.parametrize("runs", ["explore", "removal"])
def test_a_press_on_the_page_that_was_left_counts_on_the_one_asked_for(session: _Session, runs: str) -> None:
    pressed = {"widgets": "frame slider"}
    assert session.whole("explore", **pressed) == "explore"
    assert session.whole("removal") == "removal"  # a link
    session.page_script_hash = runs  # its run may have begun
    for _ in range(2):
        assert session.whole("explore", **pressed) == "removal"
        assert taken(_asked("explore", **pressed), session).query_string == ""
    assert session.part_is_late("explore")
    session.page_script_hash = "removal"
    assert session.whole("removal", url="/removal", **pressed) == "removal"
    assert session.whole("explore", url="/removal") == "explore"  # the link back


@pytest.mark.parametrize("said", [{}, {"widgets": "frame slider", "back": True}])
def test_a_link_and_a_step_back_while_the_next_page_comes_do_lead_back(
    session: _Session, said: dict[str, Any]
) -> None:
    session.whole("explore", widgets="frame slider")
    session.whole("removal")
    assert session.whole("explore", **said) == "explore"
    assert not session.part_is_late("explore")


def test_what_a_component_tells_as_its_page_is_left_comes_to_the_next_one(session: _Session) -> None:
    session.whole("review")
    session.page_script_hash = "review"
    session.whole("removal")
    words = _asked("review", "f", widgets="frame slider")
    assert said_in_leaving(words, session) is None  # no component of ours
    words.widget_states.widgets[1].json_value = '{"given": 1}'
    assert taken(words, session) is None
    said = said_in_leaving(words, session)
    assert (said.page_script_hash, said.fragment_id, said.query_string) == ("removal", "", "on=removal")
    assert [one.id for one in said.widget_states.widgets] == ["slider"]
    words.is_auto_rerun = True  # a clock
    assert said_in_leaving(words, session) is None


def test_what_waits_for_its_run_comes_with_the_request_that_takes_its_place(session: _Session) -> None:
    link = _asked("removal")
    session._scriptrunner = None
    assert with_what_waits(link, session) is link
    waiting = ScriptRequests()
    session._scriptrunner = SimpleNamespace(_requests=waiting)
    assert with_what_waits(link, session) is link
    word = _asked("review", "f", widgets="frame note press")
    for one, kind in zip(
        word.widget_states.widgets, ("int_value", "json_value", "trigger_value"), strict=True
    ):
        setattr(one, kind, {"json_value": '"typed"'}.get(kind, 1))
    waiting.request_rerun(RerunData(widget_states=word.widget_states, fragment_id="f"))
    both = with_what_waits(link, session)
    assert [(one.id, one.json_value) for one in both.widget_states.widgets] == [
        ("frame", ""),
        ("note", '"typed"'),
    ]
    assert [one.id for one in link.widget_states.widgets] == ["frame"]
    waiting.request_rerun(RerunData(widget_states=both.widget_states))
    taken_up = waiting.on_scriptrunner_ready()
    told = {one.id: one for one in taken_up.rerun_data.widget_states.widgets}
    assert told.keys() == {"frame", "note", "press"}
    assert told["frame"] == link.widget_states.widgets[0]  # what was told last counts
    assert len(with_what_waits(link, session).widget_states.widgets) == 2  # taken up, and not heard yet


def test_a_download_that_a_run_has_replaced_is_made_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AppSession, "request_rerun", lambda *_: None)
    monkeypatch.setattr(MediaFileManager, "_remove_orphaned_deferred_callables", lambda _: None)
    mind_late_presses()
    files = MediaFileManager(MemoryMediaFileStorage("/media"))
    first = files.add_deferred(lambda: "one", "text/plain", "here")
    second = files.add_deferred(lambda: "two", "text/plain", "here")
    files.remove_orphaned_files()
    assert files.execute_deferred(first) != files.execute_deferred(second)
    forget_replaced(files, time.monotonic() + GRACE)
    with pytest.raises(MediaFileStorageError, match="not found"):
        files.execute_deferred(first)
    assert files.execute_deferred(second)


def test_a_browser_is_only_sent_the_name_of_what_it_is_sure_to_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """It lets go of some at the end of a run, which it may not have heard of when it asks for the next."""
    passed = list[list[str]]()
    for owner, name in (
        (MediaFileManager, "_remove_orphaned_deferred_callables"),
        (AppSession, "_create_script_finished_message"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    monkeypatch.setattr(
        AppSession, "request_rerun", lambda _, state: passed.append(list(state.cached_message_hashes))
    )
    mind_late_presses()
    session: Any = _Session(
        id="a", page_script_hash="explore", _scriptrunner=None, _session_state=SessionState()
    )

    def ask(part: str = "") -> list[str]:
        wanted = _asked("explore", part)
        wanted.cached_message_hashes.append("held")
        AppSession.request_rerun(session, wanted)
        return passed.pop()

    assert ask() == ["held"]
    session._scriptrunner = SimpleNamespace(_requests=ScriptRequests())  # a run goes on
    assert (ask(), ask("a part")) == ([], ["held"])  # at a part's end only what is that part's goes
    session._scriptrunner = None
    AppSession._create_script_finished_message(session, ForwardMsg.FINISHED_SUCCESSFULLY)
    assert (ask(), ask("a part")) == ([], ["held"])
    since = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: since + UNHEARD)
    assert ask() == ["held"]


def test_a_download_that_was_made_can_be_fetched_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many runs end meanwhile, anybody's: of a class of thirty one does every few milliseconds."""
    monkeypatch.setattr(AppSession, "request_rerun", lambda *_: None)
    for name in ("_remove_orphaned_deferred_callables", "_get_inactive_file_ids"):
        monkeypatch.setattr(MediaFileManager, name, getattr(MediaFileManager, name))
    mind_late_presses()
    storage = MemoryMediaFileStorage("/media")
    files = MediaFileManager(storage)
    made = files.execute_deferred(files.add_deferred(lambda: "one", "text/plain", "here")).split("/")[-1]
    for _ in range(4):
        files.remove_orphaned_files()
    assert storage.get_file(made).content == b"one"
    since = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: since + GRACE)
    for _ in range(2):
        files.remove_orphaned_files()
    with pytest.raises(MediaFileStorageError):
        storage.get_file(made)


def test_a_part_of_the_page_runs_once_the_run_before_has_been_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else Streamlit throws away what that run said last, as classes of thirty met it."""
    ran, waiting = list[str](), list[Any]()
    monkeypatch.setattr(AppSession, "request_rerun", lambda _, state: ran.append(state.fragment_id))
    monkeypatch.setattr(MediaFileManager, "_remove_orphaned_deferred_callables", lambda _: None)
    mind_late_presses()
    requests = ScriptRequests()
    session: Any = _Session(
        id="a session", page_script_hash="explore", _scriptrunner=SimpleNamespace(_requests=requests),
        _event_loop=SimpleNamespace(call_later=lambda _, *what: waiting.append(what)),
        _session_state=SessionState(),
    )  # fmt: skip
    AppSession.request_rerun(session, _asked("explore", "counts"))
    assert ran == ["counts"]  # while a run goes on it takes them up itself
    requests.request_stop()  # as at its end
    AppSession.request_rerun(session, _asked("explore", "counts"))
    function, *asked = waiting.pop()
    function(*asked)
    assert (ran, len(waiting)) == (["counts"], 1)
    session._scriptrunner = None  # as when its end is passed on
    function(*asked)
    assert ran == ["counts", "counts"]


@pytest.mark.parametrize(
    ("ended", "next_run", "arrives"),
    [
        (ForwardMsg.FINISHED_SUCCESSFULLY, ["part"], ["whole", "title", "grid", "end", "part", "grid anew"]),
        # Nothing is cleared away at the end of these, so what they said of the part need not come.
        (
            ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY,
            ["part"],
            ["whole", "title", "end", "part", "grid anew"],
        ),
        (ForwardMsg.FINISHED_SUCCESSFULLY, None, ["whole", "end", "part", "grid anew"]),
    ],
)
def test_what_a_whole_run_said_of_a_part_comes_before_its_end(
    monkeypatch: pytest.MonkeyPatch, ended: int, next_run: list[str] | None, arrives: list[str]
) -> None:
    """The part runs again before the browser has heard: it took the part's elements from the page."""

    def element(place: int, word: str, part: str = "") -> ForwardMsg:
        message = ForwardMsg(metadata={"delta_path": [0, place]})
        message.delta.fragment_id = part
        message.delta.new_element.markdown.body = word
        return message

    def said(message: ForwardMsg) -> str:
        if message.WhichOneof("type") == "new_session":
            return str(message.new_session.name)
        return (
            "end"
            if message.WhichOneof("type") == "script_finished"
            else message.delta.new_element.markdown.body
        )

    monkeypatch.setattr(ForwardMsgQueue, "clear", ForwardMsgQueue.clear)  # put back after the test
    mind_late_presses()
    queue = ForwardMsgQueue()
    whole, end, part = ForwardMsg(), ForwardMsg(), ForwardMsg()
    whole.new_session.name, end.script_finished, part.new_session.name = "whole", ended, "part"
    for message in (whole, element(0, "title"), element(1, "grid", "part"), end):
        queue.enqueue(message)
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=next_run)
    for message in (part, element(1, "grid anew", "part")):
        queue.enqueue(message)
    assert [said(message) for message in queue.flush()] == arrives
    assert not queue.flush()


def test_a_run_knows_whether_a_reader_is_among_those_who_ask_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AppSession, "request_rerun", lambda *_: None)
    monkeypatch.setattr(MediaFileManager, "_remove_orphaned_deferred_callables", lambda _: None)
    mind_late_presses()
    state = SessionState()
    session: Any = _Session(id="a", page_script_hash="explore", _scriptrunner=None, _session_state=state)
    clock, back, press = _asked("explore"), _asked("explore"), _asked("explore")
    clock.is_auto_rerun = back.is_history_navigation = True
    for asked, chosen in ((clock, False), (back, False), (press, True), (clock, True)):
        AppSession.request_rerun(session, asked)
        assert state._old_state[_CHOSEN] is chosen
    without_passengers(WidgetStates(), state)  # that run begins
    for _ in state._old_state:  # as a run does at its end, in a thread of its own
        AppSession.request_rerun(session, clock)
    assert state._old_state[_CHOSEN] is False


def test_of_widgets_that_are_gone_only_news_and_presses_are_heard() -> None:
    known = SessionState()
    known._old_state["here"] = "a"

    def heard(**says: str) -> set[str]:
        told = [{"id": name, "string_value": text} for name, text in says.items()]
        fresh = WidgetStates(widgets=[*told, {"id": "button", "trigger_value": True}])
        return {one.id for one in without_passengers(fresh, known)[0].widgets}

    assert heard(here="a", gone="a") == {"here", "gone", "button"}  # never heard of before
    assert heard(here="a", gone="a") == {"here", "button"}
    assert heard(here="a", gone="b") == {"here", "gone", "button"}  # chosen just now


def test_a_run_that_is_left_may_still_set_what_another_counts_through() -> None:
    """It ended in "dictionary changed size during iteration", and a white page."""
    known = SessionState()
    known._new_session_state.update(one=1, two=2)

    def in_another_thread(key: str, _: Any) -> None:
        known._new_session_state[f"{key} more"] = 3

    known._key_id_mapper = SimpleNamespace(get_id_from_key=in_another_thread)  # type: ignore[assignment]
    assert without_passengers(WidgetStates(), known) == (WidgetStates(), {})


@pytest.mark.parametrize(
    ("part", "news", "chosen"),
    [
        ("part", {"id": "box", "string_value": "b"}, True),
        ("", {"id": "box", "string_value": "b"}, False),  # a whole run comes at once anyhow
        ("part", {"id": "box", "string_value": "a"}, False),  # its clock asks
        ("part", {"id": "map", "json_value": "{}"}, False),  # heard where it is drawn
        ("part", {"id": "compute", "trigger_value": True}, False),  # told to one run, which has to come to it
    ],
)
def test_a_run_that_waits_gives_way_to_a_choice_and_loses_no_press(
    part: str, news: dict[str, Any], chosen: bool
) -> None:
    known, requests = SessionState(), ScriptRequests()
    without_passengers(WidgetStates(widgets=[{"id": "box", "string_value": "a"}]), known)
    assert not has_chosen(requests, known)
    told = WidgetStates(widgets=[news])
    requests.request_rerun(RerunData(widget_states=told, fragment_id=part or None))
    assert has_chosen(requests, known) is chosen
    press = WidgetStates(widgets=[{"id": "compute", "trigger_value": True}])
    requests.request_rerun(RerunData(widget_states=press, fragment_id=part or None))
    assert not has_chosen(requests, known)
