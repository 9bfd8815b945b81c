"""Presses that come too late: on a page which its reader has already left.

While the next page is on its way the former one still stands there, can be pressed, and asks by itself in
fragments that run every second. Streamlit 1.67 takes such a request up after the next page has run, under the
former page's address: it empties the screen, or goes back, and the fragment that follows finds no place
(`Bad delta path index`) and leaves a white window. `request_rerun` is Streamlit's own; nothing public stands
before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamlit.runtime.app_session import AppSession

#: On a session: (page of the last whole run that the browser asked for, page that it was on at that moment).
_ASKED = "_pruneattr_asked"


def is_late(state: Any, session: Any) -> bool:
    """Whether a request is for a part of a page that the browser has left; notes the page of one for a whole.

    Args:
        state: Streamlit's `ClientState`: what is asked for.
        session: the `AppSession` that is asked.
    """
    stands = session.page_script_hash
    if not state.fragment_id:
        setattr(session, _ASKED, (state.page_script_hash, stands))
        return False
    asked, stood = getattr(session, _ASKED, (stands, stands))
    # Once a run has begun elsewhere the session knows better: the script itself can turn to another page.
    return bool(state.page_script_hash != (asked if stands == stood and asked else stands))


def refuse_late_presses() -> None:
    """Let sessions pass over what is late; once, however often it is called."""
    usual: Callable[..., None] = AppSession.request_rerun
    if usual.__module__ == __name__:
        return

    def request_rerun(self: AppSession, client_state: Any) -> None:
        if client_state is None or not is_late(client_state, self):
            usual(self, client_state)

    AppSession.request_rerun = request_rerun  # type: ignore[method-assign]
