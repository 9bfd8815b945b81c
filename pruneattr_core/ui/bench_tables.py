"""The benchmarks' tables: ours, and beside them the papers'."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pruneattr_core.benchmarks.run import Run
from pruneattr_core.benchmarks.summary import summary
from pruneattr_core.ui.bench_published import (
    DATA_SETS,
    NAMES,
    nearest,
    plain,
    protocol_differences,
    published,
)


def numbers(run: Run) -> None:
    """One row per method; a click on a column's head sorts."""
    rows = summary(run)
    columns = {key: st.column_config.NumberColumn(key, format="%.4f") for key in rows[0] if key != "method"}
    st.dataframe(
        rows, hide_index=True, width="stretch", height=min(560, 38 + 35 * len(rows)),
        column_config={"method": st.column_config.TextColumn("method", width="medium"), **columns},
    )  # fmt: skip


def papers_lerf(run: Run) -> None:
    """SCP's tables 1 and 2, with the run's LeRF areas in a column of their own."""
    st.markdown("#### The papers' tables, and this run")
    figures = published()
    ours = {row["method"]: row["lerf AUC"] for row in summary(run)}
    labels = plain(run)
    rows: list[dict[str, Any]] = []
    for key, name in NAMES.items():
        row: dict[str, Any] = {
            "method": name,
            "here": labels.get(key),
            "LeRF reproduced": ours.get(labels.get(key, "")),
        }
        row |= {f"LeRF {data}": figures["lerf_auc"]["data"][data][key] for data in DATA_SETS}
        row["ROAR CIFAR10"] = figures["roar_auc"]["data"]["CIFAR10"][key]
        rows.append(row)
    rows += [
        {"method": "", "here": label, "LeRF reproduced": value}
        for label, value in ours.items()
        if label not in {labels.get(key) for key in NAMES}
    ]
    column = st.column_config.NumberColumn
    st.dataframe(
        rows, hide_index=True, width="stretch", height=38 + 35 * len(rows),
        column_config={
            "method": st.column_config.TextColumn("paper's name"),
            "here": st.column_config.TextColumn("method here"),
            "LeRF reproduced": column("LeRF AUC, reproduced here", format="%.4f"),
            **{f"LeRF {data}": column(f"LeRF AUC, published, {data}", format="%.3f") for data in DATA_SETS},
            "ROAR CIFAR10": column("ROAR AUC, published, CIFAR10", format="%.3f"),
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
    st.markdown(
        "What differs from the published protocol:\n"
        + "\n".join(f"- {text}" for text in protocol_differences(run))
    )
