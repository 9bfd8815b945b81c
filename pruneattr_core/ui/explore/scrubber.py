"""The scrubber as a Streamlit component: plain files in assets/scrubber, no build step, no iframe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

_FOLDER = Path(__file__).parents[3] / "assets" / "scrubber"
_SCRIPTS = ("../blocks.js", "payload.js", "words.js", "panels.js", "track.js", "scrubber.js")

# Registered once, at import; mounted as often as wanted.
_mount = st.components.v2.component(
    "pruneattr_scrubber",
    html=(_FOLDER / "scrubber.html").read_text("utf-8"),
    css=(_FOLDER / "scrubber.css").read_text("utf-8"),
    js="\n".join((_FOLDER / name).read_text("utf-8") for name in _SCRIPTS),
)


def scrubber(payload: bytes, start_level: int, key: str) -> int:
    """Draw the scrubber and return the level at which the hand last let go.

    Args:
        payload: from `payload_of`; sent again only when it changes, so it never holds the live level.
        start_level: the level before anything was moved.
        key: identity of the component on the page.
    """
    state: Any = _mount(data=payload, key=key, default={"level": start_level}, on_level_change=lambda: None)
    return int(state.level)
