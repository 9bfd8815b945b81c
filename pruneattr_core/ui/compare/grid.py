"""The grid as a component: files in assets/compare."""

from __future__ import annotations

from pruneattr_core.ui.component import register

_SCRIPTS = tuple(f"compare/{name}.js" for name in ("payload", "drawing", "cells", "enlarge", "compare"))
_mount = register("pruneattr_compare", "compare", _SCRIPTS)


def show_grid(payload: bytes, key: str) -> None:
    """Draw the grid.

    Args:
        payload: from `grid_payload`; sent again only when it changes.
        key: identity of the component on the page.
    """
    _mount(data=payload, key=key)
