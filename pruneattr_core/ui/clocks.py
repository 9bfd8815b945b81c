"""Parts of a page that a browser asks for by the clock, and that have nothing new to say most of the time.

Each such question costs the server 5 to 10 ms, a run of the script. Thirty pupils who ask twice a second
where their class is take a good part of a core, most of all in the very moment in which all want the next
step. So a part says when there is something new, and until then its question waits here.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState

#: (session, part of its page).
_Part = tuple[str, str]
#: Parts whose condition is remembered; of others each question is answered.
MOST = 4096


class Clocks:
    """Conditions of parts, and questions that wait for theirs; any thread may call."""

    def __init__(self) -> None:
        """Nobody asks yet."""
        self._lock = threading.Lock()
        self._news: OrderedDict[_Part, tuple[Callable[[], bool], bool]] = OrderedDict()
        # Weakly: a browser that was closed asks no more, and its session goes.
        self._waiting: OrderedDict[_Part, tuple[weakref.ref[Any], Any]] = OrderedDict()

    def only_when(self, part: _Part, news: Callable[[], bool], whole: bool = False) -> None:
        """Let questions for a part wait until `news` holds, see the function; asked on the event loop."""
        with self._lock:
            self._news[part] = news, whole
            self._news.move_to_end(part)
            while len(self._news) > MOST:
                self._news.popitem(last=False)

    def passed(self, session: Any, asked: Any) -> Any:
        """The request as it is to be run now; None where it waits. Any other one makes the former ones void.

        Args:
            session: an `AppSession`.
            asked: its `ClientState`.
        """
        part = session.id, asked.fragment_id
        with self._lock:
            if not (asked.fragment_id and asked.is_auto_rerun):
                for one in [one for one in self._waiting if one[0] == session.id]:
                    del self._waiting[one]
                return asked
            news, whole = self._news.get(part, (None, False))
        if news is None or news():
            return _of_the_page(asked) if whole else asked
        with self._lock:
            for one in [one for one, (held, _) in self._waiting.items() if held() is None]:
                del self._waiting[one]
            self._waiting[part] = weakref.ref(session), asked
        return None

    def due(self) -> list[tuple[Any, Any]]:
        """(session, request) of those whose condition holds by now, the first first; they wait no more."""
        found = []
        with self._lock:
            waiting = [(part, self._news.get(part)) for part in self._waiting]
        for part, condition in waiting:
            if condition is None or condition[0]():
                with self._lock:
                    held, asked = self._waiting.pop(part, (None, None))
                session = held and held()
                if session is not None:
                    found.append((session, asked))
        return found

    def wake(self) -> None:
        """Something is new: ask the conditions again, on the event loop; nothing outside of a server."""
        with self._lock:
            sessions = [held() for held, _ in self._waiting.values()]
        session = next((one for one in sessions if one is not None), None)
        if session is not None:
            session._event_loop.call_soon_threadsafe(self._go)

    def _go(self) -> None:
        for session, asked in self.due():
            session.request_rerun(asked)


def _of_the_page(asked: Any) -> Any:
    """The same request for the whole page."""
    whole = deepcopy(asked)
    whole.fragment_id, whole.is_auto_rerun = "", False
    return whole


CLOCKS = Clocks()


def only_when(news: Callable[[], bool], whole: bool = False) -> None:
    """Called in a part of a page: until `news` holds, its clock's questions wait.

    Args:
        news: holds on until the part has run, however often it is asked; no Streamlit in it.
        whole: whether the whole page is run then, and not this part of it alone.
    """
    context, part = get_script_run_ctx(), ThreadState.get().fragment_id
    if context is not None and part:
        CLOCKS.only_when((context.session_id, part), news, whole)


def seldom(at_once: Callable[[], bool], every: float) -> None:
    """Called in a part of a page that is dear to draw: questions of its clock are answered now and then.

    Args:
        at_once: what its reader is to see without waiting; holds on, as `news` of `only_when` does.
        every: seconds after which the part is drawn anyhow.
    """
    end = time.monotonic() + every
    only_when(lambda: at_once() or time.monotonic() >= end)
