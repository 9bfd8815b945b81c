"""A view for the browser from plain files in assets: no build step.

The app, a notebook and a file that is sent by mail mount the same component; each has an adapter of a few
lines for how bytes arrive and where values go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pruneattr_core.assets import ASSETS
from pruneattr_core.glossary import script

# What every component may call; small enough to go with each.
_SHARED = tuple(
    f"browser/{name}.js"
    for name in ("blocks", "sweep", "elements", "pixels", "numbers", "controls", "glossary")
)
# Cards that fill a wall.
_FITTING = "stage/fitting.js"
_EXPORT = "export default function"


@dataclass(frozen=True)
class Component:
    """HTML, style and script of a view.

    Attributes:
        folder: in assets, with the HTML and the style sheet called as the folder is.
        scripts: below assets; with the shared ones they become one JavaScript module, in which one of them
            has the default export: ({data, parentElement, setStateValue}) -> nothing.
    """

    folder: str
    scripts: Sequence[str]

    @property
    def html(self) -> str:
        """What the root element holds."""
        return self._page(".html")

    @property
    def css(self) -> str:
        """Its style sheet, written for a shadow root."""
        return self._page(".css")

    @property
    def js(self) -> str:
        """The module."""
        parts = ((ASSETS / name).read_text("utf-8") for name in (*_SHARED, *self.scripts))
        return "\n".join([script(), *parts])

    def js_as(self, name: str) -> str:
        """The module with its default export called `name` and not exported, for an adapter to follow."""
        before, after = self.js.split(_EXPORT)
        return f"{before}const {name} = function{after}"

    def _page(self, suffix: str) -> str:
        return (ASSETS / self.folder / self.folder).with_suffix(suffix).read_text("utf-8")


SCRUBBER = Component(
    "scrubber", tuple(f"scrubber/{name}.js" for name in ("levels", "words", "panels", "track", "scrubber"))
)
GRID = Component(
    "compare",
    (
        _FITTING,
        *(f"compare/{name}.js" for name in ("payload", "live", "drawing", "cells", "enlarge", "compare")),
    ),
)
#: A page's texts, tables, pictures and charts, see `ui.folio`.
FOLIO = Component("folio", ("folio/chart.js", "folio/folio.js"))


def stage(painter: str) -> Component:
    """Pictures, curves and a slider; `painter` names the folder in assets whose paint.js fills canvases."""
    return Component(
        "stage",
        (_FITTING, f"{painter}/paint.js", *(f"stage/{name}.js" for name in ("chart", "cards", "stage"))),
    )
