"""What a page is for is on its first screen: the slider, whole, before anybody scrolls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.waiting import BOXES, INSIDE, fits_sideways, step, until

#: page -> what shows its first result
PAGES = {
    "": ".scrubber[data-ready] [data-panel=map]",
    "compare?grid_methods=prunegrad,saliency": ".compare .cell.ready canvas",
    "sanity?sane_methods=prunegrad,saliency,guided_backprop,edges": ".stage .card canvas",
    "removal?gone_methods=prunegrad,saliency": ".stage .card canvas",
}


@pytest.mark.parametrize("path", PAGES)
def test_slider_is_on_the_first_screen(window: Callable[..., Page], app_url: str, path: str) -> None:
    page = window(1366, 768)
    page.goto(f"{app_url}/{path}")
    page.locator(PAGES[path]).first.wait_for()
    slider = page.get_by_test_id("stMain").get_by_role("slider").first
    for width, height in ((1366, 768), (1280, 720), (390, 844)):
        with step(f"{width} x {height}"):
            page.set_viewport_size({"width": width, "height": height})
            # A headline of two lines may come and go.
            until(page, lambda: slider.evaluate_all(INSIDE) == [True])


@pytest.mark.parametrize("arrangement", ["cards", "rows", "columns"])
def test_the_first_row_of_compares_maps_is_on_the_first_screen(
    window: Callable[..., Page], app_url: str, artefacts: Path, arrangement: str
) -> None:
    several = "" if arrangement == "cards" else f"&more=2,3&arrange={arrangement}"
    page = window(1280, 720, "dark" if arrangement == "rows" else "light")
    page.goto(f"{app_url}/compare?methods=prunegrad,saliency,gradcam,edges{several}")
    page.locator(".compare[data-complete=true]").wait_for()
    maps, first_screen = (
        page.locator(".compare button.frame"),
        page.locator("h1, .live .slider, .live .reading"),
    )

    def first_row() -> list[bool]:
        tops = [top for _, top, _, _ in maps.evaluate_all(BOXES)]
        inside = maps.evaluate_all(INSIDE)
        return [part for top, part in zip(tops, inside, strict=True) if top < tops[0] + 9]

    for width, height in ((1280, 720), (1366, 768), (1600, 900), (1920, 1080)):
        page.set_viewport_size({"width": width, "height": height})
        until(page, lambda: all(first_row()))  # the line above may come and go
        assert len(first_row()) >= (2 if arrangement == "cards" else 3)
        until(page, lambda: all(first_screen.evaluate_all(INSIDE)))
        fits_sideways(page)
        assert page.locator(".compare .grid").evaluate("node => node.scrollWidth <= node.clientWidth")
        page.screenshot(path=artefacts / f"first-compare-{arrangement}-{width}.png")


def test_compares_slider_stays_while_later_rows_are_scrolled_to(
    window: Callable[..., Page], app_url: str
) -> None:
    page = window(1280, 720)
    page.goto(f"{app_url}/compare?methods=prunegrad,saliency,gradcam,edges&more=2,3")
    page.locator(".compare[data-complete=true]").wait_for()
    slider, last = page.locator(".live .slider"), page.locator(".compare button.frame").last
    last.scroll_into_view_if_needed()
    until(page, lambda: last.evaluate_all(INSIDE) == [True])
    ((_, top, _, bottom),) = slider.evaluate_all(BOXES)
    assert 0 <= top < bottom <= 720
    at = "([x, y]) => document.elementFromPoint(x, y).shadowRoot?.elementFromPoint(x, y).className"
    ((left, top, right, bottom),) = slider.evaluate_all(BOXES)
    assert page.evaluate(at, [(left + right) / 2, (top + bottom) / 2]) == "slider"  # nothing lies over it
