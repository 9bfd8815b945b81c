"""Presses that come too late: on a page which its reader has left, on a download that a run has replaced.

While the next page is on its way the former one still stands there, can be pressed, and asks by itself in
fragments that run every second. Streamlit 1.67 takes such a request up after the next page has run, under the
former page's address: it empties the screen, or goes back, and the fragment that follows finds no place
(`Bad delta path index`) and leaves a white window. And what a download button would make is forgotten at
the end of the next run, before the browser knows the button that replaces it: nothing comes when pressed.
What has been made is thrown away when two runs have ended, anybody's: in a class before a browser fetches it.
A browser that asks while the end of a run is on its way still holds what it lets go of then, and says so:
it is sent the name of what it no longer has, and stands still ("Cached ForwardMsg MISS").
What waits for its run while another goes on is dropped when the next request comes, all but presses.
And where a part asks just as a whole run has ended, what that run said last is thrown away: its page never
comes. Where it asks before, what was said of that part alone is, while the end of the run is told all the
same: the part is taken from the page and made anew, out of full screen and without what was open in it.
The methods changed here are Streamlit's own; nothing public stands before them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence, Set
from copy import deepcopy
from dataclasses import replace
from typing import Any, NamedTuple

import streamlit as st
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.media_file_storage import MediaFileKind
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequestType
from streamlit.runtime.state.session_state import SessionState, WStates

from pruneattr_core.ui.clocks import CLOCKS
from pruneattr_core.ui.heard import heard_last, unheard

#: Seconds after which a part of the page asks again whether the run before has been heard.
SOON = 0.005
#: Seconds after the end of a run within which a browser may ask that has not heard of it.
UNHEARD = 3.0
#: On a session: when its last whole run ended.
_ENDED = "_pruneattr_ended"
#: Seconds for which a download that has been replaced is still made, and one that was made can be fetched.
GRACE = 60.0
#: On a manager of files: download, to be made or made -> when it was first seen that no button stands for it.
_REPLACED, _MADE = "_pruneattr_replaced", "_pruneattr_made"
#: Of a session: widget -> what the browser told of it with its last request.
_TOLD = "_pruneattr_told"
#: Of a session: widget that the script has set itself -> its key.
_MOVED = "_pruneattr_moved"
#: Of a session: whether a reader's choice is among what asks for its next run; None where nobody told. It is
#: there from the first request on, as a run may be counting through the state in a thread of its own.
_CHOSEN = "_pruneattr_chosen"
#: Kinds of widget that tell of a press, which may be the same twice.
_PRESSES = ("trigger_value", "string_trigger_value", "json_trigger_value", "chat_input_value")
#: On a session: the `_Asked` of the last whole run that the browser asked for.
_ASKED = "_pruneattr_asked"


class _Asked(NamedTuple):
    """A request for a whole run.

    Attributes:
        page: that it is for.
        stood: page that the session was on at that moment.
        url: address of the page on which it was made, "" where the browser does not say.
        widgets: ids of those it tells of; for another page only the ones in the frame around all pages.
        query: what its address asks for.
    """

    page: str
    stood: str
    url: str
    widgets: frozenset[str]
    query: str


def taken(state: Any, session: Any) -> Any:
    """The request as it is to be run, which is noted if it is for a whole page; None for a part of one left.

    A press on a whole-page control of the page that was left (the sidebar, too) counts on the page that its
    reader has asked for meanwhile. It is told from a link back by the widgets of the page that it speaks of.

    Args:
        state: Streamlit's `ClientState`: what is asked for.
        session: the `AppSession` that is asked.
    """
    page, stands = state.page_script_hash, session.page_script_hash
    asked = _asked_of(session)
    if state.fragment_id:
        # Once a run has begun elsewhere the session knows better: the script itself can turn to another page.
        return state if page == (asked.page if stands == asked.stood and asked.page else stands) else None
    told = frozenset(one.id for one in state.widget_states.widgets)
    now = _Asked(page, stands, state.context_info.url, told, state.query_string)
    leaving = asked.page and page == asked.stood != asked.page and stands in (asked.stood, asked.page)
    still_there = now.url and now.url == asked.url and not state.is_history_navigation
    if leaving and still_there and now.widgets - asked.widgets:
        state = deepcopy(state)
        state.page_script_hash, state.query_string = asked.page, ""  # the address is the former page's
        return state
    setattr(session, _ASKED, now)
    return state


def _asked_of(session: Any) -> _Asked:
    """The last request for a whole run that is noted of a session."""
    stands = session.page_script_hash
    found: _Asked = getattr(session, _ASKED, _Asked(stands, stands, "", frozenset(), ""))
    return found


def said_in_leaving(state: Any, session: Any) -> Any:
    """What our components tell in a part of a page that was left, for the page that was asked for, or None.

    A word typed or a verdict given just before a link is pressed comes after it. The part is not drawn again,
    but what its components hold is heard (their `on_..._change`), as long as the session knows them.

    Args:
        state: Streamlit's `ClientState` that `taken` has refused.
        session: the `AppSession` that is asked.
    """
    words = [one for one in state.widget_states.widgets if one.WhichOneof("value") == "json_value"]
    if state.is_auto_rerun or not words:
        return None
    asked, state = _asked_of(session), deepcopy(state)
    state.fragment_id, state.query_string = "", asked.query  # its own is the former page's
    state.page_script_hash = asked.page or session.page_script_hash
    del state.widget_states.widgets[:]
    state.widget_states.widgets.extend(words)
    return state


def with_what_waits(state: Any, session: Any) -> Any:
    """The request, with what the one that no run has heard yet tells of other widgets.

    It takes that one's place, and Streamlit keeps presses only: a word typed on a page while a run goes on
    would be lost to the link that is pressed next, as a request for another page does not tell of it.

    Args:
        state: Streamlit's `ClientState` that is to be run.
        session: the `AppSession` that is asked.
    """
    runner = session._scriptrunner
    waits = runner and unheard(runner._requests)
    told = {one.id for one in state.widget_states.widgets}
    more = [one for one in waits.widgets if one.id not in told] if waits else []
    more = [one for one in more if one.WhichOneof("value") not in _PRESSES]  # Streamlit keeps them
    if more:
        state = deepcopy(state)
        state.widget_states.widgets.extend(more)
    return state


def is_hasty(session: Any, now: float) -> bool:
    """Whether a request comes before its browser is sure to have heard of the end of the run before.

    Args:
        session: an `AppSession`.
        now: seconds of a clock that never goes back.
    """
    return session._scriptrunner is not None or now - getattr(session, _ENDED, -UNHEARD) < UNHEARD


def forget_replaced(manager: Any, now: float) -> None:
    """Forget downloads that no button stands for any more, once that has been so for `GRACE`.

    Args:
        manager: Streamlit's `MediaFileManager`; its lock is held.
        now: seconds of a clock that never goes back.
    """
    stand = {file for files in manager._files_by_session_and_coord.values() for file in files.values()}
    for one in _long_gone(manager, _REPLACED, manager._deferred_callables.keys() - stand, now):
        manager._drop_deferred_id(one)


def without_fresh(manager: Any, gone: set[str], now: float) -> set[str]:
    """Files that may be thrown away: of those made to be downloaded only what is older than `GRACE`.

    Args:
        manager: Streamlit's `MediaFileManager`; its lock is held.
        gone: ids of files for which no button or picture stands, as one that was made on a press never has.
        now: seconds of a clock that never goes back.
    """
    made = {one for one in gone if manager._file_metadata[one].kind is MediaFileKind.DOWNLOADABLE}
    return (gone - made) | _long_gone(manager, _MADE, made, now)


def _long_gone(manager: Any, kind: str, gone: Set[str], now: float) -> set[str]:
    seen: dict[str, float] = getattr(manager, kind, {})
    since = {one: seen.get(one, now) for one in gone}
    setattr(manager, kind, since)
    return {one for one in gone if now - since[one] >= GRACE}


def without_passengers(fresh: Any, known: Any) -> tuple[Any, dict[str, Any]]:
    """What a request tells of widgets, without what it only carries on of widgets gone or moved.

    Whatever a reader has just chosen stays, also of a widget that a run has replaced meanwhile; and a session
    that knows no widget at all is a new one, to which the browser tells all that it knows. Where the script
    has moved a widget and the browser has not heard of it yet, its former word would move it back.

    Args:
        fresh: Streamlit's `WidgetStates`.
        known: the `SessionState` that is told.

    Returns:
        What is left, and key -> value of the widgets that the browser has to be told of once more.
    """
    told: dict[str, bytes] = known._old_state.get(_TOLD, {})
    now = {one.id: one.SerializeToString(deterministic=True) for one in fresh.widgets}
    known._old_state[_TOLD] = now
    # What the script has set itself does not stand under its widget's id before the next run begins.
    # A copy: the run of the page that is left may still be setting some in a thread of its own.
    set_itself = tuple(known._new_session_state)
    ids = {known._key_id_mapper.get_id_from_key(key, None): key for key in set_itself}
    moved: dict[str, str] = known._old_state.setdefault(_MOVED, {})
    moved.update({widget: key for widget, key in ids.items() if widget is not None})
    here = {*known._old_state, *known._new_widget_state.states, *ids}
    news = {
        one.id for one in fresh.widgets
        if one.WhichOneof("value") in _PRESSES or told.get(one.id) != now[one.id]
    }  # fmt: skip
    stand = {one.id for one in fresh.widgets if one.id not in moved or _stands(one, known)}
    late = now.keys() - stand - news
    # A browser that tells where the script has moved others has heard of it. One that tells nothing new asks
    # because its reader has chosen the former value again, unless a clock or a step back asks.
    chosen, known._old_state[_CHOSEN] = known._old_state.get(_CHOSEN) is not False, None
    if stand & news & moved.keys() or (chosen and not news):
        late = set()
    kept = [one for one in fresh.widgets if one.id in news or (one.id in here and one.id not in late)]
    again = {moved[widget]: known[moved[widget]] for widget in late}
    return (fresh if len(kept) == len(fresh.widgets) else WidgetStates(widgets=kept)), again


def _stands(word: Any, known: Any) -> bool:
    """Whether a session has a widget where the browser says it is, or knows nothing of it."""
    one = WStates(widget_metadata=known._new_widget_state.widget_metadata)
    one.set_widget_from_proto(word)
    return word.id not in one.widget_metadata or word.id not in known or one[word.id] == known[word.id]


def has_chosen(requests: Any, known: Any) -> bool:
    """Whether a part of the page waits for the end of a run with a choice that the run can begin anew with.

    What our components tell is heard in their parts only, so nothing is gained. And of a press that calls
    nothing back one run alone is told, which must come to where it is asked for.

    Args:
        requests: those of the run, as Streamlit keeps them.
        known: the `SessionState` of its session.
    """
    waits = requests._state == ScriptRequestType.RERUN and requests._rerun_data.fragment_id_queue
    states = requests._rerun_data.widget_states
    if not waits or states is None:
        return False
    meta = known._new_widget_state.widget_metadata
    for one in (*states.widgets, *getattr(heard_last(requests), "widgets", ())):
        if one.WhichOneof("value") in _PRESSES and not getattr(meta.get(one.id), "callback", None):
            return False
    told = known._old_state.get(_TOLD, {})
    return any(
        one.WhichOneof("value") not in (*_PRESSES, "json_value")
        and told.get(one.id) != one.SerializeToString(deterministic=True)
        for one in states.widgets
    )


def give_way(before: Callable[[], object]) -> None:
    """Called while a run waits: begin it anew where its reader has chosen something in a part of the page.

    Streamlit lets such a choice wait for the end of the run. Seconds later it is heard, and stands in the
    address: a reload before then would lose it.

    Args:
        before: called if it is begun anew, which leaves what the run waits for; reads no session state, where
            the run would end.
    """
    context = get_script_run_ctx()
    requests = None if context is None else context.script_requests
    if context is None or requests is None:
        return
    with requests._lock:
        if not has_chosen(requests, context.session_state._state):
            return
        asked, here = requests._rerun_data, context.fragment_ids_this_run
        parts = list(dict.fromkeys((*here, *asked.fragment_id_queue))) if here else []
        requests._rerun_data = replace(
            asked,
            fragment_id_queue=parts,
            is_fragment_scoped_rerun=bool(parts),
            cached_message_hashes=frozenset(),  # as of whoever is hasty
        )
    before()
    st.session_state.get("_yield")


def is_unheard(session: Any) -> bool:
    """Whether the last run of a session has ended and its end has not been passed on to the browser yet.

    A part of the page that ran now would be a run of its own, and Streamlit throws away what the one before
    has said last: on a busy server a whole page, which its reader then never sees.

    Args:
        session: an `AppSession`.
    """
    runner = session._scriptrunner
    return runner is not None and runner._requests._state == ScriptRequestType.STOP


def to_its_end(messages: Sequence[Any]) -> int:
    """How many of these come until the end of a whole run, that included; 0 where none ends.

    Args:
        messages: Streamlit's `ForwardMsg`s, the earliest first.
    """
    ends = [
        place
        for place, one in enumerate(messages, 1)
        if one.WhichOneof("type") == "script_finished"
        and one.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY
    ]
    return ends[-1] if ends else 0


def mind_late_presses() -> None:
    """Let sessions pass over what is late, wait for what was said last, and make what was just replaced.

    Once, however often it is called.
    """
    usual, begin = AppSession.request_rerun, SessionState.on_script_will_rerun
    finished, inactive = AppSession._create_script_finished_message, MediaFileManager._get_inactive_file_ids
    clear = ForwardMsgQueue.clear

    def request_rerun(self: AppSession, client_state: Any) -> None:
        if client_state is not None and client_state.fragment_id and is_unheard(self):
            self._event_loop.call_later(SOON, request_rerun, self, client_state)
            return
        wanted = client_state and (taken(client_state, self) or said_in_leaving(client_state, self))
        wanted = wanted and CLOCKS.passed(self, wanted)
        if wanted is not None and not wanted.fragment_id and is_hasty(self, time.monotonic()):
            del wanted.cached_message_hashes[:]
        if wanted is not None and not (wanted.is_auto_rerun or wanted.is_history_navigation):
            self._session_state._old_state[_CHOSEN] = True
        elif wanted is not None:
            now = self._session_state._old_state
            now[_CHOSEN] = bool(now.get(_CHOSEN))
        if client_state is None or wanted is not None:
            usual(self, wanted and with_what_waits(wanted, self))

    def on_script_will_rerun(self: SessionState, fresh_widget_states: Any, **more: Any) -> None:
        again: dict[str, Any] = {}
        fresh = fresh_widget_states
        if fresh is not None:
            fresh, again = without_passengers(fresh, self)
        begin(self, fresh, **more)
        for key, value in again.items():
            self._new_session_state.setdefault(key, value)  # unless a callback has just moved it elsewhere

    def remove(self: MediaFileManager) -> None:
        forget_replaced(self, time.monotonic())

    def create_finished(self: AppSession, status: Any, run_descriptor: Any = None) -> Any:
        if status == ForwardMsg.FINISHED_SUCCESSFULLY:
            setattr(self, _ENDED, time.monotonic())
        return finished(self, status, run_descriptor)

    def clear_for_a_run(
        self: ForwardMsgQueue, retain_lifecycle_msgs: bool = False, fragment_ids_this_run: Any = None
    ) -> None:
        ended = to_its_end(self._queue) if retain_lifecycle_msgs and fragment_ids_this_run else 0
        whole, self._queue = self._queue[:ended], self._queue[ended:]
        clear(self, retain_lifecycle_msgs, fragment_ids_this_run)
        self._queue = whole + self._queue

    def get_inactive(self: MediaFileManager) -> set[str]:
        return without_fresh(self, inactive(self), time.monotonic())

    if usual.__module__ != __name__:
        AppSession.request_rerun = request_rerun  # type: ignore[method-assign]
    if begin.__module__ != __name__:
        SessionState.on_script_will_rerun = on_script_will_rerun  # type: ignore[method-assign]
    if finished.__module__ != __name__:
        AppSession._create_script_finished_message = create_finished  # type: ignore[method-assign]
    if inactive.__module__ != __name__:
        MediaFileManager._get_inactive_file_ids = get_inactive  # type: ignore[method-assign]
    if clear.__module__ != __name__:
        ForwardMsgQueue.clear = clear_for_a_run  # type: ignore[method-assign]
    MediaFileManager._remove_orphaned_deferred_callables = remove  # type: ignore[method-assign]
