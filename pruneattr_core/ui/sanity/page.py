"""Sanity check, live: pull the slider, and the network forgets layer by layer while the maps are watched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from pruneattr_core.attribution import METHODS
from pruneattr_core.benchmarks.sanity import TITLES, VARIANTS
from pruneattr_core.results.cascade import LIKENESS, Cascade, CascadeKey, randomised
from pruneattr_core.results.keys import map_key
from pruneattr_core.share.component import stage
from pruneattr_core.ui.cache import Waiting, engine
from pruneattr_core.ui.choose import segments
from pruneattr_core.ui.component import said
from pruneattr_core.ui.dial import choose_dial, dial_fields, dial_here, on_the_dial
from pruneattr_core.ui.errors import guarded
from pruneattr_core.ui.hand import left_behind, name_of, settled, start_of, told
from pruneattr_core.ui.jobs import Job
from pruneattr_core.ui.menu import title_row
from pruneattr_core.ui.method_cards import Card, choose_methods, methods_field, once_ready, show_cards
from pruneattr_core.ui.one_file import page_button
from pruneattr_core.ui.results import fits, map_beside
from pruneattr_core.ui.sanity.payload import payload_of
from pruneattr_core.ui.shell import Selection
from pruneattr_core.ui.spare import is_spare
from pruneattr_core.ui.stage import component
from pruneattr_core.ui.state import Field, accept, one_of, publish, refuse, report, whole

_START = "_sane_start"
_mount = component("pruneattr_sanity", "sanity")

FIELDS = (
    methods_field("sane", "prunegrad,saliency,guided_backprop,edges", tuple(METHODS)),
    *dial_fields("sane"),
    Field("sane_variant", "released", one_of(VARIANTS), "the new weights"),
    Field("sane_measure", "spearman_abs", one_of(LIKENESS), "the likeness"),
    Field("sane_step", 0, whole(0, 1000), "the step"),
)


def draw(chosen: Selection) -> None:
    """The page."""
    report(FIELDS)
    with title_row("Sanity check, live"):
        segments("New weights and biases", TITLES, "sane_variant")
        if not is_spare():
            with st.popover("Sparsity", icon=":material/tune:"):
                choose_dial("sane")
        dial = dial_here("sane")
        place = st.container(width="content")
    publish(FIELDS)  # a reload while what follows is computed keeps what was chosen
    with guarded():
        waiting = Waiting(height=420, over="cards")
        found = fits(chosen.subject, chosen.picture, waiting)
        waiting.clear()
        st.caption(
            "The slider gives layer after layer new random weights, from the last to the first: a map that "
            "explains the network must change.",
            help="One that stays draws the picture (Adebayo et al. 2018). A residual block is one step, a "
            "normalisation goes with its layer. Methods that prune rank and remove anew at every step.",
        )
        beyond = st.session_state["sane_step"] >= found.steps
        if beyond and refuse("sane_step", instead="the trained network is shown"):
            st.session_state["sane_step"] = 0
        names = choose_methods("sane", tuple(METHODS), found.reasons, place)
        publish(FIELDS)
        if names:
            _stage(chosen, names, dial)
        else:
            st.info("Choose at least one method above.", icon=":material/checklist:")


def _stage(chosen: Selection, names: list[str], dial: tuple[str, float]) -> None:
    variant = st.session_state["sane_variant"]
    asked = {
        name: CascadeKey(map_key(chosen.subject, name, on_the_dial(name, dial)), variant) for name in names
    }

    def compute(job: Job, key: CascadeKey) -> Cascade:
        network, inputs, mapped = map_beside(job, key.map, chosen.picture)

        def seen(so_far: Cascade) -> None:
            job.partial = {key: so_far}

        found: Cascade = engine().jobs.results.once(
            key, lambda: randomised(network, inputs, mapped, key, job.go_on, seen),
            lambda: job.tick(job.done, job.total),
        )  # fmt: skip
        return found

    def draw_cards(cards: dict[str, Card[Cascade]]) -> None:
        _mounted(chosen, name_of(*asked.values()), list(cards.values()))

    show_cards("sanity", asked, compute, lambda key: key.map.passes(), draw_cards)


def _mounted(chosen: Selection, of: str, cards: list[Card[Cascade]]) -> None:
    late = left_behind(_START, of, _position(), said("sanity", "view"))
    if late is not None:
        _move(late)
    target = int(np.argmax(chosen.answer.probabilities)) if chosen.target is None else chosen.target
    steps = next((card.result.steps for card in cards if card.result is not None), ("original",))
    photo = chosen.photo

    def made(start: Mapping[str, Any]) -> bytes:
        valued = chosen.answer.head == "values"
        return payload_of(cards, photo, chosen.card.classes[target], steps, of, start, valued)

    state = _mount(
        data=once_ready(cards, of, start_of(_START, of, _position()), made),
        key="sanity",
        default={"view": None},
        on_view_change=lambda: None,
    )
    now = told(_START, of, state.view)
    if now is not None:
        _move(now)
    settled(_START, _position())
    publish(FIELDS)
    start = {"token": 0, **_position()}
    ready = all(card.state != "computing" for card in cards)
    page_button("sanity", stage("sanity"), lambda _: made(start), chosen, target, FIELDS, ready)


def _move(news: Mapping[str, Any]) -> None:
    accept(FIELDS, {"sane_step": news.get("at"), "sane_measure": news.get("measure")})


def _position() -> dict[str, Any]:
    return {"at": st.session_state["sane_step"], "measure": st.session_state["sane_measure"], "range": "all"}
