"""A page drawn for one of many who are shown the same at once: the view, and what moves it.

Thirty people in a class are sent a page within a second on one core. What only one of them would open is
left out then: boxes of further choices, files to take away, recomputing. A page asks `is_spare` where it
draws such a thing; everything else, and every number, is as for anybody.
"""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

_SPARE = "_spare"


def draw_spare(on: bool) -> None:
    """Say how this page is drawn from now on, its parts that run by themselves included."""
    st.session_state[_SPARE] = _page() if on else None


def is_spare() -> bool:
    """Whether this page is drawn spare."""
    return st.session_state.get(_SPARE) == _page()


def _page() -> str:
    context = get_script_run_ctx()
    return context.page_script_hash if context else ""
