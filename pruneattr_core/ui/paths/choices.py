"""The row of choices both path pages share: methods, sparsity, seed."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pruneattr_core.paths.table import METHODS
from pruneattr_core.ui.paths.state import KEEP, PRESETS, SEED_LIMIT, parse_methods

_ANY = "any"


def choose_paths(beside: Callable[[], None] | None = None) -> tuple[list[str], float]:
    """Methods and sparsity; `beside` draws more into the row."""
    st.session_state["_methods"] = st.session_state["paths"].split(",")

    def methods_changed() -> None:
        chosen = st.session_state["_methods"] or ["taylor"]
        st.session_state["paths"] = parse_methods(",".join(chosen))

    def preset_changed() -> None:
        if st.session_state["_preset"] != _ANY:
            st.session_state["kappa"] = st.session_state["_preset"]

    st.pills(
        "Methods",
        list(METHODS),
        selection_mode="multi",
        key="_methods",
        format_func=lambda key: METHODS[key].title,
        on_change=methods_changed,
    )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.session_state["_preset"] = (
            st.session_state["kappa"] if st.session_state["kappa"] in PRESETS else _ANY
        )
        st.segmented_control(
            "Neurons removed",
            [*PRESETS, _ANY],
            key="_preset",
            required=True,
            format_func=lambda share: "any" if share == _ANY else f"{share:.0%}",
            on_change=preset_changed,
            help="The sparsities of the paper, or any number beside it.",
        )
        kappa = st.number_input(
            "Sparsity",
            0.0,
            1.0,
            step=0.01,
            format="%.4g",
            key="kappa",
            width=140,
            help="Share removed, 0 to 1.",
            **KEEP,
        )
        if any(METHODS[key].random for key in st.session_state["paths"].split(",")):
            st.number_input(
                "Seed of paths",
                0,
                SEED_LIMIT,
                step=1,
                key="path_seed",
                width=130,
                help="Of Random and DGR(init=r).",
                **KEEP,
            )
        if beside is not None:
            beside()
    return st.session_state["paths"].split(","), kappa
