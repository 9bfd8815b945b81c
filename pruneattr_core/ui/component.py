"""Components for the browser from plain files in assets: no build step, no iframe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from pruneattr_core.assets import ASSETS

# What every component may call; small enough to go with each.
_SHARED = tuple(
    f"browser/{name}.js" for name in ("blocks", "sweep", "elements", "pixels", "numbers", "controls")
)


def register(name: str, folder: str, scripts: Sequence[str]) -> Callable[..., Any]:
    """Make a component known to Streamlit; called once each, at import, and mounted as often as wanted.

    Args:
        name: of the component, unique in the app.
        folder: in assets, with the HTML and the style sheet called as the folder is.
        scripts: below assets; with the shared ones they become one JavaScript module, in which one of them
            has the default export.

    Returns:
        The function that mounts it: `data=`, `key=`, `default=` and one `on_<name>_change=` a state value.
    """
    page = ASSETS / folder / folder
    return st.components.v2.component(
        name,
        html=page.with_suffix(".html").read_text("utf-8"),
        css=page.with_suffix(".css").read_text("utf-8"),
        js="\n".join((ASSETS / script).read_text("utf-8") for script in (*_SHARED, *scripts)),
    )
