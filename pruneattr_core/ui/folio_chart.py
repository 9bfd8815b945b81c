"""A chart of a page without Plotly: what assets/folio/chart.js draws in a file that is sent by mail.

Plotly's own script is four times as large as the whole file may be.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pruneattr_core.render.series import QUIET

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_PLACE = re.compile(r"%\{(x|y|z|customdata)(?:\[(\d+)\])?(?::([^}]*))?\}")
_TAG = re.compile(r"<extra>(.*?)</extra>")


def chart_spec(figure: Figure, alt: str) -> dict[str, Any]:
    """The chart as JSON values.

    Args:
        figure: of lines, filled bands, bars and heat maps on one pair of axes.
        alt: the chart in words.

    Raises:
        ValueError: a trace of another type.
    """
    layout = figure.layout
    stacked = layout.barmode == "stack"
    drawn = [_series(trace, layout.showlegend is not False) for trace in figure.data]
    marks = [_mark(one) for one in layout.shapes]
    axes = {side: _axis(layout[f"{side}axis"], side, drawn, marks, stacked) for side in ("x", "y")}
    return {
        "kind": "chart",
        "alt": alt,
        "height": int(layout.height or 420),
        "stacked": stacked,
        "series": drawn,
        "marks": marks,
        "notes": [_note(one) for one in layout.annotations],
        **axes,
    }


def _series(trace: Any, legend: bool) -> dict[str, Any]:
    if trace.type not in ("scatter", "bar", "heatmap"):
        raise ValueError(f"Expected lines, bars or a heat map, got {trace.type}.")
    name = str(trace.name or "")
    one: dict[str, Any] = {
        "name": name,
        "group": str(trace.legendgroup or name),
        "legend": bool(legend and name and trace.showlegend is not False),
        "x": _values(trace.x),
        "y": _values(trace.y),
        "errors": None,
        "opacity": 1,
    }
    if trace.type == "heatmap":
        return one | _heat(trace, one)
    custom = trace.customdata if trace.customdata is not None else [None] * len(one["x"])
    places = zip(one["x"], one["y"], custom, strict=True)
    one["tips"] = ["" if trace.hoverinfo == "skip" else _tip(trace, *place) for place in places]
    texts = trace.text if isinstance(trace.text, (tuple, list)) else [trace.text] * len(one["x"])
    one["said"] = [str(text or "") for text in texts]
    return one | (_bars(trace) if trace.type == "bar" else _line(trace))


def _heat(trace: Any, one: dict[str, Any]) -> dict[str, Any]:
    z = [_values(row) for row in trace.z]
    tips = [
        [_tip(trace, x, y, None, value) for x, value in zip(one["x"], row, strict=True)]
        for y, row in zip(one["y"], z, strict=True)
    ]
    return {"kind": "heat", "legend": False, "z": z, "tips": tips, "ends": [trace.zmin, trace.zmax]}


def _bars(trace: Any) -> dict[str, Any]:
    across = trace.orientation == "h"
    error, colour, opacity = (
        trace.error_x if across else trace.error_y,
        trace.marker.color,
        trace.marker.opacity,
    )
    alike = opacity is None or isinstance(opacity, (int, float))
    return {
        "kind": "bar",
        "across": across,
        "colour": colour if isinstance(colour, str) else QUIET,
        "colours": None if isinstance(colour, str) else list(colour or ()) or None,
        "opacity": opacity if alike and opacity is not None else 1,
        "opacities": None if alike else list(opacity),
        "errors": None if error.array is None else _values(error.array),
    }


def _line(trace: Any) -> dict[str, Any]:
    modes, colour = str(trace.mode or "lines"), trace.line.color or trace.marker.color
    return {
        "kind": "band" if trace.fill == "toself" else "line",
        "lines": "lines" in modes,
        "dots": "markers" in modes,
        "hollow": str(trace.marker.symbol or "").endswith("-open"),
        "dash": str(trace.line.dash or "solid"),
        "width": trace.line.width or 2,
        "colour": str(trace.fillcolor or colour or QUIET),
        "opacity": 1 if trace.opacity is None else trace.opacity,
        "errors": None if trace.error_y.array is None else _values(trace.error_y.array),
    }


def _axis(
    axis: Any, side: str, drawn: Sequence[dict[str, Any]], marks: Sequence[dict[str, Any]], stacked: bool
) -> dict[str, Any]:
    values = [value for one in drawn for value in one[side] if value is not None]
    names = list(dict.fromkeys(value for value in values if isinstance(value, str)))
    found: dict[str, Any] = {
        "title": str(axis.title.text or "").replace("<br>", " "),
        "names": names or None,
        "log": axis.type == "log",
        "percent": "%" in str(axis.tickformat or ""),
        "reversed": axis.autorange == "reversed",
        "range": None,
    }
    found["whole"] = all(isinstance(value, float) and value.is_integer() for value in values)
    if not names:
        found["range"] = list(axis.range) if axis.range else _range(axis, side, drawn, marks, stacked)
    return found


def _range(
    axis: Any, side: str, drawn: Sequence[dict[str, Any]], marks: Sequence[dict[str, Any]], stacked: bool
) -> list[float]:
    ends = [float(mark["at"]) for mark in marks if mark["axis"] == side]
    bars = [one for one in drawn if one["kind"] == "bar" and one["across"] == (side == "x")]
    for one in drawn:
        other = (
            one["errors"]
            if one.get("errors") and (one in bars or (one["kind"], side) == ("line", "y"))
            else None
        )
        for k, value in enumerate(one[side]):
            if value is not None:
                off = (other[k] or 0) if other else 0
                ends += [value - off, value + off]
    if bars and stacked:
        ends += [sum(one[side][k] or 0 for one in bars) for k in range(len(bars[0][side]))]
    if any(one["kind"] == "bar" and one not in bars for one in drawn):
        return [min(ends) - 0.5, max(ends) + 0.5]  # half of the first and of the last bar
    if bars or axis.rangemode == "tozero":
        ends.append(0.0)
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    if axis.type == "log":
        return [low / 1.15, high * 1.15]
    room = 0.05 * (high - low) or 0.5
    return [low if low == 0 else low - room, high + room]


def _mark(one: Any) -> dict[str, Any]:
    """A line through the whole chart."""
    across = one.y0 == one.y1 and str(one.xref).endswith("domain")
    return {
        "axis": "y" if across else "x", "at": float(one.y0 if across else one.x0),
        "colour": str(one.line.color), "dash": str(one.line.dash or "solid"),
    }  # fmt: skip


def _note(one: Any) -> dict[str, Any]:
    """A text; without a height of its own it stands above the chart."""
    inside = str(one.yref or "y") == "y"
    return {
        "text": str(one.text), "x": _value(one.x), "y": _value(one.y) if inside else None,
        "colour": str(one.font.color or ""),
    }  # fmt: skip


def _tip(trace: Any, x: Any, y: Any, custom: Any, z: Any = None) -> str:
    if (y if z is None else z) is None or x is None:
        return ""
    template = str(
        trace.hovertemplate or "%{x}: %{y:.4f}" + (f"<extra>{trace.name}</extra>" if trace.name else "")
    )
    values = {"x": x, "y": y, "z": z, "customdata": custom}

    def put(found: re.Match[str]) -> str:
        name, place, form = found.groups()
        value = values[name] if place is None else values[name][int(place)]
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return format(float(value), form) if form and number else f"{value:g}" if number else str(value)

    extra = _TAG.search(template)
    told = _PLACE.sub(put, _TAG.sub("", template))
    return f"{extra[1]}: {told}" if extra is not None and extra[1] else told


def _values(given: Iterable[Any] | None) -> list[Any]:
    return [] if given is None else [_value(one) for one in given]


def _value(one: Any) -> Any:
    if one is None or isinstance(one, str):
        return one
    number = float(one)
    return number if math.isfinite(number) else None
