"""Benchmarks and the live sanity check in a real browser."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.waiting import painted, until

PIXELS = """canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
  .reduce((sum, value) => (sum * 31 + value) | 0, 7)"""


#: Of a chart: [label, place] of the point of another curve than the first that has most room around it.
DOT = """chart => {
  chart.scrollIntoView({block: 'center'});
  const known = line => line.filter(dot => line[0].trace.customdata?.[dot.i]);
  const dots = chart.calcdata.flatMap(line => known(line).map(dot => {
    const {xaxis, yaxis} = chart._fullLayout._plots[line[0].trace.xaxis + line[0].trace.yaxis];
    const [, label, place] = line[0].trace.customdata[dot.i];
    return {label, place, x: xaxis.c2p(dot.x), y: yaxis.c2p(dot.y)}; }));
  const room = dot => Math.min(...dots.filter(other => other.label !== dot.label)
    .map(other => Math.hypot(other.x - dot.x, other.y - dot.y)));
  const [best] = dots.filter(dot => dot.label !== dots[0].label).sort((a, b) => room(b) - room(a));
  return [best.label, best.place]; }"""
#: Of a chart and [label, place]: where that point is in the window.
WHERE = """(chart, [label, place]) => {
  const box = chart.getBoundingClientRect();
  for (const line of chart.calcdata) for (const dot of line) {
    const {trace} = line[0], data = trace.customdata?.[dot.i];
    if (data?.[1] !== label || data[2] !== place) continue;
    const {xaxis, yaxis} = chart._fullLayout._plots[trace.xaxis + trace.yaxis];
    return [box.left + xaxis._offset + xaxis.c2p(dot.x), box.top + yaxis._offset + yaxis.c2p(dot.y)];
  } }"""


def test_a_run_is_drawn_beside_the_papers_tables(page: Page, app_url: str, settled, artefacts: Path) -> None:
    page.goto(f"{app_url}/benchmarks")
    expect(page.get_by_role("heading", name="Benchmarks")).to_be_visible()
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    expect(page.get_by_text("What differs from the published protocol").first).to_be_visible()
    settled(page)
    page.screenshot(path=artefacts / "benchmarks.png", full_page=True)


def test_moving_over_a_point_shows_the_pictures_behind_it(page: Page, app_url: str, settled) -> None:
    page.goto(f"{app_url}/benchmarks?bench_run=scenes-pixels")
    strip = page.locator(".behind[data-ready]")
    expect(strip).to_be_visible()
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    settled(page)
    until(page, lambda: page.locator(".behind img").count() >= 4)
    chosen, place = page.locator(".js-plotly-plot").first.evaluate(DOT)
    expect(page.get_by_role("button", name=f"Compute {chosen} again")).to_have_count(0)  # not the default

    def over() -> bool:
        """The pointer rests on the point, and the pictures follow; a chart drawn anew is entered again."""
        page.mouse.move(1, 1)
        page.mouse.move(*page.locator(".js-plotly-plot").first.evaluate(WHERE, [chosen, place]))
        painted(page, 200)  # Plotly looks for points every 50 ms
        return page.locator(f".behind[data-at='{chosen}|{place}']").count() == 1

    until(page, over)
    page.mouse.click(*page.locator(".js-plotly-plot").first.evaluate(WHERE, [chosen, place]))
    expect(page.get_by_role("button", name=f"Compute {chosen} again")).to_be_visible()


def test_a_downloaded_run_can_be_dropped_in_again(page: Page, app_url: str, settled, tmp_path: Path) -> None:
    page.goto(f"{app_url}/benchmarks?bench=calibrate&bench_run=scenes-calibrate")
    page.get_by_text("Protocol, options and files").click()
    with page.expect_download() as coming:
        page.get_by_test_id("stDownloadButton").first.get_by_role("button").click()
    coming.value.save_as(tmp_path / "run.zip")
    page.get_by_role("button", name="Import a run").click()
    settled(page)
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
    expect(page.locator(".stage")).to_have_attribute("data-complete", "true")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".sentence")).to_contain_text("1 of 8 steps randomised")
    expect(page).to_have_url(re.compile("sane_step=1"))
    settled(page)
    page.screenshot(path=artefacts / "sanity.png", full_page=True)


def test_dragging_changes_the_maps_before_the_hand_lets_go(page: Page, app_url: str, settled) -> None:
    page.goto(f"{app_url}/sanity?sane_methods=saliency,edges")
    expect(page.locator(".stage")).to_have_attribute("data-complete", "true")
    settled(page)
    cards = [page.locator(".card canvas").nth(k) for k in range(2)]
    before = [card.evaluate(PIXELS) for card in cards]
    page.get_by_role("slider", name="Randomised").evaluate(
        "s => { s.value = 4; s.dispatchEvent(new Event('input')); }"
    )
    until(page, lambda: cards[0].evaluate(PIXELS) != before[0])
    painted(page)
    assert cards[1].evaluate(PIXELS) == before[1]  # edges do not ask the network
    assert "sane_step" not in page.url
