"""The curve of the wrong-class control; numbers in, a figure out, no Streamlit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from pruneattr_core.analysis.wrong_class import WrongClass
from pruneattr_core.render.series import series
from pruneattr_core.results.sweeps import Explained


def curves(found: WrongClass, classes: Sequence[str], sweep: Explained | None) -> go.Figure:
    """Probability of each class when its own neurons are kept; full markers where it is the answer."""
    figure = go.Figure()
    lines: list[tuple[str, Any, Any, Any]] = []
    if sweep is not None:
        answered = sweep.prediction == sweep.target
        lines.append((f"{classes[sweep.target]}, explained", sweep.contributing, sweep.probability, answered))
    for place, rank in enumerate(found.ranks):
        name = f"{classes[int(found.target[place, 0])]}, {found.place(rank, len(classes))}"
        own = found.probability[place, :, 0].cpu().numpy()
        lines.append((name, found.requested, own, found.becomes[place, :, 0].cpu().numpy()))
    for number, (name, at, probability, answered) in enumerate(lines):
        look = series(number)
        figure.add_scatter(
            x=list(at), y=probability, name=name, mode="lines+markers",
            line={"color": look.colour, "dash": look.dash, "width": 2.5},
            marker={
                "size": 9, "symbol": [look.symbol if yes else f"{look.symbol}-open" for yes in answered]
            },
            hovertemplate="%{x:.0%} of its contributing neurons removed: %{y:.3f}<extra>" + name + "</extra>",
        )  # fmt: skip
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font_size": 14}
    figure.update_layout(height=340, margin={"l": 8, "r": 8, "t": 8, "b": 8}, font_size=14, legend=legend)
    figure.update_xaxes(title_text="share of its contributing neurons removed", tickformat=".0%")
    figure.update_yaxes(title_text="probability (full marker: the answer)", range=[-0.03, 1.03])
    return figure
