"""Overlaps of paths over pictures and classes, and whether sparse paths lie in denser ones: shipped runs."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pruneattr_core.analysis.alike import Alike, alike, sparsities
from pruneattr_core.analysis.study_run import Study, read_study
from pruneattr_core.analysis.table_run import Table, read_table
from pruneattr_core.assets import ASSETS
from pruneattr_core.paths.table import METHODS
from pruneattr_core.runs.stored import HEADER
from pruneattr_core.share.words import percent
from pruneattr_core.ui.choose import select
from pruneattr_core.ui.folio import Folio
from pruneattr_core.ui.paths import charts as path_charts
from pruneattr_core.ui.shipped import shipped

FOLDER = ASSETS / "runs" / "theory"


def path_runs() -> dict[str, Study]:
    """Name -> run, in the order of names; a damaged one is logged and left out."""
    return shipped(ASSETS / "runs" / "paths", HEADER, read_study)


def nestings() -> dict[str, Table]:
    """Name -> run of `nesting` that comes with the repository."""
    return {name: run for name, run in shipped(FOLDER, HEADER, read_table).items() if run.kind == "nesting"}


def titled(run: Table) -> str:
    """Its network, pictures and way to choose a path."""
    return f"{run.title}, {METHODS[run.header['config']['method']].title}"


def pictures_and_classes(model: str, folio: Folio) -> None:
    """Heat maps over classes and pictures, and nesting, of the run of a model, or of the first one."""
    runs = nestings()
    if not runs:
        return
    folio.markdown("### Are paths of one class alike?")
    if st.session_state["alike"] not in runs:
        own = (name for name, run in runs.items() if run.header["model"]["id"] == model)
        st.session_state["alike"] = next(own, next(iter(runs)))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run = runs[select("Run of overlaps", list(runs), "alike", lambda name: titled(runs[name]))]
        offered = sparsities(run)
        if st.session_state["alike_at"] not in offered:
            st.session_state["alike_at"] = offered[0]
        st.segmented_control(
            "Removed", offered, key="alike_at", required=True, format_func=lambda s: percent(float(s)),
            persist_state="session",
        )  # fmt: skip
    found = alike(run, st.session_state["alike_at"])
    folio.markdown(sentences(found, offered, st.session_state["alike_at"]))
    seen = found.pictures[~np.isnan(found.pictures)]
    top = float(max(seen.max(initial=0), found.chance)) or 1.0
    left, right = st.columns(2, gap="large")
    if found.within is not None:
        with left:
            folio.plotly_chart(
                path_charts.heat_map(found.classes, found.matrix, top),
                config={"displayModeBar": False},
                key="chart_classes",
                alt="Mean overlap by answer, the diagonal within one answer: "
                + "; ".join(f"{name} {found.matrix[k, k]:.3f}" for k, name in enumerate(found.classes)),
            )
    with right if found.within is not None else left:
        folio.plotly_chart(
            path_charts.picture_map(found.answers, found.pictures, top),
            config={"displayModeBar": False},
            key="chart_pictures",
            alt=f"Overlap of every two of {len(found.answers)} pictures, from {seen.min(initial=1):.3f} to "
            f"{seen.max(initial=0):.3f}",
        )
    folio.caption(
        "Left by answer, right picture by picture, pictures of one answer next to each other; without a left "
        "map no answer was given twice. Pairs of different pictures only. Again: "
        f"`{run.header['command']} --out FOLDER`"
    )


def sentences(found: Alike, offered: list[str], at: str) -> str:
    """What the run says, in words."""
    said = []
    if found.within is None and found.between is not None:
        said.append(
            f"No answer was given twice. Two pictures share **{found.between.mean:.3f}** of their paths "
            f"[{found.between.low:.3f}, {found.between.high:.3f}], and two random paths of this size "
            f"{found.chance:.3f} (Jaccard; 95 % over pictures)."
        )
    if found.within is not None and found.between is not None:
        said.append(
            f"Two pictures of one answer share **{found.within.mean:.3f}** of their paths "
            f"[{found.within.low:.3f}, {found.within.high:.3f}], two of different answers "
            f"**{found.between.mean:.3f}** [{found.between.low:.3f}, {found.between.high:.3f}], and two "
            f"random paths of this size {found.chance:.3f} (Jaccard; 95 % over pictures)."
        )
    if found.inside is not None:
        lower = offered[offered.index(at) - 1]
        said.append(
            f"Of a path with {percent(float(at))} removed, **{percent(found.inside.mean, 1)}** "
            f"lies in the same picture's "
            f"path with {percent(float(lower))} removed."
        )
    return " ".join(said)
