"""Benchmarks: runs as curves and tables, beside the papers' figures."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pruneattr_core.attribution import METHODS
from pruneattr_core.benchmarks.protocols import BENCHMARKS
from pruneattr_core.benchmarks.run import Run, zip_run
from pruneattr_core.models.declared import is_code
from pruneattr_core.render.plain import markdown_text
from pruneattr_core.ui.benchmarks import tables as bench_tables
from pruneattr_core.ui.benchmarks.board import board
from pruneattr_core.ui.benchmarks.charts import FIRST
from pruneattr_core.ui.benchmarks.figures import ALONG, figures
from pruneattr_core.ui.benchmarks.names import full_title, titles
from pruneattr_core.ui.benchmarks.picker import (
    ALL,
    FAIR,
    USUAL,
    USUAL_RUNS,
    choose,
    counterpart,
    kin,
    models_of,
)
from pruneattr_core.ui.benchmarks.point import point
from pruneattr_core.ui.benchmarks.runs import bench_runs, imported, importer, provenance_line
from pruneattr_core.ui.benchmarks.words import meaning, short
from pruneattr_core.ui.choose import over
from pruneattr_core.ui.errors import guarded
from pruneattr_core.ui.folio import Folio
from pruneattr_core.ui.menu import title_row
from pruneattr_core.ui.one_file import alone_button
from pruneattr_core.ui.shell import chosen_model
from pruneattr_core.ui.spare import is_spare
from pruneattr_core.ui.state import Field, is_own, one_of, publish, report, several_of


def _runs(text: str) -> str:
    benchmark = st.session_state["bench"]  # adopted before
    fitting = [name for name, run in bench_runs().items() if run.plan.benchmark == benchmark]
    return ",".join(several_of(text, fitting)) if text else ""


def _lead() -> None:
    """What is measured, from the name of a run in a link; not from one that this page has written."""
    linked = st.query_params.get("bench_run", "")
    if "bench" not in st.query_params and not is_own("bench_run", linked):
        run = bench_runs().get(linked.partition(",")[0])
        if run is not None:
            st.session_state["bench"] = run.plan.benchmark


def _measures() -> set[str]:
    return {measure for run in bench_runs().values() for measure in run.plan.measures}


def _labels() -> list[str]:
    return [label for run in bench_runs().values() for label in run.plan.labels]


def _elsewhere(name: str) -> Any:
    """The value of a setting of the page, if nothing that is shown now has it: it waits for what has."""
    value = st.session_state[name]
    plans = [run.plan for run in bench_runs().values() if run.plan.benchmark == st.session_state["bench"]]
    known = {one for plan in plans for one in (plan.measures if name == "bench_measure" else plan.labels)}
    return value if known.isdisjoint(value if isinstance(value, tuple) else (value,)) else None


FIELDS = (
    Field("bench", "pixels", one_of(BENCHMARKS), "the benchmark"),
    Field("bench_run", "", _runs, "the run", usual=lambda: st.session_state.get(USUAL_RUNS, "")),
    Field(
        "bench_model",
        "",
        lambda text: one_of((ALL, *models_of(bench_runs())))(text),
        "the model",
        usual=lambda: st.session_state.get(USUAL, ""),
    ),
    Field(
        "bench_measure",
        "",
        lambda text: one_of(dict.fromkeys(_measures(), 0))(text),
        "the measure",
        usual=lambda: _elsewhere("bench_measure"),
    ),
    Field(
        "bench_methods",
        (),
        lambda text: several_of(text, _labels(), "~"),
        "the methods",
        "~".join,
        usual=lambda: _elsewhere("bench_methods"),
    ),
    Field("bench_along", "", one_of(("", *ALONG)), "the axis"),
    Field("bench_papers", "", one_of(("", "yes", "no")), "the papers' curves"),
)
#: Kind of method -> title of its group.
GROUPS = {
    "ours": "Ours, through pruning", "gradient": "Gradients", "class map": "Class maps",
    "relevance": "Relevance", "perturbation": "Perturbation", "control": "Controls", "other": "Other",
}  # fmt: skip
#: What the order of the pixels does, by whether it is that of magnitudes.
ORDERS = {
    True: "**Order of magnitudes**: the pixels whose values are nearest to 0 count as least relevant. Maps "
    "with and without negative values are asked the same question: does what they call unimportant matter?",
    False: "**Signed order**: the most negative pixels count as least relevant, as in the papers' released "
    "code. A map of both signs gives away its strongest negative pixels first, so it looks worse here than "
    "a map that has none, or than chance; compare such maps in the order of magnitudes.",
}
#: What a fill does to the controls, where that is not plain.
FILLS = {
    "noisy_linear": "**Noisy linear** gives removed pixels the values of their neighbours. Scattered ones, "
    "such as a random map's, come back nearly whole in either order, so it can move the answer less than a "
    "map whose pixels lie together, and be the lowest of LeRF. LeRF - MoRF compares them: it has about 0.",
}
#: Curves drawn before anybody chooses; more cannot be told apart.
_DRAWN = 9


def draw() -> None:
    """The page."""
    _lead()
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
        row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="choices_runs")
        shown = choose(benchmark, runs, chosen_model(), row)
        publish(FIELDS)
        if shown:
            _draw(shown, every, row)


def _head() -> None:
    with title_row("Benchmarks"):
        if not is_spare():
            with st.popover("Import a run", icon=":material/upload:"):
                importer(_open)
    imported()
    st.container(key="choices_bench").segmented_control(
        "What is measured", list(BENCHMARKS), key="bench", required=True, label_visibility="collapsed",
        format_func=lambda name: BENCHMARKS[name].title, persist_state="session",
    )  # fmt: skip


def _open(name: str, run: Run) -> None:
    st.session_state["bench"], st.session_state["bench_run"] = run.plan.benchmark, name


def _nothing(name: str) -> None:
    st.info(
        f"No run of {BENCHMARKS[name].title.lower()} is here yet. Make one, then drop its folder above or "
        "put it into assets/runs/bench:",
        icon=":material/terminal:",
    )
    asked = "--metrics sparseness random_logit " if name == "quantus" else ""
    st.code(
        f"python -m pruneattr_core bench {name} --model scenes-net --data scenes {asked}--out my-run",
        language="bash",
    )


def _draw(shown: dict[str, Run], every: dict[str, Run], row: DeltaGenerator) -> None:
    first, folio = next(iter(shown.values())), Folio()
    named = titles(shown)
    runs = {named[name]: run for name, run in shown.items()}
    measures = [key for key in first.plan.measures if all(key in run.plan.measures for run in runs.values())]
    measure: str = measures[0]
    if len(measures) > 1:
        wanted, box = st.session_state["bench_measure"], f"bench_measure_{first.plan.benchmark}"
        measure = row.segmented_control(
            "Measure", measures, required=True, format_func=short,
            **over("bench_measure", box, wanted if wanted in measures else measure),
        )  # fmt: skip
    methods = list(dict.fromkeys(label for run in runs.values() for label in run.plan.labels))
    order = methods
    if len(methods) > 1:
        order = _choose_methods(runs, methods, f"bench_methods_{'-'.join(shown)}", row)
    chart = f"bench_chart_{first.plan.benchmark}"
    figures(runs, measure, methods, order, chart, folio, row)
    if "order_by" in first.plan.protocol:
        folio.markdown(ORDERS[first.plan.protocol["order_by"] == FAIR])
    if first.plan.protocol.get("fill") in FILLS:
        folio.markdown(FILLS[first.plan.protocol["fill"]])
    spread = "Lines" if len(first.plan.x) == 1 else "Bands"
    folio.note(
        f"{meaning(first, measure)} {spread}: mean ± one standard error over "
        f"{BENCHMARKS[first.plan.benchmark].unit}."
    )
    st.caption(
        f"{meaning(first, measure)} {spread}: mean ± one standard error over "
        f"{BENCHMARKS[first.plan.benchmark].unit}. Move over a point to see below what lies behind it; "
        "drag to zoom, double-click to go back."
    )
    if first.plan.benchmark == "roar":
        st.page_link(
            "pages/7_removal.py", label="What such a network learns from: watch pictures lose their pixels",
            icon=":material/water_drop:", query_params={"gone_order": "morf"},
        )  # fmt: skip
    point(runs, measure, chart)
    folio.markdown("### Numbers")
    bench_tables.numbers(runs, order, measures, folio)
    for title, run in runs.items():
        which = f" {title}" if len(runs) > 1 else ""
        folio.caption(f"**Reproduced**{which}: {provenance_line(run)}")
    if first.plan.benchmark in ("pixels", "roar"):
        others = [run for run in kin(first, every) if run is not first]
        bench_tables.papers(first, others, counterpart(first, every), folio)
    if not is_spare():
        board(next(iter(shown)), measure, every, folio)
        _protocol(shown, folio)


def _choose_methods(runs: dict[str, Run], methods: list[str], key: str, row: DeltaGenerator) -> list[str]:
    """Labels to draw, chosen in groups: what they compute, and the controls."""
    ids = {str(m["label"]): str(m["id"]) for run in runs.values() for m in run.plan.methods}
    first = _first_methods(runs, methods)
    groups: dict[str, list[str]] = {title: [] for title in GROUPS.values()}
    for label in methods:
        groups[GROUPS[_group(ids[label])]].append(label)
    drawn = [one for one in st.session_state["bench_methods"] if one in methods] or first

    def changed() -> None:
        chosen = {one for title in groups for one in st.session_state.get(f"{key}_{title}", ())}
        st.session_state["bench_methods"] = tuple(one for one in methods if one in chosen)

    title = f"Methods ({len(drawn)} of {len(methods)})"
    with row, st.popover(title, icon=":material/checklist:", key=f"{key}_popover"):
        for title, labels in groups.items():
            if labels:
                st.session_state[f"{key}_{title}"] = [one for one in labels if one in drawn]
                st.pills(
                    title, labels, selection_mode="multi", key=f"{key}_{title}", on_change=changed,
                    format_func=markdown_text,
                )  # fmt: skip
    return [label for label in methods if label in drawn]


def _group(name: str) -> str:
    if "cam" in name:
        return "class map"
    return METHODS[name].family if name in METHODS and METHODS[name].family in GROUPS else "other"


def _first_methods(runs: dict[str, Run], methods: list[str]) -> list[str]:
    """The papers' methods, the controls and code, where there are too many for one chart."""
    if len(methods) <= _DRAWN:
        return methods
    ids = {str(m["label"]): m["id"] for run in runs.values() for m in run.plan.methods}
    found = [label for label in methods if ids[label] in FIRST or is_code(str(ids[label]))]
    # Of a method with several options the first alone.
    once = [label for place, label in enumerate(found) if ids[label] not in map(ids.get, found[:place])]
    return (found if len(found) <= _DRAWN else once)[:_DRAWN] or methods[:_DRAWN]


