"""Plotly figures of the benchmarks; numbers in, figures out, no Streamlit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go

from pruneattr_core.benchmarks.run import Run, statistics
from pruneattr_core.render.series import QUIET, SERIES, Series, series

_FONT = 14
#: Dashes tell runs apart, colours methods.
_DASHES = ("solid", "dash", "dot", "dashdot")
_HOVER = "%{x}: %{y:.4f} ± %{customdata[4]:.4f}, n = %{customdata[3]}<extra>"
MEASURES = {
    "output_change": "Output change: mean |p' - p| / p of the predicted class",
    "kept_prediction": "Predictions kept: share of pictures that keep their class",
    "spearman": "Spearman rank correlation",
    "spearman_abs": "Spearman of magnitudes",
    "ssim": "SSIM",
    "roar": "ROAR: accuracy after retraining",
    "kar": "KAR: accuracy after retraining",
    "lerf": "LeRF: mean |p0 - p| / p0",
    "morf": "MoRF: mean |p0 - p| / p0",
    "roc_auc": "ROC-AUC against the mask",
    "point_accuracy": "point accuracy",
    "mass_inside": "positive mass inside the mask",
    "grid_share": "grid pointing game, 2x2",
}
#: What a map that knows nothing gets.
CHANCE = {"roc_auc": 0.5, "grid_share": 0.25}


def short(measure: str) -> str:
    """The measure's name without its formula."""
    name = MEASURES.get(measure, measure).split(":")[0]
    return name[:1].upper() + name[1:]


def _framed(figure: go.Figure, height: int, **layout: Any) -> go.Figure:
    figure.update_layout(
        height=height, margin={"l": 8, "r": 12, "t": 8, "b": 8}, font_size=_FONT, hoverlabel_font_size=_FONT,
        legend={"orientation": "h", "y": -0.2, "yanchor": "top", "x": 0, "font_size": _FONT - 1}, **layout,
    )  # fmt: skip
    figure.update_xaxes(automargin=True, tickfont_size=_FONT - 1)
    figure.update_yaxes(automargin=True, tickfont_size=_FONT - 1)
    return figure


def styles(methods: Sequence[str]) -> dict[str, Series]:
    """Method label -> its style, the same in every figure of the page."""
    # Colours return after the last; dashes and markers then go one further, so no two lines look alike.
    return {
        label: replace(series(i + i // len(SERIES)), colour=series(i).colour)
        for i, label in enumerate(methods)
    }


def curves(
    runs: Mapping[str, Run], measure: str, methods: Sequence[str], x_title: str, spread: bool = True
) -> go.Figure:
    """Mean over pictures against the points, with a band of plus and minus one standard error.

    Args:
        runs: title -> run, of one protocol; dashes tell them apart.
        measure: one of the runs' measures.
        methods: labels to draw, in the order of colours.
        x_title: of the horizontal axis.
        spread: whether the bands are drawn.
    """
    figure, looks = go.Figure(), styles(methods)
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
            mean, deviation, count = statistics(run.of(label, measure))
            error = deviation / np.sqrt(np.maximum(1, count))
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
                x=points, y=mean, name=label if len(runs) == 1 else f"{label} · {title}", legendgroup=label,
                mode="lines+markers" if len(points) <= 40 else "lines",
                line={"color": look.colour, "width": 2.5, "dash": look.dash if by_run else dash or look.dash},
                marker={"symbol": look.symbol, "size": 8},
                customdata=[[title, label, k, int(count[k]), error[k]] for k in range(len(points))],
                hovertemplate=_HOVER + label + "</extra>",
            )  # fmt: skip
    figure.update_xaxes(title_text=x_title if same or not named else "share of the steps that are randomised")
    figure.update_yaxes(title_text=MEASURES.get(measure, measure))
    if named and same:
        figure.update_xaxes(tickangle=-35)
    return _framed(figure, 480, hovermode="closest", clickmode="event")


def add_published(
    figure: go.Figure, lines: Mapping[str, Sequence[float]], points: Sequence[Any], methods: Sequence[str]
) -> None:
    """The papers' curves, thin and dotted, in the colour of their method."""
    looks = styles(methods)
    for label, values in lines.items():
        if label in looks:
            figure.add_scatter(
                x=list(points), y=list(values), name=f"{label} · published", mode="lines", legendgroup=label,
                line={"color": looks[label].colour, "width": 1.5, "dash": "dot"}, opacity=0.9,
                hovertemplate="%{x}: %{y:.4f}, published<extra>" + label + "</extra>",
            )  # fmt: skip


def marked_changes(figure: go.Figure, at: float, crossings: Mapping[str, float]) -> None:
    """The calibration's 15 % line, and where each curve crosses it; the texts stand clear of one another."""
    figure.add_hline(y=at, line={"color": QUIET, "dash": "dash", "width": 2})
    known = sorted(
        ((x, label) for label, x in crossings.items() if x is not None and np.isfinite(x)), reverse=True
    )
    figure.add_scatter(
        x=[x for x, _ in known], y=[at] * len(known), mode="markers", showlegend=False,
        marker={"symbol": "circle-open", "size": 15, "color": QUIET, "line": {"width": 3}},
        text=[label for _, label in known], hovertemplate=f"%{{text}}: {at:.0%} at %{{x:.2%}}<extra></extra>",
    )  # fmt: skip
    for place, (x, label) in enumerate(known):
        text = f"{label}: {x:.1%}" if len(known) > 1 else f"{at:.0%} at {x:.1%} removed"
        figure.add_annotation(
            x=x, y=at, text=text, ax=-60, ay=-36 - 26 * place, xanchor="right",
            font={"color": QUIET, "size": _FONT}, arrowcolor=QUIET,
        )  # fmt: skip


def bars(runs: Mapping[str, Run], measure: str, methods: Sequence[str]) -> go.Figure:
    """Mean over pictures of a benchmark with one point, with standard errors; chance as a line."""
    figure, looks = go.Figure(), styles(methods)
    for number, (title, run) in enumerate(runs.items()):
        shown = [label for label in methods if label in run.plan.labels]
        found = [statistics(run.of(label, measure)) for label in shown]
        error = [float(deviation[0] / max(1, count[0]) ** 0.5) for _, deviation, count in found]
        figure.add_bar(
            y=shown, x=[float(mean[0]) for mean, _, _ in found], orientation="h", name=title,
            error_x={"type": "data", "array": error, "color": QUIET},
            marker={"color": [looks[label].colour for label in shown], "opacity": 1 - 0.3 * number},
            customdata=[[title, label, 0, int(n[0])] for label, (_, _, n) in zip(shown, found, strict=True)],
            hovertemplate="%{y}: %{x:.4f}, n = %{customdata[3]}<extra></extra>",
        )  # fmt: skip
    if measure in CHANCE:
        figure.add_vline(
            x=CHANCE[measure], line={"color": QUIET, "dash": "dash", "width": 2},
            annotation={"text": "chance", "font": {"color": QUIET, "size": _FONT}}, annotation_position="top",
        )  # fmt: skip
    figure.update_xaxes(title_text=MEASURES.get(measure, measure), rangemode="tozero")
    figure.update_yaxes(autorange="reversed")
    return _framed(
        figure,
        120 + 30 * len(methods) * len(runs),
        clickmode="event",
        showlegend=len(runs) > 1,
        bargap=0.3,
    )
