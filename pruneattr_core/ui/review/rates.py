"""What goes with the weights, round by round of iterative pruning, matched and plain (AP fig. 3)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pruneattr_core.compression.table import MATCHINGS
from pruneattr_core.render.series import series
from pruneattr_core.ui.folio import Folio
from pruneattr_core.ui.kept import kept_chart

#: Recorded after each round -> title of its panel, with the better direction.
PANELS = {
    "mAP": "mAP (higher is better)",
    "roc_auc": "AUC of Grad-CAM in the mask (higher)",
    "cosine": "cosine with the teacher's Grad-CAM (higher)",
    "l2": "l2 from the teacher's Grad-CAM (lower)",
}
#: Shares of the weights that stay, marked on the axis.
_LEFT = (0.8, 0.5, 0.25, 0.1, 0.05, 0.03)


def pruned(members: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Matching in words -> rounds, of those students whose rounds were measured; plain first."""
    found = {
        card["matching"]: card["rounds"]
        for card in members
        if card["kind"] == "unstructured" and card.get("rounds") and set(PANELS) <= set(card["rounds"][-1])
    }
    return {MATCHINGS[matching]: found[matching] for matching in MATCHINGS if matching in found}


def show_rates(members: Sequence[Mapping[str, Any]], folio: Folio) -> None:
    """Four panels, a line a matching; nothing where no rounds were measured."""
    lines = pruned(members)
    if not lines:
        return
    folio.markdown(
        "### What goes with the weights :small[in the form of AP's fig. 3]",
        "### What goes with the weights, in the form of AP's fig. 3",
    )
    folio.plotly_chart(
        kept_chart(("rates", json.dumps(lines, sort_keys=True)), lambda: rates(lines)),
        key="rates_chart",
        alt="mAP, AUC, cosine and l2 against the share of weights that stay",
    )
    first = next(iter(lines.values()))
    folio.caption(
        f"Weights pruned in {len(first)} rounds down to {1 - first[-1]['removed']:.1%} of them, trained "
        "after each. Look where the lines part: the answers stay alike long after the maps do not."
    )


def rates(lines: Mapping[str, Sequence[Mapping[str, Any]]]) -> go.Figure:
    """The figure of `show_rates`."""
    figure = make_subplots(2, 2, subplot_titles=list(PANELS.values()), vertical_spacing=0.16)
    for place, (name, rounds) in enumerate(lines.items()):
        style = series(place)
        for panel, measure in enumerate(PANELS):
            figure.add_scatter(
                x=[1 - one["removed"] for one in rounds], y=[one[measure] for one in rounds],
                name=name, legendgroup=name, showlegend=panel == 0, mode="lines+markers",
                line={"color": style.colour, "dash": style.dash, "width": 3},
                marker={"symbol": style.symbol, "size": 7, "color": style.colour},
                hovertemplate="%{x:.1%} of the weights stay: %{y:.3f}<extra>" + name + "</extra>",
                row=panel // 2 + 1, col=panel % 2 + 1,
            )  # fmt: skip
    figure.update_xaxes(
        type="log", autorange="reversed", tickvals=_LEFT, ticktext=[f"{left:.0%}" for left in _LEFT],
        automargin=True,
    )  # fmt: skip
    figure.update_xaxes(title_text="weights that stay", row=2)
    figure.update_yaxes(automargin=True)
    figure.update_layout(
        height=560, margin={"l": 8, "r": 8, "t": 56, "b": 8}, font_size=14,
        legend={"orientation": "h", "y": 1.06, "yanchor": "bottom", "x": 0},
    )  # fmt: skip
    return figure
