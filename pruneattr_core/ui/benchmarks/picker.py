"""Choosing runs: first the model, then its runs; several when their protocols agree."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pruneattr_core.benchmarks.plan import gaps
from pruneattr_core.benchmarks.run import Run
from pruneattr_core.ui.benchmarks.names import titles, what_differs

ALL = "All models"
#: Of the session: the model whose runs are drawn before anybody chooses one, and the names of those runs.
USUAL, USUAL_RUNS = "_bench_usual", "_bench_usual_runs"
#: The order of the pixels that asks maps with and without negative values the same question.
FAIR = "magnitude"
_PREFERRED = {"variant": "released", "fill": "mean", "order_by": FAIR, "setting": "paper"}


def rank(run: Run) -> tuple[int, int]:
    """Smaller is shown first: the papers' choices, then more numbers."""
    other = sum(run.plan.protocol.get(key, wanted) != wanted for key, wanted in _PREFERRED.items())
    return other, -run.values.size


def models_of(runs: dict[str, Run]) -> list[str]:
    """Titles of the models, in the order of their runs' names."""
    return list(dict.fromkeys(run.plan.model["title"] for run in runs.values()))


def first_choice(runs: dict[str, Run], scope: str) -> list[str]:
    """What is drawn at first: the model's foremost run, or with `ALL` one comparable run a model."""
    if scope != ALL:
        own = [name for name, run in runs.items() if run.plan.model["title"] == scope]
        return [min(own, key=lambda name: rank(runs[name]))]
    best = min(runs, key=lambda name: rank(runs[name]))
    found = [best]
    for model in models_of(runs):
        own = [
            name
            for name, run in runs.items()
            if run.plan.model["title"] == model and not gaps(runs[best].plan, run.plan)
        ]
        if own and model != runs[best].plan.model["title"]:
            found.append(min(own, key=lambda name: rank(runs[name])))
    return found


def kin(run: Run, every: dict[str, Run]) -> list[Run]:
    """The runs of a run's protocol, network and data, which a table may take methods from; best first."""
    same = [
        one
        for one in every.values()
        if not gaps(run.plan, one.plan)
        and one.plan.model["weights_sha256"] == run.plan.model["weights_sha256"]
        and one.plan.data["sha256"] == run.plan.data["sha256"]
    ]
    return sorted(same, key=rank)


def counterpart(run: Run, every: dict[str, Run]) -> Run | None:
    """The ROAR run that belongs beside a pixel run, or the other way round: on the same data."""
    kind, order = "pixels" if run.plan.benchmark == "roar" else "roar", run.plan.protocol.get("order_by")
    fitting = [
        one
        for one in every.values()
        if one.plan.benchmark == kind
        and one.plan.data["id"] == run.plan.data["id"]
        and ("lerf" in one.plan.measures or "roar" in one.plan.measures)
    ]
    other = {id(one): one.plan.protocol.get("order_by") != order for one in fitting}
    return min(fitting, key=lambda one: (other[id(one)], rank(one))) if fitting else None


def choose(benchmark: str, runs: dict[str, Run], model: str, row: DeltaGenerator) -> dict[str, Run]:
    """The runs to draw: those whose protocol agrees with the first; says what differs in the others.

    Args:
        benchmark: their kind.
        runs: name -> run, all of one kind, at least one.
        model: id of the sidebar's model, whose runs come first.
        row: where the choices go.
    """
    linked = [name for name in st.session_state["bench_run"].split(",") if name in runs]
    with row:
        scope = _scope(benchmark, runs, model, linked)
    offered = [name for name, run in runs.items() if scope in (ALL, run.plan.model["title"])]
    offered.sort(key=lambda name: (models_of(runs).index(runs[name].plan.model["title"]), rank(runs[name])))
    key = f"bench_chosen_{benchmark}"
    kept = [name for name in st.session_state.get(key, linked) if name in offered]
    if st.session_state.get("_bench_seen") != st.session_state["bench_run"]:  # a link, or a step back
        kept = [name for name in linked if name in offered]
    usual = first_choice(runs, scope)
    st.session_state[USUAL_RUNS] = ",".join(usual)
    st.session_state[key] = kept or usual
    chosen: list[str] = st.session_state[key]
    if len(offered) > 1:
        named = titles({name: runs[name] for name in offered}, ("size",))
        with row, st.popover(f"Runs ({len(chosen)} of {len(offered)})", icon=":material/stacked_line_chart:"):
            chosen = st.multiselect(
                "Several are drawn together when their protocols agree", offered, key=key,
                format_func=named.__getitem__, select_all=False, persist_state="session", width=520,
            )  # fmt: skip
    st.session_state["bench_run"] = st.session_state["_bench_seen"] = ",".join(chosen)
    return _comparable(runs, chosen)


def _scope(benchmark: str, runs: dict[str, Run], model: str, linked: list[str]) -> str:
    models = models_of(runs)
    if len(models) == 1:
        return models[0]
    own = [run.plan.model["title"] for run in runs.values() if run.plan.model["id"] == model]
    fair = [run.plan.model["title"] for run in runs.values() if run.plan.protocol.get("order_by") == FAIR]
    first = next(iter([*(title for title in own if title in fair), *fair, *own]), models[0])
    st.session_state[USUAL] = ALL if benchmark == "calibrate" else first
    scope = st.session_state["bench_model"]
    if scope not in (ALL, *models):
        scope = st.session_state[USUAL]
    named = {runs[name].plan.model["title"] for name in linked}
    linked_now = st.session_state.get("_bench_seen") != st.session_state["bench_run"]
    if named and linked_now and scope != ALL and named != {scope}:
        scope = named.pop() if len(named) == 1 else ALL  # a link says so
        st.session_state["bench_model"] = scope
    box = f"bench_scope_{benchmark}"

    def changed() -> None:
        st.session_state["bench_model"] = st.session_state[box]
        st.session_state.pop(f"bench_chosen_{benchmark}", None)
        st.session_state["bench_run"] = st.session_state["_bench_seen"] = ""

    st.session_state[box] = scope
    st.segmented_control("Model", [ALL, *models], key=box, required=True, on_change=changed)
    return str(scope)


def _comparable(runs: dict[str, Run], chosen: list[str]) -> dict[str, Run]:
    if not chosen:
        st.info("Choose at least one run above.", icon=":material/checklist:")
        return {}
    named = titles({name: runs[name] for name in chosen}, ("size",))
    shown = {chosen[0]: runs[chosen[0]]}
    for name in chosen[1:]:
        apart = what_differs(runs[chosen[0]], runs[name])
        if apart:
            st.warning(
                f"**{named[name]}** is not drawn: its protocol is not that of **{named[chosen[0]]}**, so "
                "their numbers do not compare. What differs:\n" + "\n".join(f"- {text}" for text in apart),
                icon=":material/difference:",
            )
        else:
            shown[name] = runs[name]
    return shown
