"""The views of the critical-paths page that compare paths: agreement, dead neurons, common neurons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from pruneattr_core.paths.table import METHODS
from pruneattr_core.render import (
    Scale,
    colour_bar,
    colour_table,
    colourise,
    describe_map,
    scale_map,
    scale_of,
    tick_text,
)
from pruneattr_core.render.plain import markdown_text
from pruneattr_core.results.paths import Sets, SetsKey, cut
from pruneattr_core.runtime import provenance
from pruneattr_core.share.words import counted, percent, signed
from pruneattr_core.ui.cache import Waiting, engine
from pruneattr_core.ui.choose import segments
from pruneattr_core.ui.inline import inline
from pruneattr_core.ui.paths import charts as path_charts
from pruneattr_core.ui.paths.board import Board
from pruneattr_core.ui.paths.files import path_bytes
from pruneattr_core.ui.paths.state import MODES, SCALES, UPLOADED, choose_from

NOT_YET = "This path is not computed yet: start it above, or choose another one."
#: Plotly's toolbar covers small charts and says nothing here.
QUIET_BAR = {"displayModeBar": False}
_SIDE = 420


def agreement(board: Board) -> None:
    """Network-wide overlap, overlap per layer, and what each path is."""
    titles, comparison = board.titles, board.comparison
    left, right = st.columns([5, 6], gap="large")
    with left:
        board.folio.markdown("### Overlap of the paths")
        board.folio.plotly_chart(
            path_charts.heat_map(list(titles.values()), comparison.overlap),
            config=QUIET_BAR,
            key="chart_overlap",
            alt="Jaccard overlap: " + "; ".join(_pairs(list(titles.values()), comparison.overlap)),
        )
        kept = 1 - board.kappa
        board.folio.caption(
            "Jaccard |A and B| / |A or B| over all neurons, 0 to 1. Two independent random paths that keep a "
            f"share p = {kept:.3g} overlap by p / (2 - p) = {kept / (2 - kept):.3f}."
        )
    with right:
        board.folio.markdown("### Overlap layer by layer")
        against = choose_from("Compared with", "against", board.choices)
        lines = {}
        if against in titles:
            row = list(titles).index(against)
            pairs = zip(titles.items(), comparison.by_layer[row], strict=True)
            lines = {title: values for (key, title), values in pairs if key != against}
        if against not in titles:
            st.info(NOT_YET)
        elif lines:
            board.folio.plotly_chart(
                path_charts.layer_lines(board.ground.scores.names, lines, board.styles, titles[against]),
                config=QUIET_BAR,
                key="chart_layers",
                alt=f"Overlap with {titles[against]} per activation call; last call: "
                + ", ".join(f"{title} {values[-1]:.2f}" for title, values in lines.items()),
            )
        else:
            st.info("One path alone has nothing to agree with: choose a second method above.")
    inventory(board)


def _pairs(titles: list[str], overlap: np.ndarray) -> list[str]:
    count = len(titles)
    return [
        f"{titles[i]} and {titles[j]} {overlap[i, j]:.2f}" for i in range(count) for j in range(i + 1, count)
    ]


def number_in(value: object) -> float:
    """What a stranger's file gives as a number; NaN where it is none."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return np.nan


