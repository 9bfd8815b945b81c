"""A thin legend below a map."""

from __future__ import annotations

import streamlit as st

from pruneattr_core.render import Scale, colour_bar

#: Colours of the gradient; the browser blends between them.
_STOPS = 17


def colour_strip(scale: Scale, colours: str) -> None:
    """Draw the legend of a map drawn with `scale` in the colour map named `colours`."""
    bar = colour_bar(scale, colours)
    last = len(bar.colours) - 1
    picked = [bar.colours[round(i * last / (_STOPS - 1))] for i in range(_STOPS)]
    gradient = ", ".join(f"rgb({red} {green} {blue})" for red, green, blue in picked)
    labels = "".join(f"<span>{value:.2g}</span>" for _, value in bar.ticks)
    st.html(
        f"<div role='img' aria-label='Colour scale from {bar.ticks[0][1]:.2g} to {bar.ticks[-1][1]:.2g}'>"
        "<div style='height:.6rem;border-radius:.2rem;"
        f"background:linear-gradient(to right,{gradient})'></div>"
        "<div style='display:flex;justify-content:space-between;font-size:.85rem;opacity:.75'>"
        f"{labels}</div></div>"
    )
