"""Words that a newcomer may not know explain themselves: pointed at, tapped, reached by keys."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from pruneattr_core.glossary import meaning

Settled = Callable[[Page], None]


@pytest.fixture
def explorer(page: Page, app_url: str, settled: Settled) -> Page:
    page.goto(app_url)
    page.locator("[data-ready][data-complete=true]").wait_for()
    expect(page.get_by_test_id("stMetric").first).to_be_visible()
    settled(page)
    # The words have been looked for, also in what came last.
    page.wait_for_function(
        "[...pruneattrWords.values()].some(found => [...found].some(entry => entry.word === 'Output change'))"
    )
    return page


def test_pointer_keyboard_and_escape(explorer: Page) -> None:
    tip = explorer.get_by_role("tooltip")
    radio = explorer.get_by_role("radio", name="Contributing", exact=True)
    radio.hover()  # in a component: its title and the word in it
    expect(tip).to_contain_text(meaning("Contributing"))
    expect(tip).to_contain_text("80 % is a good start")
    expect(radio).to_have_attribute("aria-describedby", re.compile("^explanation-"))
    explorer.keyboard.press("Escape")
    expect(tip).to_have_count(0)
    explorer.get_by_role("radio", name="Freeze").hover()  # Streamlit's own button
    expect(tip).to_contain_text(meaning("Freeze"))
    explorer.mouse.move(700, 5)
    expect(tip).to_have_count(0)
    explorer.get_by_role("button", name="Play local to global").focus()
    explorer.keyboard.press("Tab")
    expect(radio).to_be_focused()
    expect(tip).to_contain_text(meaning("Contributing"))
    explorer.keyboard.press("Tab")
    expect(tip).to_have_count(0)


def test_the_list_needs_no_pointer(explorer: Page) -> None:
    words = explorer.locator("details.words", has_text="Words on this page")
    words.locator("summary").focus()
    explorer.keyboard.press("Enter")
    for word in ("Zero", "Freeze", "Taylor", "Integrated", "Contributing", "Output change", "Dead"):
        expect(words.locator("dd", has_text=meaning(word))).to_be_visible()


def test_a_tap_says_it_too(browser: Browser, app_url: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(app_url)
    page.locator("[data-ready][data-complete=true]").wait_for(timeout=300_000)
    label = page.get_by_text("Contribution", exact=True)
    expect(label).to_be_visible(timeout=300_000)
    page.wait_for_function(
        "[...CSS.highlights.get('pruneattr-words') ?? []].some(range => `${range}` === 'Contribution')"
    )
    label.tap(position={"x": 8, "y": 8})
    tip = page.locator(".explanation:visible")  # Streamlit may show the help beside the label, too
    expect(tip).to_contain_text(meaning("Contribution"))
    page.get_by_role("button", name="dead only").tap()
    expect(tip).to_contain_text(meaning("Dead"))
    context.close()
