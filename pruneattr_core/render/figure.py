"""Figures for papers: panels of pixels with colour bars, text that stays text, sizes in millimetres."""

from __future__ import annotations

import io
import json
import textwrap
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.brief import brief
from pruneattr_core.errors import InputError
from pruneattr_core.importing import one_at_a_time
from pruneattr_core.one_of import is_one_of
from pruneattr_core.render.scale import ColourBar, tick_text

#: Kind of file -> what a browser calls it.
KINDS = {"pdf": "application/pdf", "svg": "image/svg+xml", "png": "image/png"}
#: Millimetres: the widths that journals ask for.
WIDTHS = {"one column (85 mm)": 85.0, "one and a half (120 mm)": 120.0, "two columns (170 mm)": 170.0}
_POINT = 25.4 / 72
#: Of titles and of the lines below, in points; a character is about 0.56 of it wide, a line 1.25 of it high.
_TITLE, _NOTE, _WIDE, _HIGH = 7.0, 6.0, 0.56, 1.25
_GAP, _BAR, _EDGE = 2.2, 1.8, 1.0
#: Millimetres a panel gets where nobody chooses a width: its lines break less often than words do.
_LEAST = 26.0
#: Text as text in both vector formats, in the font that Matplotlib brings; the same bytes every time.
_STYLE: Any = {
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "pruneattr",
    "font.family": "DejaVu Sans",
}
# Matplotlib's settings are the process's: one figure at a time is written with ours.
_lock = threading.Lock()


@dataclass(frozen=True)
class Panel:
    """One picture of a figure.

    Attributes:
        title: above it.
        pixels: uint8 (H, W, 3), drawn without smoothing.
        notes: lines below it.
        bar: its colour scale; None where the pixels are no map.
        unit: of the values on the bar.
    """

    title: str
    pixels: NDArray[np.uint8]
    notes: tuple[str, ...] = ()
    bar: ColourBar | None = None
    unit: str = ""

    __repr__ = brief


def figure(
    panels: Sequence[Panel],
    across: int,
    kind: str,
    width: float | None = None,
    dpi: int = 300,
    settings: Mapping[str, Any] | None = None,
) -> bytes:
    """Panels in rows, row by row; equal input gives equal bytes.

    In PDF and SVG all text is text, in a font that the PDF carries; maps are pixels, one each.

    Args:
        panels: in reading order, at least one.
        across: panels in a row.
        kind: key of `KINDS`.
        width: of the whole figure in millimetres, 30 to 600; None for two columns, or what the panels need.
        dpi: dots per inch of a PNG, 72 to 1200; its size is `width`.
        settings: plain JSON that goes into the file's metadata.

    Raises:
        InputError: no panel, an unknown kind, a size outside its bounds, or settings that are no JSON.
    """
    if not panels or across < 1 or not is_one_of(kind, KINDS):
        raise InputError(
            f"Expected panels and a kind out of {', '.join(KINDS)}, got {len(panels)}, {kind!r}."
        )
    across = min(across, len(panels))
    if width is None:
        width = min(600.0, max(WIDTHS["two columns (170 mm)"], _LEAST * across))
    if not 30 <= width <= 600 or not 72 <= dpi <= 1200:
        raise InputError(f"Expected 30 to 600 mm and 72 to 1200 dpi, got {width:g} mm and {dpi} dpi.")
    with one_at_a_time:
        from matplotlib import rc_context  # a quarter of a second that only figures should pay
        from matplotlib.figure import Figure

    side = (width - 2 * _EDGE - (across - 1) * _GAP) / across
    rows = [_Row(panels[start : start + across], side) for start in range(0, len(panels), across)]
    height = 2 * _EDGE + sum(row.height for row in rows) + (len(rows) - 1) * _GAP
    with _lock, rc_context(_STYLE):
        drawn = Figure(figsize=(width / 25.4, height / 25.4), dpi=dpi, facecolor="white")
        top = _EDGE
        for row in rows:
            for place, panel in enumerate(row.panels):
                _draw(drawn, panel, row, (_EDGE + place * (side + _GAP), top), (width, height))
            top += row.height + _GAP
        out = io.BytesIO()
        drawn.savefig(out, format=kind, dpi=dpi, metadata=_metadata(kind, settings))
    return out.getvalue()


