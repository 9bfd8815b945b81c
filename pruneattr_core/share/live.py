"""What is shown outside the app: live in a notebook, whole in one file, a picture where no script runs."""

from __future__ import annotations

import base64
import html
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar

from pruneattr_core.errors import InputError
from pruneattr_core.render.figure import KINDS as FIGURES
from pruneattr_core.render.figure import Panel, figure
from pruneattr_core.share.component import Component
from pruneattr_core.share.html import mailable, one_file
from pruneattr_core.share.way_back import NO_WAY_BACK, WayBack
from pruneattr_core.share.widget import installed, widget
from pruneattr_core.store import refuse_unwritable, write_atomically

#: What `Live.save` writes, by the end of the file's name.
KINDS = (".html", ".pdf", ".svg", ".png", ".npz", ".json")
#: Dots per inch of a picture of it.
_DPI = 200


class Live(ABC):
    """A component of the app with what it draws.

    Attributes:
        component: what draws.
        height: of its frame in a notebook, in pixels.
        title: a few words.
        settings: what made it; JSON values.
        back: what brings the app to it, where the app can ask for it.
    """

    component: ClassVar[Component]
    height: ClassVar[int]
    title: str
    settings: Mapping[str, Any]
    back: WayBack | None

    @abstractmethod
    def payload(self) -> bytes:
        """What the component draws."""

    @abstractmethod
    def panels(self) -> tuple[Sequence[Panel], int]:
        """What a figure of it shows, and how many of them stand in a row."""

    @abstractmethod
    def npz(self) -> bytes:
        """All arrays; opens with `numpy.load(..., allow_pickle=False)`."""

    @abstractmethod
    def numbers(self) -> dict[str, Any]:
        """What was measured; JSON values."""

    def figure(self, kind: str) -> bytes:
        """A figure as "pdf", "svg" or "png", with settings and numbers inside the file."""
        settings = {**self.settings, **self.numbers()}
        return figure(*self.panels(), kind, dpi=_DPI, settings=settings)

    def png(self) -> bytes:
        """A picture of it, with the settings inside the file."""
        return self.figure("png")

    def small_payload(self, shades: int) -> bytes:
        """The same for a file: as small as it gets, and with so many shades where maps can have fewer."""
        return self.payload()

    def beside(self) -> str:
        """Markup that a file has under the view."""
        return ""

    def html(self) -> str:
        """The view in one page that asks nothing of anybody."""
        payload, beside = cache(self.small_payload), self.beside()

        def made(shades: int, along: bool) -> str:
            back = self.back if along else None  # without its pictures there is no way back
            ways = {} if self.back is None else {NO_WAY_BACK: "size"} if back is None else back.settings()
            settings = {**self.settings, **ways}
            pictures = () if back is None else back.pictures
            return one_file(
                self.component, payload(shades), self.title, settings, pictures=pictures, beside=beside
            )

        return mailable(made)

    def widget(self) -> Any:
        """The view as an `anywidget`; its trait `chosen` holds where the hand let go.

        Raises:
            PruneAttrError: anywidget is not installed.
        """
        return widget(self.component, self.payload(), self.bundle())

    def show(self) -> Any:
        """For the last line of a notebook's cell: the widget, or this view where anywidget is missing."""
        return self.widget() if installed() else self

    def save(self, file: str | Path) -> Path:
        """Write the view as one of `KINDS`, by the end of the name, whole or not at all.

        Raises:
            InputError: another ending.
            StoreError: the file cannot be written.
        """
        path = Path(file)
        check_kind(path)
        kinds: dict[str, Callable[[], bytes]] = {
            ".html": lambda: self.html().encode(),
            **{f".{kind}": partial(self.figure, kind) for kind in FIGURES},
            ".npz": self.npz,
            ".json": lambda: json.dumps({**self.settings, **self.numbers()}, indent=1).encode(),
        }
        write_atomically(path, kinds[path.suffix.lower()]())
        return path

    def bundle(self) -> dict[str, str]:
        """What a notebook shows without a kernel, too: a live frame; a picture where scripts do not run."""
        page = html.escape(self.html(), quote=True)
        style = f"width:100%;height:{self.height}px;border:0"
        return {
            "text/plain": f"{type(self).__name__}({self.title})",
            "image/png": base64.b64encode(self.png()).decode(),
            "text/html": f'<iframe srcdoc="{page}" sandbox="allow-scripts" style="{style}"></iframe>',
        }

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return self.bundle()

    def _repr_html_(self) -> str:
        """For programs that know no bundles: the live frame."""
        return self.bundle()["text/html"]


def check_kind(file: Path) -> None:
    """Refuse an ending that is none of `KINDS`.

    Raises:
        InputError: it is none.
    """
    if file.suffix.lower() not in KINDS:
        raise InputError(f"Expected a file ending in {', '.join(KINDS)}, got {file.name!r}.")


def check_out(file: Path) -> None:
    """Refuse what `Live.save` could not write, before anything is computed.

    Raises:
        InputError: an ending that is none of `KINDS`.
        StoreError: the place cannot be written.
    """
    check_kind(file)
    refuse_unwritable(file)
