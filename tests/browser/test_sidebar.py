"""The sidebar by hand: pictures by key and by chance, networks by words."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

Settled = Callable[[Page], None]


def test_pictures_by_key_and_by_chance(page: Page, app_url: str, settled: Settled, artefacts: Path) -> None:
    page.goto(f"{app_url}/?model=scenes-net&source=samples")
    photo = page.locator("[data-panel=photo]")
    expect(photo).to_have_attribute("aria-label", "Coffee cup")
    chosen = page.get_by_role("radio", name="Coffee cup")
    expect(chosen).to_be_checked()
    settled(page)
    chosen.focus()
    for key, title in (("ArrowRight", "Dahlia"), ("ArrowLeft", "Coffee cup"), ("End", "Cameraman")):
        page.keyboard.press(key)  # also while a run is about to draw the strip anew
        expect(photo).to_have_attribute("aria-label", title)
        expect(page.get_by_role("radio", name=title)).to_be_checked()
        expect(page.get_by_role("radio", name=title)).to_be_focused()  # also where the strip was drawn anew
    settled(page)
    page.get_by_role("spinbutton", name="Picture").fill("4")
    page.keyboard.press("Enter")
    expect(photo).to_have_attribute("aria-label", "Cat")
    settled(page)
    page.get_by_role("button", name="Surprise me").click()
    expect(photo).not_to_have_attribute("aria-label", "Cat")
    settled(page)
    page.screenshot(path=artefacts / "sidebar-pictures.png")


def test_a_network_by_words(page: Page, app_url: str, settled: Settled, artefacts: Path) -> None:
    page.goto(f"{app_url}/?model=scenes-net&source=samples")
    expect(page.locator("[data-panel=photo]")).to_have_attribute("aria-label", "Coffee cup")
    settled(page)
    page.get_by_role("button", name="All networks").click()
    search = page.get_by_role("textbox", name=re.compile(r"Search [\d,]{5,} networks"))
    search.fill("mobilenet v3 small torchvision")
    search.press("Enter")
    found = page.get_by_role("combobox", name="1 found")
    expect(found).to_have_value(re.compile(r"^torchvision/mobilenet_v3_small · .* top-1 67\.7 %$"))
    page.screenshot(path=artefacts / "sidebar-networks.png")
    page.get_by_role("button", name="Use this network").click()
    page.wait_for_url("**model=torchvision%2Fmobilenet_v3_small**")
    expect(page.get_by_role("combobox", name="Model")).to_have_value(re.compile("mobilenet_v3_small"))
    expect(search).to_have_count(0)


def test_a_picture_chosen_just_before_a_page_is_left_is_that_of_the_next(
    page: Page, app_url: str, settled: Settled
) -> None:
    """The strip had gone on to the next one; page, headline and address had not."""
    page.goto(f"{app_url}/removal?model=scenes-net&source=scenes&picture=2")
    chosen = page.get_by_role("radio", name=re.compile(r"^00\d\d "), checked=True)
    expect(chosen).to_have_attribute("title", "0002 square")
    settled(page)
    page.get_by_role("button", name="Next picture").click()
    page.get_by_test_id("stSidebarNavLink").first.click()
    expect(page.locator("[data-panel=photo]")).to_have_attribute("aria-label", "0003 star")
    page.wait_for_url("**picture=3**")
    settled(page)
    expect(chosen).to_have_attribute("title", "0003 star")
