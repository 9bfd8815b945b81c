"""The dial on the pages that compute at one place of it: three scales, as in the library (`paths.dial`)."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pruneattr_core.attribution import METHODS
from pruneattr_core.results.levels import DIALS, START, STOPS
from pruneattr_core.ui.state import Field, number, one_of

TITLES = {"contributing": "Of the contributing", "all": "Of all neurons", "change": "By output change"}
#: Where the dial stands first on a scale: the default, the papers' 70 % of ResNet-50, their 15 %.
_FIRST = {"contributing": START, "all": 0.7, "change": 0.15}


def dial_fields(prefix: str) -> tuple[Field, Field]:
    """The settings of a page's dial: its scale, "" until one is chosen, and the place on it."""
    return (
        Field(f"{prefix}_dial", "", one_of(STOPS), "the dial"),
        Field(f"{prefix}_sparsity", START, number(0, 1), "the sparsity", lambda value: f"{float(value):.6g}"),
    )


def dial_of(scale: str, place: float) -> tuple[str, float]:
    """The dial as (scale, place on it); links from before there were scales count all neurons."""
    return scale or (DIALS[0] if place == START else "all"), place


def on_the_dial(method: str, dial: tuple[str, float]) -> dict[str, Any]:
    """The options that put a method there; none for one without a dial."""
    if "output_change" not in METHODS[method].options:
        return {}
    scale, place = dial
    return {"output_change": place} if scale == "change" else {"sparsity": place, "of": scale}


def dial_here(prefix: str) -> tuple[str, float]:
    """Where the settings of `dial_fields` stand."""
    return dial_of(st.session_state[f"{prefix}_dial"], st.session_state[f"{prefix}_sparsity"])


def choose_dial(prefix: str) -> tuple[str, float]:
    """Draw the scale and the slider over the settings of `dial_fields`; returns where they stand."""
    names = f"{prefix}_dial", f"{prefix}_sparsity"
    scale, place = dial_here(prefix)

    def put(scale: str, place: float) -> None:
        st.session_state[names[0]] = "" if (scale, place) == (DIALS[0], START) else scale
        st.session_state[names[1]] = place

    def rescaled() -> None:
        chosen = st.session_state[f"{prefix}_scale_box"]
        put(chosen, _FIRST[chosen])

    box = f"{prefix}_place_box_{scale}"
    st.session_state[f"{prefix}_scale_box"], st.session_state[box] = scale, place
    st.segmented_control(
        "Neurons go", list(TITLES), key=f"{prefix}_scale_box", required=True, format_func=TITLES.__getitem__,
        on_change=rescaled, help="What the sparsity of the methods that prune is a share of, or the output "
        "change that is allowed.",
    )  # fmt: skip
    st.select_slider(
        "Output change allowed" if scale == "change" else "Sparsity of the methods that prune",
        sorted({*STOPS[scale], place}), key=box, format_func=lambda value: f"{100 * value:g} %",
        on_change=lambda: put(scale, st.session_state[box]),
    )  # fmt: skip
    return scale, place


def dial_words(dial: tuple[str, float]) -> str:
    """The dial in a few words."""
    scale, place = dial
    return f"{100 * place:g} % " + {
        "contributing": "of the contributing neurons removed", "all": "of all neurons removed",
        "change": "output change allowed",
    }[scale]  # fmt: skip
