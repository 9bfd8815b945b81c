"""The third view: our tables of students, and beside them the paper's, labelled."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from pruneattr_core.compression.review_tables import TITLES, Row, with_published
from pruneattr_core.compression.table import ABLATIONS, MATCHINGS, RUNS, epochs, markdown, read_study, size_of
from pruneattr_core.render.series import series
from pruneattr_core.runs.stored import HEADER
from pruneattr_core.share.words import percent
from pruneattr_core.ui.choose import select
from pruneattr_core.ui.folio import Folio
from pruneattr_core.ui.kept import kept_chart
from pruneattr_core.ui.one_file import alone_button
from pruneattr_core.ui.review.state import SENT
from pruneattr_core.ui.shipped import shipped


def show_tables() -> None:
    """Every run that comes with the repository; a damaged one is logged and left out."""
    found = shipped(RUNS, HEADER, read_study)
    studies = dict(sorted(found.items(), key=lambda one: -epochs(one[1])))
    if not studies:
        st.info(
            "No compression run is in this copy. The tables are made from the shipped students with:",
            icon=":material/terminal:",
        )
        st.code("python -m pruneattr_core compress --help", language="sh")
        return
    name = next(iter(studies))
    if len(studies) > 1:
        name = select("Run", list(studies), "study", lambda key: _title(studies[key]))
    study, folio = studies[name], Folio()
    folio.markdown(
        f"**{study['about']}**  \n**ours**: measured here, ± over seeds. **AP**: as printed in the paper "
        "(arXiv 2010.15054), Pascal VOC 2012 with VGG16: other pictures and networks, so compare the "
        "order of the rows, not the figures. AP's l2 has the paper's own unit. Shares in percent, counts in "
        "millions."
    )
    with st.popover("What the columns are", icon=":material/help:"):
        st.markdown("\n".join(f"- **{name}**: {text}" for name, text in COLUMNS.items()))
    show_rates(study["members"], folio)
    for table, rows in study["tables"].items():
        title = f"### {TITLES.get(table, table)}"
        form = "no table of AP's" if table == ABLATIONS else f"in the form of AP's {table.lower()}"
        folio.markdown(f"{title} :small[{form}]", f"{title}, {form}")
        _table(table, with_published(table, rows, study["published"]), folio)
    st.download_button(
        "All tables (Markdown)", markdown(study), f"{name}.md", "text/markdown", key="study_md",
        icon=":material/table:", on_click="ignore",
    )  # fmt: skip
    made = study["provenance"]
    folio.caption(
        " · ".join(f"{key} {value}" for key, value in made.items() if isinstance(value, str | int | float))
    )
    alone_button("review", folio, "Compression study", SENT, run=name)


def _title(study: Mapping[str, Any]) -> str:
    sizes = sorted({size_of(card) for card in study["members"] if card["kind"] != "teacher"})
    return f"{study['about']}: {', '.join(sizes)}; trainings of up to {epochs(study):g} epochs"


#: What the columns of the tables are, by the first words of their names.
COLUMNS = {
    "seeds": "How many students were trained alike; ± is the standard deviation over them.",
    "M parameters": "Parameters, millions.",
    "M not zero": "Parameters that are not 0, millions.",
    "MFLOP": "Multiplications and additions for one picture, millions.",
    "ms a picture": "Time for one picture on the CPU it was measured on, milliseconds.",
    "mAP": "Mean average precision over classes, percent. As released: by the authors' code.",
    "F1": "F1 score of the predicted labels, percent. As released: by the authors' code.",
    "AUC": "Area under the ROC curve of the map against the object's mask, percent: 50 is chance.",
    "point": "Share of pictures whose map has its maximum inside the mask, percent.",
    "cos": "Cosine similarity of the student's map with the teacher's: 1 is the same map.",
    "l2": "Distance of the student's map from the teacher's, each of norm 1. AP's has a unit of its own.",
}


def _table(name: str, rows: list[Row], folio: Folio) -> None:
    shown = [_said(row) for row in rows]
    columns: dict[str, Any] = {
        key: st.column_config.TextColumn(key, help=_help(key), alignment="right")
        for key in dict.fromkeys(key for row in shown for key in row)
        if key != "network"
    }
    folio.dataframe(
        shown, width="stretch", height=38 + 35 * len(rows), key=f"study {name}",
        placeholder="-",
        column_config={"network": st.column_config.TextColumn("network", pinned=True), **columns},
    )  # fmt: skip


def _said(row: Row) -> dict[str, str]:
    """The row as texts of one column each, the spread beside its number."""
    found = {}
    for key, value in row.items():
        if key in ("network", "seeds"):
            found[key] = str(value)
        elif not key.endswith(" ±"):
            form = _format(key)
            spread = row.get(f"{key.removesuffix(', ours')} ±") if key.endswith(", ours") else None
            if key.startswith("M"):  # counts of networks of one size
                spread = spread or None
            found[key] = form % value + ("" if spread is None else f" ± {form % spread}")
    return found


def _help(key: str) -> str | None:
    return next((text for name, text in COLUMNS.items() if name in key), None)


def _format(key: str) -> str:
    fine = key.startswith(("cos", "l2", "M ")) and not (key.startswith("l2") and key.endswith("AP"))
    return "%.3f" if fine else "%.2f"


#: Recorded after each round -> title of its chart, with the better direction.
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
    """Four charts, a line a matching; nothing where no rounds were measured."""
    lines = pruned(members)
    if not lines:
        return
    folio.markdown(
        "### What goes with the weights :small[in the form of AP's fig. 3]",
        "### What goes with the weights, in the form of AP's fig. 3",
    )
    said = json.dumps(lines, sort_keys=True)
    places = (*st.columns(2), *st.columns(2))  # on a phone each stands below the one before
    for place, (measure, title) in zip(places, PANELS.items(), strict=True):
        with place:
            folio.markdown(f"**{title}**")
            folio.plotly_chart(
                kept_chart(("rates", measure, said), partial(rates, lines, measure)),
                key=f"rates_{measure}", alt=f"{title} against the share of weights that stay",
            )  # fmt: skip
    first = next(iter(lines.values()))
    folio.caption(
        f"Weights pruned in {len(first)} rounds down to {percent(1 - first[-1]['removed'], 1)} "
        f"of them, trained "
        "after each. Look where the lines part: the answers stay alike long after the maps do not."
    )


def rates(lines: Mapping[str, Sequence[Mapping[str, Any]]], measure: str) -> go.Figure:
    """One figure of `show_rates`: `measure` is a key of `PANELS`."""
    figure = go.Figure()
    for place, (name, rounds) in enumerate(lines.items()):
        style = series(place)
        figure.add_scatter(
            x=[1 - one["removed"] for one in rounds], y=[one[measure] for one in rounds],
            name=name, mode="lines+markers",
            line={"color": style.colour, "dash": style.dash, "width": 3},
            marker={"symbol": style.symbol, "size": 7, "color": style.colour},
            hovertemplate="%{x:.1%} of the weights stay: %{y:.3f}<extra>" + name + "</extra>",
        )  # fmt: skip
    figure.update_xaxes(
        type="log", autorange="reversed", tickvals=_LEFT, ticktext=[percent(left) for left in _LEFT],
        title_text="weights that stay", automargin=True,
    )  # fmt: skip
    figure.update_yaxes(automargin=True)
    figure.update_layout(
        height=290, margin={"l": 8, "r": 8, "t": 32, "b": 8}, font_size=14,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )  # fmt: skip
    return figure
