"""The button with which a page gives away its view as one HTML file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from pruneattr_core.share.component import Component
from pruneattr_core.share.html import one_file


def one_file_button(
    parts: Component,
    payload: Callable[[], bytes],
    title: str,
    settings: Mapping[str, Any],
    stem: str,
    key: str,
) -> None:
    """Draw it; the file is made when it is pressed.

    Args:
        parts: what draws the view.
        payload: makes what it draws, standing where the hand left it.
        title: of the file's page, plain text.
        settings: the record that goes into the file and restores the view, see `exports.record`.
        stem: of the file's name.
        key: of the button, unique on the page.
    """
    st.download_button(
        "One file (HTML)",
        lambda: one_file(parts, payload(), title, settings),
        f"{stem}.html",
        "text/html",
        key=key,
        icon=":material/html:",
        on_click="ignore",
        help="This view, live, in one file that asks nothing of any server: for a mail, a phone, a talk. "
        "Upload it in the sidebar to come back.",
    )
