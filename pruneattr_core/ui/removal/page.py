"""Pixel removal, live: take pixels away in a method's order and watch what the network still answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from pruneattr_core.attribution import METHODS
from pruneattr_core.benchmarks.fills import FILLS
from pruneattr_core.results.keys import map_key
from pruneattr_core.results.removal import ORDERS, RULES, SIGNED, Removal, RemovalKey, removed
from pruneattr_core.share.component import stage
from pruneattr_core.ui.cache import Waiting, engine
from pruneattr_core.ui.component import said
from pruneattr_core.ui.dial import choose_dial, dial_fields, dial_here, on_the_dial
from pruneattr_core.ui.errors import guarded
from pruneattr_core.ui.hand import left_behind, name_of, settled, start_of, told
from pruneattr_core.ui.jobs import Job
from pruneattr_core.ui.menu import title_row
from pruneattr_core.ui.method_cards import Card, choose_methods, methods_field, once_ready, show_cards
from pruneattr_core.ui.one_file import page_button
from pruneattr_core.ui.removal.payload import RANGES, measures_of, payload_of
from pruneattr_core.ui.removal.table import table
from pruneattr_core.ui.results import fits, map_beside
from pruneattr_core.ui.shell import Selection
from pruneattr_core.ui.spare import is_spare
from pruneattr_core.ui.stage import component
from pruneattr_core.ui.state import Field, accept, number, one_of, publish, report

#: Always there: what a map must beat to say anything.
CONTROLS = ("edges", "random")
OFFERED = tuple(name for name in METHODS if name not in CONTROLS)
_START = "_removal_start"
_mount = component("pruneattr_removal", "removal")


def _range(text: str) -> str:
    return one_of([str(one["key"]) for one in RANGES])(text)


FIELDS = (
    methods_field("gone", "prunegrad,saliency", OFFERED),
    Field("gone_order", "lerf", one_of(ORDERS), "the order"),
    Field("gone_fill", "mean", one_of(FILLS), "the fill"),
    Field("gone_rule", "magnitude", one_of(RULES), "the relevance of a pixel"),
    *dial_fields("gone"),
    Field("gone", 0.3, number(0, 1), "the fraction", lambda value: f"{value:.4g}"),
    Field("gone_range", "all", _range, "the range"),
    Field("gone_curve", "change", one_of(("change", "probability")), "the curve"),
)


def draw(chosen: Selection) -> None:
    """The page."""
    report(FIELDS)
    with title_row("Pixel removal, live"):
        dial = _choose_protocol()
        place = st.container(width="content")
    publish(FIELDS)  # a reload while what follows is computed keeps what was chosen
    with guarded():
        waiting = Waiting(over="cards")
        reasons = fits(chosen.subject, chosen.picture, waiting).reasons
        waiting.clear()
        names = choose_methods("gone", OFFERED, reasons, place, "controls")
        publish(FIELDS)
        names += [name for name in CONTROLS if not reasons[name]]
        asked = {name: _asked(chosen, name, dial) for name in names}

        def compute(job: Job, key: RemovalKey) -> Removal:
            network, inputs, mapped = map_beside(job, key.map, chosen.picture)
            found: Removal = engine().jobs.results.once(
                key, lambda: removed(network, chosen.card, inputs, mapped, key, job.go_on),
                lambda: job.tick(job.done, job.total),
            )  # fmt: skip
            return found

        def draw_cards(cards: dict[str, Card[Removal]]) -> None:
            _mounted(chosen, tuple(asked.values()), cards)
            table(chosen, asked, cards)

        show_cards("removal", asked, compute, lambda key: key.map.passes(), draw_cards)


def _choose_protocol() -> tuple[str, float]:
    keep: dict[str, Any] = {"persist_state": "session"}
    st.selectbox("Order", list(ORDERS), key="gone_order", format_func=ORDERS.__getitem__, width=235, **keep)
    st.selectbox("Fill", list(FILLS), key="gone_fill", format_func=FILLS.__getitem__, width=165, **keep)
    if is_spare():
        return dial_here("gone")
    with st.popover("Relevance", icon=":material/tune:"):
        st.radio(
            "Relevance of a pixel, from its channels", list(RULES), key="gone_rule",
            format_func=lambda name: RULES[name].title,
            help="The order is that of these values; signs matter: with signed values the pixels that speak "
            "against the class are the least relevant.", **keep,
        )  # fmt: skip
        return choose_dial("gone")


def _asked(chosen: Selection, name: str, dial: tuple[str, float]) -> RemovalKey:
    return RemovalKey(
        map_key(chosen.subject, name, on_the_dial(name, dial)),
        rule=st.session_state["gone_rule"],
        order=st.session_state["gone_order"],
        fill=st.session_state["gone_fill"],
    )


def _mounted(chosen: Selection, asked: tuple[RemovalKey, ...], cards: dict[str, Card[Removal]]) -> None:
    of = name_of(*asked)
    late = left_behind(_START, of, _position(), said("removal", "view"))
    if late is not None:
        _move(late, asked[0].order)
    answer = chosen.answer
    target = int(np.argmax(answer.probabilities)) if chosen.target is None else chosen.target

    def made(start: Mapping[str, Any]) -> bytes:
        return payload_of(
            list(cards.values()), chosen.photo, chosen.card.classes,
            answer.about(target), target, asked[0].order, asked[0].fill, asked[0].rule in SIGNED, of, start,
            answer.head == "values",
        )  # fmt: skip

    state = _mount(
        data=once_ready(list(cards.values()), of, start_of(_START, of, _position()), made),
        key="removal",
        default={"view": None},
        on_view_change=lambda: None,
    )
    now = told(_START, of, state.view)
    if now is not None:
        _move(now, asked[0].order)
    settled(_START, _position())
    publish(FIELDS)
    start = {"token": 0, **_position()}
    ready = all(card.state != "computing" for card in cards.values())
    page_button("removal", stage("removal"), lambda _: made(start), chosen, target, FIELDS, ready)


def _move(news: Mapping[str, Any], order: str) -> None:
    to = {"gone": news.get("at"), "gone_range": news.get("range"), "gone_curve": news.get("measure")}
    if len(measures_of(order, "")) == 1:
        del to["gone_curve"]  # not chosen: the only one there is
    accept(FIELDS, to)


def _position() -> dict[str, Any]:
    return {
        "at": st.session_state["gone"],
        "measure": st.session_state["gone_curve"],
        "range": st.session_state["gone_range"],
    }