def inventory(board: Board) -> None:
    """Every path in one table: sparsity asked for and reached, neurons, dead share, cost; and downloads."""
    board.folio.markdown("### The paths")
    comparison = board.comparison
    rows = []
    for place, (key, path) in enumerate(board.paths.items()):
        found = board.found.get(key)
        rows.append(
            {
                "path": board.titles[key],
                "sparsity requested": number_in(path.meta.get("sparsity"))
                if key == UPLOADED
                else board.kappa,
                "sparsity reached": comparison.sparsity[place],
                "neurons kept": int(comparison.kept[place].sum()),
                "of them dead": comparison.dead[place],
                "seconds": found.seconds if found is not None else None,
                "how": "" if found is None else "; ".join(filter(None, (METHODS[key].source, found.note))),
            }
        )
    share = st.column_config.NumberColumn(format="%.4f")
    board.folio.dataframe(
        rows,
        "table_paths",
        column_config={
            "sparsity requested": share,
            "sparsity reached": share,
            "neurons kept": st.column_config.NumberColumn(format="localized"),
            "of them dead": st.column_config.NumberColumn(format="percent"),
            "seconds": st.column_config.NumberColumn(format="%.2f"),
            "how": st.column_config.TextColumn(width="large"),
        },
    )
    off = [row["path"] for row in rows if abs(row["sparsity reached"] - row["sparsity requested"]) > 0.005]
    if off:
        board.folio.caption(
            f"{', '.join(off)}: another sparsity than requested. Scores or gates that tie at the threshold "
            "go together, and greedy pruning stops when every neuron left is dead: compare with care."
        )
    with st.container(horizontal=True):
        for key in board.paths:
            if key != UPLOADED:
                _download(board, key)
        before = (
            f"{board.ground.neurons:,} neurons in "
            f"{counted(len(board.ground.scores.names), 'activation calls')}; "
            f"{board.chosen.card.title}, picture "
        )
        title, after = board.chosen.picture.title, f", n = 1, on {board.subject.device}."
        board.folio.caption(
            f"{before}{markdown_text(title)}{after} Files hold bits and provenance; upload one above to "
            "compare it.",
            f"{before}{title}{after}",
        )


def _download(board: Board, key: str) -> None:
    path, subject = board.paths[key], board.subject
    reached = float(path.sparsity[0])

    def data() -> bytes:
        card, picture = board.chosen.card, board.chosen.picture
        return path_bytes(
            path,
            {
                "title": board.titles[key],
                "sparsity_reached": reached,
                "model": card.id,
                "weights_sha256": subject.weights,
                **card.origin,
                "picture": picture.title,
                "picture_sha256": picture.sha256,
                "target": card.classes[board.target],
                "made_with": provenance(subject.device),
            },
        )

    st.download_button(
        board.titles[key],
        data,
        f"path_{key}_{subject.model.replace('/', '-')}_{subject.image[:8]}_{reached:.4f}.npz",
        "application/octet-stream",
        key=f"save_{key}",
        icon=":material/download:",
        on_click="ignore",
    )


def dead(board: Board) -> None:
    """Share of each path's neurons that were dead, against the base rate."""
    titles, comparison = board.titles, board.comparison
    board.folio.markdown("### How much of each path was dead")
    board.folio.plotly_chart(
        path_charts.dead_bars(
            list(titles.values()), comparison.dead.tolist(), board.styles, board.ground.base
        ),
        config=QUIET_BAR,
        key="chart_dead",
        alt=f"Dead share, base rate {percent(board.ground.base, 1)}: "
        + ", ".join(
            f"{title} {percent(share, 1)}"
            for title, share in zip(titles.values(), comparison.dead, strict=True)
        ),
    )
    board.folio.markdown(
        f"A neuron is *dead* when its activation is 0 for this picture: "
        f"**{percent(board.ground.base, 1)}** of all "
        f"{board.ground.neurons:,} neurons are. A random path holds as many. Contributions give every dead "
        "neuron 0, so their paths hold none as long as fewer neurons are kept than contribute; pruning "
        "objectives may keep neurons that say nothing about the answer."
    )
    inventory(board)


