"""A walk of a stranger through all pages, the same one every time; see `tests.browser.walker`."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.browser.serving import Served
from tests.browser.walker import Walker, disagreement

AGREED = {
    "scrubbers": 1,
    "complete": True,
    "reading": "90\u202f% of all removed · 1,200 of 12,000 neurons left",
    "chance": "Probability of star 0.43",
    "cards": ["Neurons left\n1,200\nof 12,000", "Probability of star (mode zero)\n0.431\n+0.020"],
}


def test_a_walk_meets_no_fault(browser: Browser, served: Served) -> None:
    walker = Walker(browser, served, seed=1)
    try:
        walker.walk(25)
    finally:
        walker.close()


@pytest.mark.parametrize(
    "changed",
    [
        {"reading": "90\u202f% of all removed · 1,201 of 12,000 neurons left"},
        {"chance": "Probability of disc 0.43"},
        {"chance": "Probability of star 0.63"},
        {"complete": False},
        {"scrubbers": 2},
    ],
)
def test_the_walker_sees_a_headline_that_the_cards_deny(changed: dict[str, object]) -> None:
    assert disagreement(AGREED) == ""
    assert disagreement({**AGREED, **changed})
