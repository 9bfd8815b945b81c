"""Three people's way through the app, each with pictures for a person to look at."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from pruneattr_core.compression.review_verdicts import load_review, reviews_folder
from tests.browser.waiting import until

Settled = Callable[[Page], None]
SUM = """canvases => canvases.map(canvas => new Uint32Array(canvas.getContext('2d').getImageData(
  0, 0, canvas.width, canvas.height).data.buffer).reduce((sum, pixel) => (sum * 31 + pixel) | 0, 0))"""


def test_a_researcher_moves_zero_beside_freeze_while_the_gradient_stays(
    window: Callable[..., Page], app_url: str, settled: Settled, artefacts: Path
) -> None:
    page = window(1366, 768)
    page.goto(f"{app_url}/compare?methods=prunegrad,saliency")
    page.locator(".compare[data-complete=true]").wait_for()
    settled(page)
    page.get_by_role("button", name="Figures").click()
    page.get_by_role("button", name="Zero beside freeze").click()
    page.locator(".compare[data-complete=true][data-cells='5']").wait_for()
    grid = page.locator(".compare")  # what follows computes again
    settled(page)
    page.keyboard.press("Escape")
    maps = grid.locator("button.frame canvas")
    before = maps.evaluate_all(SUM)
    slider = grid.get_by_role("slider", name="Sparsity of the maps that follow")
    slider.focus()
    page.keyboard.press("ArrowRight")

    def moved() -> bool:
        now = [one != other for one, other in zip(maps.evaluate_all(SUM), before, strict=False)]
        return now == [True, True, False, False, False]  # PruneGrad twice; the gradient and the controls

    until(page, moved)
    expect(grid.get_by_text("follows the slider")).to_have_count(2)
    page.screenshot(path=artefacts / "story-researcher.png")


def test_a_teacher_shows_it_on_the_wall_and_asks(
    window: Callable[..., Page], app_url: str, settled: Settled, artefacts: Path
) -> None:
    page = window(1280, 720, "dark")
    page.goto(app_url)
    page.locator("[data-ready][data-complete=true]").wait_for()
    expect(page.get_by_test_id("stMetric").first).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Full screen").click()
    slider = page.get_by_role("slider", name="Sparsity", exact=True)
    expect(slider).to_be_focused()
    sentence: Locator = page.locator(".sentence")
    page.keyboard.press("End")
    expect(sentence).to_contain_text("removed")
    page.screenshot(path=artefacts / "story-teacher-wall.png")
    page.keyboard.press("Home")
    expect(sentence).to_contain_text("All neurons kept")
    page.get_by_role("button", name="Full screen").click()
    expect(page.locator(".scrubber:fullscreen")).to_have_count(0)
    page.get_by_role("link", name="Lessons").click()
    expect(page.get_by_role("heading", name="Lessons")).to_be_visible()
    page.screenshot(path=artefacts / "story-teacher-lessons.png")


def test_a_reviewer_judges_the_most_deformed_first_and_hands_the_report_on(
    window: Callable[..., Page], app_url: str, settled: Settled, artefacts: Path
) -> None:
    page, name = window(1366, 768), f"story {os.getpid()} {uuid.uuid4().hex[:8]}"
    page.goto(f"{app_url}/review?review={name}&desk_count=24&desk_order=cosine")
    desk = page.locator(".review[data-complete=true]")
    expect(page.get_by_text("Of 24 pictures")).to_be_visible()
    desk.wait_for()
    settled(page)
    rows = desk.locator(".row")
    rows.first.focus()
    try:
        page.keyboard.press("3")
        expect(rows.first).to_have_attribute("data-verdict", "broken")
        page.screenshot(path=artefacts / "story-reviewer-desk.png")
        page.keyboard.press("1")
        expect(rows.nth(1)).to_have_attribute("data-verdict", "ok")
        page.keyboard.press("z")
        expect(rows.nth(1)).to_have_attribute("data-verdict", "")
        until(page, lambda: [one.verdict for one in load_review(name).values() if one.verdict] == ["broken"])
        judged = str(rows.first.get_attribute("data-key"))
        page.get_by_role("link", name="Benchmarks").click()
        expect(page.get_by_role("heading", name="Benchmarks")).to_be_visible()
        page.get_by_role("link", name="Compression review").click()
        desk.wait_for()
        settled(page)
        expect(desk.locator(f'.row[data-key="{judged}"]')).to_have_attribute("data-verdict", "broken")
        expect(page.get_by_text("1 of 24", exact=True)).to_be_visible()
        with page.expect_download() as waiting:
            page.get_by_role("button", name="Report (HTML)").click()
        report = artefacts / "story-reviewer.html"
        waiting.value.save_as(report)
        page.goto(report.as_uri())
        expect(page.get_by_text("broken", exact=False).first).to_be_visible()
        page.screenshot(path=artefacts / "story-reviewer-report.png")
    finally:
        (reviews_folder() / f"{name}.json").unlink(missing_ok=True)
