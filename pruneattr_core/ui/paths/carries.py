"""The first view of Critical paths: drag the path's size, and see what it still answers and sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st
import torch
from numpy.typing import NDArray
from torch import Tensor

from pruneattr_core.attribution.collapse import collapse
from pruneattr_core.circuits.curve import SIZES, CircuitCurve
from pruneattr_core.render import colour_table, colourise, describe_map, scale_map, scale_of
from pruneattr_core.share.words import percent, signed
from pruneattr_core.ui.cache import Waiting, engine
from pruneattr_core.ui.choose import segments, slide
from pruneattr_core.ui.folio import Folio
from pruneattr_core.ui.inline import inline
from pruneattr_core.ui.jobs import Job
from pruneattr_core.ui.kept import dataframe
from pruneattr_core.ui.one_file import folio_button
from pruneattr_core.ui.paths import carrying
from pruneattr_core.ui.paths import charts as path_charts
from pruneattr_core.ui.paths.board import Board
from pruneattr_core.ui.paths.carrying import CONTROLS, Carried
from pruneattr_core.ui.paths.places import channel_shares
from pruneattr_core.ui.paths.state import FIELDS, REPLACED
from pruneattr_core.ui.paths.views import QUIET_BAR
from pruneattr_core.ui.state import publish, viewer
from pruneattr_core.ui.watching import progress, report_failure

#: Seconds between two looks while curves are computed.
LOOK = 0.7
#: Key of the curves that this session looked at last.
_CURVES = "_carries_curves"


def carries(board: Board) -> None:
    """The circuit curve of NeuronMCT's path, its controls, and what the path alone sees."""
    key = carrying.CarriedKey(board.subject)
    former = st.session_state.get(_CURVES)
    if former not in (None, key):
        engine().jobs.leave(former, viewer())
    st.session_state[_CURVES] = key
    if engine().jobs.results.get(key) is None:
        work = carrying.work_of(engine(), board.subject, board.chosen.picture, board.ground)
        engine().jobs.start(key, work, viewer(), "page")
    running = engine().jobs.results.get(key) is None
    st.fragment(_view, run_every=LOOK if running else None)(board, key, running)


def _view(board: Board, key: carrying.CarriedKey, running: bool) -> None:
    found: Carried | None = engine().jobs.results.get(key)
    job = engine().jobs.watch(key, viewer()) if found is None else None
    if job is not None and job.finished.is_set() and job.error is not None:
        report_failure(key, job)
        return
    if running and (found is not None or job is None):
        st.rerun()
    found = found or (job.partial if job is not None else None)
    st.markdown("### What the path carries when the rest is replaced")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        size = slide(
            "Share of all neurons that stay", SIZES, "kept", lambda size: percent(size, 1), width=300
        )
        with st.container(key="choices_carries"):
            instead = segments("The others become", REPLACED, "instead")
    publish(FIELDS)
    if job is not None:
        progress(job, "Curves", "curves", "cancel_carries")
    if instead == "counterfactual" and not carrying.object_known(board.chosen.picture):
        st.info(
            "Nobody has marked where the object of this picture is, so it cannot be shown without it: "
            "choose a scene or a photograph with a mask, or another replacement.",
            icon=":material/filter_center_focus:",
        )
        return
    left, right = st.columns(2, gap="large")
    if found is None or instead not in found.curves:
        with left:
            st.skeleton(height=420)
        with right:
            _sees(board, instead, size)
        return
    folio = Folio()
    folio.note(f"What the path carries when the other neurons become: **{REPLACED[instead].lower()}**.")
    with left:
        _chart(found, instead, size, folio)
    with right:
        _sees(board, instead, size)
    dataframe(_answers(board, found, size), width="stretch", key="carries_answers")
    if not running:
        folio_button(
            "paths", lambda: _in_file(board, found, instead, size, folio), board.chosen, board.target, FIELDS
        )


def _in_file(board: Board, found: Carried, instead: str, size: float, folio: Folio) -> Folio:
    """The chart, and behind a slider what the path of each size answers and sees."""
    job, places = Job("one file", lambda _: None), {}
    for share in SIZES:
        place = places[f"{percent(share, 1)} of all neurons stay"] = Folio()
        place.table(_answers(board, found, share))
        pixels, told = _seen(_map_of(board, instead, share)(job))
        place.picture(inline(pixels), f"What the path sees. {told}", told)
    whole = Folio()
    whole.slides("Share of all neurons that stay", SIZES.index(size), places)
    whole.parts += folio.parts
    return whole


