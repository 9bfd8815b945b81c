"""What a browser tells is heard: no run ends between being asked for and having heard what it was asked with.

When a browser goes (a reload, a closed tab) Streamlit 1.67 ends its session's run, also one that has only
just been asked for: a note typed or a verdict given in that moment is lost, more often the busier the server
is. And a run that ends while it hears leaves what a reader has changed half done. The methods changed here
are Streamlit's own; nothing public stands before them.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any

from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequestType
from streamlit.runtime.state.safe_session_state import SafeSessionState

#: On a run's requests: what widgets told with the last of them that has been heard.
_HEARD = "_pruneattr_heard"
#: On a run's requests: what the run still hears before it ends; what is asked after that takes its place.
_LAST = "_pruneattr_last"
#: On a run: held while it hears, by one run of its session at a time.
_TURN = "_pruneattr_turn"
_turns: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
_guard = threading.Lock()


def turn_of(runner: Any) -> Any:
    """The lock of a run's session, which its runs alone keep: a name is never given to another session.

    Args:
        runner: a run, as Streamlit keeps it.
    """
    with _guard:
        turn = _turns.setdefault(runner._session_id, threading.RLock())
    setattr(runner, _TURN, turn)
    return turn


def unheard(requests: Any) -> Any:
    """What widgets tell with a request that no run has heard yet, as Streamlit sends it, or None.

    Args:
        requests: those of a run, as Streamlit keeps them.
    """
    told = requests._rerun_data.widget_states
    waits = requests._state == ScriptRequestType.RERUN
    return told if waits or heard_last(requests) is not told else None


def heard_last(requests: Any) -> Any:
    """What widgets told with the last request that a run has heard, as Streamlit sends it, or None.

    Args:
        requests: those of the run, as Streamlit keeps them.
    """
    return getattr(requests, _HEARD, None)


def hear_last_words() -> None:
    """Let a run whose browser has gone hear what it was asked with before it ends.

    Once, however often it is called.
    """
    end, hear = AppSession.request_script_stop, SafeSessionState.on_script_will_rerun

    def request_script_stop(self: AppSession) -> None:
        requests = None if self._scriptrunner is None else self._scriptrunner._requests
        if requests is not None:
            with requests._lock:
                told = unheard(requests)
                if told is not None:
                    setattr(requests, _LAST, told)
                    return
        end(self)

    def on_script_will_rerun(self: SafeSessionState, fresh_widget_states: Any, **more: Any) -> None:
        look = self._yield_callback
        runner: Any = getattr(look, "__self__", None)
        if runner is None:  # a state that no run asks for
            hear(self, fresh_widget_states, **more)
            return
        requests = runner._requests
        with turn_of(runner):
            look()  # the next request takes this one's place, and tells what it told
            runner._execing = False  # what looks for the next request leaves it alone
            try:
                hear(self, fresh_widget_states, **more)
            finally:
                runner._execing = True
                # Also where it raised: told again it would raise again.
                if requests._rerun_data.widget_states is fresh_widget_states:
                    setattr(requests, _HEARD, fresh_widget_states)
        with requests._lock:
            ends = getattr(requests, _LAST, None) is fresh_widget_states
            if ends:  # at once: a browser that is back begins another run
                requests._state = ScriptRequestType.STOP
        if ends:
            requests.request_stop()

    if end.__module__ != __name__:
        AppSession.request_script_stop = request_script_stop  # type: ignore[method-assign]
    if hear.__module__ != __name__:
        SafeSessionState.on_script_will_rerun = on_script_will_rerun  # type: ignore[method-assign]
