"""Presses that come too late: on a page which its reader has left, on a download that a run has replaced.

While the next page is on its way the former one still stands there, can be pressed, and asks by itself in
fragments that run every second. Streamlit 1.67 takes such a request up after the next page has run, under the
former page's address: it empties the screen, or goes back, and the fragment that follows finds no place
(`Bad delta path index`) and leaves a white window. And what a download button would make is forgotten at
the end of the next run, before the browser knows the button that replaces it: nothing comes when pressed.
Both methods changed here are Streamlit's own; nothing public stands before them.
"""

from __future__ import annotations

import time
from typing import Any

from streamlit.runtime.app_session import AppSession
from streamlit.runtime.media_file_manager import MediaFileManager

#: Seconds for which a download that has been replaced is still made.
GRACE = 60.0
#: On a manager of files: download -> when it was first seen to be replaced.
_REPLACED = "_pruneattr_replaced"
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


def forget_replaced(manager: Any, now: float) -> None:
    """Forget downloads that no button stands for any more, once that has been so for `GRACE`.

    Args:
        manager: Streamlit's `MediaFileManager`; its lock is held.
        now: seconds of a clock that never goes back.
    """
    stand = {file for files in manager._files_by_session_and_coord.values() for file in files.values()}
    seen: dict[str, float] = getattr(manager, _REPLACED, {})
    replaced = {one: seen.get(one, now) for one in manager._deferred_callables if one not in stand}
    for one in [one for one, since in replaced.items() if now - since >= GRACE]:
        del replaced[one]
        manager._drop_deferred_id(one)
    setattr(manager, _REPLACED, replaced)


def mind_late_presses() -> None:
    """Let sessions pass over what is late, and make what was just replaced; once, however often called."""
    usual = AppSession.request_rerun
    if usual.__module__ == __name__:
        return

    def request_rerun(self: AppSession, client_state: Any) -> None:
        if client_state is None or not is_late(client_state, self):
            usual(self, client_state)

    def remove(self: MediaFileManager) -> None:
        forget_replaced(self, time.monotonic())

    AppSession.request_rerun = request_rerun  # type: ignore[method-assign]
    MediaFileManager._remove_orphaned_deferred_callables = remove  # type: ignore[method-assign]
