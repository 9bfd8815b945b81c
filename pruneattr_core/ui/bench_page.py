"""Benchmarks: runs as curves and tables, beside the papers' figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from pruneattr_core.benchmarks.plan import differences
from pruneattr_core.benchmarks.protocols import BENCHMARKS
from pruneattr_core.benchmarks.run import Run, zip_run
from pruneattr_core.benchmarks.summary import summary
from pruneattr_core.errors import PruneAttrError
from pruneattr_core.ui import bench_charts, bench_tables
from pruneattr_core.ui.bench_point import point
from pruneattr_core.ui.bench_published import lerf_lines, nearest, published
from pruneattr_core.ui.bench_runs import bench_runs, import_run, provenance_line, title_of
from pruneattr_core.ui.errors import guarded
from pruneattr_core.ui.state import Field, adopt, one_of, publish

FIELDS = (
    Field("bench", "pixels", one_of(BENCHMARKS), "the benchmark"),
    Field("bench_run", "", str, "the run"),
)
_IMPORTED = "_bench_imported"


def draw() -> None:
    """The page."""
    for text in adopt(FIELDS):
        st.warning(text, icon=":material/link_off:")
    _head()
    with guarded():
        runs = {
            name: run for name, run in bench_runs().items() if run.plan.benchmark == st.session_state["bench"]
        }
        publish(FIELDS)
        if not runs:
            _nothing(st.session_state["bench"])
            return
        shown = _choose(runs)
        if shown:
            _draw(shown)


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
        st.session_state["bench_chosen"] = [name]
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


def _choose(runs: dict[str, Run]) -> dict[str, Run]:
    """The runs to draw: those whose protocol agrees with the first; says what differs in the others."""
    first = st.session_state["bench_run"] if st.session_state["bench_run"] in runs else next(iter(runs))
    kept = [name for name in st.session_state.get("bench_chosen", []) if name in runs]
    st.session_state["bench_chosen"] = kept or [first]
    chosen = st.multiselect(
        "Runs",
        list(runs),
        key="bench_chosen",
        format_func=lambda name: title_of(name, runs[name]),
        persist_state="session",
    )
    if not chosen:
        st.info("Choose at least one run above.")
        return {}
    st.session_state["bench_run"] = chosen[0]
    publish(FIELDS)
    shown = {chosen[0]: runs[chosen[0]]}
    for name in chosen[1:]:
        gaps = differences(runs[chosen[0]].plan, runs[name].plan)
        if gaps:
            st.warning(
                f"**{title_of(name, runs[name])}** does not compare with the first run: {'; '.join(gaps)}.",
                icon=":material/difference:",
            )
        else:
            shown[name] = runs[name]
    return shown


def _draw(shown: dict[str, Run]) -> None:
    first = next(iter(shown.values()))
    benchmark = BENCHMARKS[first.plan.benchmark]
    titles = {title_of(name, run): run for name, run in shown.items()}
    methods = list(dict.fromkeys(label for run in shown.values() for label in run.plan.labels))
    measure: str = first.plan.measures[0]
    if len(first.plan.measures) > 1:
        measure = st.segmented_control(
            "Measure", list(first.plan.measures), key=f"bench_measure_{first.plan.benchmark}", required=True,
            default=measure, format_func=lambda name: bench_charts.short(name),
        )  # fmt: skip
    drawn = st.pills(
        "Methods", methods, selection_mode="multi", default=methods, key=f"bench_methods_{'-'.join(shown)}"
    )
    order = [label for label in methods if label in drawn] or methods
    left, right = st.columns([1.3, 1], gap="large")
    with left:
        picked = _chart(titles, measure, methods, order, benchmark.x_title)
        if benchmark.better:
            st.caption(_meaning(first, measure))
    with right:
        for title, run in titles.items():
            if len(titles) > 1:
                st.markdown(f"**{title}**")
            bench_tables.numbers(run)
    for run in titles.values():
        st.caption(f"**Reproduced**: {provenance_line(run)}")
    point(titles, measure, picked)
    if first.plan.benchmark == "pixels":
        bench_tables.papers_lerf(first)
    _protocol(shown)


def _chart(titles: dict[str, Run], measure: str, methods: list[str], order: list[str], x_title: str) -> Any:
    first = next(iter(titles.values()))
    if len(first.plan.x) == 1:
        figure = bench_charts.bars(titles, measure, order)
    else:
        figure = bench_charts.curves(titles, measure, methods, x_title, spread=len(titles) * len(order) <= 16)
        figure.for_each_trace(lambda trace: trace.update(visible=trace.legendgroup in order))
        if measure == "lerf" and nearest(first):
            percent = published()["lerf_curves"]["percent"]
            lines = {label: values for label, values in lerf_lines(first).items() if label in order}
            if st.toggle("The papers' curves too, dotted", key="bench_papers"):
                bench_charts.add_published(figure, lines, [p / 100 for p in percent], methods)
        if measure == "output_change":
            crossings = {
                f"{row['method']}, {title}": row["at 15%"]
                for title, run in titles.items()
                for row in summary(run)
            }
            bench_charts.marked_changes(figure, 0.15, crossings)
            figure.update_yaxes(range=[0, 1.05])
    event = st.plotly_chart(
        figure, key=f"bench_chart_{first.plan.benchmark}_{measure}", on_select="rerun",
        selection_mode="points", config={"displayModeBar": False},
        alt=_spoken(titles, measure, order),
    )  # fmt: skip
    st.caption("Bands: mean ± one standard error over pictures. Click a point to see the pictures behind it.")
    return event


def _spoken(titles: dict[str, Run], measure: str, order: list[str]) -> str:
    first = next(iter(titles.values()))
    ends = [
        f"{label} {float(np.nanmean(first.of(label, measure)[-1])):.3f}"
        for label in order
        if label in first.plan.labels
    ]
    return f"{bench_charts.MEASURES.get(measure, measure)}, last point: {', '.join(ends)}"


def _meaning(run: Run, measure: str) -> str:
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
