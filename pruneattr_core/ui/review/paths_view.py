"""The second view of the review: do teacher and student decide through the same neurons?"""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st
import torch

from pruneattr_core.analysis.overlap import chance_overlap
from pruneattr_core.compression import family
from pruneattr_core.compression.review_maps import answers, choose_target
from pruneattr_core.compression.review_paths import Overlap, kept_by_call, path_overlap
from pruneattr_core.render.plain import markdown_text
from pruneattr_core.render.series import QUIET, series
from pruneattr_core.ui.cache import Waiting, engine
from pruneattr_core.ui.choose import over
from pruneattr_core.ui.folio import Folio
from pruneattr_core.ui.jobs import Job
from pruneattr_core.ui.one_file import alone_button
from pruneattr_core.ui.review.keys import OverlapKey
from pruneattr_core.ui.review.lineup import Contender, Lineup
from pruneattr_core.ui.review.pictures import Pictures
from pruneattr_core.ui.review.sheet import inputs_of, network_of
from pruneattr_core.ui.review.state import SENT, SPARSITIES

#: Fractions of the neurons removed, pictures that the overlap is averaged over, and how many go at once.
PICTURES, BATCH = 24, 6


def show_paths(lineup: Lineup, pictures: Pictures) -> None:
    """Overlap of critical paths per layer, and dead neurons against the pruning rate."""
    folio = Folio()
    folio.markdown("### Overlap of critical paths, teacher and student")
    waiting = Waiting(height=420)
    found = {one: _overlap(lineup, one, pictures, waiting) for one in lineup.students}
    waiting.clear()
    known = {one: overlap for one, overlap in found.items() if overlap.names}
    if known:
        sparsity = st.segmented_control(
            "Neurons removed from both networks", SPARSITIES, required=True,
            format_func=lambda s: f"{100 * s:g} %",
            **over("desk_at", "paths_at", st.session_state["desk_at"]),
        )  # fmt: skip
        folio.plotly_chart(
            _lines(known, SPARSITIES.index(sparsity)),
            key="paths_chart",
            alt="Jaccard overlap per activation call",
        )
        count = min(PICTURES, len(pictures))
        folio.caption(
            f"Jaccard |A and B| / |A or B| of the neurons kept, mean over the first {count} pictures of "
            f"{markdown_text(pictures.title)}, the teacher's strongest label as target; Taylor contributions "
            "(PG2 eq. 3), ranked network-wide in each network. Neurons that a cut student lacks count as not "
            "kept by it. Dashed: what two random paths of that size would share."
        )
    for one, overlap in found.items():
        if overlap.reason:
            said = f"**{markdown_text(one.title)}**: {markdown_text(overlap.reason)}"
            folio.caption(f":material/link_off: {said}", said)
    _dead(lineup, folio)
    alone_button("review", folio, f"Critical paths of {lineup.teacher.title} and its students", SENT)


def _overlap(lineup: Lineup, one: Contender, pictures: Pictures, show: Waiting) -> Overlap:
    count = min(PICTURES, len(pictures))

    def work(job: Job) -> Overlap:
        teacher, student = (network_of(column, job)[0] for column in (lineup.teacher, one))
        kept = kept_by_call(teacher, dict(one.kept))
        parts = []
        for start in range(0, count, BATCH):
            job.note = f"Paths of {one.title}"
            job.tick(start, count)
            shown = [pictures[place] for place in range(start, min(count, start + BATCH))]
            inputs = inputs_of(lineup.teacher, shown)
            logits = answers(teacher, inputs)
            targets = [choose_target(row, picture.labels) for row, picture in zip(logits, shown, strict=True)]
            parts.append(path_overlap(teacher, student, inputs, targets, SPARSITIES, kept))
            if not parts[0].names:
                break
        return Overlap(parts[0].names, torch.cat([part.jaccard for part in parts], 2), parts[0].reason)

    key = OverlapKey(
        lineup.teacher.sha256, one.sha256, pictures.key(range(count)), count, engine().device.type
    )
    found: Overlap = engine().jobs.run(key, work, show)
    return found


def _lines(known: dict[Contender, Overlap], level: int) -> go.Figure:
    figure = go.Figure()
    for place, (one, overlap) in enumerate(known.items()):
        style = series(place)
        values = np.nanmean(overlap.jaccard[level].numpy(), 1)
        figure.add_scatter(
            x=list(overlap.names), y=values, name=one.title, mode="lines+markers",
            line={"color": style.colour, "dash": style.dash, "width": 3},
            marker={"symbol": style.symbol, "size": 9, "color": style.colour},
            hovertemplate="%{x}: %{y:.3f}<extra>" + one.title + "</extra>",
        )  # fmt: skip
    figure.add_hline(
        y=chance_overlap(1 - SPARSITIES[level]), line={"color": QUIET, "dash": "dash", "width": 2}
    )
    figure.update_xaxes(title_text="activation call, first to last")
    figure.update_yaxes(title_text="Jaccard with the teacher", range=[-0.03, 1.03])
    return _framed(figure)


def _dead(lineup: Lineup, folio: Folio) -> None:
    members = {one.id: one for one in family.students(lineup.teacher.id)}
    pruned = [members[one.id] for one in lineup.students if one.id in members and members[one.id].rounds]
    others = [one for one in members.values() if one.rounds and one not in pruned and one.seed == 0]
    folio.markdown("### Dead neurons against the pruning rate")
    if not (pruned or others):
        folio.caption(
            "Only iterative pruning records it round by round: no such student belongs to this teacher."
        )
        return
    figure = go.Figure()
    for place, member in enumerate([*pruned, *others]):
        style = series(place)
        figure.add_scatter(
            x=[one["removed"] for one in member.rounds], y=[one["dead_share"] for one in member.rounds],
            name=member.title, mode="lines+markers",
            line={"color": style.colour, "dash": style.dash, "width": 3},
            marker={"symbol": style.symbol, "size": 8, "color": style.colour},
            hovertemplate="%{x:.1%} of the weights removed: %{y:.1%} dead<extra>" + member.title + "</extra>",
        )  # fmt: skip
    figure.update_xaxes(title_text="weights removed", range=[-0.02, 1.02], tickformat=".0%")
    figure.update_yaxes(title_text="dead neurons", rangemode="tozero", tickformat="~%")
    folio.plotly_chart(
        _framed(figure), key="dead_chart", alt="Share of dead neurons against the share of weights removed"
    )
    folio.caption(
        "Share of neurons whose activation is 0, mean over pictures, after each round of iterative magnitude "
        "pruning, as recorded while the student was made."
    )


def _framed(figure: go.Figure) -> go.Figure:
    figure.update_layout(
        height=400, margin={"l": 8, "r": 8, "t": 8, "b": 8}, font_size=14,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )  # fmt: skip
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    return figure
