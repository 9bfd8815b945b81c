"""Components for the browser from plain files in assets: no build step, no iframe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

_ASSETS = Path(__file__).parents[2] / "assets"


def register(name: str, folder: str, scripts: Sequence[str]) -> Callable[..., Any]:
    """Make a component known to Streamlit; called once each, at import, and mounted as often as wanted.

    Args:
        name: of the component, unique in the app.
        folder: in assets, with the HTML and the style sheet called as the folder is.
        scripts: below assets, joined in this order into one JavaScript module; the last one has its default
            export.

    Returns:
        The function that mounts it: `data=`, `key=`, `default=` and one `on_<name>_change=` a state value.
    """
    page = _ASSETS / folder / folder
    return st.components.v2.component(
        name,
        html=page.with_suffix(".html").read_text("utf-8"),
        css=page.with_suffix(".css").read_text("utf-8"),
        js="\n".join((_ASSETS / script).read_text("utf-8") for script in scripts),
    )
