"""Figures of the papers that are pictures alone: nothing to measure by, so where ours can be looked at."""

from __future__ import annotations

import math
from collections.abc import Iterator

from pruneattr_core.reproduction.claim import Claim

#: (paper, figure) -> the figure of Compare that draws such pictures here.
SHOWN = {
    ("PG1", "fig. 6"): "By output change",
    ("PG1", "fig. 15"): "Perturbation, level by level",
    ("PG2", "fig. 1"): "The papers' figure",
    ("PG2", "fig. 2b"): "Level by level",
    ("PG2", "fig. 4"): "The papers' figure",
    ("PG2", "fig. 6"): "Mid by layer",
    ("SCP", "fig. 4"): "Taylor beside integrated",
    ("SCP", "fig. 5"): "The papers' figure",
}


def claims() -> Iterator[Claim]:
    """A row for each, without figures on either side."""
    for (paper, figure), shown in SHOWN.items():
        yield Claim(
            paper,
            figure,
            "Maps side by side",
            math.nan,
            math.nan,
            None,
            f"pictures, no figure to set ours beside; the page Compare draws such ones as “{shown}”",
        )
