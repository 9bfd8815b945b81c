"""How far does this explanation hold? The picture is nudged, and answer, path and map are watched."""

from __future__ import annotations

from typing import cast

import numpy as np
import streamlit as st
import torch
from numpy.typing import NDArray
from torch import Tensor

from pruneattr_core.analysis.nudging import BLOCKS, FACTORS, Kind, Nudges
from pruneattr_core.attribution.collapse import collapse
from pruneattr_core.heads import answered, answering, probabilities
from pruneattr_core.render import colour_table, colourise, describe_map, scale_map, scale_of
from pruneattr_core.share.words import likelihood, likely, signed
from pruneattr_core.ui.cache import Waiting, engine
from pruneattr_core.ui.choose import segments, slide
from pruneattr_core.ui.folio import Folio
from pruneattr_core.ui.inline import inline
from pruneattr_core.ui.one_file import folio_button
from pruneattr_core.ui.paths import charts as path_charts
from pruneattr_core.ui.paths import nudging
from pruneattr_core.ui.paths.board import Board
from pruneattr_core.ui.paths.nudging import Ball
from pruneattr_core.ui.paths.state import FIELDS, KEEP, NUDGES, SEED_LIMIT
from pruneattr_core.ui.paths.views import QUIET_BAR
from pruneattr_core.ui.state import publish, viewer
from pruneattr_core.ui.watching import LOOK, duration, progress, report_failure

#: Pixels that pictures are drawn with at least.
_SIDE = 260


def holds(board: Board) -> None:
    """The ball of NeuronMCT's path, and the picture moved in and out of it."""
    st.markdown("### How far does this explanation hold?")
    st.caption(
        "Keep every neuron outside the path at its own value. In a ball around the picture no neuron of the "
        "path then switches (SCP Prop. 4), so the network is affine and its map everywhere the same (Prop. "
        "5). Nudge the picture and see where that ends."
    )
    key = nudging.BallKey(board.subject, board.kappa)
    if engine().jobs.results.get(key) is None and engine().jobs.watch(key, viewer()) is None:
        offered = st.session_state.setdefault("_balls_offered", set())
        if board.ground.neurons > nudging.AT_ONCE or key in offered:
            seconds = nudging.COST * board.ground.seconds
            st.markdown(f"The radius of the ball takes about {duration(seconds)} here.")
            st.button(
                "Find the radius", key="find_ball", type="primary", icon=":material/play_arrow:",
                on_click=_find, args=(board, key),
            )  # fmt: skip
            return
        offered.add(key)
        _find(board, key)
    running = engine().jobs.results.get(key) is None
    st.fragment(_view, run_every=LOOK if running else None)(board, key, running)


def _find(board: Board, key: nudging.BallKey) -> None:
    work = nudging.ball_of(engine(), board.subject, board.chosen.picture, board.ground, board.kappa)
    engine().jobs.start(key, work, viewer())


def _view(board: Board, key: nudging.BallKey, running: bool) -> None:
    ball: Ball | None = engine().jobs.results.get(key)
    if ball is None:
        job = engine().jobs.watch(key, viewer())
        if job is None:
            st.rerun()
        elif job.finished.is_set() and job.error is not None:
            report_failure(key, job)
        else:
            progress(job, "Radius", "steps", "cancel_ball")
            st.skeleton(height=420)
        return
    if running:
        st.rerun()
    if not ball.usable:
        st.info(
            "No neuron of this path depends on the picture, so nothing can switch and it holds everywhere. "
            "Remove fewer neurons to ask again."
            if not np.isfinite(ball.radius)
            else "A neuron of this path stands exactly where it switches: the ball around this picture has "
            "radius 0."
        )
        return
    kind, at = _choose()
    way = (
        kind,
        st.session_state["nudge_seed"] if kind == "noise" else 0,
        _block() if kind == "block" else (0, 0),
    )
    work = nudging.nudges_of(engine(), board.subject, board.chosen.picture, board.target, ball, *way)
    waiting = Waiting(height=420)
    found: Nudges = engine().jobs.run(nudging.NudgesKey(key, board.target, *way), work, waiting)
    waiting.clear()
    place = FACTORS.index(at)
    folio = Folio()
    folio.markdown(_verdict(found, place))
    left, right = st.columns(2, gap="large")
    with left:
        _chart(board, found, place, folio)
        folio.dataframe(_table(board, found, place), width="stretch", key="holds_table")
    with right:
        _pictures(board, found, place, folio)
    folio.caption(_about(board, ball, found))
    folio_button("paths", lambda: folio, board.chosen, board.target, FIELDS)


def _choose() -> tuple[Kind, float]:
    """The kind of nudge, and how far in radii."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        kind = segments("Nudge", NUDGES, "nudge")
        at = slide("How far, in radii of the ball", FACTORS, "nudge_by", "{:g}".format, width=300)
        if kind == "noise":
            st.number_input("Seed of the noise", 0, SEED_LIMIT, step=1, key="nudge_seed", width=150, **KEEP)
        if kind == "block":
            for title, name in (("Block's row", "nudge_row"), ("Block's column", "nudge_column")):
                st.number_input(f"{title}, 1 to {BLOCKS}", 1, BLOCKS, step=1, key=name, width=170, **KEEP)
    publish(FIELDS)
    return cast(Kind, kind), float(at)


def _block() -> tuple[int, int]:
    return st.session_state["nudge_row"] - 1, st.session_state["nudge_column"] - 1


def _verdict(found: Nudges, place: int) -> str:
    """What the propositions say here, and what is measured."""
    factor, switched = found.factors[place], int(found.switched[place])
    error = abs(float(found.frozen[place] - found.affine[place]))
    if switched == 0:
        where = "**Inside the ball**" if factor < 1 else "**Outside the ball, but not past a kink this way**"
        return (
            f"{where}: none of the path's {found.neurons:,} neurons has switched. The map is the same, and "
            f"what it predicts for the logit is right up to {error:.0e}, with all else kept constant."
        )
    start = _start(found)
    predicted, real = (float(values[place]) - start for values in (found.affine, found.frozen))
    return (
        f"**Outside the ball**: {switched:,} of the path's {found.neurons:,} neurons have switched. The map "
        f"there has a likeness of {float(found.likeness[place]):.4f} with the one before. That one predicts "
        f"that the logit changes by {signed(predicted, '+.2g')}; it changes by {signed(real, '+.2g')}."
    )


def _start(found: Nudges) -> float:
    """The target's logit where nothing was moved."""
    step = found.factors[0] * found.radius
    return float(found.affine[0] - step * (found.maps[0] * found.way[0]).sum())


