"""Plotly figures of the benchmarks; numbers in, figures out, no Streamlit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from textwrap import wrap
from typing import Any

import numpy as np
import plotly.graph_objects as go

from pruneattr_core.attribution import METHODS
from pruneattr_core.benchmarks.run import Run, standard_error, statistics
from pruneattr_core.render.series import QUIET, SERIES, Series, series
from pruneattr_core.share.words import percent
from pruneattr_core.ui.benchmarks.words import CHANCE, axis

_FONT = 14
#: Dashes tell runs apart, colours methods.
_DASHES = ("solid", "dash", "dot", "dashdot")
#: The papers' methods and the controls, by colour; grey is the random map's.
FIRST = (
    "prunegrad", "saliency", "gradcam", "guided_backprop", "input_mct", "random", "neuron_intgrad", "edges",
    "input_intgrad",
)  # fmt: skip
_HOVER = "%{x}: %{y:.4f} ± %{customdata[4]:.4f}, n = %{customdata[3]}<extra>"


def _framed(figure: go.Figure, height: int, **layout: Any) -> go.Figure:
    figure.update_layout(
        height=height, margin={"l": 8, "r": 12, "t": 24, "b": 8}, font_size=_FONT, hoverlabel_font_size=_FONT,
        legend={"orientation": "h", "y": -0.27, "yanchor": "top", "x": 0, "font_size": _FONT - 1}, **layout,
    )  # fmt: skip
    figure.update_xaxes(automargin=True, tickfont_size=_FONT - 1)
    figure.update_yaxes(automargin=True, tickfont_size=_FONT - 1)
    return figure


def styles(runs: Mapping[str, Run]) -> dict[str, Series]:
    """Method label -> its style.

    What the papers compare and the controls have one colour each, the same in every figure of the page;
    other methods take what is free, then colours again with another dash and marker.
    """
    ids = {str(method["label"]): method["id"] for run in runs.values() for method in run.plan.methods}
    first = {name: label for label, name in reversed(list(ids.items())) if name in FIRST}
    found = {label: series(FIRST.index(name)) for name, label in first.items()}
    free = [look for look in SERIES if look not in found.values()]
    others = [label for label in ids if label not in found]
    again = range(max(0, len(others) - len(free)))
    free += [replace(series(i + 1 + i // len(SERIES)), colour=series(i).colour) for i in again]
    return found | dict(zip(others, free, strict=False))


def curves(
    runs: Mapping[str, Run], measure: str, methods: Sequence[str], x_title: str, spread: bool = True
) -> go.Figure:
    """Mean over pictures against the points, with a band of plus and minus one standard error.

    Args:
        runs: title -> run, of one protocol; dashes tell them apart.
        measure: one of the runs' measures.
        methods: labels to draw.
        x_title: of the horizontal axis.
        spread: whether the bands are drawn.
    """
    figure, looks = go.Figure(), styles(runs)
    # Few methods of several runs: then colours tell runs apart, and dashes the methods.
    by_run = len(runs) > 1 and len(methods) <= 2
    named = any(isinstance(x, str) for run in runs.values() for x in run.plan.x)
    same = len({run.plan.x for run in runs.values()}) == 1
    for number, (title, run) in enumerate(runs.items()):
        dash = "" if len(runs) == 1 else _DASHES[number % len(_DASHES)]
        points: list[Any] = (
            list(run.plan.x) if same or not named else np.linspace(0, 1, len(run.plan.x)).tolist()
        )
        for label in (label for label in methods if label in run.plan.labels):
            mean, error, count = _errors(run, label, measure)
            look = looks[label]
            if by_run:
                look = replace(series(number), dash=_DASHES[methods.index(label)])
            if spread:
                figure.add_scatter(
                    x=points + points[::-1], y=[*(mean + error), *(mean - error)[::-1]], fill="toself",
                    mode="lines", fillcolor=look.colour, opacity=0.13, line_width=0, hoverinfo="skip",
                    showlegend=False, legendgroup=label,
                )  # fmt: skip
            figure.add_scatter(
                x=points, y=mean, name=_name(label, title, len(runs), len(methods)), legendgroup=label,
                mode="lines+markers" if len(points) <= 40 else "lines",
                line={"color": look.colour, "width": 2.5, "dash": look.dash if by_run else dash or look.dash},
                marker={"symbol": look.symbol, "size": 8},
                customdata=[[title, label, k, int(count[k]), error[k]] for k in range(len(points))],
                hovertemplate=_HOVER + label + "</extra>",
            )  # fmt: skip
    figure.update_xaxes(
        title_text=_wrapped(x_title, 44) if same or not named else "share of the steps that are randomised"
    )
    figure.update_yaxes(title_text=_wrapped(axis(measure)))
    drawn = np.concatenate([line.y for line in figure.data if line.fill is None] or [[]])
    if drawn.size and 0 <= drawn.min() == drawn.max() <= 1:  # around a flat line Plotly would go to 2
        figure.update_yaxes(range=[-0.03, 1.05])
    return _below(_framed(figure, 500, hovermode="closest", clickmode="event"), named and same)


def _below(figure: go.Figure, names: bool) -> go.Figure:
    """Slants the names of points, and keeps the legend clear of them."""
    if names:
        figure.update_xaxes(tickangle=-35)
        figure.update_layout(legend_y=-0.4)
    return figure


def _name(label: str, title: str, runs: int, methods: int) -> str:
    if runs == 1:
        return label
    return title if methods == 1 else f"{label} · {title}"


def _wrapped(text: str, width: int = 52) -> str:
    """An axis' title in lines short enough for the height of a chart, or the width of a phone."""
    return "<br>".join(wrap(text, width))


