"""Below a chart: what lies behind its points, and a check that computes one curve anew."""

from __future__ import annotations

import streamlit as st

from pruneattr_core.benchmarks.protocols import BENCHMARKS
from pruneattr_core.benchmarks.run import Run, statistics
from pruneattr_core.ui import watching
from pruneattr_core.ui.benchmarks.behind import behind
from pruneattr_core.ui.benchmarks.recompute import (
    Check,
    check_key,
    computed_again,
    obstacle,
    pictures_again,
)
from pruneattr_core.ui.benchmarks.words import short, where
from pruneattr_core.ui.cache import engine
from pruneattr_core.ui.errors import complain
from pruneattr_core.ui.jobs import Job
from pruneattr_core.ui.watching import LOOK, progress

_PLACE = "_bench_check"


def point(runs: dict[str, Run], measure: str, chart: str) -> None:
    """Draw both for the point that was clicked last; `chart` begins the chart's key."""
    title, label, place = behind(runs, measure, chart)
    run = runs[title]
    if BENCHMARKS[run.plan.benchmark].unit != "pictures":
        return  # computing again would train networks
    check(run, label, measure, place)


def check(run: Run, label: str, measure: str, place: int, begin: str = "") -> None:
    """Draw the check of a run's method, told at its point number `place`; `begin` sets the keys apart."""
    running = _running(run, label) is not None
    st.fragment(_check, run_every=LOOK if running else None)(run, label, measure, place, running, begin)


def _running(run: Run, label: str) -> Job | None:
    """The check of this very curve, if it runs."""
    return watching.running(_PLACE) if watching.asked_for(_PLACE) == check_key(run, label) else None


def _check(run: Run, label: str, measure: str, place: int, was_running: bool, begin: str) -> None:
    """The button, then progress, then the verdict; looks again by itself while it computes."""
    key, task = check_key(run, label), _running(run, label)
    if was_running != (task is not None):
        st.rerun()  # start or stop the clock
    if task is not None:
        with st.container(border=True):
            progress(task, f"Computing {label} again", "pictures", f"{begin}cancel_check")
        return
    reason = obstacle(run)
    st.button(
        f"Compute {label} again on {pictures_again(run.plan)} pictures",
        icon=":material/refresh:",
        key=f"{begin}bench_check_{run.id}",
        on_click=_start,
        args=(run, label),
        disabled=bool(reason),
        help="The stored numbers of these pictures are compared with new ones, one by one.",
    )
    if reason:
        st.caption(f"Cannot be computed again here. {reason}")
    if watching.asked_for(_PLACE) == key:
        found: Check | None = engine().jobs.results.get(key)
        if found is not None:
            _verdict(run, label, measure, place, found)
        elif failure := watching.failure(_PLACE):
            complain(failure)


def _start(run: Run, label: str) -> None:
    ours = engine()
    watching.begin(
        _PLACE, check_key(run, label), lambda task: computed_again(ours, run, label, task), again=True
    )


def _verdict(run: Run, label: str, measure: str, place: int, found: Check) -> None:
    good, said = found.verdict(run)
    index, count = run.plan.measures.index(measure), found.new.shape[-1]
    then, now = (statistics(values[index])[0] for values in (found.stored, found.new))
    at = f", {where(run.plan.x[place])}" if len(run.plan.x) > 1 else ""
    text = (
        f"**{label}{at}**, {short(measure)}, mean of these {count} pictures: stored {then[place]:.6f}, "
        f"now {now[place]:.6f}. {said}"
    )
    if good:
        st.success(text, icon=":material/check:")
    else:
        st.warning(text, icon=":material/difference:")
    if len(run.plan.x) > 1:
        with st.expander("Every point", icon=":material/table_rows:"):
            gaps = found.gaps[index].max(-1)
            st.dataframe(
                [
                    {"point": where(x), "stored": then[k], "now": now[k], "largest difference": gaps[k]}
                    for k, x in enumerate(run.plan.x)
                ],
                hide_index=True, width="stretch", height=min(420, 38 + 35 * len(run.plan.x)),
                column_config={
                    "stored": st.column_config.NumberColumn("stored, mean", format="%.6f"),
                    "now": st.column_config.NumberColumn("now, mean", format="%.6f"),
                    "largest difference": st.column_config.NumberColumn(
                        "largest difference of a picture", format="%.2g"
                    ),
                },
            )  # fmt: skip
