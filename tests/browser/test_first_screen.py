"""What a page is for is on its first screen: the slider, whole, before anybody scrolls."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.waiting import INSIDE, until

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
