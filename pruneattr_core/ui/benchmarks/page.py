"""Benchmarks: runs as curves and tables, beside the papers' figures."""

from __future__ import annotations

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pruneattr_core.benchmarks.protocols import BENCHMARKS
from pruneattr_core.benchmarks.run import Run, zip_run
from pruneattr_core.benchmarks.summary import summary
from pruneattr_core.errors import PruneAttrError
from pruneattr_core.ui.benchmarks import charts as bench_charts
from pruneattr_core.ui.benchmarks import tables as bench_tables
from pruneattr_core.ui.benchmarks.picker import choose, rank
from pruneattr_core.ui.benchmarks.point import point
from pruneattr_core.ui.benchmarks.published import NAMES, lines
from pruneattr_core.ui.benchmarks.runs import bench_runs, import_run, provenance_line, title_of
from pruneattr_core.ui.errors import guarded
from pruneattr_core.ui.shell import Selection
from pruneattr_core.ui.state import Field, one_of, publish, report, several_of


def _runs(text: str) -> str:
    benchmark = st.session_state["bench"]  # adopted before
    return ",".join(
        several_of(text, [name for name, run in bench_runs().items() if run.plan.benchmark == benchmark])
    )


FIELDS = (
    Field("bench", "pixels", one_of(BENCHMARKS), "the benchmark"),
    Field("bench_run", "", _runs, "the run"),
)
_IMPORTED = "_bench_imported"
#: Curves drawn before anybody chooses; more cannot be told apart.
_DRAWN = 9
_CONTROLS = ("edges", "random")


def draw(chosen: Selection) -> None:
    """The page."""
    report(FIELDS)
    _head()
    with guarded():
        every = bench_runs()
        benchmark = st.session_state["bench"]
        runs = {name: run for name, run in every.items() if run.plan.benchmark == benchmark}
        if not runs:
            publish(FIELDS)
            _nothing(benchmark)
            return
        row = st.container(horizontal=True, gap="medium")
        shown = choose(benchmark, runs, chosen.card.id, row)
        publish(FIELDS)
        if shown:
            _draw(shown, every, row)


def _head() -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.markdown("## Benchmarks")
        st.segmented_control(
            "What is measured", list(BENCHMARKS), key="bench", required=True,
            format_func=lambda name: BENCHMARKS[name].title, persist_state="session",
        )  # fmt: skip
        with st.popover("Import a run", icon=":material/upload:"):
            _importer()
    if st.session_state.get(_IMPORTED):
        st.success(st.session_state.pop(_IMPORTED), icon=":material/check:")


def _importer() -> None:
    def arrived() -> None:
        st.session_state["_bench_refused"] = None
        file = st.session_state["bench_upload"]
        if file is None:
            return
        try:
            name = import_run(file.getvalue())
        except PruneAttrError as error:
            st.session_state["_bench_refused"] = str(error)
            return
        run = bench_runs()[name]
        st.session_state["bench"], st.session_state["bench_run"] = run.plan.benchmark, name
        st.session_state[_IMPORTED] = f"Imported: {title_of(name, run)}. Schema and hashes are right."

    st.file_uploader(
        "Drop the zip of a run here", type=["zip"], key="bench_upload", on_change=arrived,
        help="Checked before it is shown; it stays in this session and is never unpacked to disk.",
    )  # fmt: skip
    if st.session_state.get("_bench_refused"):
        st.error(st.session_state["_bench_refused"], icon=":material/error:")


def _nothing(name: str) -> None:
    st.info(
        f"No run of {BENCHMARKS[name].title.lower()} is here yet. Make one, then import its zip or put its "
        "folder into assets/runs/bench:",
        icon=":material/terminal:",
    )
    st.code(
        f"python -m pruneattr_core bench {name} --model scenes-net --data scenes --out my-run",
        language="bash",
    )


def _draw(shown: dict[str, Run], every: dict[str, Run], row: DeltaGenerator) -> None:
    first = next(iter(shown.values()))
    titles = {title_of(name, run): run for name, run in shown.items()}
    methods = list(dict.fromkeys(label for run in shown.values() for label in run.plan.labels))
    measure: str = first.plan.measures[0]
    if len(first.plan.measures) > 1:
        measure = row.segmented_control(
            "Measure", list(first.plan.measures), key=f"bench_measure_{first.plan.benchmark}", required=True,
            default=measure, format_func=lambda name: bench_charts.short(name),
        )  # fmt: skip
    order = methods
    if len(methods) > 1:
        drawn = st.pills(
            "Methods", methods, selection_mode="multi", default=_first_methods(shown, methods),
            key=f"bench_methods_{'-'.join(shown)}",
        )  # fmt: skip
        order = [label for label in methods if label in drawn] or methods
    for run in titles.values():
        if run.plan.protocol.get("reduction"):
            st.warning(f"Reduced: {'; '.join(run.plan.protocol['reduction'])}.", icon=":material/compress:")
    chart = f"bench_chart_{first.plan.benchmark}"
    _chart(titles, measure, methods, order, chart)
    st.caption(
        f"{_meaning(first, measure)} Bands: mean ± one standard error. Move over a point to see below what "
        "lies behind it; drag to zoom, double-click to go back."
    )
    point(titles, measure, chart)
    st.markdown("#### Numbers")
    for title, run in titles.items():
        if len(titles) > 1:
            st.markdown(f"**{title}**")
        bench_tables.numbers(run, order)
        st.caption(f"**Reproduced**: {provenance_line(run)}")
    if first.plan.benchmark in ("pixels", "roar"):
        bench_tables.papers(first, _counterpart(first, every))
    _protocol(shown)


