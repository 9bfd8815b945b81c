"""A walk of a stranger through all pages, the same one every time; see `tests.browser.walker`."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from perf.serving import faults
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


PARTED = """Exception in ASGI application
Traceback (most recent call last):
  File "starlette_websocket.py", line 516, in _websocket_endpoint
    data = await websocket.receive_bytes()
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
starlette.websockets.WebSocketDisconnected: WebSocket is not connected. Need to call "accept" first.

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "starlette_websocket.py", line 524, in _websocket_endpoint
    await websocket.close()
starlette.websockets.WebSocketDisconnected: Cannot call "send" once a close message has been sent.
"""
OURS = """Traceback (most recent call last):
  File "pruneattr_core/ui/cache.py", line 1, in answer
ValueError: no
"""


def test_a_browser_that_leaves_is_no_fault_and_hides_none() -> None:
    assert faults("up\n" + PARTED + "  Stopping...\n") == faults(PARTED * 2) == ""
    for log in (OURS + PARTED, PARTED + OURS, PARTED + "said\n" + OURS + PARTED):
        assert "ValueError: no" in faults(log)
        assert "WebSocketDisconnected" not in faults(log)
    assert "KeyError" in faults(
        PARTED.replace("starlette.websockets.WebSocketDisconnected: Cannot", "KeyError:")
    )


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
