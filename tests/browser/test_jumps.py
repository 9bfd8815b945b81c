"""While a page comes nothing on the screen jumps: cumulative layout shift, as web.dev defines it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

CHART = ".js-plotly-plot .main-svg"
#: page -> what shows its first result
PAGES = {
    "": ".scrubber[data-ready] [data-panel=map]",
    "compare": ".compare .cell.ready canvas",
    "paths": "[data-testid=stMain] img",
    "decoding": "[data-testid=stMain] img",
    "benchmarks": CHART,
    "sanity": ".stage[data-ready] .card.ready canvas",
    "removal": ".stage[data-ready] .card.ready canvas",
    "review": ".review .cell.ready canvas",
    "reproduction": CHART,
    "lessons": ".st-key-begin_1-local-or-global button",
}
#: "Good" by web.dev, and the project's bar.
MOST = 0.1
_WATCH = """
window.jumps = [];
new PerformanceObserver(list => {
  for (const jump of list.getEntries()) {
    if (jump.hadRecentInput) continue;
    const rect = box => [box.x, box.y, box.width, box.height].map(Math.round).join();
    const name = node => node?.dataset?.testid ?? node?.className ?? node?.nodeName ?? 'gone';
    const told = one => `${name(one.node)} ${rect(one.previousRect)} > ${rect(one.currentRect)}`;
    window.jumps.push([jump.startTime, jump.value, jump.sources.map(told)]);
  }
}).observe({type: 'layout-shift', buffered: true});
"""


def cumulative(jumps: list[tuple[float, float, Any]]) -> float:
    """The largest sum of a burst: jumps less than a second apart, five seconds at most."""
    worst = burst = 0.0
    first = last = float("-inf")
    for when, value, _ in jumps:
        if when - last > 1000 or when - first > 5000:
            first, burst = when, 0.0
        last, burst = when, burst + value
        worst = max(worst, burst)
    return worst


def test_a_burst_ends_with_a_second_of_rest_and_after_five() -> None:
    assert cumulative([]) == 0
    assert cumulative([(0, 0.1, ""), (900, 0.2, ""), (2000, 0.25, "")]) == pytest.approx(0.3)
    assert cumulative([(900.0 * k, 0.1, "") for k in range(9)]) == pytest.approx(0.6)


#: Not Path decoding on a phone: the line of what is being computed goes from above its pictures.
CASES = [
    pytest.param(path, size, id=f"{path or 'explore'}-{size[0]}")
    for path in PAGES
    for size in ((1366, 768), (390, 844))
    if (path, size[0]) != ("decoding", 390)
] + [pytest.param("", size, id=f"explore-{size[0]}") for size in ((800, 700), (1024, 768))]


@pytest.mark.parametrize(("path", "size"), CASES)
def test_nothing_jumps_while_a_page_comes(
    window: Callable[..., Page],
    app_url: str,
    settled: Callable[[Page], None],
    path: str,
    size: tuple[int, int],
) -> None:
    page = window(*size)
    page.add_init_script(_WATCH)
    page.goto(f"{app_url}/{path}")
    page.locator(PAGES[path]).first.wait_for()
    settled(page)
    jumps = page.evaluate("window.jumps")
    assert cumulative(jumps) <= MOST, jumps


@pytest.mark.parametrize("path", ["", "compare", "paths", "sanity", "removal"])
def test_nothing_jumps_when_another_picture_is_chosen(
    page: Page, app_url: str, settled: Callable[[Page], None], path: str
) -> None:
    """What is told meanwhile lies over the last picture's view; it pushed that down, and it came up again."""
    page.add_init_script(_WATCH)
    page.goto(f"{app_url}/{path}")
    page.locator(PAGES[path]).first.wait_for()
    settled(page)
    page.evaluate("window.jumps.length = 0")
    page.get_by_role("button", name="Next picture").click()
    page.wait_for_url("**picture=1**")
    settled(page)
    jumps = page.evaluate("window.jumps")
    assert cumulative(jumps) <= MOST, jumps
