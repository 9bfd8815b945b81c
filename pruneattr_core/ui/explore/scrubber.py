"""The scrubber as a component: files in assets/scrubber."""

from __future__ import annotations

from typing import Any

from pruneattr_core.share.component import SCRUBBER
from pruneattr_core.ui.component import register

#: The explorer's own, so that the stored first view and the computed one are the same component.
SCRUB = "scrub"

_mount = register("pruneattr_scrubber", SCRUBBER)


def scrubber(payload: bytes, key: str) -> object:
    """Draw the scrubber and return what the hand said when it last let go, see `hand.told`: a sparsity.

    Args:
        payload: from `payload_of`; sent again only when it changes, so it never holds the live sparsity.
        key: identity of the component on the page.
    """
    state: Any = _mount(data=payload, key=key, default={"at": None}, on_at_change=lambda: None)
    found: object = state.at
    return found
