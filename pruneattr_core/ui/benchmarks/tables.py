"""The benchmarks' tables: ours, and beside them the papers'."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pruneattr_core.benchmarks.run import Run
from pruneattr_core.benchmarks.summary import summary
from pruneattr_core.ui.benchmarks.published import (
    DATA_SETS,
    NAMES,
    nearest,
    plain,
    protocol_differences,
    published,
)

_SHORT = {"lerf": "LeRF", "roar": "ROAR"}


def numbers(run: Run, order: list[str]) -> None:
    """One row per method that is drawn; a click on a column's head sorts."""
    rows = [row for row in summary(run) if row["method"] in order]
    columns = {
        key: st.column_config.NumberColumn(key.replace("_", " "), format="%.4f")
        for key in rows[0]
        if key != "method"
    }
    st.dataframe(
        rows, hide_index=True, width="stretch", height=min(560, 38 + 35 * len(rows)),
        placeholder="-",
        column_config={"method": st.column_config.TextColumn("method", width="medium"), **columns},
    )  # fmt: skip


def papers(run: Run, other: Run | None) -> None:
    """SCP's tables 1 (ROAR) and 2 (LeRF), with our areas in columns of their own.

    Args:
        run: of pixels or roar, as shown.
        other: a run of the other one to fill its column, if there is one.
    """
    figures = published()
    runs = {
        measure: one
        for one in (run, other)
        if one is not None
        for measure in _SHORT
        if measure in one.plan.measures
    }
    if not runs:
        return
    st.markdown("#### The papers' areas (AUC, tables 1 and 2) and ours")
    ours = {measure: _areas(one, measure) for measure, one in runs.items()}
    labels = {measure: plain(one) for measure, one in runs.items()}
    rows: list[dict[str, Any]] = []
    for key, name in NAMES.items():
        here = next((labels[measure][key] for measure in runs if key in labels[measure]), None)
        row: dict[str, Any] = {"method": name, "here": here}
        for measure in runs:
            row[f"{_SHORT[measure]} reproduced"] = ours[measure].get(labels[measure].get(key, ""))
        row |= {f"LeRF {data}": figures["lerf_auc"]["data"][data][key] for data in DATA_SETS}
        row["ROAR CIFAR10"] = figures["roar_auc"]["data"]["CIFAR10"][key]
        rows.append(row)
    first = next(iter(runs))
    known = {labels[first].get(key) for key in NAMES}
    rows += [
        {"method": "", "here": label, f"{_SHORT[first]} reproduced": value}
        for label, value in ours[first].items()
        if label not in known
    ]
    column = st.column_config.NumberColumn
    st.dataframe(
        rows, hide_index=True, width="stretch", height=min(640, 38 + 35 * len(rows)),
        placeholder="-",
        column_config={
            "method": st.column_config.TextColumn("paper's name"),
            "here": st.column_config.TextColumn("method here"),
            **{
                f"{_SHORT[measure]} reproduced": column(_reproduced(measure, one), format="%.4f")
                for measure, one in runs.items()
            },
            **{f"LeRF {data}": column(f"LeRF, published, {data}", format="%.3f") for data in DATA_SETS},
            "ROAR CIFAR10": column("ROAR, published, CIFAR10", format="%.3f"),
        },
    )  # fmt: skip
    where = nearest(run)
    st.caption(
        f"Published: {figures['lerf_auc']['source']}; {figures['roar_auc']['source']}. "
        + (
            f"The nearest published column is {where}. "
            if where
            else "No published column has these pictures. "
        )
        + "Lower is better in every column."
    )
    for measure, one in runs.items():
        st.markdown(
            f"What differs from the published protocol in **{_SHORT[measure]}, reproduced** "
            f"({one.plan.model['title']}, n = {one.plan.n}):\n"
            + "\n".join(f"- {text}" for text in protocol_differences(one))
        )


def _reproduced(measure: str, run: Run) -> str:
    reduced = " (reduced setting)" if run.plan.protocol.get("reduction") else ""
    return f"{_SHORT[measure]}, reproduced{reduced}"


def _areas(run: Run, measure: str) -> dict[str, float]:
    return {row["method"]: row[f"{measure} AUC"] for row in summary(run)}