def at_sparsities(run: Run) -> dict[str, dict[float, str]]:
    """Title of a method that is there at several sparsities -> sparsity -> label, rising."""
    found: dict[tuple[str, str], dict[float, str]] = {}
    for method in run.plan.methods:
        options, known = method["options"], METHODS.get(method["id"])
        if known is None or not isinstance(options.get("sparsity"), (int, float)):
            continue
        rest = {key: value for key, value in options.items() if key not in ("sparsity", "of")}
        # An option that a run made before it existed does not have, has its default.
        if all(key in known.options and known.options[key].default == rest[key] for key in rest):
            levels = found.setdefault((known.title, str(options.get("of") or "")), {})
            levels[float(options["sparsity"])] = str(method["label"])
    several = {key: levels for key, levels in found.items() if len(levels) > 1}
    titles = [title for title, _ in several]
    return {
        title if titles.count(title) == 1 else f"{title} of {of or 'all'}": dict(sorted(levels.items()))
        for (title, of), levels in several.items()
    }


def against_sparsity(run: Run, title: str, measure: str, methods: Sequence[str]) -> go.Figure:
    """Mean and standard error against the sparsity of the methods that prune: one line per method and point.

    Args:
        run: with a method at several sparsities (PG2 fig. 7).
        title: of the run, for `customdata`.
        measure: one of the run's.
        methods: labels to draw.
    """
    figure = go.Figure()
    for dash, (name, levels) in zip(_DASHES, at_sparsities(run).items(), strict=False):
        drawn = {sparsity: label for sparsity, label in levels.items() if label in methods}
        found = [_errors(run, label, measure) for label in drawn.values()]
        for place, x in enumerate(run.plan.x):
            if not drawn or x == 0:  # nothing is removed: every method has the same number
                continue
            look = series(place)
            line = f"{name}, {percent(float(x))} of the pixels"
            error = [error[place] for _, error, _ in found]
            figure.add_scatter(
                x=list(drawn), y=[mean[place] for mean, _, _ in found], name=line, mode="lines+markers",
                error_y={"type": "data", "array": error, "color": look.colour, "thickness": 1.5},
                line={"color": look.colour, "width": 2.5, "dash": dash},
                marker={"symbol": look.symbol, "size": 8},
                customdata=[
                    [title, label, place, int(count[place]), error[place]]
                    for label, (_, error, count) in zip(drawn.values(), found, strict=True)
                ],
                hovertemplate=f"{_HOVER}{line}</extra>",
            )  # fmt: skip
    figure.update_xaxes(title_text="Sparsity (fraction of neurons removed)")
    figure.update_yaxes(title_text=_wrapped(axis(measure)))
    return _framed(figure, 500, hovermode="closest", clickmode="event")


def _errors(run: Run, label: str, measure: str) -> tuple[Any, Any, Any]:
    """Mean, standard error, 0 where it is not known, and count at every point."""
    mean, deviation, count = statistics(run.of(label, measure))
    return mean, np.nan_to_num(standard_error(deviation, count)), count


