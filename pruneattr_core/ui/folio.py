"""What a page shows, kept for its one file: each part is drawn on screen and noted in the same breath."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from pruneattr_core.share.framing import framed
from pruneattr_core.ui.folio_chart import chart_spec
from pruneattr_core.ui.kept import Rows, dataframe

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_PNG = "data:image/png;base64,"


class Folio:
    """Parts in the order in which a run draws them.

    Every method that is called as one of Streamlit draws that, with the same options. What only the screen
    can do ("click a bar") is left out of the file by `kept`, what stands there instead.
    """

    def __init__(self) -> None:
        """Without any."""
        self.parts: list[dict[str, Any]] = []

    def markdown(self, text: str, kept: str = "", **options: Any) -> None:
        """A heading ("### ...") or a text; bold, italics and code are kept."""
        st.markdown(text, **options)
        text = kept or text
        if text.startswith("#"):
            self.parts.append({"kind": "heading", "text": text.lstrip("# ")})
        else:
            self.parts.append({"kind": "text", "text": text})

    def caption(self, text: str, kept: str = "", **options: Any) -> None:
        """A text that stands back."""
        st.caption(text, **options)
        self.note(kept or text)

    def note(self, text: str) -> None:
        """A caption of the file alone."""
        self.parts.append({"kind": "text", "text": text, "soft": True})

    def plotly_chart(self, figure: Figure, *, alt: str, **options: Any) -> None:
        """A chart; `alt` says it in words."""
        st.plotly_chart(figure, alt=alt, **options)
        self.parts.append({"kind": "chart", "figure": figure, "alt": alt})

    def dataframe(self, rows: Rows, key: str, **options: Any) -> Any:
        """A table, its numbers written as its columns are configured."""
        self.table(rows, options.get("column_config"))
        return dataframe(rows, key, **options)

    def table(self, rows: Rows, config: Mapping[str, Any] | None = None) -> None:
        """A table of the file alone; `config` as Streamlit takes it."""
        self.parts.append(_table(rows, config or {}))

    def image(self, address: str, alt: str, caption: str = "", **options: Any) -> None:
        """A picture, its address of `inline`; the caption is the file's."""
        st.image(address, alt=alt, **options)
        self.picture(address, alt, caption)

    def picture(self, address: str, alt: str, caption: str = "") -> None:
        """A picture of the file alone; those that follow one another stand side by side."""
        if not self.parts or self.parts[-1]["kind"] != "pictures":
            self.parts.append({"kind": "pictures", "pictures": []})
        data = base64.b64decode(address.removeprefix(_PNG))
        self.parts[-1]["pictures"].append({"alt": alt, "caption": caption, "data": data})

    def slides(self, label: str, at: int, slides: Mapping[str, Folio]) -> None:
        """A slider of the file alone: its places by title, and what is shown there."""
        held = [{"title": title, "parts": one.parts} for title, one in slides.items()]
        self.parts.append({"kind": "slides", "label": label, "at": at, "slides": held})

    def payload(self, title: str) -> bytes:
        """What assets/folio draws."""
        blocks: list[bytes] = []
        return framed({"title": title, "parts": _held(self.parts, blocks)}, blocks)


def _held(parts: Sequence[Mapping[str, Any]], blocks: list[bytes]) -> list[dict[str, Any]]:
    """The parts as JSON; pictures go into the blocks."""
    found = []
    for part in parts:
        one = dict(part)
        if one["kind"] == "chart":
            one = chart_spec(one["figure"], one["alt"])
        elif one["kind"] == "pictures":
            one["pictures"] = [_picture(picture, blocks) for picture in one["pictures"]]
        elif one["kind"] == "slides":
            one["slides"] = [{**slide, "parts": _held(slide["parts"], blocks)} for slide in one["slides"]]
        found.append(one)
    return found


def _picture(one: Mapping[str, Any], blocks: list[bytes]) -> dict[str, Any]:
    data = one["data"]
    if data not in blocks:
        blocks.append(data)
    start = sum(map(len, blocks[: blocks.index(data)]))
    return {"alt": one["alt"], "caption": one["caption"], "start": start, "length": len(data)}


def _table(rows: Rows, config: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(rows, Mapping):
        rows = [dict(zip(rows, line, strict=True)) for line in zip(*rows.values(), strict=True)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    configured = [dict(config.get(name) or {}) for name in names]
    forms = [str((one.get("type_config") or {}).get("format") or "") for one in configured]
    return {
        "kind": "table",
        "columns": [str(one.get("label") or name) for name, one in zip(names, configured, strict=True)],
        "numeric": [all(_is_number(row.get(name)) for row in rows) for name in names],
        "rows": [
            [_cell(row.get(name), form) for name, form in zip(names, forms, strict=True)] for row in rows
        ],
    }


def _is_number(value: Any) -> bool:
    return value is None or isinstance(value, (int, float)) or hasattr(value, "dtype")


def _cell(value: Any, form: str) -> str:
    if hasattr(value, "item"):
        value = value.item()
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "-"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if form.startswith("%"):
        return form % value
    if form == "percent":
        return f"{value:.2%}"
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
