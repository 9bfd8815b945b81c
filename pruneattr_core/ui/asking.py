"""The sidebar's choice of what is explained: a class by itself, instead of another, or together with some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from pruneattr_core.models import ModelCard
from pruneattr_core.share.way_back import MOST_NAMED, RUNNER_UP, TOGETHER, others_in
from pruneattr_core.ui.choose import box_of, labels_of, select
from pruneattr_core.ui.state import Field, one_of, refuse

#: Index that stands for "the predicted class".
PREDICTED = -1
#: How a class is explained: kinds of the setting `contrast`.
_INSTEAD, _MEAN = "class", "mean"
#: Key of the kind that was chosen while no class is named yet.
_BEGUN = "_begun"
HOW = {
    "": "by itself",
    RUNNER_UP: "instead of the runner-up",
    _INSTEAD: "instead of another class",
    _MEAN: "together with others",
}


def _target(text: str) -> int:
    value = int(text)
    if value < PREDICTED:
        raise ValueError(text)
    return value


def _contrast(text: str) -> str:
    named = others_in(text)
    return text if named or text == RUNNER_UP else one_of([RUNNER_UP])(text)


#: The settings in the address.
ASKED = (
    Field("target", PREDICTED, _target, "target class"),
    Field("contrast", "", _contrast, "the class it is set against"),
)


def let_go_of_classes() -> None:
    """For whoever chooses another network: what names classes of the one before goes."""
    st.session_state[_BEGUN] = ""
    st.session_state["target"] = PREDICTED
    if st.session_state["contrast"] != RUNNER_UP:
        st.session_state["contrast"] = ""


def choose_class(card: ModelCard) -> tuple[int, str]:
    """Draw the boxes that are there before the network has answered; `choose_others` draws the rest.

    Args:
        card: of the network.

    Returns:
        The class or `PREDICTED`, and how it is explained, a key of `HOW`.
    """
    return _target_box(card), _how_box(card)


def _target_box(card: ModelCard) -> int:
    """Drawn before the network has answered, so nothing in it may depend on what it answers."""
    count = len(card.classes)
    if st.session_state["target"] >= count:
        refuse("target", instead="the predicted class is explained")
        st.session_state["target"] = PREDICTED
    return select(
        "Class to explain",
        range(PREDICTED, count),
        "target",
        lambda index: "The predicted class" if index == PREDICTED else card.classes[index],
        help="Type to search all classes.",
    )


def _how_box(card: ModelCard) -> str:
    """Whether the class is explained by itself, instead of another one, or as the mean with some."""
    if len(card.classes) < 2:
        st.session_state["contrast"] = ""
        return ""
    if any(named >= len(card.classes) for named in others_in(st.session_state["contrast"])):
        refuse("contrast", instead="the class is explained by itself")
        st.session_state["contrast"] = ""

    def turned() -> None:
        how = st.session_state["_how"]
        st.session_state["contrast"] = RUNNER_UP if how == RUNNER_UP else ""
        st.session_state[_BEGUN] = how if how in (_INSTEAD, _MEAN) else ""

    now = st.session_state["contrast"]
    if now:
        st.session_state[_BEGUN] = ""
        now = _MEAN if now.startswith(TOGETHER) else RUNNER_UP if now == RUNNER_UP else _INSTEAD
    st.session_state["_how"] = now or st.session_state.get(_BEGUN, "")
    return st.selectbox(
        "Explain it", list(HOW), key="_how", format_func=HOW.__getitem__, on_change=turned,
        help="Instead of another: the difference of the two, so what speaks for both drops out. Together "
        "with others: the mean of their scores, all dogs say.",
    )  # fmt: skip


def choose_others(card: ModelCard, how: str, own: int, served: bool) -> str:
    """Draw the box that names other classes, where some are; until one is named the class stands by itself.

    Args:
        card: of the network.
        how: as `choose_class` gave it.
        own: the class that is explained, which no box offers.
        served: whether this page explains more than a class by itself.

    Returns:
        What the class is explained instead of or together with, see `asked_again`.
    """
    contrast = str(st.session_state["contrast"])
    if how in (_INSTEAD, _MEAN):
        contrast = _name_classes(card, own, how == _MEAN)
    if contrast and not served:
        st.caption("This page explains the class by itself; the threshold explorer and Compare do as chosen.")
    return contrast


def _name_classes(card: ModelCard, own: int, several: bool) -> str:
    others = [index for index in range(len(card.classes)) if index != own]
    labels = labels_of(others, card.classes.__getitem__)  # a network of the hub has two cranes
    box = box_of("_mean_of" if several else "_instead_of", labels)
    named = others_in(st.session_state["contrast"])

    def text(found: Sequence[int]) -> str:
        return f"{TOGETHER if several else ''}{','.join(map(str, found))}" if found else ""

    def changed() -> None:
        found = st.session_state[box]
        st.session_state["contrast"] = text(found if several else [] if found is None else [found])
        st.session_state[_BEGUN] = "" if st.session_state["contrast"] else st.session_state["_how"]

    shown = [index for index in named if index != own]
    how: dict[str, Any] = {"key": box, "format_func": labels.__getitem__, "on_change": changed}
    if several:
        st.session_state[box] = shown
        st.multiselect(
            "Mean with",
            others,
            placeholder="Name classes",
            max_selections=MOST_NAMED,
            select_all=False,
            **how,
        )
    else:
        st.session_state[box] = shown[0] if shown else None
        st.selectbox("Instead of", others, index=None, placeholder="Name a class", **how)
    if named and not shown:
        st.caption(f"{card.classes[own]} is what is explained here, so it stands by itself.")
    return text(shown)
