"""What a browser tells is heard: no run ends between being asked for and having heard what it was asked with.

When a browser goes (a reload, a closed tab) Streamlit 1.67 ends its session's run, also one that has only
just been asked for: a note typed or a verdict given in that moment is lost, more often the busier the server
is. And a run that ends while it hears leaves what a reader has changed half done. The methods changed here
are Streamlit's own; nothing public stands before them.
"""

from __future__ import annotations

import threading
from typing import Any

from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequestType
from streamlit.runtime.state.safe_session_state import SafeSessionState

#: On a run's requests: what widgets told with the last of them that has been heard.
_HEARD = "_pruneattr_heard"
#: On a run's requests: that the run ends once it has heard what it was asked with.
_LAST = "_pruneattr_last"
#: Held by the run that hears: of each session one, of which some share theirs as its state can hold none.
_TURNS = [threading.RLock() for _ in range(64)]


def unheard(requests: Any) -> Any:
    """What widgets tell with a request that no run has heard yet, as Streamlit sends it, or None.

    Args:
        requests: those of a run, as Streamlit keeps them.
    """
    told = requests._rerun_data.widget_states
    waits = requests._state == ScriptRequestType.RERUN
    return told if waits or getattr(requests, _HEARD, None) is not told else None


def hear_last_words() -> None:
    """Let a run whose browser has gone hear what it was asked with before it ends.

    Once, however often it is called.
    """
    end, hear = AppSession.request_script_stop, SafeSessionState.on_script_will_rerun

    def request_script_stop(self: AppSession) -> None:
        runner = self._scriptrunner
        if runner is None or unheard(runner._requests) is None:
            end(self)
        else:
            setattr(runner._requests, _LAST, True)

    def on_script_will_rerun(self: SafeSessionState, fresh_widget_states: Any, **more: Any) -> None:
        look = self._yield_callback
        runner: Any = getattr(look, "__self__", None)
        if runner is None:  # a state that no run asks for
            hear(self, fresh_widget_states, **more)
            return
        requests = runner._requests
        with _TURNS[id(self._state) // 64 % len(_TURNS)]:
            look()  # the next request takes this one's place, and tells what it told
            runner._execing = False  # what looks for the next request leaves it alone
            try:
                hear(self, fresh_widget_states, **more)
            finally:
                runner._execing = True
            if requests._rerun_data.widget_states is fresh_widget_states:
                setattr(requests, _HEARD, fresh_widget_states)
        if getattr(requests, _LAST, False) and unheard(requests) is None:
            requests.request_stop()

    if end.__module__ != __name__:
        AppSession.request_script_stop = request_script_stop  # type: ignore[method-assign]
    if hear.__module__ != __name__:
        SafeSessionState.on_script_will_rerun = on_script_will_rerun  # type: ignore[method-assign]
