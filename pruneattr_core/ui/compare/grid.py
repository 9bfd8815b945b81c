"""The grid as a Streamlit component: plain files in assets/compare, no build step, no iframe."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_ASSETS = Path(__file__).parents[3] / "assets"
# words.js writes numbers for the scrubber as well.
_SCRIPTS = (
    "blocks.js",
    "scrubber/words.js",
    "compare/payload.js",
    "compare/drawing.js",
    "compare/cells.js",
    "compare/enlarge.js",
    "compare/compare.js",
)

# Registered once, at import; mounted as often as wanted.
_mount = st.components.v2.component(
    "pruneattr_compare",
    html=(_ASSETS / "compare" / "compare.html").read_text("utf-8"),
    css=(_ASSETS / "compare" / "compare.css").read_text("utf-8"),
    js="\n".join((_ASSETS / name).read_text("utf-8") for name in _SCRIPTS),
)


def show_grid(payload: bytes, key: str) -> None:
    """Draw the grid.

    Args:
        payload: from `grid_payload`; sent again only when it changes.
        key: identity of the component on the page.
    """
    _mount(data=payload, key=key)
