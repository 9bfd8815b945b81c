"""What lies behind a point of a curve: pictures with their own values, and a check that computes anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from pruneattr_core.benchmarks.run import Run
from pruneattr_core.errors import PruneAttrError
from pruneattr_core.images import decode_image
from pruneattr_core.models import model_card
from pruneattr_core.ui import pictures
from pruneattr_core.ui.bench_recompute import PICTURES, recomputed
from pruneattr_core.ui.cache import Waiting, engine
from pruneattr_core.ui.errors import guarded

#: Pictures shown behind a point: the extreme ones of either end.
SHOWN = 12
_ASKED = "_bench_asked"


def point(runs: dict[str, Run], measure: str, event: Any) -> None:
    """Draw it for the selected point; the last point of the first method before anybody clicks."""
    title, label, place = _selected(runs, event)
    run = runs[title]
    x = run.plan.x[place]
    where = f"at {x:g}" if isinstance(x, float) else f"at {x}" if len(run.plan.x) > 1 else "over all pictures"
    st.markdown(f"#### Behind the point: {label}, {where}")
    values = run.of(label, measure)[place]
    _gallery(run, values, measure)
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
            text = (
                f"{label}, {where}, {check.new.shape[-1]} pictures: stored {then:.6f}, now {now:.6f}. "
                f"Largest difference over all points, measures and pictures: {check.largest():.2g}."
            )
            if check.largest() < 1e-3:
                st.success(text, icon=":material/check:")
            else:
                why = "Another device, thread count or version gives other last bits; ranks can amplify them."
                st.warning(f"{text} {why}", icon=":material/difference:")


def _selected(runs: dict[str, Run], event: Any) -> tuple[str, str, int]:
    first = next(iter(runs.items()))
    fallback = first[0], first[1].plan.labels[0], len(first[1].plan.x) - 1
    points = event.selection.points if event is not None else []
    for one in points:
        data = one.get("customdata")
        if data is None:
            continue
        parts = [data[str(i)] for i in range(3)] if isinstance(data, dict) else list(data)[:3]
        title, label, place = str(parts[0]), str(parts[1]), int(parts[2])
        if title in runs and label in runs[title].plan.labels and 0 <= place < len(runs[title].plan.x):
            return title, label, place
    return fallback


def _gallery(run: Run, values: np.ndarray[Any, Any], measure: str) -> None:
    known = [int(i) for i in np.argsort(values, kind="stable") if np.isfinite(values[i])]
    if not known:
        st.info("The measure is undefined for every picture here (for example: no rank in a constant map).")
        return
    half = SHOWN // 2
    picked = known if len(known) <= SHOWN else known[:half] + known[-half:]
    found = {number: image for number in picked if (image := _picture(run, number)) is not None}
    if not found:
        low, high = values[known[0]], values[known[-1]]
        st.caption(
            f"The pictures ({run.plan.data['title']}) are not on this machine. Values from {low:.3f} "
            f"({run.plan.data['names'][known[0]]}) to {high:.3f} ({run.plan.data['names'][known[-1]]})."
        )
        return
    left_out = run.plan.n - len(known)
    note = f"; undefined for {left_out}" if left_out else ""
    st.caption(f"Pictures by their own value of {measure.replace('_', ' ')}, lowest to highest{note}.")
    with st.container(horizontal=True, gap="small"):
        for number, image in found.items():
            name = run.plan.data["names"][number].split("/")[-1][:22]
            st.image(image, width=104, caption=f"{values[number]:.3f} · {name}")


def _picture(run: Run, number: int) -> Image.Image | None:
    """From the run itself, else from the data set if it is here."""
    try:
        if number in run.samples:
            return decode_image(run.samples[number], f"sample {number}").resize((104, 104))
        name = run.plan.data["id"]
        if name not in pictures.sources() or name == pictures.UPLOAD:
            return None
        data, index = pictures.dataset(name), run.plan.data["indices"][number]
        if index >= len(data) or data[index].name != run.plan.data["names"][number]:
            return None
        card = model_card(run.plan.model["id"])
        return Image.fromarray(card.display(data[index].image)).resize((104, 104))
    except PruneAttrError:
        return None
