"""How maps are drawn: the value, and the widgets that choose it on the pages that draw them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pruneattr_core.render import COLOUR_MAPS
from pruneattr_core.render.look import CLIPS, SIGNS, Look
from pruneattr_core.ui.choose import segments
from pruneattr_core.ui.state import refuse

_KEEP: dict[str, Any] = {"persist_state": "session"}


def default_colours(signed: bool, wanted: str) -> str:
    """`wanted` if it fits the kind of values, else the first colour map that does."""
    if wanted in COLOUR_MAPS and COLOUR_MAPS[wanted].signed == signed:
        return wanted
    return next(name for name, colours in COLOUR_MAPS.items() if colours.signed == signed)


def look_of(prefix: str) -> Look:
    """The look that the session holds; arguments as of `choose_look`."""
    collapse, sign, scale, clip, colours = (
        st.session_state[f"{prefix}{name}"] for name in ("collapse", "sign", "scale", "clip", "colours")
    )
    sign = "absolute" if collapse == "abs_sum" else sign
    return Look(
        collapse, sign, clip, scale == "shared", default_colours(Look(collapse, sign).signed, colours)
    )


def choose_look(
    prefix: str,
    collapses: Mapping[str, str],
    scales: Mapping[str, str],
    sign_help: str | None = None,
    scale_help: str | None = None,
) -> Look:
    """Draw the choices one below the other.

    Args:
        prefix: of their names in the session: prefix + "collapse", "sign", "scale", "clip", "colours".
        collapses: rule -> words.
        scales: "shared" and "own" -> words.
        sign_help: shown beside the sign.
        scale_help: shown beside the scale.
    """
    names = {name: f"{prefix}{name}" for name in ("collapse", "sign", "scale", "clip", "colours")}
    collapse = st.selectbox(
        "Channels to one map",
        list(collapses),
        key=names["collapse"],
        format_func=collapses.__getitem__,
        **_KEEP,
    )
    if collapse == "abs_sum":
        st.session_state[names["sign"]] = "absolute"
    sign = st.selectbox(
        "Sign", list(SIGNS), key=names["sign"], format_func=SIGNS.__getitem__, disabled=collapse == "abs_sum",
        help=sign_help, **_KEEP,
    )  # fmt: skip
    scale = segments("Colour scale", scales, names["scale"], scale_help)
    clip = st.select_slider(
        "Values the scale covers, percentile",
        CLIPS,
        key=names["clip"],
        format_func=lambda v: f"{v:g}",
        **_KEEP,
    )
    signed = Look(collapse, sign).signed
    fitting = default_colours(signed, st.session_state[names["colours"]])
    if fitting != st.session_state[names["colours"]]:
        refuse(names["colours"], instead=f"`{fitting}` fits the values and is used instead")
    st.session_state[names["colours"]] = fitting
    colours = st.selectbox(
        "Colours", [name for name, table in COLOUR_MAPS.items() if table.signed == signed],
        key=names["colours"], format_func=lambda name: COLOUR_MAPS[name].title, **_KEEP,
    )  # fmt: skip
    return Look(collapse, sign, clip, scale == "shared", colours)
