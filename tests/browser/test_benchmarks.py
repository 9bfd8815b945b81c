"""Benchmarks and the live sanity check in a real browser."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect


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
    expect(slider).to_be_visible(timeout=120_000)
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("steps randomised")).to_contain_text("1 of 8")
    settled(page)
    page.screenshot(path=artefacts / "sanity.png", full_page=True)
