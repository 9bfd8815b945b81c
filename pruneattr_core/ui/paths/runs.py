"""The papers' values beside ours: shipped runs over many pictures, and this picture."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import streamlit as st

from pruneattr_core.analysis.study_run import Study
from pruneattr_core.assets import published
from pruneattr_core.paths.table import METHODS
from pruneattr_core.render.series import SERIES, series
from pruneattr_core.share.words import counted, percent
from pruneattr_core.ui.choose import select
from pruneattr_core.ui.folio import Folio
from pruneattr_core.ui.paths import charts as path_charts
from pruneattr_core.ui.paths.alike import path_runs, pictures_and_classes
from pruneattr_core.ui.paths.board import Board
from pruneattr_core.ui.paths.state import KEEP, PRESETS
from pruneattr_core.ui.state import refuse

#: The sparsity of the papers' figures.
PUBLISHED_AT = 0.9


def papers(model: str, board: Board | None, folio: Folio) -> None:
    """Dead shares and overlaps: published, reproduced, this picture; and what cannot be reproduced.

    Args:
        model: identifier of the one on screen.
        board: the paths of the picture on screen, if there are any.
        folio: takes what is shown.
    """
    chapter = published("published")["critical_paths"]
    runs = path_runs()
    run, sparsity = _choose(runs, model, folio)
    at_paper = abs(sparsity - PUBLISHED_AT) < 1e-9
    here = board if board is not None and abs(board.kappa - sparsity) < 1e-9 else None
    folio.markdown(f"### Dead neurons in the path, {percent(sparsity)} removed")
    _dead(chapter, run, sparsity, here, folio)
    folio.markdown(f"### Overlap, {percent(sparsity)} removed")
    _overlap(run, sparsity, here, at_paper, folio)
    if run is not None:
        _by_layer(run, sparsity, folio)
    pictures_and_classes(model if run is None else run.header["model"]["id"], folio)
    folio.markdown("### Which published figures cannot be reproduced, and why")
    for sentence in chapter["not_reproducible"]:
        folio.markdown(f"- {sentence}")
    folio.caption(
        f"Published: {chapter['paper']}; {chapter['dead_share']['source']}, {chapter['overlap']['source']}."
    )


def _choose(runs: Mapping[str, Study], model: str, folio: Folio) -> tuple[Study | None, float]:
    """The run and its sparsity; the run of the model on screen, unless a link or the user says otherwise."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run = None
        if runs:
            changed = st.session_state.get("_run_model", model) != model
            st.session_state["_run_model"] = model
            if changed or st.session_state["run"] not in runs:
                own = (name for name, one in runs.items() if one.header["model"]["id"] == model)
                st.session_state["run"] = next(own, next(iter(runs)))
            run = runs[select("Run", list(runs), "run", lambda name: runs[name].title)]
        offered = run.sparsities if run is not None else PRESETS
        if st.session_state["run_at"] not in offered:
            refuse("run_at")
            st.session_state["run_at"] = PUBLISHED_AT if PUBLISHED_AT in offered else offered[0]
        sparsity = st.segmented_control(
            "Sparsity", offered, key="run_at", required=True, format_func=lambda share: percent(share), **KEEP
        )
    if run is None:
        st.info(
            "No run over many pictures is in assets/runs/paths of this copy; "
            "`python -m pruneattr_core paths` computes one. The published values stand alone."
        )
    else:
        folio.caption(f"**Reproduced**: {label_of(run)}. Again: `{run.header['command']} --out FOLDER`")
    return run, float(sparsity)


def _dead(
    chapter: Mapping[str, Any], run: Study | None, sparsity: float, here: Board | None, folio: Folio
) -> None:
    methods = list(METHODS)
    paper: Any = next(
        (
            chapter[name]["values"]
            for name in ("dead_share", "dead_share_text")
            if chapter[name]["sparsity"] == sparsity
        ),
        {},
    )
    groups = [("published", [paper.get(key) for key in methods], SERIES[5])]
    base = None
    if run is not None:
        means = {key: run.dead(key, sparsity) for key in methods}
        groups.append((f"reproduced, n = {run.n}", [one and one.mean for one in means.values()], SERIES[0]))
        base = run.base
    if here is not None:
        own = dict(zip(here.paths, here.comparison.dead.tolist(), strict=True))
        other = run is not None and run.header["model"]["id"] != here.chosen.card.id
        name = f"this picture{', another network' if other else ''}, n = 1"
        groups.append((name, [own.get(key) for key in methods], SERIES[1]))
    folio.plotly_chart(
        path_charts.paired_bars(
            [METHODS[key].title for key in methods], groups, "share of the path that was dead"
        ),
        config={"displayModeBar": False},
        key="chart_papers",
        alt="; ".join(
            f"{name}: "
            + ", ".join(
                f"{METHODS[k].title} {percent(v, 1)}"
                for k, v in zip(methods, values, strict=True)
                if v is not None
            )
            for name, values, _ in groups
        ),
    )
    if base is not None:
        folio.caption(
            f"Base rate of the run: {percent(base.mean, 1)} [{percent(base.low, 1)}, "
            f"{percent(base.high, 1)}] of neurons are dead."
        )
    if paper and sparsity != PUBLISHED_AT:
        folio.caption("At 99 % the paper gives round numbers in its text only.")