def _chances(board: Board, found: Nudges) -> NDArray[np.float64]:
    """(1 + K,) what the network gives the class explained, the start first."""
    logits = torch.cat([found.start[None], found.logits])
    return np.asarray(probabilities(logits, board.ground.scores.head)[:, board.target])


def _chart(board: Board, found: Nudges, place: int, folio: Folio) -> None:
    lines = {
        f"Answer: {board.chosen.card.classes[board.target]}": _chances(board, found)[1:],
        "Path: neurons that have not switched": 1 - found.switched.numpy() / found.neurons,
        "Path: overlap with the moved picture's own": found.overlap.numpy(),
        "Map: likeness with the one before": found.likeness.nan_to_num(0).numpy(),
    }
    folio.plotly_chart(
        path_charts.nudged_lines(found.factors, lines, found.factors[place]),
        config=QUIET_BAR,
        key="chart_holds",
        alt=f"At {found.factors[place]:g} radii: "
        + ", ".join(f"{title} {values[place]:.3f}" for title, values in lines.items()),
    )


def _table(board: Board, found: Nudges, place: int) -> list[dict[str, str]]:
    classes, chances = board.chosen.card.classes, _chances(board, found)
    before, head = _start(found), board.ground.scores.head
    valued, every = head == "values", torch.cat([found.start[None], found.logits])
    said = answered(answering(every, head), board.target, every.argmax(1).numpy(), chances)

    return [
        {
            "": "the network's answer",
            "before": board.named(int(said[0])),
            "nudged": board.named(int(said[1 + place])),
        },
        {
            "": f"{likelihood(valued).lower()} of {classes[board.target]}",
            "before": likely(chances[0], True) if valued else f"{chances[0]:.4f}",
            "nudged": likely(chances[1 + place], True) if valued else f"{chances[1 + place]:.4f}",
        },
        {
            "": "its logit, the whole network",
            "before": signed(float(found.start[board.target]), ".5f"),
            "nudged": signed(float(found.logits[place, board.target]), ".5f"),
        },
        {
            "": "its logit, all but the path constant",
            "before": signed(before, ".5f"),
            "nudged": signed(float(found.frozen[place]), ".5f"),
        },
        {
            "": "predicted by the map",
            "before": signed(before, ".5f"),
            "nudged": signed(float(found.affine[place]), ".5f"),
        },
    ]


def _seen(values: Tensor) -> tuple[NDArray[np.uint8], str]:
    plane = collapse(values[None].double(), "signed_max")[0].numpy()
    pixels = colourise(scale_map(plane, scale=scale_of(plane)), colour_table("blue-orange"))
    return pixels, describe_map(plane)


def _pictures(board: Board, found: Nudges, place: int, folio: Folio) -> None:
    card = board.chosen.card
    inputs = card.preprocess(board.chosen.picture.image).double()
    moved = inputs + found.factors[place] * found.radius * found.way
    drawn = [
        (card.denormalise(inputs)[0], "Before", board.chosen.picture.title),
        (card.denormalise(moved)[0], "Nudged", f"{board.chosen.picture.title}, nudged"),
    ]
    for at, title in ((0, "Map before"), (1 + place, "Map there")):
        pixels, told = _seen(found.maps[at])
        drawn.append((pixels, title, f"{title}. {told}"))
    factor = max(1, -(-_SIDE // drawn[0][0].shape[0]))
    for row in (drawn[:2], drawn[2:]):
        for column, (pixels, title, alt) in zip(st.columns(2), row, strict=True):
            with column:
                st.caption(title)
                large = np.repeat(np.repeat(pixels, factor, 0), factor, 1)
                folio.image(inline(large), alt=alt, caption=title, width="stretch")


def _about(board: Board, ball: Ball, found: Nudges) -> str:
    """How large the ball is, in what people know."""
    std = torch.tensor(board.chosen.card.std, dtype=torch.float64).view(1, -1, 1, 1)
    grey = float((255 * found.radius * found.way.double() * std).abs().max())
    norm = float(board.chosen.card.preprocess(board.chosen.picture.image).norm())
    return (
        f"NeuronMCT's path with {board.kappa:.4g} of all neurons removed: radius {ball.radius:.4g} (the "
        f"normalised picture's own length is {norm:.4g}); along this way that changes no pixel value by more "
        f"than {grey:.3g} of 255. It was found by {ball.checked:,} of {ball.neurons:,} gradients and is, but "
        f"for a chance of {nudging.RISK:g}, at most 5 % too large. Max pooling and rectified class scores "
        "have switches of their own, which the radius leaves out. Far outside, pixel values leave 0 to 255: "
        "the picture shown is cut there, the computation is not."
    )
