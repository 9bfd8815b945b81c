"""A walk of a stranger through all pages, the same one every time; see `tests.browser.walker`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, TimeoutError

from perf.serving import faults
from tests.browser.says import disagreement
from tests.browser.serving import Served
from tests.browser.taken import denials, denied, disputed
from tests.browser.waiting import PATIENCE, until
from tests.browser.walker import Nothing, Walker, reason

Settled = Callable[[Page], None]
AGREED = {
    "scrubbers": 1,
    "complete": True,
    "reading": "90\u202f% of all removed · 1,200 of 12,000 neurons left",
    "chance": "Probability of star 0.43",
    "cards": ["Neurons left\n1,200\nof 12,000", "Probability of star (mode zero)\n0.43\n+0.02"],
}


def test_a_walk_meets_no_fault(browser: Browser, served: Served) -> None:
    walker = Walker(browser, served, seed=1)
    try:
        walker.walk(25)
    finally:
        walker.close()


def test_the_walker_opens_a_menu_that_a_lesson_has_folded(browser: Browser, served: Served) -> None:
    """What lies beside the screen was waited for until the patience was at an end, again and again."""
    walker = Walker(browser, served, seed=1)
    try:
        walker.page.goto(f"{served.url}/lessons?lesson=3-removing-pixels")
        walker.page.get_by_test_id("stExpandSidebarButton").wait_for(timeout=PATIENCE)
        assert walker.other_page().startswith("page ")
        walker.page.wait_for_url(lambda url: "/lessons?lesson" not in url, timeout=PATIENCE)
    finally:
        walker.close()


def test_the_walker_keeps_its_hands_off_a_view_that_a_lesson_locks(browser: Browser, served: Served) -> None:
    """The pointer goes past it until the question is answered: each press waited for half a minute."""
    walker = Walker(browser, served, seed=1)
    try:
        walker.page.goto(f"{served.url}/lessons?lesson=2-does-the-map-look")
        walker.page.locator(".stage[data-complete=true]").wait_for(timeout=PATIENCE)
        with pytest.raises(Nothing, match="locked"):
            walker._one_of(walker.page.get_by_role("radio", name="SSIM"))
        assert denials(walker.page, dict, PATIENCE) == ""
    finally:
        walker.close()


def test_the_walker_lets_what_plays_come_to_its_end(browser: Browser, served: Served) -> None:
    """Half way the address still says where it began: no fault, but a reload was called one."""
    walker = Walker(browser, served, seed=1)
    try:
        walker.page.goto(f"{served.url}/removal?gone_methods=prunegrad,saliency&gone=0.7")
        walker.page.locator(".stage[data-complete=true]").wait_for(timeout=PATIENCE)
        walker.page.get_by_role("button", name="Play").click()
        walker.page.locator(".stage[data-at='0.8']").wait_for(timeout=PATIENCE)
        assert walker.reload() == "reload"
        walker.page.locator(".stage[data-at='1']").wait_for(timeout=PATIENCE)
    finally:
        walker.close()


def test_the_walker_says_why_a_press_came_to_nothing() -> None:
    told = """Locator.click: Timeout 3000ms exceeded.
Call log:
  - waiting for get_by_role("button")
    - locator resolved to <button>Go</button>
  - attempting click action
    waiting for element to be visible, enabled and stable
      - <p>news</p> intercepts pointer events
    - retrying click action
      - waiting 500ms"""
    assert reason(TimeoutError(told)) == (
        "locator resolved to <button>Go</button>; <p>news</p> intercepts pointer events"
    )
    assert reason(Nothing("this page has none")) == "this page has none"


def test_what_compare_gives_away_is_what_it_shows(page: Page, app_url: str, settled: Settled) -> None:
    page.goto(f"{app_url}/compare?methods=prunegrad,saliency,edges&picture=3")
    page.locator(".compare[data-complete=true]").wait_for()
    settled(page)
    until(page, lambda: not denials(page, dict, PATIENCE))


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


SHOWN = {"cards": [*AGREED["cards"], "Answer\nstar"], "photo": "0003 star"}  # type: ignore[misc]


@pytest.mark.parametrize(
    ("path", "value"),
    [("level", 0), ("neurons", 12010), ("picture.title", "0004 ring"), ("answer.prediction", "disc")],
)
def test_the_walker_sees_a_file_that_the_screen_denies(path: str, value: Any) -> None:
    told: dict[str, Any] = {
        "level": 1, "neurons": 12000, "picture": {"title": "0003 star"},
        "zero_mode_answer": {"prediction": "star"},
    }  # fmt: skip
    arrays = {
        "sparsity": np.array([0, 0.9]), "target_probability": np.array([0.9, 0.431]),
        "attribution": np.ones(1), "map": np.ones(1),
    }  # fmt: skip
    assert denied({**arrays, "settings": np.array(json.dumps(told))}, SHOWN) == ""
    part = told
    for name in path.replace("answer", "zero_mode_answer").split(".")[:-1]:
        part = part[name]
    part[path.split(".")[-1]] = value
    assert denied({**arrays, "settings": np.array(json.dumps(told))}, SHOWN)


@pytest.mark.parametrize(
    ("place", "cell"),
    [
        ("Pixel x 2, y 0:", ("PruneGrad", "+0.500", "0.250")),
        ("Pixel x 1, y 0:", ("PruneGrad", "+0.400", "0.250")),
        ("Pixel x 1, y 0:", ("PruneGrad", "+0.500", "0.251")),
        ("Pixel x 1, y 0:", ("Grad-CAM", "+0.500", "0.250")),
        ("Point at a map", ("PruneGrad", "+0.500", "0.250")),
    ],
)
def test_the_walker_sees_arrays_that_the_grid_denies(place: str, cell: tuple[str, str, str]) -> None:
    held = {
        "prunegrad/0/map": np.array([[0.0, 0.5, 1.0]]),
        "settings": np.array(json.dumps({"results": [{"method": "prunegrad", "curve_area": 0.25}]})),
    }
    seen = ["PruneGrad", "+0.500", "0.250"]
    assert disputed(held, {"place": "Pixel x 1, y 0:", "cells": [seen]}) == ""
    assert disputed(held, {"place": place, "cells": [cell]})
    assert disputed(held, {"place": "Pixel x 1, y 0:", "cells": [seen, seen]})
    held["prunegrad/0/map"] = np.array([[0.0, 1.86e-4, 1.9e-4]])
    for shown, agreed in (
        ("+1.9e-4", True),
        ("+1.8e-4", True),
        ("+1.7e-4", False),
        ("\N{MINUS SIGN}1.9e-4", False),
    ):
        cell = ("PruneGrad", shown, "0.250")
        assert bool(disputed(held, {"place": "Pixel x 1, y 0:", "cells": [cell]})) is not agreed
