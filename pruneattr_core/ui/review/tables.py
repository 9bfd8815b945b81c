"""The third view: our tables of students, and beside them the paper's, labelled."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pruneattr_core.compression.review_tables import TITLES, Row, beside
from pruneattr_core.compression.table import RUNS, markdown, read_study
from pruneattr_core.runs.stored import HEADER
from pruneattr_core.ui.shipped import shipped


def show_tables() -> None:
    """Every run that comes with the repository; a damaged one is logged and left out."""
    studies = shipped(RUNS, HEADER, read_study)
    if not studies:
        st.info(
            "No compression run is in this copy. The tables are made from the shipped students with:",
            icon=":material/terminal:",
        )
        st.code("python -m pruneattr_core compress --help", language="sh")
        return
    name = next(iter(studies))
    if len(studies) > 1:
        name = st.selectbox("Run", list(studies), key="study", format_func=lambda key: studies[key]["about"])
    study = studies[name]
    st.markdown(
        f"**{study['about']}**  \n**ours**: measured here, ± over seeds. **AP**: as printed in the paper "
        "(arXiv 2010.15054), Pascal VOC 2012 with VGG16: other pictures and networks, so compare the "
        "order of the rows, not the figures. AP's l2 has the paper's own unit. Shares in percent, counts in "
        "millions."
    )
    for table, rows in study["tables"].items():
        st.markdown(f"#### {TITLES.get(table, table)} :small[in the form of AP's {table.lower()}]")
        _table(table, beside(table, rows, study["published"]))
    st.download_button(
        "All tables (Markdown)", markdown(study), f"{name}.md", "text/markdown", key="study_md",
        icon=":material/table:", on_click="ignore",
    )  # fmt: skip
    made = study["provenance"]
    st.caption(
        " · ".join(f"{key} {value}" for key, value in made.items() if isinstance(value, str | int | float))
    )


def _table(name: str, rows: list[Row]) -> None:
    columns: dict[str, Any] = {}
    for key in dict.fromkeys(key for row in rows for key in row):
        if key not in ("network", "seeds"):
            columns[key] = st.column_config.NumberColumn(key, format=_format(key))
    st.dataframe(
        rows, hide_index=True, width="stretch", height=38 + 35 * len(rows), key=f"study {name}",
        placeholder="-",
        column_config={"network": st.column_config.TextColumn("network", pinned=True), **columns},
    )  # fmt: skip


def _format(key: str) -> str:
    fine = key.startswith(("cos", "l2", "M ")) and not (key.startswith("l2") and key.endswith("AP"))
    return "%.3f" if fine else "%.2f"
