"""The scrubber as a component: files in assets/scrubber."""

from __future__ import annotations

from typing import Any

from pruneattr_core.ui.component import register

_SCRIPTS = tuple(f"scrubber/{name}.js" for name in ("levels", "words", "panels", "track", "scrubber"))
_mount = register("pruneattr_scrubber", "scrubber", _SCRIPTS)


def scrubber(payload: bytes, start_level: int, key: str) -> int:
    """Draw the scrubber and return the level at which the hand last let go.

    Args:
        payload: from `payload_of`; sent again only when it changes, so it never holds the live level.
        start_level: the level before anything was moved.
        key: identity of the component on the page.
    """
    state: Any = _mount(data=payload, key=key, default={"level": start_level}, on_level_change=lambda: None)
    return int(state.level)
