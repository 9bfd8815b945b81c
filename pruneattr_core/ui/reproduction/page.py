"""Every claim of the papers with our figure, its interval and the verdict; drawn from the runs alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

from pruneattr_core.assets import ASSETS
from pruneattr_core.reproduction.claim import HOLDS, NOT, OPEN, OUT, PARTLY, Claim
from pruneattr_core.reproduction.page import COLUMNS, all_claims, markdown, texts
from pruneattr_core.runs.stored import HEADER
from pruneattr_core.ui.errors import guarded
from pruneattr_core.ui.folio import Folio
from pruneattr_core.ui.kept import dataframe
from pruneattr_core.ui.menu import title_row
from pruneattr_core.ui.one_file import alone_button
from pruneattr_core.ui.state import Field, one_of, publish, report

_EVERY = "all"
_PAPERS = {
    _EVERY: "All papers",
    "PG1": "Perturbation (PG1)",
    "PG2": "PruneGrad (PG2)",
    "SCP": "Critical paths (SCP)",
    "AP": "Compression (AP)",
}
_VERDICTS = {
    _EVERY: "All verdicts",
    **{verdict: verdict.capitalize() for verdict in (HOLDS, PARTLY, OPEN, NOT, OUT)},
}
#: Told apart by lightness too.
_COLOURS = {HOLDS: "#009E73", PARTLY: "#56B4E9", OPEN: "#F0E442", NOT: "#D55E00", OUT: "#A0A0A0"}
FIELDS = (
    Field("repro_paper", _EVERY, one_of(_PAPERS), "the paper"),
    Field("repro_verdict", _EVERY, one_of(_VERDICTS), "the verdict"),
)
_HELP = {
    "published": "The papers' figures, as printed; never ours.",
    "ours": "The same figures from the run that is named in the last column.",
    "difference": "Mean difference with its 95 % interval, over pictures (paired) or over trained "
    "networks; where the claim is one figure, ours minus the published one.",
    "verdict": "From our interval alone. Order: holds where it lies on the published side of 0, does not "
    "where it lies on the other; not decided where it contains 0, or where one network gives none. "
    "Likeness: holds where it lies within a tolerance of 0.05 to 0.1, partly within twice of it.",
    "differs": "What is not as in the paper; where there is no run, why.",
}


def draw() -> None:
    """The page."""
    report(FIELDS)
    title_row("Reproduction")
    st.caption(
        "Every published figure beside ours, computed from the runs that come along. "
        "Look first at what does not hold here: choose it as the verdict."
    )
    with guarded():
        claims = _claims(_edition())
        with st.container(horizontal=True, gap="medium", key="choices_claims"):
            st.segmented_control(
                "Paper", list(_PAPERS), key="repro_paper", required=True, format_func=_PAPERS.__getitem__,
                persist_state="session",
            )  # fmt: skip
            st.segmented_control(
                "Verdict", list(_VERDICTS), key="repro_verdict", required=True,
                format_func=_VERDICTS.__getitem__, persist_state="session",
            )  # fmt: skip
        publish(FIELDS)
        paper, verdict = st.session_state["repro_paper"], st.session_state["repro_verdict"]
        chosen = [claim for claim in claims if paper in (_EVERY, claim.paper)]
        folio = Folio()
        folio.plotly_chart(
            _counts(chosen), alt=_spoken(chosen), key="repro_counts", config={"displayModeBar": False}
        )
        shown = [claim for claim in chosen if verdict in (_EVERY, claim.verdict)]
        if not shown:
            st.info("No claim has this verdict. Choose another above.")
            return
        _table(shown)
        folio.table([texts(claim) for claim in shown])
        runs = sorted({claim.ours.run for claim in shown if claim.ours is not None})
        alone_button("reproduction", folio, "Reproduction of the papers", FIELDS, runs=runs)


def _spoken(claims: Sequence[Claim]) -> str:
    counts = Counter(claim.verdict for claim in claims)
    return "; ".join(f"{verdict}: {counts[verdict]} of {len(claims)} claims" for verdict in _COLOURS)


def _edition() -> tuple[tuple[str, int], ...]:
    """What the page depends on: the headers of all runs."""
    return tuple((str(file), file.stat().st_mtime_ns) for file in sorted(ASSETS.glob(f"runs/*/*/{HEADER}")))


@st.cache_resource(max_entries=2, show_spinner="Reading the runs")
def _claims(edition: tuple[tuple[str, int], ...]) -> list[Claim]:
    return all_claims()


def _counts(claims: Sequence[Claim]) -> go.Figure:
    """One bar per figure or table, divided by verdict."""
    groups = list(dict.fromkeys((claim.paper, claim.where.partition(",")[0]) for claim in claims))
    names = [f"{paper} {where}" for paper, where in groups]
    figure = go.Figure()
    for verdict, colour in _COLOURS.items():
        found = Counter(
            (claim.paper, claim.where.partition(",")[0]) for claim in claims if claim.verdict == verdict
        )
        figure.add_bar(
            y=names,
            x=[found[group] for group in groups],
            name=verdict,
            orientation="h",
            marker={"color": colour},
            hovertemplate="%{y}: %{x} " + verdict + "<extra></extra>",
        )
    figure.update_layout(
        barmode="stack",
        height=110 + 24 * len(names),
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        xaxis={"title": "claims"},
        yaxis={"autorange": "reversed", "automargin": True},
    )
    return figure


def _table(claims: Sequence[Claim]) -> None:
    rows = [texts(claim) for claim in claims]
    picked = dataframe(
        rows,
        width="stretch",
        height=min(720, 40 + 35 * len(rows)),
        key="repro_table",
        on_select="rerun",
        selection_mode="single-row",
        column_config={name: st.column_config.TextColumn(name, help=_HELP.get(name)) for name in COLUMNS},
    )
    chosen = [row for row in picked["selection"]["rows"] if row < len(claims)]
    ours = claims[chosen[0]].ours if chosen else None
    if ours is not None:
        st.caption("This computes the run again:")
        st.code(ours.command, language="sh", wrap_lines=True)
    else:
        st.caption("Choose a row to see the command that computes its run.")
    st.download_button(
        "Table (Markdown)",
        lambda: markdown(claims),
        "reproduction.md",
        "text/markdown",
        key="repro_markdown",
        icon=":material/table:",
        on_click="ignore",
    )
