"""Where a path lives: calls, then channels of a call, then positions of a channel on the picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import streamlit as st
from plotly.graph_objects import Figure

from pruneattr_core.analysis.decoding import Neuron
from pruneattr_core.circuits.edges import Node, strongest_inputs
from pruneattr_core.errors import PruneAttrError
from pruneattr_core.models import model_card
from pruneattr_core.results.keys import Subject
from pruneattr_core.share.words import counted, percent, signed
from pruneattr_core.ui.cache import Engine, Waiting, engine
from pruneattr_core.ui.choose import select
from pruneattr_core.ui.inline import inline
from pruneattr_core.ui.jobs import Job
from pruneattr_core.ui.kept import kept, kept_chart
from pruneattr_core.ui.paths import charts as path_charts
from pruneattr_core.ui.paths.board import Board
from pruneattr_core.ui.paths.decoding import (
    Canvas,
    Source,
    decoding_key,
    decoding_work,
    picture_so_far,
    predicted_decoding,
    recipe,
)
from pruneattr_core.ui.paths.places import (
    by_channel,
    channel_shares,
    grid_of,
    positions,
    shown_places,
    shown_shares,
    token_names,
    token_shares,
)
from pruneattr_core.ui.paths.state import UPLOADED, choose_from
from pruneattr_core.ui.paths.views import NOT_YET, QUIET_BAR
from pruneattr_core.ui.pictures import Picture
from pruneattr_core.ui.spare import is_spare
from pruneattr_core.ui.state import refuse, viewer
from pruneattr_core.ui.watching import LOOK, duration


def where(board: Board) -> None:
    """Share kept per call; a click opens the call's channels, a click there its positions."""
    titles = board.titles
    with st.container(horizontal=True, vertical_alignment="bottom"):
        method = choose_from("Path", "of", board.choices)
        call = _choose_call(board)
    if method not in titles:
        st.info(NOT_YET)
        return
    row = list(titles).index(method)
    comparison, style = board.comparison, board.styles[titles[method]]
    names, neurons = board.ground.scores.names, comparison.neurons

    board.folio.markdown(
        "### Share kept per layer · click a bar for its channels",
        f"### {titles[method]}: share kept per layer",
    )
    chart = f"calls_{call}"

    def call_clicked() -> None:
        points = [p for p in st.session_state[chart].selection.points if p["curve_number"] == 0]
        if points:
            st.session_state["call"], st.session_state["channel"] = points[0]["point_index"] + 1, -1

    kept = comparison.kept[row] / neurons
    board.folio.plotly_chart(
        _kept(
            board,
            (method, call),
            lambda: path_charts.kept_bars(
                names, kept, comparison.alive / neurons, style, 1 - comparison.sparsity[row], call
            ),
        ),
        config=QUIET_BAR,
        key=chart,
        on_select=call_clicked,
        selection_mode="points",
        alt=f"{titles[method]} keeps most of {names[int(kept.argmax())]} ({percent(kept.max(), 1)}) "
        f"and least of {names[int(kept.argmin())]} ({percent(kept.min(), 1)})",
    )
    board.folio.caption(
        "Dashed: the share kept in the whole network. A bar above its layer's mark keeps dead neurons."
    )
    _channels(board, method, call)


def _kept(board: Board, what: tuple[str | int, ...], draw: Callable[[], Figure]) -> Figure:
    """The chart of a board, drawn once for all who look at it; with a path of a reader's own each time."""
    return draw() if UPLOADED in board.paths else kept_chart((board.key, *what), draw)


def _choose_call(board: Board) -> int:
    """Index of the activation call looked into."""
    names = board.ground.scores.names
    if not 1 <= st.session_state["call"] <= len(names):
        refuse("call", instead=f"the first of {len(names)} is shown")
        st.session_state["call"] = 1

    def changed() -> None:
        st.session_state["channel"] = -1

    def name(number: int) -> str:
        shape = " x ".join(map(str, board.ground.scores.layers[number - 1].shape[1:]))
        return f"{number} · {names[number - 1]} · {shape}"

    return select("Activation call", range(1, len(names) + 1), "call", name, changed) - 1


