"""Colours, dashes and markers that tell lines apart, for colour-blind readers, on either background."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Series:
    """How one line or bar of a chart is drawn.

    Attributes:
        colour: hexadecimal, legible on white and on near black.
        dash: plotly's name.
        symbol: plotly's name of the marker.
    """

    colour: str
    dash: str
    symbol: str


#: After Okabe and Ito (2008), blues lightened a little for dark backgrounds.
SERIES = (
    Series("#2b8cc4", "solid", "circle"),
    Series("#e69f00", "dash", "square"),
    Series("#00a67d", "dot", "diamond"),
    Series("#cc79a7", "dashdot", "triangle-up"),
    Series("#d55e00", "longdash", "cross"),
    Series("#8c8c8c", "longdashdot", "x"),
    Series("#56b4e9", "solid", "star"),
    Series("#b3a81f", "dash", "hexagon"),
    Series("#9b7fe0", "solid", "diamond-open"),
)
#: Reference lines and text that stand back.
QUIET = "#8a8f98"


def series(index: int) -> Series:
    """The style of line `index`, starting again after the last."""
    return SERIES[index % len(SERIES)]
