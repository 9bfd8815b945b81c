"""The app's views in a notebook: the same scripts under anywidget, values come back as a trait."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from typing import Any
from uuid import uuid4

from pruneattr_core.assets import ASSETS
from pruneattr_core.errors import PruneAttrError
from pruneattr_core.importing import one_at_a_time
from pruneattr_core.share.component import Component


def installed() -> bool:
    """Whether there is what `widget` needs."""
    return find_spec("anywidget") is not None


def widget(component: Component, payload: bytes, instead: Mapping[str, str]) -> Any:
    """A live view for the last line of a notebook's cell.

    Args:
        component: what draws.
        payload: what it draws, as the app sends it; may be replaced later by setting `.payload`.
        instead: MIME type -> what a program shows that knows no widgets.

    Returns:
        An `anywidget.AnyWidget`; its trait `chosen` (a dict) holds what the hand chose.

    Raises:
        PruneAttrError: anywidget is not installed.
    """
    return _class_of(component)(instead, payload=payload)


@lru_cache
def _class_of(component: Component) -> Any:
    try:
        with one_at_a_time:
            import anywidget
            import traitlets
    except ImportError:
        raise PruneAttrError(
            "Live views in notebooks need anywidget: pip install 'pruneattr[notebook]'."
        ) from None

    adapter = ASSETS / "share" / "widget"

    class View(anywidget.AnyWidget):
        _esm = component.js_as("mount") + adapter.with_suffix(".js").read_text("utf-8")
        _css = adapter.with_suffix(".css").read_text("utf-8")
        page = traitlets.Unicode(component.html).tag(sync=True)
        sheet = traitlets.Unicode(component.css).tag(sync=True)  # `style` is a widget's own, of Jupyter
        payload = traitlets.Bytes().tag(sync=True)
        chosen = traitlets.Dict().tag(sync=True)
        still = traitlets.Unicode().tag(sync=True)  # names the frame that the live view hides

        def __init__(self, instead: Mapping[str, str], **traits: Any) -> None:
            super().__init__(still=uuid4().hex, **traits)
            self._instead = dict(instead)

        def _repr_mimebundle_(self, **kwargs: Any) -> Any:
            found = super()._repr_mimebundle_(**kwargs)
            live, meta = found if isinstance(found, tuple) else (found or {}, {})
            return {**live, **self._instead}, meta

        def _ipython_display_(self, **_: Any) -> None:
            """Two results: a frame for where no kernel is, and the live view, which hides it.

            As one they would be lost in an export: it takes the live view, nothing without its kernel. The
            picture is with the live view: GitHub takes the frame's markup before a picture, and empties it.
            """
            with one_at_a_time:
                from IPython.display import display

            frame = f'<div data-pruneattr-still="{self.still}">{self._instead["text/html"]}</div>'
            still = {kind: self._instead[kind] for kind in self._instead if kind != "image/png"}
            display({**still, "text/html": frame}, raw=True)
            live, meta = self._repr_mimebundle_()
            display({kind: live[kind] for kind in live if kind != "text/html"}, metadata=meta, raw=True)

        def _repr_html_(self) -> str:
            return self._instead["text/html"]

    return View
