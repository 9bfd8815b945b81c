"""Which figure shows the chosen runs: curves, bars, curves against sparsity; ours beside the papers'."""

from __future__ import annotations

import math

import streamlit as st
from plotly.graph_objects import Figure
from streamlit.delta_generator import DeltaGenerator

from pruneattr_core.benchmarks.protocols import BENCHMARKS
from pruneattr_core.benchmarks.run import Run, statistics
from pruneattr_core.benchmarks.summary import summary
from pruneattr_core.share.words import signed
from pruneattr_core.ui.benchmarks import charts
from pruneattr_core.ui.benchmarks.published import lines
from pruneattr_core.ui.benchmarks.words import axis, where
from pruneattr_core.ui.choose import over
from pruneattr_core.ui.folio import Folio
from pruneattr_core.ui.kept import kept_chart

#: Bands drawn at most; more hide one another.
_BANDS = 16
ALONG = {"x": "pixels removed", "sparsity": "sparsity"}


def figures(
    runs: dict[str, Run],
    measure: str,
    methods: list[str],
    order: list[str],
    key: str,
    folio: Folio,
    row: DeltaGenerator,
) -> None:
    """Draw the runs.

    Args:
        runs: title -> run, of one protocol.
        measure: one that all of them have.
        methods: labels of all.
        order: labels that are drawn.
        key: beginning of the chart's key, by which the strip below finds it.
        folio: takes what is shown.
        row: where the choices go.
    """
    title, first = next(iter(runs.items()))
    reduced = first.plan.protocol.get("reduction")
    if reduced:
        warning = (
            f"**Reduced setting, not the papers'**: {'; '.join(reduced)}. Compare the methods with one "
            "another; the accuracies themselves stay below the published ones."
        )
        st.warning(warning, icon=":material/compress:")
        folio.note(warning)
    theirs = lines(first, measure, order)
    with row:
        along, wanted = _choices(runs, bool(theirs.values))
    # On axes of their own where other steps, or a smaller setting, make other curves.
    apart = bool(reduced) or along == "sparsity" or first.plan.benchmark == "sanity"

    def drawn() -> Figure:
        if len(first.plan.x) == 1:
            figure = charts.bars(runs, measure, order)
        elif along == "sparsity":
            figure = charts.against_sparsity(first, title, measure, order)
        else:
            figure = _curves(runs, measure, order)
        if wanted and not apart:
            charts.add_published(figure, theirs.values, theirs.points, charts.styles(runs))
        return figure

    named = tuple((one, run.id) for one, run in runs.items())
    figure = kept_chart(("benchmark", named, measure, tuple(order), along, wanted and not apart), drawn)
    if measure == "output_change" and len(first.plan.x) > 1 and along != "sparsity":
        _above_at_once(runs, order)
    key, spoken = f"{key}_{measure}_{along}", _spoken(runs, measure, order)
    if not (wanted and apart):
        _plot(figure, key, spoken, folio)
        return
    ours, papers = st.columns(2)
    with ours:
        folio.markdown(f"**Reproduced**{', reduced setting' if reduced else ''}: {first.plan.model['title']}")
        _plot(figure, key, spoken, folio)
    with papers:
        folio.markdown(f"**Published**: {theirs.source}")
        x_title = BENCHMARKS[first.plan.benchmark].x_title
        alone = kept_chart(
            ("published", named, measure, tuple(order)),
            lambda: charts.published_alone(
                theirs.values, theirs.points, charts.styles(runs), measure, x_title
            ),
        )
        _plot(alone, f"bench_published_{measure}", f"Published: {', '.join(theirs.values)}", folio)


def _choices(runs: dict[str, Run], published: bool) -> tuple[str, bool]:
    """What the horizontal axis is, and whether the papers' curves are wanted, if there are any."""
    first, along = next(iter(runs.values())), "x"
    several = charts.at_sparsities(first) if len(runs) == 1 and len(first.plan.x) > 1 else {}
    if several and first.plan.benchmark in ("pixels", "roar"):
        levels = {label for one in several.values() for label in one.values()}
        usual = "sparsity" if levels == set(first.plan.labels) else "x"
        along = st.segmented_control(
            "Curves against", list(ALONG), required=True, format_func=ALONG.__getitem__,
            **over("bench_along", f"bench_along_{first.id}", st.session_state["bench_along"] or usual),
        )  # fmt: skip
    said, usual_too = st.session_state["bench_papers"], first.plan.benchmark in ("roar", "sanity")
    box, too = f"bench_papers_{first.plan.benchmark}", said == "yes" if said else usual_too
    wanted = published and st.toggle(
        "The papers' curves too", **over("bench_papers", box, too, lambda on: "yes" if on else "no")
    )
    return str(along), wanted


def _curves(runs: dict[str, Run], measure: str, order: list[str]) -> Figure:
    first = next(iter(runs.values()))
    x_title = BENCHMARKS[first.plan.benchmark].x_title
    figure = charts.curves(runs, measure, order, x_title, spread=len(runs) * len(order) <= _BANDS)
    if measure == "output_change":
        crossings = {
            (title, row["method"]): row["at 15%"]
            for title, run in runs.items()
            for row in summary(run)
            if row["at 15%"] not in (None, run.plan.x[0])  # never, or there before anything was measured
        }
        charts.marked_changes(figure, 0.15, crossings)
        figure.update_yaxes(range=[0, 1.05])
        figure.update_xaxes(range=[0, 1.02])
    return figure


def _above_at_once(runs: dict[str, Run], order: list[str]) -> None:
    """Say of which networks the change is above 15 % before anything was measured."""
    found = [
        run.plan.model["title"]
        for run in runs.values()
        for label in order
        if label in run.plan.labels and statistics(run.of(label, "output_change"))[0][0] > 0.15
    ]
    for name in dict.fromkeys(found):
        st.caption(
            f"{name} is above 15 % from the first point on, so it has no 15 % point: neurons that contribute "
            "nothing to the explained class go first, and where the last rectifier holds the scores of all "
            "classes (SqueezeNet) those are the other classes' scores, which the softmax needs."
        )


def _spoken(runs: dict[str, Run], measure: str, order: list[str]) -> str:
    first = next(iter(runs.values()))
    means = {
        label: float(statistics(first.of(label, measure))[0][-1])
        for label in order
        if label in first.plan.labels
    }
    ends = [f"{label} {signed(mean, '.3f')}" for label, mean in means.items() if math.isfinite(mean)]
    at = f", {where(first.plan.x[-1])}" if len(first.plan.x) > 1 else ""
    return f"{axis(measure)}{at}: {', '.join(ends)}"


def _plot(figure: Figure, key: str, spoken: str, folio: Folio) -> None:
    folio.plotly_chart(figure, key=key, config={"displayModeBar": False}, alt=spoken)
