"""The grid as a component: files in assets/compare."""

from __future__ import annotations

from typing import Any

from pruneattr_core.share.component import GRID
from pruneattr_core.ui.component import register

_mount = register("pruneattr_compare", GRID)


def show_grid(payload: bytes, key: str) -> object:
    """Draw the grid and return what the hand said when it last let go of the slider, see `hand.told`.

    Args:
        payload: from `grid_payload`; sent again only when it changes.
        key: identity of the component on the page.
    """
    state: Any = _mount(data=payload, key=key, default={"at": None}, on_at_change=lambda: None)
    found: object = state.at
    return found