def _protocol(shown: dict[str, Run], folio: Folio) -> None:
    first = next(iter(shown.values()))
    with st.expander("Protocol, options and files", icon=":material/description:"):
        benchmark = BENCHMARKS[first.plan.benchmark]
        folio.markdown(f"After {benchmark.source}. Every free choice:")
        folio.dataframe(
            [{"choice": key.replace("_", " "), "is": str(said)} for key, said in first.plan.protocol.items()],
            "bench_protocol", width="stretch",
        )  # fmt: skip
        folio.dataframe(
            [
                {"method": m["label"], "options": ", ".join(f"{k} = {v}" for k, v in m["options"].items())}
                for m in first.plan.methods
            ],
            "bench_options", width="stretch",
        )  # fmt: skip
        for name, run in shown.items():
            st.download_button(
                f"Download {full_title(name, run)} (zip)", partial(zip_run, run), f"{name}.zip",
                "application/zip", key=f"bench_zip_{name}", on_click="ignore", icon=":material/download:",
            )  # fmt: skip
    title = f"{benchmark.title}: {', '.join(run.plan.model['title'] for run in shown.values())}"
    runs = {name: f"{run.id}, {provenance_line(run)}" for name, run in shown.items()}
    alone_button("benchmarks", folio, title, FIELDS, runs=runs)
