"""The desk as a component: files in assets/review."""

from __future__ import annotations

from typing import Any

from pruneattr_core.share.component import Component
from pruneattr_core.ui.component import register

_SCRIPTS = tuple(f"review/{name}.js" for name in ("drawing", "rows", "verdicts", "walking", "review"))
_mount = register("pruneattr_review", Component("review", _SCRIPTS))


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
