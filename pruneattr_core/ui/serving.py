"""Streamlit's server: the options it is started with, what it tells a browser, its parts without one."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streamlit.logger import set_log_level
from streamlit.runtime.app_session import AppSession
from streamlit.web.cli import main

from pruneattr_core.errors import InputError

_LARGEST_PORT = 65535


def check_options(words: Sequence[str]) -> None:
    """Refuse what Streamlit would answer with its own help, or with a traceback.

    Args:
        words: of the command line, meant for `streamlit run`.

    Raises:
        InputError: an option that it does not have, a value that it does not take, or a word that is none.
    """
    try:
        asked = main.commands["run"].make_context("app", ["app.py", *words]).params
    except Exception as error:  # of click, which is Streamlit's affair: known by how it says what is wrong
        if (say := getattr(error, "format_message", None)) is None:
            raise
        raise InputError(f"The app cannot be started so: {' '.join(say().split())}") from error
    if asked["args"]:
        raise InputError(f"The app cannot be started so: {asked['args'][0]!r} is no option.")
    port = asked["server_port"]
    if port is not None and not 0 < port <= _LARGEST_PORT:
        raise InputError(f"The app cannot be started so: a port is from 1 to {_LARGEST_PORT}, got {port}.")


def tell_no_folder() -> None:
    """Leave the name of app.py alone in what Streamlit says at the beginning of each run.

    Its browser side only tells apps apart by it. Once, however often it is called; the method is Streamlit
    1.67's own, nothing public stands before it.
    """
    usual = AppSession._create_new_session_message

    def message(self: AppSession, *given: Any, **more: Any) -> Any:
        made = usual(self, *given, **more)
        made.new_session.main_script_path = Path(made.new_session.main_script_path).name
        return made

    if usual.__module__ != __name__:
        AppSession._create_new_session_message = message  # type: ignore[method-assign]


def be_quiet() -> None:
    """Let Streamlit not complain that there is no session; call it before a page's parts come in."""
    set_log_level(logging.ERROR)
