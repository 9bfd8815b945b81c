"""Pixel removal, live: take pixels away in a method's order and watch what the network still answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pruneattr_core.attribution import METHODS
from pruneattr_core.benchmarks.fills import FILLS
from pruneattr_core.ui.cache import Waiting, engine
from pruneattr_core.ui.cards import Card, cards_of, go_on
from pruneattr_core.ui.errors import guarded
from pruneattr_core.ui.hand import name_of, settled, start_of, told
from pruneattr_core.ui.removal.payload import RANGES, measures_of, payload_of
from pruneattr_core.ui.removal.table import table
from pruneattr_core.ui.removal.tasks import ORDERS, RULES, SIGNED, Asked, Removal, known, removal
from pruneattr_core.ui.sanity.cascade import UNFIT, fitting_methods
from pruneattr_core.ui.shell import Selection
from pruneattr_core.ui.stage import component
from pruneattr_core.ui.state import Field, accept, number, one_of, publish, refuse, report, several_of

#: Methods beside the controls, at most.
MOST = 6
#: Always there: what a map must beat to say anything.
CONTROLS = ("edges", "random")
SPARSITIES = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
_FIRST = "prunegrad,saliency"
#: In an address, where an empty value would be dropped.
_NONE = "none"
_START = "_removal_start"
#: Results that failed, by what was asked: shown on their card instead of being tried with every rerun.
_FAILED = "_removal_failed"
_mount = component("pruneattr_removal", "removal")


def _methods(text: str) -> str:
    if text == _NONE:
        return ""
    asked = several_of(text, [name for name in METHODS if name not in CONTROLS])
    if len(asked) > MOST:
        raise ValueError(text)
    return ",".join(asked)


def _range(text: str) -> str:
    return one_of([str(one["key"]) for one in RANGES])(text)


FIELDS = (
    Field("gone_methods", _FIRST, _methods, "the methods", lambda text: text or _NONE),
    Field("gone_order", "lerf", one_of(ORDERS), "the order"),
    Field("gone_fill", "mean", one_of(FILLS), "the fill"),
    Field("gone_rule", "magnitude", one_of(RULES), "the relevance of a pixel"),
    Field("gone_sparsity", 0.7, lambda text: SPARSITIES[SPARSITIES.index(float(text))], "the sparsity"),
    Field("gone", 0.3, number(0, 1), "the fraction", lambda value: f"{value:.4g}"),
    Field("gone_range", "all", _range, "the range"),
    Field("gone_curve", "change", one_of(("change", "probability")), "the curve"),
)


def draw(chosen: Selection) -> None:
    """The page."""
    report(FIELDS)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.markdown("## Pixel removal, live")
        _choose_protocol()
        place = st.container(width="content")
    with guarded():
        waiting = Waiting()
        fits = fitting_methods(engine(), chosen.card.id, tuple(METHODS), waiting).reasons
        waiting.clear()
        names = _choose_methods(fits, place)
        publish(FIELDS)
        _stage(chosen, [*names, *(name for name in CONTROLS if not fits[name])])


def _choose_protocol() -> None:
    keep: dict[str, Any] = {"persist_state": "session"}
    st.selectbox("Order", list(ORDERS), key="gone_order", format_func=ORDERS.__getitem__, width=235, **keep)
    st.selectbox("Fill", list(FILLS), key="gone_fill", format_func=FILLS.__getitem__, width=165, **keep)
    with st.popover("Relevance", icon=":material/tune:"):
        st.radio(
            "Relevance of a pixel, from its channels", list(RULES), key="gone_rule",
            format_func=lambda name: RULES[name].title,
            help="The order is that of these values; signs matter: with signed values the pixels that speak "
            "against the class are the least relevant.", **keep,
        )  # fmt: skip
        st.select_slider(
            "Sparsity of the methods that prune", SPARSITIES, key="gone_sparsity",
            format_func=lambda value: f"{value:.0%}", **keep,
        )  # fmt: skip


def _choose_methods(fits: dict[str, str], place: DeltaGenerator) -> list[str]:
    fitting = [name for name in METHODS if not fits[name] and name not in CONTROLS]
    if (
        "gone_box" not in st.session_state
        or st.session_state["_gone_seen"] != st.session_state["gone_methods"]
    ):
        st.session_state["gone_box"] = _methods_named()  # a link says so
    unfit = [name for name in st.session_state["gone_box"] if name not in fitting]
    if unfit:
        refuse("gone_methods", ",".join(unfit), UNFIT)
        st.session_state["gone_box"] = [name for name in st.session_state["gone_box"] if name in fitting]
    count = len(st.session_state["gone_box"])
    with place, st.popover(f"Methods ({count} + controls)", icon=":material/checklist:"):
        names = st.multiselect(
            "Beside edges and random, which are always there", fitting, key="gone_box", max_selections=MOST,
            format_func=lambda name: METHODS[name].title, persist_state="session",
        )  # fmt: skip
        left_out = [METHODS[name].title for name in METHODS if fits[name]]
        if left_out:
            st.caption(f"Do not fit this network: {', '.join(left_out)}.")
    st.session_state["gone_methods"] = ",".join(names)
    st.session_state["_gone_seen"] = st.session_state["gone_methods"]
    return list(names)


def _methods_named() -> list[str]:
    return [name for name in st.session_state["gone_methods"].split(",") if name]


def _asked(chosen: Selection, name: str) -> Asked:
    pruned = "sparsity" in METHODS[name].options
    return Asked(
        chosen.subject,
        method=f"{name}:sparsity={st.session_state['gone_sparsity']}" if pruned else name,
        rule=st.session_state["gone_rule"],
        order=st.session_state["gone_order"],
        fill=st.session_state["gone_fill"],
    )


@st.fragment
def _stage(chosen: Selection, names: list[str]) -> None:
    """Draw what is known, compute the next method, and start again until all are there."""
    failed: dict[Asked, str] = st.session_state.setdefault(_FAILED, {})
    asked = {name: _asked(chosen, name) for name in names}
    cards = cards_of(asked, lambda one: known(engine(), one), failed)
    waiting = Waiting()
    _mounted(chosen, tuple(asked.values()), cards)
    go_on(asked, cards, failed, lambda one: removal(engine(), one, chosen.picture, waiting))
    table(chosen, asked, cards)


def _mounted(chosen: Selection, asked: tuple[Asked, ...], cards: dict[str, Card[Removal]]) -> None:
    of, view = name_of(*asked), _position()
    probabilities = chosen.answer.probabilities
    first = int(np.argmax(probabilities))
    data = payload_of(
        list(cards.values()), np.asarray(chosen.card.display(chosen.picture.image)), chosen.card.classes,
        first, first if chosen.target is None else chosen.target, asked[0].order, asked[0].fill,
        asked[0].rule in SIGNED, of, start_of(_START, of, view),
    )  # fmt: skip
    state = _mount(data=data, key="removal", default={"view": None}, on_view_change=lambda: None)
    now = told(_START, of, state.view)
    if now is not None:
        news = {"gone": now.get("at"), "gone_range": now.get("range"), "gone_curve": now.get("measure")}
        if len(measures_of(asked[0].order, "")) == 1:
            del news["gone_curve"]  # not chosen: the only one there is
        accept(FIELDS, news)
    settled(_START, _position())
    publish(FIELDS)


def _position() -> dict[str, Any]:
    return {
        "at": st.session_state["gone"],
        "measure": st.session_state["gone_curve"],
        "range": st.session_state["gone_range"],
    }