def _channels(board: Board, method: str, call: int) -> None:
    name = board.ground.scores.names[call]
    mask = board.paths[method].layers[call][0].numpy()
    alive = ~board.ground.scores.dead[call][0].numpy()
    grid, shares = grid_of(mask.shape), channel_shares(mask)
    order = np.argsort(-shares, kind="stable")
    channel = _choose_channel(order, shares, name)
    style = board.styles[board.titles[method]]
    chart = f"channels_{call}_{channel}"

    def channel_clicked() -> None:
        points = st.session_state[chart].selection.points
        if points:
            st.session_state["channel"] = int(order[points[0]["point_index"]])

    left, right = st.columns([3, 2], gap="large")
    with left:
        board.folio.markdown(
            f"### Channels of {name} · click one for its positions", f"### Channels of {name}"
        )
        board.folio.plotly_chart(
            _kept(
                board,
                (method, call, channel),
                lambda: path_charts.channel_bars(order, shares, style, channel),
            ),
            config=QUIET_BAR,
            key=chart,
            on_select=channel_clicked,
            selection_mode="points",
            alt=f"{int((shares > 0).sum())} of {len(shares)} channels keep a neuron; "
            f"most in channel {int(order[0])} ({percent(shares[order[0]], 1)})",
        )
        _number(order, channel)
        board.folio.caption(
            f"{int(mask.sum()):,} of {mask.size:,} neurons kept, in {int((shares > 0).sum()):,} of "
            f"{counted(grid.channels, 'channels')}"
            + (f"; {counted(grid.extra, 'tokens')} without a place." if grid.extra else ".")
        )
        _tokens(board, mask, name, style.colour)
        if not is_spare():
            _inputs(board, call, channel)
    with right:
        board.folio.markdown(f"### Channel {channel} on the picture")
        _on_picture(board, (method, call, channel), mask, alive, style.colour)
        if not is_spare():
            wish(board, call, channel)


def _on_picture(
    board: Board, place: tuple[str, int, int], mask: np.ndarray, alive: np.ndarray, colour: str
) -> None:
    """Which positions of a channel the path keeps; `place` is method, call and channel."""
    name, channel = board.ground.scores.names[place[1]], place[2]
    held = positions(mask, channel)
    if held is None:
        st.info("These neurons have no place on the picture: the layer sees all of it.")
        return
    living = positions(alive, channel)
    assert living is not None  # of one shape with the kept

    def drawn() -> str:
        photo = board.chosen.photo
        return inline(shown_places(photo, held, living, colour))

    address = drawn() if UPLOADED in board.paths else kept(("places", board.key, *place), drawn)
    board.folio.image(
        address,
        width="stretch",
        alt=f"Channel {channel} of {name}: {int(held.sum())} of {held.size} positions kept, "
        f"{int(living.sum())} alive",
    )
    board.folio.caption(
        f"{held.shape[0]} x {held.shape[1]} positions: **{int(held.sum()):,} kept** (coloured), "
        f"{int((living & ~held).sum()):,} alive but removed (lighter), {int((~living).sum()):,} dead. "
        "Blocks show the neuron's own position; its receptive field is larger."
    )


def _tokens(board: Board, mask: np.ndarray, name: str, colour: str) -> None:
    """Of a network of tokens: where the features that are kept belong, patch by patch and beside them."""
    found = token_shares(mask)
    if found is None:
        return
    beside, patches = found
    board.folio.markdown(f"### All features of {name}, token by token")
    photo = board.chosen.photo
    place = np.unravel_index(int(patches.argmax()), patches.shape)
    board.folio.image(
        inline(shown_shares(photo, patches, colour)),
        width=320,
        alt=f"Share of {name} kept at each patch: from {percent(patches.min(), 1)} to "
        f"{percent(patches.max(), 1)}, most in "
        f"row {place[0] + 1}, column {place[1] + 1}",
    )
    said = [
        f"patches {percent(patches.mean(), 1)} on average, {percent(patches.min(), 1)} to "
        f"{percent(patches.max(), 1)}"
    ]
    named = board.ground.tokens
    extra = token_names(len(beside), named)
    by_order = ". Tokens without a place are named by their order, as most networks have them"
    said += [f"{one} {percent(share, 1)}" for one, share in zip(extra, beside, strict=True)]
    board.folio.caption(
        "Share of features kept: "
        + "; ".join(said)
        + (by_order if extra and extra != named else "")
        + ". The strongest colour is the patch that keeps most. Tokens exchange what they hold at every "
        "attention: a patch of a late layer speaks of more than its own place."
    )


