"""Three people's way through the app, each with pictures for a person to look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

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
