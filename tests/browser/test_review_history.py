"""Back on the desk undoes one choice, a review's name included, and loses no verdict."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from pruneattr_core.compression.review_verdicts import load_review, reviews_folder
from tests.browser.waiting import have, until

Settled = Callable[[Page], None]


@pytest.fixture
def names() -> Iterator[list[str]]:
    """Names of reviews that nobody has; a test adds what the page makes up. Their files are removed."""
    made = [f"test {os.getpid()} {uuid.uuid4().hex[:8]}" for _ in range(2)]
    yield made
    for name in made:
        (reviews_folder() / f"{name}.json").unlink(missing_ok=True)


def test_back_undoes_the_choice_of_a_review_and_leads_to_the_one_before(
    page: Page, app_url: str, settled: Settled, names: list[str]
) -> None:
    """A name typed before any verdict made no entry: Back left the page; a later one led to the last name."""
    page.goto(f"{app_url}/review?desk_count=24")
    desk = page.locator(".review[data-complete=true]")
    desk.wait_for()
    settled(page)
    box, rows = page.get_by_role("combobox", name="Review", exact=True), desk.locator(".row")
    first = box.input_value()
    names.append(first)
    start = page.evaluate("history.length")
    for place, name in enumerate(names[:2]):
        box.fill(name)
        page.get_by_role("option", name=name).wait_for()
        box.press("Enter")
        page.wait_for_url(lambda url, name=name: name.replace(" ", "+") in url)
        settled(page)
        assert page.evaluate("history.length") == start + place + 1
    rows.first.focus()
    page.keyboard.press("1")
    until(page, lambda: len(load_review(names[1])) == 1)
    settled(page)
    for name, verdict in ((names[0], ""), (first, "")):
        page.go_back()
        expect(box).to_have_value(name)
        settled(page)
        have(rows, "data-verdict", [verdict] + [""] * 5)
    assert "review=" not in page.url
    length = page.evaluate("history.length")
    rows.first.focus()
    page.keyboard.press("3")  # the first verdict names the review in the address, and is no choice of a name
    page.wait_for_url(lambda url: first.replace(" ", "+") in url)
    settled(page)
    assert page.evaluate("history.length") == length
    for name, verdict in ((names[0], ""), (names[1], "ok")):
        page.go_forward()
        expect(box).to_have_value(name)
        settled(page)
        have(rows, "data-verdict", [verdict] + [""] * 5)
