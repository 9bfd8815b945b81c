"""Several visitors at once over the real protocol; `python -m perf.soak` is the long form."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from perf.soak import Tally, View, alone, crowd
from tests.browser.serving import Served, serving

SCENE = "model=scenes-net&source=scenes&picture="
VIEWS = [
    View("", f"{SCENE}1"),
    View("", f"{SCENE}2&mode=freeze&at=0.9"),
    View("paths", f"{SCENE}1&paths=taylor,random"),
    View("removal", f"{SCENE}2&gone_methods=saliency"),
]


def test_a_crowd_is_answered_as_one_visitor_is(served: Served, tmp_path) -> None:
    tally = Tally()

    async def both(other: str) -> list[object]:
        return await asyncio.gather(alone(other, VIEWS), crowd(served.url, VIEWS, 6, 0, 3, tally))

    # Playwright has a loop of its own on this thread.
    with serving(tmp_path / "log.txt") as other, ThreadPoolExecutor(1) as apart:
        right, _ = apart.submit(asyncio.run, both(other.url)).result()
    assert tally.errors == []
    assert len(tally.answers) >= 2
    assert tally.wrong(right) == []