def _answers(board: Board, found: Carried, size: float) -> list[dict[str, str]]:
    """One row a replacement: what the network answers with so many neurons."""
    rows = []
    for name, curve in found.curves.items():
        at = int(np.abs(np.asarray(curve.sizes) - size).argmin())
        with np.errstate(invalid="ignore"):
            share = float(curve.faithfulness()[at, 0])
        alike = "all, by construction" if name == "freeze" else "no neuron matters"
        rows.append(
            {
                "the others become": REPLACED[name].lower(),
                "kept": percent(curve.sizes[at], 1),
                "answer": board.named(int(curve.answers["path"][at, 0])),
                "of the response": alike if np.isnan(share) else percent(share),
                **{
                    CONTROLS[kind].lower(): board.named(int(curve.answers[kind][at, 0]))
                    for kind in CONTROLS
                    if kind != "path" and kind in curve.answers
                },
            }
        )
    return rows


def _chart(found: Carried, instead: str, size: float, folio: Folio) -> None:
    curve = found.curves[instead]
    lines = {title: curve.response[kind][:, 0] for kind, title in CONTROLS.items() if kind in curve.response}
    at = int(np.abs(np.asarray(curve.sizes) - size).argmin())
    folio.plotly_chart(
        path_charts.carried_lines(curve.sizes, lines, float(curve.full[0]), size),
        config=QUIET_BAR,
        key=f"chart_carries_{instead}",
        alt=f"Target logit with {percent(curve.sizes[at], 1)} kept: "
        + ", ".join(f"{title} {signed(values[at], '.2f')}" for title, values in lines.items()),
    )
    folio.caption(
        "Target logit against the share kept, on a logarithmic axis; the grey line is the whole network. "
        "A path says something only where it lies above the controls."
    )
    if len(curve.sizes) == len(SIZES):  # those of the few that are there first would be others
        folio.caption(_areas(curve, at))


def _areas(curve: CircuitCurve, at: int) -> str:
    """The curve in the numbers by which circuits are compared, and whether the path could be smaller."""
    kinds = {
        "path": "the path",
        "random": "random",
        "rival": "the runner-up's",
        "neighbour": "another picture's",
    }
    if np.isnan(curve.faithfulness()[at, 0]):
        return (
            "The whole network and the empty one answer alike here, so a share of their difference is none."
        )
    cpr, cmd = (
        ", ".join(
            f"{words} {signed(float(area(kind)[0]), '.2f')}"
            for kind, words in kinds.items()
            if kind in curve.response
        )
        for area in (curve.cpr, curve.cmd)
    )
    smallest, before = float(curve.smallest()[0]), curve.sizes[at - 1] if at else 0.0
    return (
        f"Area under the share of the response (CPR, higher is better): {cpr}. Area between it and 1 (CMD, "
        f"lower is better): {cmd}. The smallest path here that keeps the answer, as all larger ones do: "
        f"{percent(smallest, 1)}. Minimality: the neurons between {percent(before, 1)} and "
        f"{percent(curve.sizes[at], 1)} move that "
        f"share by {percent(float(curve.minimality()[at, 0]))}."
    )


def _map_of(board: Board, instead: str, size: float) -> Callable[[Job], Tensor]:
    return carrying.map_of(engine(), board.subject, board.chosen.picture, board.ground, instead, size)


def _seen(values: Tensor) -> tuple[NDArray[np.uint8], str]:
    """A map (C, H, W) as pixels (H, W, 3) and in words."""
    plane = collapse(torch.nan_to_num(values)[None].double(), "signed_max")[0].numpy()
    return colourise(scale_map(plane, scale=scale_of(plane)), colour_table("blue-orange")), describe_map(
        plane
    )


def _sees(board: Board, instead: str, size: float) -> None:
    waiting = Waiting(height=300)
    work = _map_of(board, instead, size)
    values: Tensor = engine().jobs.run(("carried map", board.subject, instead, size), work, waiting, "coarse")
    waiting.clear()
    pixels, told = _seen(values)
    photo = board.chosen.photo
    factor = max(1, -(-300 // pixels.shape[0]))
    one, two = st.columns(2)
    for column, drawn, alt in (
        (one, photo, board.chosen.picture.title),
        (two, pixels, f"What the path sees. {told}"),
    ):
        column.image(inline(np.repeat(np.repeat(drawn, factor, 0), factor, 1)), width="stretch", alt=alt)
    masks = carrying.kept_at(board.ground, size)
    touched = [int((channel_shares(mask[0].numpy()) > 0).sum()) for mask in masks]
    st.caption(
        f"What the path alone sees: input gradient of the network in which all but {percent(size, 1)} become "
        f"{REPLACED[instead].lower()}. {told}"
    )
    with st.expander("Channels that keep a neuron"):
        columns: dict[str, Sequence[int] | Sequence[str]] = {
            "activation call": list(board.ground.scores.names),
            "neurons kept": [int(mask.sum()) for mask in masks],
            "channels": touched,
            "of": [len(channel_shares(mask[0].numpy())) for mask in masks],
        }
        dataframe(
            columns,
            key="carries_channels",
        )
