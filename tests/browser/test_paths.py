"""The path pages in a real browser: charts that are clicked, a picture that grows, narrow windows."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, TimeoutError, expect

from pruneattr_core.models import list_models
from pruneattr_core.paths.table import METHODS
from pruneattr_core.ui.paths.charts import heat_map
from tests.browser.waiting import BOXES, fits_sideways

FAST = "paths=taylor,random"
pytestmark = pytest.mark.skipif(
    not list_models("bundled"), reason="no bundled weights here: python -m pruneattr_core train scenes-net"
)
Settled = Callable[[Page], None]


def opened(page: Page, url: str, settled: Settled) -> None:
    page.goto(url)
    expect(page.get_by_role("heading", name=re.compile("Critical paths|Path decoding"))).to_be_visible()
    settled(page)


def drawn(page: Page, charts: int) -> None:
    """Plotly is loaded late, so its drawing is what to wait for."""
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(charts)


def test_overlap_is_on_screen_before_any_click(
    page: Page, app_url: str, settled: Settled, artefacts: Path
) -> None:
    page.set_viewport_size({"width": 1400, "height": 1300})
    opened(page, f"{app_url}/paths?{FAST}&show=agreement", settled)
    drawn(page, 2)
    expect(
        page.get_by_role("figure", name=re.compile("Jaccard overlap: NeuronMCT and Random 0"))
    ).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)
    page.screenshot(path=artefacts / "paths-agreement.png")


@pytest.mark.parametrize("width", [358, 700])
@pytest.mark.parametrize("count", [2, 4, len(METHODS)])
def test_every_row_of_an_overlap_has_its_name_and_room_for_its_numbers(
    window: Callable[..., Page], count: int, width: int
) -> None:
    """Plotly takes the room of upright names from the cells: four rows of numbers lay upon one another."""
    page = window(width + 16, 900)
    names = [method.title for method in METHODS.values()][-count:]
    chart = heat_map(names, np.full((count, count), 0.5))
    chart.update_layout(width=width)
    page.set_content(chart.to_html(include_plotlyjs=True))
    expect(page.locator(".annotation-text")).to_have_count(count**2)
    for axis in ("x", "y"):
        expect(page.locator(f".{axis}tick text")).to_have_count(count)
    ((_, top, _, bottom),) = page.locator(".heatmaplayer image").evaluate_all(BOXES)
    assert (bottom - top) / count > 50
    boxes = page.locator(".annotation-text").evaluate_all(BOXES)
    for place, (left, top, right, bottom) in enumerate(boxes):
        assert not any(
            left < other[2] and other[0] < right and top < other[3] and other[1] < bottom
            for other in boxes[:place]
        )


def test_a_click_on_a_layer_opens_its_channels_and_a_link_restores_it(
    page: Page, app_url: str, settled: Settled, artefacts: Path
) -> None:
    page.set_viewport_size({"width": 1400, "height": 1500})
    opened(page, f"{app_url}/paths?{FAST}&show=where", settled)
    drawn(page, 2)
    page.locator(".js-plotly-plot").first.locator(".barlayer .point path").nth(4).click(force=True)
    expect(page).to_have_url(re.compile("call=5"))
    settled(page)
    drawn(page, 2)
    page.locator(".js-plotly-plot").nth(1).locator(".barlayer .point path").nth(1).click(force=True)
    expect(page).to_have_url(re.compile(r"channel=\d+"))
    channel = re.search(r"channel=(\d+)", page.url)[1]
    expect(page.get_by_text(f"Channel {channel} on the picture")).to_be_visible()
    settled(page)
    page.screenshot(path=artefacts / "paths-where.png")
    opened(page, page.url, settled)
    expect(page.get_by_text(f"Channel {channel} on the picture")).to_be_visible()


@pytest.mark.parametrize("view", ["dead", "sets", "published"])
def test_narrow_and_dark(page: Page, app_url: str, settled: Settled, artefacts: Path, view: str) -> None:
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 420, "height": 2200})
    opened(page, f"{app_url}/paths?{FAST}&show={view}&b=random", settled)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    fits_sideways(page)
    page.screenshot(path=artefacts / f"paths-{view}-narrow-dark.png")


def test_a_picture_grows_while_it_is_watched(
    page: Page, app_url: str, settled: Settled, artefacts: Path
) -> None:
    page.set_viewport_size({"width": 1400, "height": 1300})
    page.goto(f"{app_url}/decoding?{FAST}&steps=32")
    expect(page.get_by_role("heading", name="Path decoding")).to_be_visible()
    page.get_by_role("button", name=re.compile("Decode")).click()
    expect(page.get_by_text(re.compile(r"Step \d+ of 32")).first).to_be_visible()
    expect(page.get_by_text("Step 32 of 32").first).to_be_visible()
    page.screenshot(path=artefacts / "decoding.png")
    with suppress(TimeoutError):  # the others may be finished before they can be cancelled
        page.get_by_role("button", name="Cancel").first.click(timeout=5000)
    expect(page.get_by_test_id("stException")).to_have_count(0)