def _overlap(run: Study | None, sparsity: float, here: Board | None, at_paper: bool, folio: Folio) -> None:
    printed, restored = (overlaps(labels) if at_paper else {} for labels in ("printed", "restored"))
    rows = []
    for a, b in combinations(METHODS, 2):
        pair = frozenset((a, b))
        row: dict[str, Any] = {"paths": f"{METHODS[a].title} · {METHODS[b].title}"}
        if at_paper:
            row["published, labels as printed"] = printed.get(pair)
            row["published, labels restored"] = restored.get(pair)
        if run is not None:
            found = run.overlap(a, b, sparsity)
            row["reproduced"] = found and found.mean
            row["95 % interval"] = f"{found.low:.3f} to {found.high:.3f}" if found and found.n > 1 else None
            row["n"] = found and found.n
        if here is not None and a in here.paths and b in here.paths:
            order = list(here.paths)
            row["this picture, n = 1"] = float(here.comparison.overlap[order.index(a), order.index(b)])
        if len(row) > 1 and any(value is not None for name, value in row.items() if name != "paths"):
            rows.append(row)
    if run is not None:
        _map_of_overlaps(run, sparsity, folio)
    three = st.column_config.NumberColumn(format="%.3f")
    names = {name for row in rows for name in row} - {"paths", "95 % interval", "n"}
    folio.dataframe(
        rows, "table_papers", height=35 * len(rows) + 38, column_config=dict.fromkeys(names, three)
    )
    if not at_paper:
        folio.caption("The papers print overlaps at 90 % only.")


def _map_of_overlaps(run: Study, sparsity: float, folio: Folio) -> None:
    """The run's means over pictures as a heat map, for methods with a value for every pair."""
    known = [key for key in METHODS if any(run.overlap(key, other, sparsity) for other in METHODS)]
    found = {(a, b): run.overlap(a, b, sparsity) for a, b in combinations(known, 2)}
    if len(known) < 2:
        return
    values = np.eye(len(known))
    for (a, b), one in found.items():
        mean = np.nan if one is None else one.mean
        values[known.index(a), known.index(b)] = values[known.index(b), known.index(a)] = mean
    said = (
        f"{METHODS[a].title} and {METHODS[b].title} {one.mean:.2f}" for (a, b), one in found.items() if one
    )
    folio.plotly_chart(
        path_charts.heat_map([METHODS[key].title for key in known], values),
        config={"displayModeBar": False},
        key="chart_run_overlap",
        alt=f"Mean overlap over {counted(run.n, 'pictures')}: {'; '.join(said)}",
    )


def _by_layer(run: Study, sparsity: float, folio: Folio) -> None:
    """Overlap per layer with the reference method over the run's pictures (SCP fig. 8 to 10)."""
    reference = run.header["config"]["reference"]
    lines = {}
    for key in run.methods:
        found = run.layer_overlap(key, sparsity)
        if key != reference and any(found):
            lines[METHODS[key].title] = np.array([one.mean if one else np.nan for one in found])
    folio.markdown(f"### Overlap with {METHODS[reference].title} layer by layer, {percent(sparsity)} removed")
    folio.plotly_chart(
        path_charts.layer_lines(
            run.layers,
            lines,
            {METHODS[key].title: series(place) for place, key in enumerate(METHODS)},
            METHODS[reference].title,
        ),
        config={"displayModeBar": False},
        key="chart_run_layers",
        alt="Mean overlap at the last call: "
        + ", ".join(f"{title} {values[-1]:.2f}" for title, values in lines.items()),
    )
    reached = [
        f"{METHODS[key].title} {mean.mean:.3f}"
        for key in run.methods
        if (mean := run.reached(key, sparsity)) is not None
    ]
    folio.caption(f"Reproduced, means over pictures. Sparsity really reached: {', '.join(reached)}.")


def label_of(run: Study) -> str:
    """What a reader needs to judge and repeat it: n, model, data, seed, device, date."""
    header, config = run.header, run.header["config"]
    counts = {method["n"] for method in header["methods"].values()}
    fewer = "" if counts == {run.n} else f" (dear methods: at least {min(counts)})"
    counted = ", class scores counted as neurons" if config.get("class_scores") else ""
    integral = config.get("intgrad", {})
    if integral.get("rule") == "gauss":  # earlier runs: their command gives other numbers for this method
        counted += f", NeuronIntGrad by {integral['nodes']} nodes, where it goes on until it settles today"
    return (
        f"n = {run.n}{fewer} pictures of {header['data']['title']}, {header['model']['title']} (weights "
        f"{header['model']['weights_sha256'][:8]}), predicted class{counted}, seed {config['seed']}, "
        f"{header['device']}, {run.timing.get('date', 'no date')}; means with {config['interval']}"
    )


def overlaps(labels: str) -> dict[frozenset[str], float]:
    """Jaccard of every pair of methods in SCP fig. 2a.

    Args:
        labels: "printed", as on the poster, or "restored", with the swapped labels put right.
    """
    figure = published("published")["critical_paths"]["overlap"]
    names, rows = figure[labels], figure["upper_triangle"]
    return {
        frozenset((names[i], names[i + step])): value
        for i, row in enumerate(rows)
        for step, value in enumerate(row)
        if step
    }
