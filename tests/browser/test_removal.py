"""Pixel removal in a real browser: pictures and curves follow the slider without asking the server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

GREY = """([canvas, grey]) => { const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let same = 0; for (let i = 0; i < data.length; i += 4) same += data[i] === grey[0] && data[i + 1] === grey[1] && data[i + 2] === grey[2];
  return same / (data.length / 4); }"""  # noqa: E501
PAINTED = f"([canvas, grey, share]) => Math.abs(({GREY})([canvas, grey]) - share) < 0.01"


@pytest.fixture
def stage(page: Page, app_url: str) -> Page:
    page.goto(f"{app_url}/removal?gone_methods=saliency")  # few cards: quick on a busy machine
    expect(page.locator(".stage")).to_have_attribute("data-complete", "true")
    return page


def drag(page: Page, share: float) -> None:
    page.get_by_role("slider", name="Fraction of pixels removed").evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }", 1000 * share
    )


def test_pictures_lose_just_so_many_pixels_while_dragging(stage: Page, artefacts: Path) -> None:
    from pruneattr_core.models import model_card

    grey = [round(255 * value) for value in model_card("scenes-net").mean]
    canvas = stage.locator(".card canvas").first
    for share in (0.0, 0.25, 0.8):
        drag(stage, share)
        stage.wait_for_function(PAINTED, arg=[canvas.element_handle(), grey, share])  # at the next repaint
        expect(stage.locator(".sentence")).to_contain_text(f"{share:.0%}".replace("%", "\u202f%"))
    assert re.search(r"[?&]gone=", stage.url) is None  # nobody let go yet
    expect(stage.locator(".near")).to_be_hidden()
    drag(stage, 0.255)
    expect(stage.locator(".near")).to_be_visible()
    stage.screenshot(path=artefacts / "removal.png", full_page=True)


def test_keys_go_from_point_to_point_and_the_link_remembers(stage: Page, app_url: str) -> None:
    slider = stage.get_by_role("slider", name="Fraction of pixels removed")
    slider.focus()
    stage.keyboard.press("Home")
    for _ in range(3):
        stage.keyboard.press("ArrowRight")
    expect(stage.locator(".sentence")).to_contain_text("3\u202f% of the pixels removed")
    stage.get_by_role("radio", name="0 to 10 %").click()
    stage.get_by_role("radio", name="Probability").click()
    expect(stage).to_have_url(re.compile("gone=0.03.*gone_range=tenth"))
    expect(stage).to_have_url(re.compile("gone_curve=probability"))
    stage.goto(stage.url)
    expect(stage.locator(".stage")).to_have_attribute("data-at", "0.03")
    expect(stage.get_by_role("radio", name="Probability")).to_have_attribute("aria-checked", "true")


def test_play_walks_the_computed_points_where_motion_is_unwanted(stage: Page) -> None:
    drag(stage, 0.8)
    stage.get_by_role("button", name="Play").click()
    expect(stage.locator(".stage")).to_have_attribute("data-at", "1")
    expect(stage.get_by_role("button", name="Play")).to_have_attribute("aria-pressed", "false")


def test_fits_a_phone(stage: Page, artefacts: Path) -> None:
    stage.set_viewport_size({"width": 420, "height": 900})
    expect(stage.locator(".chart svg").first).to_be_visible()
    stage.wait_for_function("document.documentElement.scrollWidth <= 421")
    stage.screenshot(path=artefacts / "removal-phone.png")