def add_published(
    figure: go.Figure,
    lines: Mapping[str, Sequence[float]],
    points: Sequence[Any],
    looks: Mapping[str, Series],
) -> None:
    """The papers' curves, thin and dotted, in the colour of their method."""
    for label, values in lines.items():
        figure.add_scatter(
            x=list(points), y=list(values), name=f"{label} · published", mode="lines", legendgroup=label,
            line={"color": looks[label].colour, "width": 1.5, "dash": "dot"}, opacity=0.9,
            hovertemplate="%{x}: %{y:.4f}, published<extra>" + label + "</extra>",
        )  # fmt: skip


def published_alone(
    lines: Mapping[str, Sequence[float]],
    points: Sequence[Any],
    looks: Mapping[str, Series],
    measure: str,
    x_title: str,
) -> go.Figure:
    """The papers' curves on axes of their own, where ours come from another setting."""
    figure = go.Figure()
    add_published(figure, lines, points, looks)
    figure.update_traces(mode="lines+markers", marker={"size": 6})
    figure.update_xaxes(title_text=_wrapped(x_title, 44))
    figure.update_yaxes(title_text=_wrapped(f"Published. {axis(measure)}"))
    names = any(isinstance(x, str) for x in points)
    if names:
        figure.update_xaxes(tickvals=list(points)[:: max(1, len(points) // 9)])
    return _below(_framed(figure, 500, hovermode="closest"), names)


def marked_changes(figure: go.Figure, at: float, crossings: Mapping[tuple[str, str], float]) -> None:
    """The calibration's 15 % line, and where each curve crosses it, in the colour of the curve.

    Args:
        figure: of `curves`.
        at: the change.
        crossings: (title of the run, label) -> sparsity.
    """
    figure.add_hline(y=at, line={"color": QUIET, "dash": "dash", "width": 2})
    colours = {
        (trace.customdata[0][0], trace.customdata[0][1]): trace.line.color
        for trace in figure.data
        if trace.customdata is not None
    }
    known = sorted((x, who) for who, x in crossings.items() if np.isfinite(x) and who in colours)
    for place, (x, who) in enumerate(known):
        figure.add_scatter(
            x=[x], y=[at], mode="markers+text", showlegend=False, text=[percent(x, 1)],
            # Turn by turn above and below, so that neighbours do not cover one another.
            textposition="top left" if place % 2 else "bottom right" if x < 0.1 else "bottom left",
            textfont={"color": colours[who], "size": _FONT},
            marker={"symbol": "circle-open", "size": 13, "color": colours[who], "line": {"width": 3}},
            hovertemplate=f"{' · '.join(who)}: {percent(at)} at %{{x:.2%}}<extra></extra>",
        )  # fmt: skip


def bars(runs: Mapping[str, Run], measure: str, methods: Sequence[str]) -> go.Figure:
    """Mean over pictures of a benchmark with one point, with standard errors; chance as a line."""
    figure, looks = go.Figure(), styles(runs)
    for number, (title, run) in enumerate(runs.items()):
        shown = [label for label in methods if label in run.plan.labels]
        found = [_errors(run, label, measure) for label in shown]
        error = [float(error[0]) for _, error, _ in found]
        figure.add_bar(
            y=shown, x=[float(mean[0]) for mean, _, _ in found], orientation="h", name=title,
            error_x={"type": "data", "array": error, "color": QUIET},
            marker={"color": [looks[label].colour for label in shown], "opacity": 1 - 0.3 * number},
            customdata=[
                [title, label, 0, int(count[0]), wide]
                for label, wide, (_, _, count) in zip(shown, error, found, strict=True)
            ],
            hovertemplate="%{y}: %{x:.4f} ± %{customdata[4]:.4f}, n = %{customdata[3]}<extra></extra>",
        )  # fmt: skip
    if measure in CHANCE:
        figure.add_vline(
            x=CHANCE[measure], line={"color": QUIET, "dash": "dash", "width": 2},
            annotation={"text": f"chance {CHANCE[measure]:g}", "font": {"color": QUIET, "size": _FONT}},
            annotation_position="top",
        )  # fmt: skip
    figure.update_xaxes(title_text=_wrapped(axis(measure), 28), rangemode="tozero")
    figure.update_yaxes(autorange="reversed")
    return _framed(
        figure,
        152 + 30 * len(methods) * len(runs),
        clickmode="event",
        showlegend=len(runs) > 1,
        bargap=0.3,
    )
