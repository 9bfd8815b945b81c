"""Parts of the app where none is served: a command that makes what a page offers."""

from __future__ import annotations

import logging

from streamlit.logger import set_log_level


def be_quiet() -> None:
    """Let Streamlit not complain that there is no session; call it before a page's parts come in."""
    set_log_level(logging.ERROR)
