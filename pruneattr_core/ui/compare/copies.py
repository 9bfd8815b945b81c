"""A method once more, with options of its own: the widgets that add such an entry and take it away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pruneattr_core.attribution import METHODS
from pruneattr_core.ui.compare.entries import MOST, entry_of, in_order, method_of, options_of, words_of

#: Methods with a dial: those that can stand several times here.
_AGAIN = tuple(name for name, method in METHODS.items() if "output_change" in method.options)
_SLIDER = "The slider's"
_PLACES = {"all": "Fixed, of all neurons", "contributing": "Fixed, of the contributing"}
_USUAL = "Usual layer"


def choose_copies(layers: Mapping[str, tuple[str, ...]]) -> None:
    """Draw them.

    Args:
        layers: method with an option `layer` -> what it may be.
    """
    st.caption("**Once more, with its own options**")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        method = st.selectbox(
            "Method", _AGAIN, key="copy_method", format_func=lambda name: METHODS[name].title
        )
        place = st.selectbox(
            "Sparsity", [_SLIDER, *_PLACES], key="copy_of", format_func=lambda name: _PLACES.get(name, name)
        )
        sparsity = st.number_input(
            "Removed", 0.0, 1.0, 0.9, 0.05, key="copy_sparsity", disabled=place == _SLIDER
        )
        options: dict[str, Any] = {} if place == _SLIDER else {"sparsity": float(sparsity), "of": place}
        options["mode"] = st.selectbox(
            "Pruned neurons", METHODS[method].options["mode"].choices, key="copy_mode"
        )
        if "contribution" in METHODS[method].options:
            choices = METHODS[method].options["contribution"].choices
            options["contribution"] = st.selectbox("Ranked by", choices, key="copy_contribution")
        if method in layers:
            layer = st.selectbox("Layer", [_USUAL, *layers[method]], key="copy_layer")
            options |= {} if layer == _USUAL else {"layer": layer}
    shortest = {
        name: value for name, value in options.items() if value != METHODS[method].options[name].default
    }
    entry = entry_of(method, shortest)
    there = st.session_state["methods"]
    st.button(
        "Add",
        key="copy_add",
        icon=":material/add:",
        disabled=entry in there or len(there) >= MOST,
        on_click=lambda: st.session_state.update(methods=in_order((*there, entry))),
    )
    for copy in there:
        if copy not in METHODS:
            _taken_away(copy)


def _taken_away(entry: str) -> None:
    def away() -> None:
        st.session_state["methods"] = tuple(one for one in st.session_state["methods"] if one != entry)

    method = method_of(entry)
    title = f"{METHODS[method].title}, {words_of(method, options_of(entry))}"
    st.button(f"Take away {title}", key=f"away_{entry}", icon=":material/close:", on_click=away)
