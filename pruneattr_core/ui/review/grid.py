"""The desk as a Streamlit component: plain files in assets/review, no build step, no iframe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

_ASSETS = Path(__file__).parents[3] / "assets"
# The scrubber unpacks its levels, and says its numbers, in the same way.
_SCRIPTS = (
    "blocks.js",
    "scrubber/payload.js",
    "scrubber/words.js",
    "review/drawing.js",
    "review/rows.js",
    "review/verdicts.js",
    "review/review.js",
)

# Registered once, at import; mounted as often as wanted.
_mount = st.components.v2.component(
    "pruneattr_review",
    html=(_ASSETS / "review" / "review.html").read_text("utf-8"),
    css=(_ASSETS / "review" / "review.css").read_text("utf-8"),
    js="\n".join((_ASSETS / name).read_text("utf-8") for name in _SCRIPTS),
)


def show_grid(payload: bytes, key: str, level: int) -> Any:
    """Draw the desk.

    Args:
        payload: from `sheet_payload`; sent again only when it changes, so it never holds the live level.
        key: identity of the component on the page.
        level: before the slider was moved.

    Returns:
        An object with `given` (row key -> {verdict, note, n}), `level`, and `turn` ({step, page, id}), the
        last turn of the page or None.
    """
    return _mount(
        data=payload,
        key=key,
        default={"given": {}, "level": level, "turn": None},
        on_given_change=lambda: None,
        on_level_change=lambda: None,
        on_turn_change=lambda: None,
    )
