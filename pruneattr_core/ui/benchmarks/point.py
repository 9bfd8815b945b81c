"""Below a chart: what lies behind its points, and a check that computes one curve anew."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pruneattr_core.benchmarks.protocols import BENCHMARKS
from pruneattr_core.benchmarks.run import Run
from pruneattr_core.ui.benchmarks.behind import behind
from pruneattr_core.ui.benchmarks.recompute import PICTURES, recomputed
from pruneattr_core.ui.cache import Waiting, engine
from pruneattr_core.ui.errors import guarded

_ASKED = "_bench_asked"


def point(runs: dict[str, Run], measure: str, chart: str) -> None:
    """Draw both for the point that was clicked last; `chart` begins the chart's key."""
    title, label, place = behind(runs, measure, chart)
    run = runs[title]
    if BENCHMARKS[run.plan.benchmark].unit != "pictures":
        return  # computing again would train networks
    subject = run.id, label

    def ask() -> None:
        st.session_state[_ASKED] = subject

    st.button(
        f"Compute {label} again on {min(PICTURES, run.plan.n)} pictures",
        icon=":material/refresh:",
        key=f"bench_check_{run.id}",
        on_click=ask,
        help="The stored numbers of these pictures are compared with new ones, one by one.",
    )
    if st.session_state.get(_ASKED) == subject:
        with guarded():
            waiting = Waiting()
            check = recomputed(engine(), run, label, waiting)
            waiting.clear()
            index = run.plan.measures.index(measure)
            now, then = (float(np.nanmean(v[index, place])) for v in (check.new, check.stored))
            x = run.plan.x[place]
            where = f"at {x:g}" if isinstance(x, float) else f"at {x}"
            text = (
                f"{label}, {where}, {check.new.shape[-1]} pictures: stored {then:.6f}, now {now:.6f}. "
                f"Largest difference over all points, measures and pictures: {check.largest():.2g}."
            )
            if check.largest() < 1e-3:
                st.success(text, icon=":material/check:")
            else:
                why = "Another device, thread count or version gives other last bits; ranks can amplify them."
                st.warning(f"{text} {why}", icon=":material/difference:")
