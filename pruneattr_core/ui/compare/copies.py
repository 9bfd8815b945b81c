"""A method once more, with options of its own: the widgets that add such an entry and take it away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pruneattr_core.attribution import METHODS
from pruneattr_core.attribution.options import Option
from pruneattr_core.share.entries import MOST, entry_of, in_order, method_of, options_of, words_of
from pruneattr_core.ui.choose import select

#: Methods that can stand several times here: those with an option that the grid does not set for all.
_AGAIN = tuple(name for name, method in METHODS.items() if set(method.options) - {"of", "layer", "baselines"})
_SLIDER = "The slider's"
_PLACES = {
    "all": "Fixed, of all neurons",
    "contributing": "Fixed, of the contributing",
    "change": "Fixed output change",
}
_USUAL = "Usual layer"
#: Options that have widgets of their own here, or one for the whole grid.
_ELSEWHERE = ("sparsity", "of", "output_change", "change_of", "layer", "baselines")
_LABELS = {"mode": "Pruned neurons", "contribution": "Ranked by"}


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
        options = _place() if "output_change" in METHODS[method].options else {}
        for name, option in METHODS[method].options.items():
            if name not in _ELSEWHERE:
                options[name] = _asked(method, name, option)
        if layers.get(method):
            layer = select("Layer", [_USUAL, *layers[method]], "copy_layer")
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


def _place() -> dict[str, Any]:
    """Where a copy stands on the dial; nothing for wherever the slider is."""
    place = st.selectbox(
        "Sparsity", [_SLIDER, *_PLACES], key="copy_of", format_func=lambda name: _PLACES.get(name, name)
    )
    change = place == "change"
    value = st.number_input(
        "Output change" if change else "Removed", 0.0, 1.0, 0.15 if change else 0.9, 0.05,
        key="copy_change" if change else "copy_sparsity", disabled=place == _SLIDER,
    )  # fmt: skip
    if place == _SLIDER:
        return {}
    return {"output_change": float(value)} if change else {"sparsity": float(value), "of": place}


def _asked(method: str, name: str, option: Option) -> Any:
    """One option of any kind."""
    label, key = _LABELS.get(name, name.replace("_", " ").capitalize()), f"copy_{method}_{name}"
    if option.kind == "choice":
        return st.selectbox(label, option.choices, key=key, help=option.note or None)
    if option.kind == "bool":
        return st.checkbox(label, option.default, key=key, help=option.note or None)
    if option.kind == "text" or option.default is None:
        return option.default
    kind = int if option.kind == "int" else float
    low, high = (None if end is None else kind(end) for end in (option.low, option.high))
    step = kind(1 if kind is int else 0.05)
    return st.number_input(label, low, high, kind(option.default), step, key=key, help=option.note or None)


def _taken_away(entry: str) -> None:
    def away() -> None:
        st.session_state["methods"] = tuple(one for one in st.session_state["methods"] if one != entry)

    method = method_of(entry)
    title = f"{METHODS[method].title}, {words_of(method, options_of(entry))}"
    st.button(f"Take away {title}", key=f"away_{entry}", icon=":material/close:", on_click=away)
