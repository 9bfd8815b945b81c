"""What a channel of a path would like to see: its neuron that contributes most, decoded on demand."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pruneattr_core.analysis.decoding import Neuron
from pruneattr_core.ui.cache import engine
from pruneattr_core.ui.paths.board import Board
from pruneattr_core.ui.paths.canvas import Canvas, picture_so_far
from pruneattr_core.ui.paths.decoding import (
    Source,
    decoding_key,
    decoding_work,
    predicted_decoding,
    recipe,
)
from pruneattr_core.ui.paths.places import by_channel
from pruneattr_core.ui.state import viewer
from pruneattr_core.ui.watching import LOOK, duration

#: Of the ascent: enough to see a pattern, few enough to wait for.
STEPS = 64


def wish(board: Board, call: int, channel: int) -> None:
    """A button, then the picture as it grows, under the channel's positions."""
    name, shape = board.ground.scores.names[call], board.ground.scores.layers[call].shape[1:]
    scores = board.ground.scores.layers[call][0].numpy()
    places = by_channel(np.arange(scores.size).reshape(shape))[channel]
    strongest = Neuron(call, int(places[by_channel(scores)[channel].argmax()]))
    one = Source("channel", f"{name} · {channel}", None, strongest)
    how = recipe("fourier", True, STEPS, "all", 0, board.chosen.card.size)
    canvas = Canvas(decoding_key(board.subject, one, how, True), one, True)
    st.markdown(f"### What channel {channel} would like to see")
    running = engine().jobs.watch(canvas.key, viewer()) is not None
    st.fragment(_draw, run_every=LOOK if running else None)(board, canvas, running)


def _draw(board: Board, canvas: Canvas, running: bool) -> None:
    how = recipe("fourier", True, STEPS, "all", 0, board.chosen.card.size)
    task = engine().jobs.watch(canvas.key, viewer())
    if task is None and engine().jobs.results.get(canvas.key) is None:
        seconds = duration(predicted_decoding(board.ground, 1, STEPS))
        if st.button(f"Decode it · about {seconds} here", key="decode_channel", icon=":material/play_arrow:"):
            work = decoding_work(
                engine(), board.subject, board.chosen, canvas.source, board.target, how, neuron=True
            )
            engine().jobs.start(canvas.key, work, viewer())
            st.rerun()
        return
    if running and task is None:
        st.rerun()
    drawn = picture_so_far(canvas, f"{canvas.source.title} decoded", how)
    if drawn is None:
        return
    silent = " It is silent still: more steps may wake it." * (drawn.responses[-1] <= 0)
    st.caption(
        "Gradient ascent from noise towards the channel's neuron that contributes most here, in the whole "
        f"network.{silent}"
    )
