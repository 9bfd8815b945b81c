"""How maps are drawn: the value that pages, exports and files share."""

from __future__ import annotations

from dataclasses import dataclass

#: Collapse rules by the name shown; the explorer's "channels" draws one panel a channel.
COLLAPSES = {"signed_max": "Largest channel, signed", "abs_sum": "Sum of magnitudes", "sum": "Signed sum"}
SIGNS = {"signed": "Both signs", "positive": "Positive only", "absolute": "Magnitude"}
CLIPS = (95.0, 99.0, 99.5, 99.9, 100.0)


@dataclass(frozen=True)
class Look:
    """How maps are drawn; part of the view, not of the computation.

    Attributes:
        collapse: key of `COLLAPSES`, or "channels" in the explorer.
        sign: key of `SIGNS`.
        clip: percentile of the values that the colour scale covers, in (0, 100].
        shared: one scale for all maps on screen (in the explorer: all levels), else one each.
        colours: key of `render.COLOUR_MAPS`, signed if the values are.
    """

    collapse: str = "signed_max"
    sign: str = "signed"
    clip: float = 99.5
    shared: bool = False
    colours: str = "blue-orange"

    @property
    def signed(self) -> bool:
        """Whether negative values are drawn."""
        return self.sign == "signed" and self.collapse != "abs_sum"
