"""Words that a newcomer may not know explain themselves: pointed at, tapped, reached by keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress

import pytest
from playwright.sync_api import Locator, Page, expect

from pruneattr_core.assets import ASSETS
from pruneattr_core.glossary import meaning
from tests.browser.waiting import step, until

Settled = Callable[[Page], None]


def opened(page: Page, url: str, settled: Settled) -> Locator:
    """The explorer with its words found, also in what came last; where explanations stand."""
    page.goto(url)
    page.locator("[data-ready][data-complete=true]").wait_for()
    expect(page.get_by_test_id("stMetric").first).to_be_visible()
    settled(page)
    page.wait_for_function(
        "[...pruneattrWords.values()].some(found => [...found].some(entry => entry.word === 'Neuron'))"
    )
    return page.locator(".explanation:visible")


def explained(page: Page, act: Callable[[], object], *texts: str) -> None:
    """The act brings the texts; again where the page scrolled on its way, which takes an explanation away."""

    def said() -> bool:
        page.mouse.move(0, 0)
        act()
        with suppress(AssertionError):
            for text in texts:
                expect(page.locator(".explanation:visible")).to_contain_text(text, timeout=3000)
            return True
        return False

    until(page, said)


def test_pointer_keyboard_escape_and_the_list(page: Page, app_url: str, settled: Settled) -> None:
    tip = opened(page, app_url, settled)
    radio = page.get_by_role("radio", name="Contributing", exact=True)
    # In a component: its title and the word in it.
    explained(page, radio.hover, meaning("Contributing"), "80 % is a good start")
    page.keyboard.press("Escape")
    expect(tip).to_have_count(0)
    explained(page, page.get_by_role("radio", name="Freeze").hover, meaning("Freeze"))  # Streamlit's own
    page.mouse.move(700, 5)
    expect(tip).to_have_count(0)

    def by_keys() -> None:
        page.get_by_role("button", name="Play local to global").focus()
        page.keyboard.press("Tab")

    explained(page, by_keys, meaning("Contributing"))
    expect(radio).to_be_focused()
    expect(radio).to_have_attribute("aria-describedby", re.compile("^explanation-"))
    page.keyboard.press("Tab")
    expect(tip).to_have_count(0)
    with step("the list of words needs no pointer"):
        words = page.locator("details.words", has_text="Words on this page")
        words.locator("summary").focus()
        page.keyboard.press("Enter")
        for word in ("Zero", "Freeze", "Taylor", "Integrated", "Contributing", "Output change", "Silent"):
            expect(words.locator("dd", has_text=meaning(word))).to_be_visible()


def test_a_tap_says_it_too(window: Callable[..., Page], app_url: str, settled: Settled) -> None:
    page = window(390, 844, has_touch=True, is_mobile=True)
    opened(page, app_url, settled)
    label = page.get_by_test_id("stMetric").get_by_text("Neurons left", exact=True)
    explained(page, lambda: label.tap(position={"x": 8, "y": 8}), meaning("Neuron"))
    explained(page, page.get_by_role("button", name="silent only").tap, meaning("Silent"))


@pytest.mark.timeout(120)  # a page that stands still answers nobody
def test_a_number_is_put_into_german_once(window: Callable[..., Page]) -> None:
    """Each turn of 1,234.5 was news, and turned again: a German lesson's file stood still for ever."""
    page = window()
    page.set_content('<p title="1,234.5">1,234.5</p><b>0.81</b>')
    page.add_script_tag(content=(ASSETS / "share" / "german.js").read_text("utf-8"))
    page.evaluate("speakGerman(document.body)")
    first = page.locator("p")
    expect(first).to_have_text("1.234,5")
    expect(first).to_have_attribute("title", "1.234,5")
    expect(page.locator("b")).to_have_text("0,81")
    page.evaluate("document.querySelector('p').firstChild.data = '2,000.5'")
    expect(first).to_have_text("2.000,5")
    page.evaluate("document.querySelector('p').title = 'Full screen'")
    expect(first).to_have_attribute("title", "Vollbild")
