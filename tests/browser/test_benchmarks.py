"""Benchmarks and the live sanity check in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

PIXELS = """canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
  .reduce((sum, value) => (sum * 31 + value) | 0, 7)"""


def test_a_run_is_drawn_beside_the_papers_tables(page: Page, app_url: str, settled, artefacts: Path) -> None:
    page.goto(f"{app_url}/benchmarks")
    expect(page.get_by_role("heading", name="Benchmarks")).to_be_visible(timeout=120_000)
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible(timeout=60_000)
    expect(page.get_by_text("What differs from the published protocol")).to_be_visible()
    settled(page)
    page.screenshot(path=artefacts / "benchmarks.png", full_page=True)


def test_the_keyboard_randomises_layer_by_layer(page: Page, app_url: str, settled, artefacts: Path) -> None:
    page.goto(f"{app_url}/sanity")
    slider = page.get_by_role("slider", name="Randomised from the last layer down to")
    expect(page.locator(".stage")).to_have_attribute("data-complete", "true", timeout=180_000)
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".sentence")).to_contain_text("1 of 8 steps randomised")
    expect(page).to_have_url(re.compile("sane_step=1"))
    settled(page)
    page.screenshot(path=artefacts / "sanity.png", full_page=True)


def test_dragging_changes_the_maps_before_the_hand_lets_go(page: Page, app_url: str) -> None:
    page.goto(f"{app_url}/sanity?sane_methods=saliency,edges")
    expect(page.locator(".stage")).to_have_attribute("data-complete", "true", timeout=180_000)
    cards = [page.locator(".card canvas").nth(k) for k in range(2)]
    before = [card.evaluate(PIXELS) for card in cards]
    page.get_by_role("slider", name="Randomised").evaluate(
        "s => { s.value = 4; s.dispatchEvent(new Event('input')); }"
    )
    after = [card.evaluate(PIXELS) for card in cards]
    assert after[0] != before[0]
    assert after[1] == before[1]  # edges do not ask the network
    assert "sane_step" not in page.url
