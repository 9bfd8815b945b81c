"""On a phone's screen choices fold away, and what is there to be dragged stands on the first screen."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.waiting import fits_sideways, step, until

#: Whether all of it is on the screen.
WHOLE = """node => {
  const {top, bottom} = node.getBoundingClientRect();
  return top >= 0 && bottom <= innerHeight; }"""
#: Whether every option of every choice is in sight, none behind the end of its line.
IN_SIGHT = """() => [...document.querySelectorAll('[data-testid=stButtonGroup] > [role]')]
  .every(line => line.scrollWidth <= line.clientWidth + 1)"""
#: Address -> a choice that folds away, and the slider of the page, "" where it has none.
PAGES = {
    "": ("Freeze", "Sparsity"),
    "compare?methods=prunegrad,saliency": ("Methods (2)", "Sparsity of the maps"),
    "paths": ("Their mean", "Share of all neurons that stay"),
    "paths?paths=taylor&show=dead": ("NeuronMCT", ""),
    "decoding?paths=taylor": ("How they are drawn", ""),
    "benchmarks": ("Pixel perturbation", ""),
    "sanity?sane_methods=saliency": ("Methods (1)", "Randomised from the last layer down to"),
    "removal?gone_methods=saliency": ("Methods (1 + controls)", "Fraction of pixels removed"),
    "review?desk_count=24": ("Your own pair", ""),
    "reproduction": ("Paper", ""),
}  # fmt: skip


def full_screen_on_its_side(page: Page, settled: Callable[[Page], None], artefacts: Path) -> None:
    """Of the explorer: words, map and slider are all there, before and in full screen."""
    drawn, shown = page.get_by_role("slider", name="Sparsity").first, page.locator(".panels .frame").nth(1)
    assert shown.evaluate(WHOLE)
    page.get_by_role("button", name="Full screen").click()
    page.wait_for_function("document.fullscreenElement !== null")
    settled(page)
    page.screenshot(path=artefacts / "phone-on-its-side.png")
    tops = page.locator(".headline, .panels .frame").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect().toJSON())"
    )
    head, _, drawn_map, _ = tops
    assert head["bottom"] <= drawn_map["top"]
    assert drawn.evaluate(WHOLE)
    assert shown.evaluate(WHOLE)
    page.evaluate("document.exitFullscreen()")
    expect(page.locator(":fullscreen")).to_have_count(0)


@pytest.mark.parametrize("address", PAGES)
def test_choices_fold_away_and_the_slider_is_on_the_first_screen_also_on_its_side(
    window: Callable[..., Page], app_url: str, settled: Callable[[Page], None], artefacts: Path, address: str
) -> None:
    choice, slider = PAGES[address]
    page = window(390, 844, has_touch=True)
    page.goto(f"{app_url}/{address}")
    folded = page.locator("[class*=st-key-choices]").get_by_text(choice, exact=True).first
    button = page.get_by_text("Choices", exact=True)
    expect(button).to_be_visible()
    folded.wait_for(state="attached")
    expect(folded).to_be_hidden()
    if slider:
        drawn = page.get_by_role("slider", name=slider).first
        expect(drawn).to_be_visible()
        settled(page)
        until(page, lambda: drawn.evaluate(WHOLE))
    fits_sideways(page)
    page.screenshot(path=artefacts / f"phone-{address.split('?')[0] or 'explorer'}.png")
    if slider and ("?" in address or not address):
        with step("on its side"):
            page.set_viewport_size({"width": 683, "height": 384})
            settled(page)
            expect(folded).to_be_hidden()
            until(page, lambda: drawn.evaluate(WHOLE))
            fits_sideways(page)
            if not address:
                full_screen_on_its_side(page, settled, artefacts)
            page.set_viewport_size({"width": 390, "height": 844})
    button.click()
    expect(folded).to_be_visible()
    page.wait_for_function(IN_SIGHT)
    page.set_viewport_size({"width": 1366, "height": 768})
    expect(button).to_be_hidden()
    expect(folded).to_be_visible()


def test_numbers_of_many_steps_do_not_touch(
    window: Callable[..., Page], app_url: str, settled: Callable[[Page], None]
) -> None:
    page = window(390, 844, has_touch=True)
    page.goto(f"{app_url}/sanity?model=efficientnet-lite0&sane_methods=edges")
    numbers = page.locator(".ticks text")
    expect(page.locator(".stage")).to_have_attribute("data-complete", "true")
    settled(page)
    boxes = numbers.evaluate_all("all => all.map(one => one.getBoundingClientRect().toJSON())")
    assert len(boxes) > 5
    assert all(one["right"] + 2 <= other["left"] for one, other in pairwise(boxes))
