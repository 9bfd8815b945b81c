"""Benchmarks and the live sanity check in a real browser."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from playwright.sync_api import Page, expect

PIXELS = """canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
  .reduce((sum, value) => (sum * 31 + value) | 0, 7)"""


def test_a_run_is_drawn_beside_the_papers_tables(page: Page, app_url: str, settled, artefacts: Path) -> None:
    page.goto(f"{app_url}/benchmarks")
    expect(page.get_by_role("heading", name="Benchmarks")).to_be_visible(timeout=300_000)
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible(timeout=300_000)
    expect(page.get_by_text("What differs from the published protocol").first).to_be_visible()
    settled(page)
    page.screenshot(path=artefacts / "benchmarks.png", full_page=True)


def test_moving_over_a_point_shows_the_pictures_behind_it(page: Page, app_url: str, settled) -> None:
    page.goto(f"{app_url}/benchmarks?bench_run=scenes-pixels")
    strip = page.locator(".behind[data-ready]")
    expect(strip).to_be_visible(timeout=300_000)
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible(timeout=300_000)
    settled(page)
    first, count = strip.get_attribute("data-at"), page.locator(".behind img").count()
    assert count >= 4
    dot = page.locator(".js-plotly-plot .scatterlayer .trace:not(:has(.js-fill)) .points path").nth(2)
    box = dot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] - 60, box["y"] - 60)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=6)
    expect(strip).not_to_have_attribute("data-at", str(first))
    seen = strip.get_attribute("data-at")
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    label = str(seen).split("|")[0]
    expect(page.get_by_role("button", name=f"Compute {label} again")).to_be_visible()


def test_a_downloaded_run_can_be_dropped_in_again(page: Page, app_url: str, tmp_path: Path) -> None:
    page.goto(f"{app_url}/benchmarks?bench=calibrate&bench_run=scenes-calibrate")
    page.get_by_text("Protocol, options and files").click(timeout=300_000)
    with page.expect_download() as coming:
        page.get_by_test_id("stDownloadButton").first.get_by_role("button").click()
    coming.value.save_as(tmp_path / "run.zip")
    page.get_by_role("button", name="Import a run").click()
    drop = page.get_by_test_id("stFileUploaderDropzone").last
    data = page.evaluate_handle(
        """bytes => { const transfer = new DataTransfer();
        transfer.items.add(new File([Uint8Array.from(atob(bytes), c => c.charCodeAt(0))], 'run.zip', {type: 'application/zip'}));
        return transfer; }""",  # noqa: E501
        base64.b64encode((tmp_path / "run.zip").read_bytes()).decode(),
    )
    drop.dispatch_event("drop", {"dataTransfer": data})
    expect(page.get_by_text("Schema and hashes are right")).to_be_visible()


def test_the_keyboard_randomises_layer_by_layer(page: Page, app_url: str, settled, artefacts: Path) -> None:
    page.goto(f"{app_url}/sanity?sane_methods=saliency,edges")
    slider = page.get_by_role("slider", name="Randomised from the last layer down to")
    expect(page.locator(".stage")).to_have_attribute("data-complete", "true", timeout=300_000)
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".sentence")).to_contain_text("1 of 8 steps randomised")
    expect(page).to_have_url(re.compile("sane_step=1"))
    settled(page)
    page.screenshot(path=artefacts / "sanity.png", full_page=True)


def test_dragging_changes_the_maps_before_the_hand_lets_go(page: Page, app_url: str) -> None:
    page.goto(f"{app_url}/sanity?sane_methods=saliency,edges")
    expect(page.locator(".stage")).to_have_attribute("data-complete", "true", timeout=300_000)
    cards = [page.locator(".card canvas").nth(k) for k in range(2)]
    before = [card.evaluate(PIXELS) for card in cards]
    page.get_by_role("slider", name="Randomised").evaluate(
        "s => { s.value = 4; s.dispatchEvent(new Event('input')); }"
    )
    after = [card.evaluate(PIXELS) for card in cards]
    assert after[0] != before[0]
    assert after[1] == before[1]  # edges do not ask the network
    assert "sane_step" not in page.url
