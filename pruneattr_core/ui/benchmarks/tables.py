"""The benchmarks' tables: ours, and beside them the papers'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from pruneattr_core.assets import published
from pruneattr_core.benchmarks.run import Run, statistics
from pruneattr_core.benchmarks.summary import printed_areas, summary, twins
from pruneattr_core.ui.benchmarks.published import (
    DATA_SETS,
    FIGURES,
    NAMES,
    nearest,
    plain,
    protocol_differences,
)
from pruneattr_core.ui.benchmarks.words import better, heading
from pruneattr_core.ui.folio import Folio

_SHARES = {
    "CPR": "Median area under faithfulness over the share kept, divided by the largest; above 1 it answers "
    "louder than the network.",
    "CMD": "Median area between faithfulness and 1, divided by the largest share kept. Lower is better.",
}
_SHORT = {"lerf": "LeRF", "roar": "ROAR"}


def numbers(runs: Mapping[str, Run], order: Sequence[str], measures: Sequence[str], folio: Folio) -> None:
    """One row per run and method that is drawn; a click on a column's head sorts.

    Args:
        runs: title -> run, of one protocol.
        order: labels that are drawn.
        measures: those that all runs have.
        folio: takes what is shown.
    """
    rows = []
    for title, run in runs.items():
        for row in summary(run):
            if row["method"] in order:
                told = {
                    # A change that the first point exceeds was reached before anything was measured.
                    key: None if key.startswith("at ") and value == run.plan.x[0] else value
                    for key, value in row.items()
                    if key.startswith("at ") or key.split(" ")[0] in measures
                }
                rows.append({"method": row["method"], **({"run": title} if len(runs) > 1 else {}), **told})
    columns = {
        key: st.column_config.NumberColumn(
            heading(key), format="%.4f", help=_help(key, next(iter(runs.values())))
        )
        for key in rows[0]
        if key not in ("method", "run")
    }
    folio.dataframe(
        rows, "bench_values", width="stretch", height=min(560, 38 + 35 * len(rows)),
        placeholder="-",
        column_config={"method": st.column_config.TextColumn("method", width="medium"), **columns},
    )  # fmt: skip
    for title, run in runs.items():
        for alike in twins(run, [label for label in order if label in run.plan.labels]):
            where = f" in {title}" if len(runs) > 1 else ""
            folio.caption(
                f"{', '.join(alike)}: the same numbers on every picture{where}. "
                "Here they are one map, or its pixels come in one order."
            )


def _help(key: str, run: Run) -> str:
    measure = key.split(" ")[0]
    if key.startswith("at "):
        change = key.removeprefix("at ")
        return f"Sparsity at which the mean output change first reaches {change}; none if it begins above."
    if key.endswith("±"):
        return "Standard error of the mean."
    way = f" {better(measure).capitalize()} is better." if better(measure) else ""
    if key.endswith("CMD"):
        return _SHARES["CMD"]
    if key.endswith("CPR"):
        return f"{_SHARES['CPR']}{way}"
    what = "Area under the curve, trapezoids" if key.endswith("AUC") else "Mean"
    if run.plan.benchmark == "sanity":
        what = "Mean over pictures, of each over the randomised steps at which its map has a rank"
    return f"{what}.{way}"


def papers(first: Run, others: Sequence[Run], beside: Run | None, folio: Folio) -> None:
    """SCP's tables 1 (ROAR) and 2 (LeRF), with our areas in columns of their own.

    Args:
        first: of pixels or roar, as shown.
        others: runs of its protocol, network and data, which have methods that it lacks; best first.
        beside: a run of the other kind to fill its column, if there is one.
        folio: takes what is shown.
    """
    figures = published(FIGURES)
    runs: dict[str, list[Run]] = {}
    for group in ([first, *others], [beside] if beside is not None else []):
        for measure in _SHORT:
            having = [run for run in group if measure in run.plan.measures]
            if having:
                runs[measure] = having
    if not runs:
        return
    folio.markdown("### The papers' areas (AUC, tables 1 and 2) and ours")
    found = {measure: _areas(measure, having) for measure, having in runs.items()}
    labels = {measure: _labels(having) for measure, having in runs.items()}
    near, rows = nearest(first), []
    for key, name in NAMES.items():
        here = next((labels[measure][key] for measure in runs if key in labels[measure]), None)
        row: dict[str, Any] = {"method": name, "here": here}
        for measure in runs:
            row |= _cells(measure, found[measure].get(labels[measure].get(key, "")))
            areas = figures[f"{measure}_auc"]["data"]
            row |= {f"{_SHORT[measure]} {data}": areas[data][key] for data in _data(measure, near)}
        rows.append(row)
    shown = next(iter(runs))
    rows += [
        {"method": None, "here": label, **_cells(shown, cell)}
        for label, cell in found[shown].items()
        if label not in labels[shown].values()
    ]
    column = st.column_config.NumberColumn
    longest = max(len(row["here"] or "") for row in rows)
    config: dict[str, Any] = {
        "method": st.column_config.TextColumn("paper's name"),
        "here": st.column_config.TextColumn("method here", width=24 + 7 * longest),  # pixels
    }
    for measure, having in runs.items():
        reduced = " (reduced setting)" if having[0].plan.protocol.get("reduction") else ""
        name = _SHORT[measure]
        config[f"{name} reproduced"] = column(f"{name}, reproduced{reduced}", format="%.4f")
        config[f"{name} n"] = column("n", help="Pictures, or seeds, behind the reproduced number.")
        for data in _data(measure, near):
            config[f"{name} {data}"] = column(f"{name}, published, {data}", format="%.3f")
    folio.dataframe(
        rows, "bench_published", width="stretch", height=min(640, 38 + 35 * len(rows)), placeholder="-",
        column_config=config,
    )  # fmt: skip
    said = told_of_areas(list(runs), near)
    folio.caption(f"{said}; a click on a column's head sorts.", f"{said}.")
    for measure, having in runs.items():
        plan = having[0].plan
        folio.markdown(
            f"What differs from the published protocol in **{_SHORT[measure]}, reproduced** "
            f"({plan.model['title']}, n = {plan.n}):\n"
            + "\n".join(f"- {text}" for text in protocol_differences(having[0]))
        )


def told_of_areas(measures: Sequence[str], near: str | None) -> str:
    """Where the papers' areas stand and how all of them are read, without the last stop.

    Args:
        measures: lerf, roar, or both, in the order of the table's columns.
        near: the papers' data set that is nearest to ours, if any.
    """
    figures = published(FIGURES)
    sources = "; ".join(figures[f"{measure}_auc"]["source"] for measure in measures)
    column = f"The nearest published column is {near}." if near else "No published column has these pictures."
    lerf = "; LeRF up to a tenth of the pixels" if "lerf" in measures else ""
    return f"Published: {sources}. {column} Lower is better in every column{lerf}"


def _data(measure: str, near: str | None) -> list[str]:
    """The data sets of the papers' table, the one nearest to ours first."""
    known = published(FIGURES)[f"{measure}_auc"]["data"]
    return sorted((name for name in DATA_SETS if name in known), key=lambda name: name != near)


def _labels(runs: Sequence[Run]) -> dict[str, str]:
    """The papers' method -> the label beside which their number stands, in the first run that has it."""
    found: dict[str, str] = {}
    for run in runs:
        for key, label in plain(run).items():
            if key in NAMES:
                found.setdefault(key, label)
    return found


def _areas(measure: str, runs: Sequence[Run]) -> dict[str, tuple[float, int]]:
    """Label -> area and n, from the first run that has the method."""
    found: dict[str, tuple[float, int]] = {}
    for run in runs:
        for label in run.plan.labels:
            area = float(statistics(printed_areas(run, label, measure))[0])
            found.setdefault(label, (area, run.plan.n))
    return found


def _cells(measure: str, cell: tuple[float, int] | None) -> dict[str, float | int | None]:
    area, n = cell if cell is not None else (None, None)
    return {f"{_SHORT[measure]} reproduced": area, f"{_SHORT[measure]} n": n}
