"""Components with a slider that the hand lets go of: the scrubber of Explore, the grid of Compare."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pruneattr_core.share.component import GRID, SCRUBBER, Component
from pruneattr_core.ui.component import register

#: The explorer's own, so that the stored first view and the computed one are the same component.
SCRUB = "scrub"


def _slider(name: str, parts: Component) -> Callable[..., object]:
    """A function that draws a component and returns what the hand said when it last let go, see `hand.told`.

    It takes the payload, which is sent again only when it changes, so never holds the live sparsity, the
    component's identity on the page, and what is called when something is pressed in it, by its name.
    """
    mount = register(name, parts)

    def draw(payload: bytes, key: str, **pressed: Callable[[], None]) -> object:
        heard = {f"on_{name}_change": call for name, call in pressed.items()}
        state: Any = mount(data=payload, key=key, default={"at": None}, on_at_change=lambda: None, **heard)
        found: object = state.at
        return found

    return draw


scrubber = _slider("pruneattr_scrubber", SCRUBBER)
show_grid = _slider("pruneattr_compare", GRID)
