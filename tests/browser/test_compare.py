"""The Compare page in Chromium: the grid completes, hovering reads all maps, a click enlarges."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect

Settled = Callable[[Page], None]
METHODS = "prunegrad,saliency,input_x_gradient,guided_backprop,gradcam,edges"
NUMBER = re.compile("^[+\N{MINUS SIGN}]?[0-9]")


def opened(page: Page, url: str, settled: Settled, query: str = f"methods={METHODS}") -> Locator:
    """The complete grid."""
    page.goto(f"{url}/compare?{query}")
    grid = page.locator(".compare[data-complete=true]")
    grid.wait_for(timeout=300_000)
    settled(page)
    return grid


def test_hovering_reads_the_same_pixel_in_all_maps_without_the_server(
    page: Page, app_url: str, settled: Settled
) -> None:
    grid = opened(page, app_url, settled)
    expect(grid).to_have_attribute("data-cells", "6")
    sent: list[object] = []
    page.on("request", lambda request: sent.append(request.url))
    frames = grid.locator("button.frame")
    frames.nth(1).hover(position={"x": 60, "y": 70})
    values = grid.locator(".value")
    for place in range(6):
        expect(values.nth(place)).to_have_text(NUMBER)
    expect(grid.locator(".cross:visible")).to_have_count(7)
    first = values.all_inner_texts()
    frames.nth(4).hover(position={"x": 90, "y": 40})
    assert values.all_inner_texts() != first
    assert sent == []


def test_a_click_enlarges_and_arrows_walk(
    page: Page, app_url: str, settled: Settled, artefacts: Path
) -> None:
    grid = opened(page, app_url, settled)
    grid.locator("button.frame").first.click()
    dialog = grid.locator("dialog")
    expect(dialog).to_be_visible()
    expect(dialog.locator("h3")).to_have_text("PruneGrad")
    expect(dialog.locator(".curve")).to_be_visible()
    page.screenshot(path=artefacts / "compare-enlarged.png")
    page.keyboard.press("ArrowRight")
    expect(dialog.locator("h3")).not_to_have_text("PruneGrad")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_the_link_survives_a_reload(page: Page, app_url: str, settled: Settled) -> None:
    opened(page, app_url, settled, "methods=saliency,edges&more=1,2&order=seconds&grid_scale=shared")
    page.reload()
    grid = page.locator(".compare[data-complete=true]")
    grid.wait_for(timeout=300_000)
    expect(grid).to_have_attribute("data-cells", "6")
    expect(grid.locator(".scales")).to_have_text("one scale for all")
    expect(grid.locator(".method-head")).to_have_count(2)


def test_pictures_for_a_person(browser: Browser, app_url: str, settled: Settled, artefacts: Path) -> None:
    for scheme in ("light", "dark"):
        for width, query in ((1400, f"methods={METHODS}"), (420, f"methods={METHODS}&more=1")):
            context = browser.new_context(
                viewport={"width": width, "height": 1000}, color_scheme=scheme, reduced_motion="reduce"
            )
            page = context.new_page()
            opened(page, app_url, settled, query)
            page.screenshot(path=artefacts / f"compare-{width}-{scheme}.png")
            inside = page.evaluate(
                "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
            )
            assert inside, f"the page scrolls sideways at {width} pixels"
            context.close()
