"""The first view that the page draws by itself, before the app: the same, in its place, never alone."""

from __future__ import annotations

import io
import re
from base64 import b64decode
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, WebSocketRoute, expect

from pruneattr_core.registry import LITE0, lite0_is_here
from tests.browser.serving import serving
from tests.browser.test_doors import VIOLATIONS
from tests.browser.waiting import painted, step

LINE = "**/_stcore/stream"
EARLY = "#early [data-ready]"
APP = "[data-testid=stMain] [data-ready]"
#: Of the component below an element: texts, pictures, and where each of its parts stands.
LOOK = """place => {
  const host = [...document.querySelectorAll(`${place} *`)].find(one => one.shadowRoot);
  const parts = [...host.shadowRoot.querySelectorAll('.scrubber *')].filter(one => one.checkVisibility());
  return parts.map(one => {
    const {x, y, width, height} = one.getBoundingClientRect(), css = getComputedStyle(one);
    const text = one.children.length ? '' : one.textContent.replace(/\\s/g, ' ');
    return [one.tagName, text, css.color, css.backgroundColor, one.toDataURL?.() ?? '', x, y, width, height];
  }); }"""
SIZES = [(1366, 768, "light"), (1200, 700, "dark"), (2200, 1200, "light"), (390, 844, "light")]
SIZES += [(390, 844, "dark")]


@pytest.fixture(scope="module")
def lite0_url(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an app whose first view is the stored one."""
    if not lite0_is_here():
        pytest.skip(f"the first view needs {LITE0}")
    with serving(tmp_path_factory.mktemp("early") / "log.txt", "efficientnet-lite0") as app:
        yield app.url


def unanswered(page: Page, url: str) -> None:
    """Open the page where nothing comes from the server but its files."""
    page.route_web_socket(LINE, lambda line: None)
    page.goto(url)
    page.locator(EARLY).wait_for()


def pixels(url: str) -> np.ndarray:
    """Of a canvas, as its address holds them."""
    return np.asarray(Image.open(io.BytesIO(b64decode(url.partition(",")[2]))), dtype=int)


def assert_same(one: list[list[str | float]], other: list[list[str | float]]) -> None:
    """Equal words; places and colours but for what the stored numbers differ by from this machine's own.

    A server shows its own once it has them: on two cores one pixel was 2 of 255 apart.
    """
    assert [part[:4] for part in one] == [part[:4] for part in other]
    left, right = (np.array([part[5:] for part in parts], float) for parts in (one, other))
    np.testing.assert_allclose(left, right, rtol=0, atol=0.01)
    for part, same in zip(one, other, strict=True):
        if part[4] != same[4]:
            apart = np.abs(pixels(str(part[4])) - pixels(str(same[4]))).max(-1)
            assert apart.max() <= 5
            assert (apart > 0).mean() < 0.001


def test_the_apps_own_view_looks_the_same_and_stands_in_the_same_place(
    window: Callable[..., Page], lite0_url: str
) -> None:
    alone, page = window(), window()
    for width, height, scheme in SIZES:
        with step(f"{width} x {height}, {scheme}"):
            for one in (alone, page):
                one.set_viewport_size({"width": width, "height": height})
                one.emulate_media(
                    color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce"
                )
            unanswered(alone, lite0_url)
            painted(alone)
            early = alone.evaluate(LOOK, "#early")
            page.goto(lite0_url)
            page.locator(APP).wait_for()
            expect(page.locator("#early")).to_have_count(0)
            painted(page)
            assert_same(page.evaluate(LOOK, "[data-testid=stMain]"), early)


@pytest.mark.parametrize(("width", "height"), [(844, 390), (900, 1000)])
def test_where_its_place_is_not_known_it_is_not_shown(
    window: Callable[..., Page], lite0_url: str, width: int, height: int
) -> None:
    page = window(width, height)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(lite0_url)
    page.locator(APP).wait_for()
    assert page.evaluate("window.pruneattrEarly") is None
    assert not [url for url in asked if url.endswith(".bin")]


def test_a_sidebar_of_ones_own_width_puts_it_elsewhere(window: Callable[..., Page], lite0_url: str) -> None:
    page = window()
    page.add_init_script("localStorage.sidebarWidth = '420'")
    page.route_web_socket(LINE, lambda line: None)
    page.goto(lite0_url)
    page.get_by_test_id("stApp").wait_for()
    expect(page.locator("#early")).to_have_count(0)


def test_without_a_server_it_does_not_stay(window: Callable[..., Page], lite0_url: str) -> None:
    """What Streamlit says of the connection is all that there is then."""
    page = window()
    page.clock.install()
    unanswered(page, lite0_url)
    page.clock.fast_forward(3_000)
    expect(page.locator("#early")).to_have_count(1)
    page.clock.fast_forward(7_100)
    expect(page.locator("#early")).to_have_count(0)
    expect(page.get_by_test_id("stAppSkeleton")).to_be_visible()


def test_it_goes_when_anything_else_is_shown(window: Callable[..., Page], lite0_url: str) -> None:
    page = window()
    for name in ("stException", "stAlert", "stProgress", "stDialog"):
        with step(name):
            unanswered(page, lite0_url)
            page.evaluate(
                """name => { const one = document.createElement('div'); one.dataset.testid = name;
                document.querySelector('#root').append(one); }""",
                name,
            )
            expect(page.locator("#early")).to_have_count(0)


def test_it_is_no_barrier(window: Callable[..., Page], lite0_url: str, axe: str) -> None:
    page = window(1366, 768)
    for scheme in ("light", "dark"):
        with step(scheme):
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
            unanswered(page, lite0_url)
            page.evaluate(axe)
            assert [one for one in page.evaluate(VIOLATIONS) if "stAppSkeleton" not in one] == []


def test_a_hand_that_holds_it_is_not_disturbed_and_the_app_goes_on_from_there(
    window: Callable[..., Page], lite0_url: str
) -> None:
    page = window()
    held: list[str | bytes] = []
    lines: list[WebSocketRoute] = []

    def through(line: WebSocketRoute) -> None:
        lines.append(line)
        line.connect_to_server().on_message(lambda one: line.send(one) if page_may else held.append(one))

    page_may = False
    page.route_web_socket(LINE, through)
    page.goto(lite0_url)
    slider = page.locator(f"{EARLY} .slider")
    slider.wait_for()
    slider.focus()
    box = slider.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
    page.mouse.down()
    page_may = True
    for one in held:
        lines[-1].send(one)
    page.locator("[data-testid=stMain] .scrubber").wait_for(state="attached")
    page.mouse.move(box["x"] + box["width"] - 14, box["y"] + box["height"] / 2)
    page.wait_for_timeout(500)
    expect(page.locator("#early")).to_have_count(1)
    page.mouse.up()
    page.locator(APP).wait_for()
    expect(page.locator("#early")).to_have_count(0)
    slider = page.locator(f"{APP} .slider")
    expect(slider).to_have_attribute("aria-valuetext", re.compile("^99"))
    expect(slider).to_be_focused()
    page.wait_for_url(re.compile(r"[?&]at="))  # the server has heard of it
