"""Sanity check, live: pull the slider, and the network forgets layer by layer while the maps are watched."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from pruneattr_core.attribution import METHODS
from pruneattr_core.benchmarks.sanity import TITLES, VARIANTS
from pruneattr_core.ui.cache import Waiting, engine
from pruneattr_core.ui.cards import Card, cards_of, go_on
from pruneattr_core.ui.errors import guarded
from pruneattr_core.ui.hand import name_of, settled, start_of, told
from pruneattr_core.ui.sanity.cascade import LIKENESS, UNFIT, Climb, Ladder, fitting_methods, known, ladder
from pruneattr_core.ui.sanity.payload import payload_of
from pruneattr_core.ui.shell import Selection
from pruneattr_core.ui.stage import component
from pruneattr_core.ui.state import Field, accept, one_of, publish, refuse, report, several_of, whole

#: Methods offered: one map costs a few passes at most, and every step needs one.
OFFERED = (
    "prunegrad",
    "saliency",
    "input_x_gradient",
    "guided_backprop",
    "deconvolution",
    "gradcam",
    "guided_gradcam",
    "rectgrad",
    "input_mct",
    "lrp_alpha1_beta0",
    "excitation_backprop",
    "edges",
    "random",
)
_FIRST = "prunegrad,saliency,guided_backprop,edges"
_START, _FAILED = "_sane_start", "_sane_failed"
_mount = component("pruneattr_sanity", "sanity")


def _methods(text: str) -> str:
    return ",".join(several_of(text, OFFERED))


FIELDS = (
    Field("sane_methods", _FIRST, _methods, "the methods"),
    Field("sane_variant", "released", one_of(VARIANTS), "the new weights"),
    Field("sane_measure", "spearman_abs", one_of(LIKENESS), "the likeness"),
    Field("sane_step", 0, whole(0, 1000), "the step"),
)


def draw(chosen: Selection) -> None:
    """The page."""
    report(FIELDS)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.markdown("## Sanity check, live")
        st.segmented_control(
            "New weights and biases", list(VARIANTS), key="sane_variant", required=True,
            format_func=TITLES.__getitem__, persist_state="session",
        )  # fmt: skip
        place = st.container(width="content")
    st.caption(
        "The slider gives the network's layers new random weights, from the last to the first. A map that "
        "explains the network must change; one that stays draws the picture (Adebayo et al. 2018)."
    )
    with guarded():
        waiting = Waiting(height=420)
        fits = fitting_methods(engine(), chosen.card.id, OFFERED, waiting)
        waiting.clear()
        st.caption(f"{fits.steps - 1} steps: a residual block is one, a normalisation goes with its layer.")
        beyond = st.session_state["sane_step"] >= fits.steps
        if beyond and refuse("sane_step", instead="the trained network is shown"):
            st.session_state["sane_step"] = 0
        with place:
            names = _choose(fits.reasons)
        publish(FIELDS)
        if names:
            _stage(chosen, names)
        else:
            st.info("Choose at least one method above.", icon=":material/checklist:")


def _choose(fits: dict[str, str]) -> list[str]:
    fitting = [name for name in OFFERED if not fits[name]]
    if (
        "sane_box" not in st.session_state
        or st.session_state["_sane_seen"] != st.session_state["sane_methods"]
    ):
        st.session_state["sane_box"] = st.session_state["sane_methods"].split(",")  # a link says so
    unfit = [name for name in st.session_state["sane_box"] if name not in fitting]
    if unfit:
        refuse("sane_methods", ",".join(unfit), UNFIT)
        st.session_state["sane_box"] = [name for name in st.session_state["sane_box"] if name in fitting]
    with st.popover(f"Methods ({len(st.session_state['sane_box'])})", icon=":material/checklist:"):
        names = st.pills(
            "Methods", fitting, selection_mode="multi", key="sane_box",
            format_func=lambda name: METHODS[name].title, persist_state="session",
        )  # fmt: skip
        left_out = [METHODS[name].title for name in OFFERED if fits[name]]
        if left_out:
            st.caption(f"Do not fit this network: {', '.join(left_out)}.")
    st.session_state["sane_methods"] = st.session_state["_sane_seen"] = ",".join(names) or _FIRST
    return list(names)


@st.fragment
def _stage(chosen: Selection, names: list[str]) -> None:
    """Draw what is known, compute the next method, and start again until all are there."""
    failed: dict[Climb, str] = st.session_state.setdefault(_FAILED, {})
    climbs = {name: Climb(chosen.subject, name, st.session_state["sane_variant"]) for name in names}
    cards = cards_of(climbs, lambda climb: known(engine(), climb), failed)
    waiting = Waiting()
    _mounted(chosen, name_of(*climbs.values()), list(cards.values()))
    go_on(climbs, cards, failed, lambda climb: ladder(engine(), climb, chosen.picture, waiting))


def _mounted(chosen: Selection, of: str, cards: list[Card[Ladder]]) -> None:
    view: dict[str, Any] = {
        "at": st.session_state["sane_step"], "measure": st.session_state["sane_measure"], "range": "all"
    }  # fmt: skip
    target = int(np.argmax(chosen.answer.probabilities)) if chosen.target is None else chosen.target
    steps = next((card.result.steps for card in cards if card.result is not None), ("original",))
    photo = np.asarray(chosen.card.display(chosen.picture.image))
    data = payload_of(cards, photo, chosen.card.classes[target], steps, of, start_of(_START, of, view))
    state = _mount(data=data, key="sanity", default={"view": None}, on_view_change=lambda: None)
    now = told(_START, of, state.view)
    if now is not None:
        accept(FIELDS, {"sane_step": now.get("at"), "sane_measure": now.get("measure")})
        view |= {"at": st.session_state["sane_step"], "measure": st.session_state["sane_measure"]}
    settled(_START, view)
    publish(FIELDS)