def _first_methods(shown: dict[str, Run], methods: list[str]) -> list[str]:
    """The papers' methods and the controls, where there are too many for one chart."""
    if len(methods) <= _DRAWN:
        return methods
    known = {
        m["label"] for run in shown.values() for m in run.plan.methods if m["id"] in (*NAMES, *_CONTROLS)
    }
    found = [label for label in methods if label in known]
    plain = [label for label in found if "(" not in label or "saliency" in label]
    return (found if len(found) <= _DRAWN else plain or found)[:_DRAWN]


def _counterpart(run: Run, every: dict[str, Run]) -> Run | None:
    """The ROAR run that belongs beside a pixel run, or the other way round: on the same data."""
    kind = "pixels" if run.plan.benchmark == "roar" else "roar"
    fitting = [
        one
        for one in every.values()
        if one.plan.benchmark == kind
        and one.plan.data["id"] == run.plan.data["id"]
        and one.plan.measures[0] != "kar"
    ]
    return min(fitting, key=rank) if fitting else None


def _chart(titles: dict[str, Run], measure: str, methods: list[str], order: list[str], key: str) -> None:
    first = next(iter(titles.values()))
    if len(first.plan.x) == 1:
        figure = bench_charts.bars(titles, measure, order)
    else:
        x_title = BENCHMARKS[first.plan.benchmark].x_title
        figure = bench_charts.curves(titles, measure, methods, x_title, spread=len(titles) * len(order) <= 16)
        figure.for_each_trace(lambda trace: trace.update(visible=trace.legendgroup in order))
        fractions, known = lines(first, measure)
        if known and st.toggle("The papers' curves too, dotted", key="bench_papers"):
            theirs = {label: values for label, values in known.items() if label in order}
            bench_charts.add_published(figure, theirs, fractions, methods)
        if measure == "output_change":
            crossings = {
                _crossing(run, row["method"]): row["at 15%"]
                for run in titles.values()
                for row in summary(run)
            }
            bench_charts.marked_changes(figure, 0.15, crossings)
            figure.update_yaxes(range=[0, 1.05])
    st.plotly_chart(
        figure, key=f"{key}_{measure}", config={"displayModeBar": False}, alt=_spoken(titles, measure, order)
    )


def _crossing(run: Run, method: str) -> str:
    model = str(run.plan.model["title"])
    return model if len(run.plan.labels) == 1 else f"{model}, {method.removeprefix('Contribution ')}"


def _spoken(titles: dict[str, Run], measure: str, order: list[str]) -> str:
    first = next(iter(titles.values()))
    ends = [
        f"{label} {float(np.nanmean(first.of(label, measure)[-1])):.3f}"
        for label in order
        if label in first.plan.labels
    ]
    return f"{bench_charts.MEASURES.get(measure, measure)}, last point: {', '.join(ends)}"


def _meaning(run: Run, measure: str) -> str:
    if run.plan.benchmark == "calibrate":
        return (
            "The dashed line is the papers' 15 %: the sparsity there is used for every picture of the model."
        )
    if measure == "roar":
        return "Lower is better: a network retrained without the most relevant pixels should do badly."
    if measure == "kar":
        return "Higher is better: the pixels that are kept should suffice."
    benchmark = BENCHMARKS[run.plan.benchmark]
    if measure == "morf":
        return "Higher is better: the most relevant pixels go first, and the answer should move at once."
    if measure == "lerf":
        return "Lower is better: the least relevant pixels go first, and the answer should stay."
    if run.plan.benchmark == "sanity":
        return "Lower is better: a map that stays while the weights are lost did not need them."
    return f"{benchmark.better.capitalize()} is better."


def _protocol(shown: dict[str, Run]) -> None:
    first = next(iter(shown.values()))
    with st.expander("Protocol, options and files", icon=":material/description:"):
        benchmark = BENCHMARKS[first.plan.benchmark]
        st.markdown(f"After {benchmark.source}. Every free choice:")
        st.dataframe(
            [{"choice": key.replace("_", " "), "is": str(said)} for key, said in first.plan.protocol.items()],
            hide_index=True, width="stretch",
        )  # fmt: skip
        st.dataframe(
            [
                {"method": m["label"], "options": ", ".join(f"{k} = {v}" for k, v in m["options"].items())}
                for m in first.plan.methods
            ],
            hide_index=True, width="stretch",
        )  # fmt: skip
        for name, run in shown.items():
            st.download_button(
                f"Download {title_of(name, run)} (zip)", zip_run(run), f"{name}.zip", "application/zip",
                key=f"bench_zip_{name}", on_click="ignore", icon=":material/download:",
            )  # fmt: skip
