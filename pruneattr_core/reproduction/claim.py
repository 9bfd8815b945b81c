"""A claim of a paper as a comparison of two figures, and what our run says to it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pruneattr_core.analysis.interval import Interval

HOLDS, PARTLY, OPEN = "holds", "holds partly", "not decided here"
NOT, OUT = "does not hold here", "not reachable here"


@dataclass(frozen=True)
class Ours:
    """The same two figures, measured here.

    Attributes:
        first: mean of what the claim is about.
        second: mean of what it is compared with.
        difference: first - second, over pictures (paired) or seeds, with its interval.
        per: what the interval is over: "pictures", "networks".
        run: folder of the run.
        network: title of the network.
        data: title of the pictures.
        command: that computes the run again; "" where the run's folder says it.
    """

    first: float
    second: float
    difference: Interval
    per: str
    run: str
    network: str
    data: str
    command: str = ""


@dataclass(frozen=True)
class Claim:
    """One row of the page.

    Attributes:
        paper: short name, see PAPERS in the documentation.
        where: table or figure, and the part of it.
        text: what is compared, in words.
        first: the published figure; NaN where the paper gives none.
        second: the published figure it is compared with.
        ours: None where there is no run.
        differs: what differs in the protocol, in a few words; where there is no run, why.
        expected: sign of first - second that the claim means, where the published figures do not show it.
        tolerance: for claims that two figures are alike: how far ours may be apart; 0 for claims of order.
    """

    paper: str
    where: str
    text: str
    first: float
    second: float
    ours: Ours | None
    differs: str
    expected: int = 0
    tolerance: float = 0.0

    @property
    def verdict(self) -> str:
        """One of five words, from our interval alone; where it has no ends (one network) nothing is decided.

        Order: it lies on the published side of 0, on the other side, or contains 0.
        Alike: it lies within the tolerance, within twice of it, wholly beyond it, or none of these.
        """
        if self.ours is None:
            return OUT
        found = self.ours.difference
        if not math.isfinite(found.low):
            return OPEN
        if self.tolerance:
            far, near = max(-found.low, found.high), max(found.low, -found.high)
            if far <= 2 * self.tolerance:
                return HOLDS if far <= self.tolerance else PARTLY
            return NOT if near > self.tolerance else OPEN
        if found.low <= 0 <= found.high:
            return OPEN
        sign = self.expected or int(math.copysign(1, self.first - self.second))
        return HOLDS if sign * found.mean > 0 else NOT
