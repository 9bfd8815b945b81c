"""Options that Streamlit's server is started with, checked before it starts."""

from __future__ import annotations

from collections.abc import Sequence

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