def sets(board: Board) -> None:
    """Neurons kept by both of two paths, only by A, only by B: counts, layers and maps."""
    if len(board.paths) < 2:
        st.info("One path alone has nothing in common with another: choose a second method above.")
        return
    titles = board.titles
    with st.container(horizontal=True, vertical_alignment="bottom"):
        a = choose_from("Path A", "a", board.choices, avoid=st.session_state["b"])
        b = choose_from("Path B", "b", board.choices, avoid=a)
        mode = segments(
            "Pruned neurons",
            MODES,
            "mode",
            help="Zero multiplies them by 0; freeze keeps them as constants that pass no gradient.",
        )
        shared = segments("Colour scale", SCALES, "set_scale") == "shared"
    if a not in titles or b not in titles:
        st.info(NOT_YET)
        return
    if a == b:
        st.info("A and B are the same path: choose another one to see what they share.")
        return
    found = _cut(board, a, b, mode)
    photo = board.chosen.photo
    table = colour_table("blue-orange")
    scale_words = "One colour scale for all three maps" if shared else "Each map has its own colour scale"
    scales = [scale_of(found.maps if shared else one, signed=True) for one in found.maps]
    names = ("Kept by both", f"Only {titles[a]}", f"Only {titles[b]}")
    columns = st.columns(4)
    with columns[0], st.container(border=True):
        st.markdown("**Picture**")
        name = board.chosen.card.classes[board.target]
        said = f"{board.ground.neurons:,} neurons answer *{name}* with logit {signed(found.original, '.2f')}."
        board.folio.image(
            inline(_large(photo)),
            f"Picture {board.chosen.picture.title} as the network sees it",
            f"**Picture**. {said}",
        )
        st.caption(said)
    for place, name in enumerate(names):
        with columns[place + 1], st.container(border=True):
            st.markdown(f"**{name}**")
            levels = scale_map(found.maps[place], scale=scales[place])
            told = describe_map(found.maps[place])
            said = (
                f"**{int(found.counts[place]):,}** neurons. Alone (mode zero) they answer with logit "
                f"{signed(found.logit[place], '.2f')}. {told}"
            )
            board.folio.image(
                inline(_large(colourise(levels, table))), f"{name}: {told}", f"**{name}**. {said}"
            )
            colour_strip(scales[place], "blue-orange")
            st.caption(said)
    board.folio.caption(
        f"Input gradient of the network pruned to each set, mode {mode}, the channel of largest magnitude "
        f"with its sign, in logit per unit of normalised input. {scale_words}; it ends at the 99.5th "
        "percentile of magnitudes."
    )
    _layers(board, found, names)


def _layers(board: Board, found: Sets, names: tuple[str, ...]) -> None:
    with st.expander("Counts per activation call"):
        columns: dict[str, Sequence[Any]] = {"activation call": board.ground.scores.names}
        columns |= {"neurons": board.comparison.neurons.tolist()}
        columns |= {name: found.by_layer[place].tolist() for place, name in enumerate(names)}
        board.folio.dataframe(columns, "table_layers")


def _cut(board: Board, a: str, b: str, mode: str) -> Sets:
    card, picture = board.chosen.card, board.chosen.picture
    waiting = Waiting(height=_SIDE)

    def work(job):  # type: ignore[no-untyped-def]
        model = engine().network(board.subject, job)
        inputs = card.preprocess(picture.image).to(engine().device)
        return cut(model, inputs, board.target, board.paths[a], board.paths[b], mode)  # type: ignore[arg-type]

    found: Sets = engine().jobs.run(SetsKey(board.key, a, b, mode), work, waiting)
    waiting.clear()
    return found


def _large(pixels: np.ndarray) -> np.ndarray:
    """Whole-number enlargement, so that small pictures stay sharp when the browser scales them."""
    factor = max(1, -(-_SIDE // pixels.shape[0]))
    return np.repeat(np.repeat(pixels, factor, 0), factor, 1)


#: Colours of the gradient; the browser blends between them.
_STOPS = 17


def colour_strip(scale: Scale, colours: str) -> None:
    """Draw the legend of a map drawn with `scale` in the colour map named `colours`."""
    bar = colour_bar(scale, colours)
    last = len(bar.colours) - 1
    picked = [bar.colours[round(i * last / (_STOPS - 1))] for i in range(_STOPS)]
    gradient = ", ".join(f"rgb({red} {green} {blue})" for red, green, blue in picked)
    texts = [tick_text(value) for _, value in bar.ticks]
    labels = "".join(f"<span>{text}</span>" for text in texts)
    apart = "space-between" if len(texts) > 1 else "center"
    st.html(
        f"<div role='img' aria-label='Colour scale from {texts[0]} to {texts[-1]}'>"
        "<div style='height:.6rem;border-radius:.2rem;"
        f"background:linear-gradient(to right,{gradient})'></div>"
        f"<div style='display:flex;justify-content:{apart};font-size:.85rem;opacity:.75'>"
        f"{labels}</div></div>"
    )