def _inputs(board: Board, call: int, channel: int) -> None:
    """What feeds the channel, each input a button that leads to it; the address then names that one."""
    names = board.ground.scores.names
    key = FedKey(board.subject, board.target, call, channel)
    waiting = Waiting()
    work = inputs_of(engine(), board.subject, board.chosen.picture, board.target, call, channel)
    try:
        fed: Fed = engine().jobs.run(key, work, waiting)
    except PruneAttrError as error:
        st.info(str(error))
        return
    finally:
        waiting.clear()
    node, found = fed.node, fed.inputs
    leads = any(at >= 0 for at, _, _ in found)
    board.folio.markdown("### What feeds it" + " · press one to go there" * leads, "### What feeds it")

    def go(at: int, to: int) -> None:
        st.session_state["call"], st.session_state["channel"] = at + 1, to

    with st.container(horizontal=True):
        for at, to, weight in found:
            if at < 0:
                st.markdown(f"picture, channel {to}: **{signed(weight, '+.3g')}**", width="content")
            else:
                st.button(
                    f"{names[at]} · {to}: {signed(weight, '+.3g')}",
                    key=f"feeds_{at}_{to}",
                    on_click=go,
                    args=(at, to),
                )
    told = [
        f"{'picture' if at < 0 else names[at]}, channel {to}: {signed(weight, '+.3g')}"
        for at, to, weight in found
    ]
    board.folio.note("; ".join(told))
    board.folio.caption(
        f"Channel {channel} of {names[call]} contributes {signed(node.score, '+.3g')} to the logit "
        "(signed Taylor). That is split over what feeds it along ways that pass no other activation; "
        f"{signed(node.rest, '+.3g')} comes from inputs not named and from biases."
    )


def _choose_channel(order: np.ndarray, shares: np.ndarray, name: str) -> int:
    asked = st.session_state["channel"]
    if asked >= len(shares):
        refuse("channel", instead=f"the fullest of the {len(shares)} of {name} is shown")
        st.session_state["channel"] = asked = -1
    return int(order[0]) if asked < 0 else int(asked)


def _number(order: np.ndarray, channel: int) -> None:
    """The same choice by keyboard."""

    def changed() -> None:
        st.session_state["channel"] = int(st.session_state["_channel"])

    st.session_state["_channel"] = channel
    st.number_input(
        f"Channel, 0 to {len(order) - 1}", 0, len(order) - 1, key="_channel", on_change=changed, width=220
    )


#: Inputs that are named.
MOST = 6


@dataclass(frozen=True)
class FedKey:
    """Names what feeds a channel of a call in the answer for a class."""

    subject: Subject
    target: int
    call: int
    channel: int


@dataclass(frozen=True)
class Fed:
    """A channel and its strongest inputs.

    Attributes:
        node: the channel.
        inputs: call, channel and contribution of each; the picture's channels as call -1.
    """

    node: Node
    inputs: tuple[tuple[int, int, float], ...]

    @property
    def nbytes(self) -> int:
        """Roughly."""
        return 1024


def inputs_of(
    engine: Engine, subject: Subject, picture: Picture, target: int, call: int, channel: int
) -> Callable[[Job], Fed]:
    """The work: one forward and one backward pass."""

    def work(job: Job) -> Fed:
        network = engine.network(subject, job)
        inputs = model_card(subject.model).preprocess(picture.image).to(engine.device)
        return Fed(*strongest_inputs(network, inputs, call, channel, target, MOST))

    return work


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
        work = decoding_work(
            engine(), board.subject, board.chosen, canvas.source, board.target, how, neuron=True
        )
        st.button(
            f"Decode it · about {seconds} here", key="decode_channel", icon=":material/play_arrow:",
            on_click=engine().jobs.start, args=(canvas.key, work, viewer()),
        )  # fmt: skip
        return
    if running != (task is not None):
        st.rerun()
    drawn = picture_so_far(canvas, f"{canvas.source.title} decoded", how)
    if drawn is None:
        return
    still = " It is not above 0 yet: more steps may raise it." * (drawn.responses[-1] <= 0)
    st.caption(
        "Gradient ascent from noise towards the channel's neuron that contributes most here, in the whole "
        f"network.{still}"
    )