class _Row:
    """Millimetres of the parts of a row, which are those of its largest panel."""

    def __init__(self, panels: Sequence[Panel], side: float) -> None:
        self.panels, self.side = panels, side
        self.titles = [_lines(panel.title, side, _TITLE) for panel in panels]
        said = [(*panel.notes, panel.bar.note if panel.bar is not None else "") for panel in panels]
        self.notes = [[line for note in notes for line in _lines(note, side, _NOTE)] for notes in said]
        self.title = max(map(len, self.titles)) * _TITLE * _HIGH * _POINT + 0.6
        self.picture = max(side * panel.pixels.shape[0] / panel.pixels.shape[1] for panel in panels)
        barred = any(panel.bar is not None for panel in panels)
        self.units = [[] if panel.bar is None else _lines(panel.unit, side, _NOTE) for panel in panels]
        named = max(map(len, self.units))
        self.bar = (_BAR + 1.2 + (1 + named) * _NOTE * _HIGH * _POINT + 0.8) if barred else 0.0
        self.foot = max(map(len, self.notes)) * _NOTE * _HIGH * _POINT + 0.6
        self.height = self.title + self.picture + self.bar + self.foot


def _lines(text: str, side: float, points: float) -> list[str]:
    """The text in as many lines as it needs: nothing is cut off."""
    return textwrap.wrap(text, max(4, int(side / (points * _WIDE * _POINT)))) or [""] if text else []


def _ticks(bar: ColourBar, side: float) -> tuple[list[float], list[str]]:
    """Places and labels: what lies between the ends goes where it would touch them."""
    labels = [tick_text(value) for _, value in bar.ticks]
    kept = bar.ticks
    if sum(map(len, labels)) + 2 * len(labels) > side / (_NOTE * _WIDE * _POINT):
        kept, labels = (bar.ticks[0], bar.ticks[-1]), [labels[0], labels[-1]]
    return [at for at, _ in kept], labels


def _draw(drawn: Any, panel: Panel, row: _Row, at: tuple[float, float], size: tuple[float, float]) -> None:
    """One panel with its left upper corner `at`, in millimetres from the figure's."""
    (x, y), (width, height) = at, size
    index = next(k for k, one in enumerate(row.panels) if one is panel)

    def written(lines: Sequence[str], top: float, points: float, colour: str) -> None:
        for k, line in enumerate(lines):
            place = 1 - (top + k * points * _HIGH * _POINT) / height
            drawn.text(
                x / width, place, line, fontsize=points, color=colour, va="top", ha="left", parse_math=False
            )

    def axes(left: float, top: float, wide: float, high: float) -> Any:
        return drawn.add_axes((left / width, 1 - (top + high) / height, wide / width, high / height))

    written(row.titles[index], y, _TITLE, "black")
    top = y + row.title
    high = row.side * panel.pixels.shape[0] / panel.pixels.shape[1]
    place = axes(x, top, row.side, high)
    place.imshow(panel.pixels, interpolation="none", aspect="auto")
    place.set_axis_off()
    top += row.picture
    if panel.bar is not None:
        strip = axes(x + 0.02 * row.side, top + 0.8, 0.96 * row.side, _BAR)
        strip.imshow(panel.bar.colours[None], interpolation="none", aspect="auto", extent=(0, 1, 0, 1))
        strip.set_yticks([])
        places, labels = _ticks(panel.bar, row.side)
        strip.set_xticks(places, labels)
        strip.tick_params(labelsize=_NOTE, length=1.5, width=0.4, pad=1)
        for spot, label in zip(places, strip.get_xticklabels(), strict=True):
            label.set_ha("left" if spot == 0 else "right" if spot == 1 else "center")
        for spine in strip.spines.values():
            spine.set_linewidth(0.4)
        unit_top = top + 0.8 + _BAR + 1.0 + _NOTE * _HIGH * _POINT
        written(row.units[index], unit_top, _NOTE, "#444444")
    written(row.notes[index], top + row.bar + 0.4, _NOTE, "#222222")


def _metadata(kind: str, settings: Mapping[str, Any] | None) -> dict[str, Any]:
    try:
        text = json.dumps(dict(settings or {}), sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"The settings must be plain JSON without NaN: {error}.") from error
    if kind == "png":
        return {"Software": "PruneAttr", "pruneattr": text}
    if kind == "svg":
        return {"Date": None, "Creator": "PruneAttr", "Description": text}
    return {"Creator": "PruneAttr", "CreationDate": None, "ModDate": None, "Subject": text}
