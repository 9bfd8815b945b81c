"""The sidebar's choice of what is explained: a class by itself, instead of another, or together with some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from pruneattr_core.models import ModelCard
from pruneattr_core.share.way_back import RUNNER_UP, TOGETHER, others_in
from pruneattr_core.ui.choose import select
from pruneattr_core.ui.state import Field, one_of, refuse

#: Index that stands for "the predicted class".
PREDICTED = -1
#: How a class is explained: kinds of the setting `contrast`.
_INSTEAD, _MEAN = "class", "mean"
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
    st.session_state["target"] = PREDICTED
    if st.session_state["contrast"] != RUNNER_UP:
        st.session_state["contrast"] = ""


def choose_class(card: ModelCard, contrasts: bool) -> tuple[int, str]:
    """Draw the boxes.

    Args:
        card: of the network.
        contrasts: whether this page explains more than a class by itself.

    Returns:
        The class or `PREDICTED`, and what it is explained instead of or together with, see `asked_again`.
    """
    target = _target_box(card)
    return target, _choose_against(card, target, contrasts)


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


def _choose_against(card: ModelCard, target: int, served: bool) -> str:
    """Whether the class is explained by itself, instead of another one, or as the mean with some.

    Args:
        card: of the network.
        target: the class chosen above.
        served: whether this page does so.
    """
    count = len(card.classes)
    if count < 2:
        st.session_state["contrast"] = ""
        return ""
    if any(named >= count for named in others_in(st.session_state["contrast"])):
        refuse("contrast", instead="the class is explained by itself")
        st.session_state["contrast"] = ""

    def turned() -> None:
        st.session_state["contrast"] = RUNNER_UP if st.session_state["_how"] == RUNNER_UP else ""

    now = st.session_state["contrast"]
    named = _MEAN if now.startswith(TOGETHER) else _INSTEAD if now not in ("", RUNNER_UP) else now
    begun = st.session_state.get("_how") if not now else named  # chosen, and no class named yet
    st.session_state["_how"] = begun if begun in (named, _INSTEAD, _MEAN) else named
    how = st.selectbox(
        "Explain it", list(HOW), key="_how", format_func=HOW.__getitem__, on_change=turned,
        help="Instead of another: the difference of the two, so what speaks for both drops out. Together "
        "with others: the mean of their scores, all dogs say.",
    )  # fmt: skip
    if how in (_INSTEAD, _MEAN):
        _name_classes(card, [index for index in range(count) if index != target], how == _MEAN)
    if st.session_state["contrast"] and not served:
        st.caption("This page explains the class by itself; the threshold explorer and Compare do as chosen.")
    return str(st.session_state["contrast"])


def _name_classes(card: ModelCard, others: Sequence[int], several: bool) -> None:
    """The box that names the other classes of `contrast`; until one is named the class stands by itself."""
    named, box = others_in(st.session_state["contrast"]), "_mean_of" if several else "_instead_of"

    def changed() -> None:
        found = st.session_state[box]
        numbers = ",".join(map(str, found)) if several else found
        empty = found is None or found == []
        st.session_state["contrast"] = "" if empty else f"{TOGETHER if several else ''}{numbers}"

    shown = [index for index in named if index in others]
    if len(shown) < len(named):
        st.session_state["contrast"] = (TOGETHER + ",".join(map(str, shown))) if several and shown else ""
    how: dict[str, Any] = {"key": box, "format_func": card.classes.__getitem__, "on_change": changed}
    if several:
        st.session_state[box] = shown
        st.multiselect("Mean with", others, placeholder="Name classes", **how)
    else:
        st.session_state[box] = shown[0] if shown else None
        st.selectbox("Instead of", others, index=None, placeholder="Name a class", **how)
