"""No browser is told in which folder of the server the app lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamlit.runtime.app_session import AppSession


def tell_no_folder() -> None:
    """Leave the name of app.py alone in what Streamlit says at the beginning of each run.

    Its browser side only tells apps apart by it. A server's first run begins before this is called. Once,
    however often it is called; the method is Streamlit 1.67's own, nothing public stands before it.
    """
    usual = AppSession._create_new_session_message

    def message(self: AppSession, *given: Any, **more: Any) -> Any:
        made = usual(self, *given, **more)
        made.new_session.main_script_path = Path(made.new_session.main_script_path).name
        return made

    if usual.__module__ != __name__:
        AppSession._create_new_session_message = message  # type: ignore[method-assign]
