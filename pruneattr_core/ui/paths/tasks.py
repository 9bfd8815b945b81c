"""The choices both path pages share, and the computation of what is chosen: started, watched, cancelled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from pruneattr_core.paths.table import METHODS, Found
from pruneattr_core.results.keys import GroundKey, Scored, ScoresKey, Subject
from pruneattr_core.results.paths import (
    Ground,
    PathKey,
    Timed,
    found,
    ground_of,
    path_key,
    predicted_seconds,
)
from pruneattr_core.share.words import percent
from pruneattr_core.ui.cache import Waiting, engine
from pruneattr_core.ui.jobs import Job
from pruneattr_core.ui.paths.state import KEEP, PRESETS, SEED_LIMIT, parse_methods
from pruneattr_core.ui.shell import Selection
from pruneattr_core.ui.state import viewer
from pruneattr_core.ui.watching import LOOK, duration, progress, report_failure

#: A computation predicted to be shorter than this starts without being asked for, in seconds.
AT_ONCE = 12.0

#: Shares that read alike in six digits.
_SAME = 5e-7


def choose_paths(beside: Callable[[], None] | None = None) -> tuple[list[str], float]:
    """Methods and sparsity; `beside` draws more into the row."""
    st.session_state["_methods"] = st.session_state["paths"].split(",")

    def methods_changed() -> None:
        chosen = st.session_state["_methods"] or ["taylor"]
        st.session_state["paths"] = parse_methods(",".join(chosen))

    st.pills(
        "Methods",
        list(METHODS),
        selection_mode="multi",
        key="_methods",
        format_func=lambda key: METHODS[key].title,
        on_change=methods_changed,
    )
    methods = st.session_state["paths"].split(",")

    def more() -> None:
        if any(METHODS[key].random for key in methods):
            st.number_input(
                "Seed of paths",
                0,
                SEED_LIMIT,
                step=1,
                key="path_seed",
                width=130,
                help="Of Random and DGR(init=r).",
                **KEEP,
            )
        if beside is not None:
            beside()

    return methods, choose_sparsity(more)


def choose_sparsity(beside: Callable[[], None] | None = None) -> float:
    """The share removed, by the paper's presets or as a number; `beside` draws more into the row.

    A number of one's own stands among the presets: the two controls say the same.
    """

    def preset_changed() -> None:
        if st.session_state["_preset"] is not None:
            st.session_state["kappa"] = st.session_state["_preset"]

    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        kappa = st.session_state["kappa"]
        st.session_state["_preset"] = kappa
        st.segmented_control(
            "Neurons removed",
            sorted([kappa, *(share for share in PRESETS if abs(share - kappa) > _SAME)]),
            key="_preset",
            required=True,
            format_func=lambda share: percent(share) if share in PRESETS else f"{100 * share:.6g}\u202f%",
            on_change=preset_changed,
            help="The sparsities of the paper, and the number beside them if it is another.",
        )
        kappa = st.number_input(
            "Sparsity",
            0.0,
            1.0,
            step=0.01,
            format="%.6g",
            key="kappa",
            width=140,
            help="Share removed, 0 to 1, in six digits.",
            **KEEP,
        )
        if beside is not None:
            beside()
    return kappa


def collect(
    chosen: Selection, subject: Subject, ground: Ground, methods: Sequence[str], sparsity: float, seed: int
) -> dict[str, Timed]:
    """What is there for each method; draws a card for every method that is not, and starts short ones.

    Args:
        chosen: model, picture and target.
        subject: its key.
        ground: its scores.
        methods: keys of the table.
        sparsity: asked for.
        seed: of random methods.
    """
    there: dict[str, Timed] = {}
    missing: list[PathKey] = []

    def work_of(key: PathKey) -> Callable[[Job], Timed]:
        def work(job: Job) -> Timed:
            model = engine().network(subject, job)
            job.note = METHODS[key.method].title
            inputs = chosen.card.preprocess(chosen.picture.image).to(engine().device)
            return found(model, inputs, int(ground.scores.target[0]), key, job.tick, ground.scores)

        return work

    for method in methods:
        key = path_key(subject, method, sparsity, seed)
        kept = engine().jobs.results.get(key)
        if kept is None and method == "taylor":
            kept = Timed(Found(ground.scores), ground.seconds)
        elif kept is None and METHODS[method].cheap:
            waiting = Waiting(over="path")
            kept = engine().jobs.run(key, work_of(key), waiting, "coarse")
            waiting.clear()
        if kept is None:
            missing.append(key)
        else:
            there[method] = kept
    if missing:
        offers = {key: (predicted_seconds(ground, key, sparsity), work_of(key)) for key in missing}
        for key, (seconds, work) in offers.items():
            first = key not in st.session_state.setdefault("_offered", set())
            if first and seconds <= AT_ONCE:
                st.session_state["_offered"].add(key)
                engine().jobs.start(key, work, viewer())
        running = any(engine().jobs.watch(key, viewer()) for key in missing)
        st.fragment(_cards, run_every=LOOK if running else None)(offers)
    return there


def _cards(offers: Mapping[PathKey, tuple[float, Callable[[Job], Timed]]]) -> None:
    """One card a method; a fragment that looks again while something runs."""
    columns = st.columns(min(3, len(offers)) if len(offers) > 1 else [2, 1])
    for place, (key, (seconds, work)) in enumerate(offers.items()):
        method = METHODS[key.method]
        with columns[place % len(columns)], st.container(border=True):
            if engine().jobs.results.get(key) is not None:
                st.rerun()
            task = engine().jobs.watch(key, viewer())
            if task is None:
                _offer(key, seconds, work)
            elif task.finished.is_set() and task.error is not None:
                report_failure(key, task)
            else:
                progress(task, method.title, method.counts, f"cancel_{key.method}")


def _offer(key: PathKey, seconds: float, work: Callable[[Job], Timed]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{METHODS[key.method].title}** · about {duration(seconds)} here")
        if st.button(
            "Compute", key=f"start_{key.method}", type="primary", icon=":material/play_arrow:",
            on_click=engine().jobs.start, args=(key, work, viewer()),
        ):  # fmt: skip
            st.rerun()


def find_ground(subject: Subject, chosen: Selection, show: Callable[[Job, int], None]) -> Ground:
    """Taylor scores and dead neurons of the input, from the shelf or in one pass."""

    def work(job: Job) -> Ground:
        model = engine().network(subject, job)
        job.note = "Scoring neurons"
        inputs = chosen.card.preprocess(chosen.picture.image).to(engine().device)
        # The explorer holds the same ones, as large as all activations.
        held: Scored | None = engine().jobs.results.get(ScoresKey(subject, "taylor"))
        return ground_of(model, inputs, chosen.target, None if held is None else held.scores)

    scored: Ground = engine().jobs.run(GroundKey(subject), work, show, "coarse")
    return scored
