"""What a page is for is on its first screen: the slider, whole, before anybody scrolls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.waiting import BOXES, INSIDE, until

#: page -> what shows its first result
PAGES = {
    "": ".scrubber[data-ready] [data-panel=map]",
    "compare?grid_methods=prunegrad,saliency": ".compare .cell.ready canvas",
    "sanity?sane_methods=prunegrad,saliency,guided_backprop,edges": ".stage .card canvas",
    "removal?gone_methods=prunegrad,saliency": ".stage .card canvas",
}


@pytest.mark.parametrize(("width", "height"), [(1366, 768), (1280, 720), (390, 844)])
@pytest.mark.parametrize("path", PAGES)
def test_slider_is_on_the_first_screen(
    window: Callable[..., Page], app_url: str, path: str, width: int, height: int
) -> None:
    page = window(width, height, "light")
    page.goto(f"{app_url}/{path}")
    page.locator(PAGES[path]).first.wait_for()
    slider = page.get_by_test_id("stMain").get_by_role("slider").first
    until(page, lambda: slider.evaluate_all(INSIDE) == [True])  # a headline of two lines may come and go


@pytest.mark.parametrize(
    "path", ["methods=prunegrad,saliency,gradcam,edges", "methods=prunegrad,saliency&more=2,3"]
)
@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1366, 768), (1600, 900), (1920, 1080)])
def test_the_first_row_of_compares_maps_is_on_the_first_screen(
    window: Callable[..., Page], app_url: str, artefacts: Path, path: str, width: int, height: int
) -> None:
    page = window(width, height, "light")
    page.goto(f"{app_url}/compare?{path}")
    page.locator(".compare[data-complete=true]").wait_for()
    row = page.locator(".compare .frame")
    until(page, lambda: row.first.evaluate_all(INSIDE) == [True])  # the line above may come and go
    tops = [top for _, top, _, _ in row.evaluate_all(BOXES)]
    first = [part for top, part in zip(tops, row.evaluate_all(INSIDE), strict=True) if top < tops[0] + 9]
    assert len(first) >= 3
    assert all(first)
    assert tops[0] < (0.42 if width > 1600 else 0.74) * height
    page.screenshot(path=artefacts / f"first-compare-{'rows' if 'more' in path else 'cards'}-{width}.png")
