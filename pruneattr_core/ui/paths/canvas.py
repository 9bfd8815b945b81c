"""One decoded picture on a page, drawn while it grows."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import streamlit as st

from pruneattr_core.analysis.decoding import Recipe
from pruneattr_core.ui.cache import engine
from pruneattr_core.ui.inline import inline
from pruneattr_core.ui.paths.decoding import Drawn, Source
from pruneattr_core.ui.state import viewer
from pruneattr_core.ui.watching import duration, report_failure

#: Longest side of a picture on the page, in pixels.
_SIDE = 420


@dataclass(frozen=True)
class Canvas:
    """One picture to decode.

    Attributes:
        key: of its result.
        source: the network it belongs to.
        neuron: whether the source's top neuron is decoded, not the class.
    """

    key: Hashable
    source: Source
    neuron: bool


def picture_so_far(canvas: Canvas, alt: str, how: Recipe, small: bool = False) -> Drawn | None:
    """The picture so far, with its progress; None before the first step."""
    drawn: Drawn | None = engine().jobs.results.get(canvas.key)
    task = None if drawn is not None else engine().jobs.watch(canvas.key, viewer())
    if task is not None and task.finished.is_set() and task.error is not None:
        report_failure(canvas.key, task)
        return None
    if task is not None:
        drawn = task.partial
    if drawn is None:
        st.skeleton(height=90 if small else 220)
        if not small:
            st.caption("Waits for its turn" if task is not None else "Not decoded yet")
        return None
    factor = max(1, -(-_SIDE // drawn.pixels.shape[0]))
    st.image(
        inline(np.repeat(np.repeat(drawn.pixels, factor, 0), factor, 1)),
        width="stretch",
        alt=f"{alt}, step {drawn.steps[-1]} of {how.steps}",
    )
    if not small:
        left = "" if task is None or task.remaining is None else f" · {duration(task.remaining)} left"
        what = "activation" if canvas.neuron else "logit"
        st.caption(f"Step {drawn.steps[-1]} of {how.steps} · {what} {drawn.responses[-1]:.2f}{left}")
    return drawn
