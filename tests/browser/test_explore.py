"""The threshold explorer in Chromium: dragging, keys, reload, and pictures for a person to look at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from pruneattr_core.registry import LITE0, lite0_is_here
from tests.browser.says import SAYS, disagreement
from tests.browser.serving import ROOT, complaints, serving
from tests.browser.waiting import BACKGROUNDS, INSIDE, coloured, fits_sideways, painted, step, until

Settled = Callable[[Page], None]
COMPLETE = "[data-ready][data-complete=true]"

PIXELS = """canvas => {
  const d = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let s = 0; for (let i = 0; i < d.length; i++) s = (s * 31 + d[i]) | 0; return s; }"""


def opened(page: Page, url: str, settled: Settled) -> Locator:
    """The scrubber, drawn."""
    page.goto(url)
    scrubber = page.locator(COMPLETE)
    scrubber.wait_for()  # before that, levels are still to come between those that are there
    expect(page.get_by_test_id("stMetric").first).to_be_visible()
    settled(page)
    return scrubber


def level_of(scrubber: Locator) -> int:
    return int(scrubber.get_attribute("data-level") or 0)


def slider_of(page: Page) -> Locator:
    return page.locator("[data-ready]").get_by_role("slider", name="Sparsity", exact=True)


def test_dragging_repaints_without_the_server(page: Page, app_url: str, settled: Settled) -> None:
    sent: list[object] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    page.on("request", lambda request: sent.append(request.url))
    opened(page, app_url, settled)
    slider, canvas = slider_of(page), page.locator("[data-panel=map]")
    slider.press("Home")
    page.wait_for_url(re.compile(r"[?&]at=0(&|$)"))  # what was let go has come back from the server
    settled(page)
    box = slider.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 13, y)
    page.mouse.down()
    before, seen = len(sent), set()
    for part in range(1, 21):
        page.mouse.move(box["x"] + 13 + (box["width"] - 26) * part / 20, y)
        painted(page)
        seen.add(canvas.evaluate(PIXELS))
    assert len(sent) == before, sent[before:]
    assert len(seen) >= 12
    page.mouse.up()
    page.wait_for_url("**at=0.99**")


@pytest.fixture
def fresh_url(tmp_path: Path) -> Iterator[str]:
    """Of a server that nobody has visited yet."""
    if not lite0_is_here():
        pytest.skip(f"the first view needs {LITE0}")
    with serving(tmp_path / "log.txt", "efficientnet-lite0") as app:
        yield app.url


def test_a_hand_that_moves_the_stored_first_view_stays_where_it_let_go(
    window: Callable[..., Page], settled: Settled, fresh_url: str
) -> None:
    """While a fresh server imports: the page drawn anew put another component there, at 80 %, not 99 %."""
    page = window()
    page.goto(fresh_url)
    slider = slider_of(page)
    slider.press("End", timeout=120_000)
    page.wait_for_url(re.compile(r"[?&]at="), timeout=120_000)  # the server has heard of it
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    settled(page)
    expect(slider).to_have_attribute("aria-valuetext", re.compile("^99"))


_FEWEST = """
    window.fewest = Infinity;
    setInterval(() => {
        const main = document.querySelector("[data-testid=stMainBlockContainer]");
        const parts = main && main.querySelector("[data-testid=stVerticalBlock]");
        const count = parts ? parts.children.length : 0;
        if (count >= 5 || window.fewest < Infinity) window.fewest = Math.min(window.fewest, count);
    }, 20);
"""


def test_the_first_screen_of_a_fresh_server_is_never_blank_again(
    window: Callable[..., Page], settled: Settled, fresh_url: str
) -> None:
    """Between the stored view and the live one the page stood empty, for seconds on a busy machine."""
    page = window()
    wrong = complaints(page, fresh_url)
    told: list[str | bytes] = []
    page.on("websocket", lambda line: line.on("framereceived", lambda one: told.append(one)))
    page.add_init_script(_FEWEST)
    page.goto(fresh_url)
    page.locator(COMPLETE).wait_for(timeout=240_000)
    settled(page)
    assert page.evaluate("window.fewest") >= 5
    assert wrong == []  # not even a page's icon comes from elsewhere
    assert told
    assert not [one for one in told if isinstance(one, bytes) and str(ROOT).encode() in one]


def test_nothing_can_be_pressed_before_it_is_there(window: Callable[..., Page], app_url: str) -> None:
    """A key in the moment before the maps were unpacked moved the thumb and nothing else."""
    page = window()
    page.add_init_script(
        "const unpack = Response.prototype.arrayBuffer;"
        "Response.prototype.arrayBuffer = async function () {"
        "  window.asked = true; while (!window.go) await new Promise(done => setTimeout(done, 50));"
        "  return unpack.call(this); };"
    )
    page.goto(app_url)
    slider = page.locator(".scrubber .slider")
    slider.wait_for(state="attached")
    page.wait_for_function("window.asked")
    slider.press("End")
    assert slider.evaluate("one => one.value") == "0"
    page.evaluate("window.go = true")
    page.locator(COMPLETE).wait_for()
    slider.press("End")
    expect(slider).to_have_attribute("aria-valuetext", re.compile("^99|^100"))


def test_values_zoom_keys_read_aloud_and_a_new_mode_that_keeps_the_place(
    page: Page, app_url: str, settled: Settled
) -> None:
    scrubber = opened(page, app_url, settled)
    slider = slider_of(page)
    with step("zoom and the value under the pointer"):
        canvas = page.locator("[data-panel=map]")
        canvas.hover()
        expect(page.locator(".readout", has_text=" at ")).to_have_count(1)
        page.get_by_role("button", name="Zoom in").click()
        expect(page.locator("[data-zoom=reset]")).to_have_text(re.compile("^1.5"))
        expect(canvas).to_have_attribute("style", re.compile(r"scale\(1\.5\)"))
    with step("keys go through real levels and are read aloud"):
        slider.press("Home")
        expect(scrubber).to_have_attribute("data-level", "0")
        expect(slider).to_have_attribute("aria-valuetext", re.compile("All neurons kept"))
        slider.press("ArrowRight")
        slider.press("ArrowRight")
        expect(scrubber).to_have_attribute("data-level", "2")
        expect(slider).to_have_attribute("aria-valuetext", re.compile("neurons removed"))
        slider.press("End")
        until(page, lambda: level_of(scrubber) >= 21)
        last = level_of(scrubber)
        slider.press("PageDown")
        until(page, lambda: 2 < level_of(scrubber) < last)
        expect(page.locator(".interpolated")).to_be_hidden()
    with step("a new mode keeps the place"):
        page.get_by_role("button", name="95 %", exact=True).click()
        page.wait_for_url("**at=0.95**")
        page.get_by_role("radio", name="Freeze").click()
        page.wait_for_url("**mode=freeze**")
        # Of few levels first, none of them at 95 %.
        expect(page.locator(".sentence")).to_contain_text("frozen")
        expect(scrubber).to_be_visible()
        expect(page.locator(".sentence")).to_contain_text("95")


def test_another_page_and_a_reload_keep_the_view(page: Page, app_url: str, settled: Settled) -> None:
    scrubber = opened(page, f"{app_url}/?picture=3", settled)
    page.get_by_role("button", name="95 %", exact=True).click()
    page.wait_for_url("**at=0.95**")
    page.get_by_text("How the map is drawn").click()
    page.get_by_role("radio", name="One for all levels").click()
    page.wait_for_url("**scale=shared**")
    page.keyboard.press("Escape")
    expect(page.get_by_text("one scale for all levels")).to_be_visible()
    settled(page)
    level, reading = scrubber.get_attribute("data-level"), page.locator(".reading")
    said = reading.inner_text()
    page.get_by_role("link", name="Lessons").click()
    expect(page.get_by_role("heading", name="Lessons", exact=True)).to_be_visible()
    page.get_by_role("link", name="Threshold explorer").click()  # as the hand left it
    expect(reading).to_have_text(said)
    page.wait_for_url("**at=0.95**")
    settled(page)
    page.reload()
    page.locator(COMPLETE).wait_for()
    settled(page)
    expect(scrubber).to_have_attribute("data-level", str(level))
    expect(page.get_by_text("one scale for all levels")).to_be_visible()
    assert "picture=3" in page.url


def test_a_figure_leaves_the_view_alone_and_its_size_is_kept(
    page: Page, app_url: str, settled: Settled
) -> None:
    scrubber = opened(page, f"{app_url}/?picture=3&at=0.95", settled)
    level = scrubber.get_attribute("data-level")
    dots = page.get_by_role("combobox", name=re.compile("Dots per inch"))
    for first in (True, False):
        page.get_by_role("button", name="Figure", exact=True).click()
        expect(page.get_by_text("Caption, with every setting")).to_be_visible()
        if first:
            dots.click()
            page.get_by_role("option", name="600").click()
        expect(dots).to_have_value("600")
        with page.expect_download() as waiting:
            page.get_by_role("button", name="PDF", exact=True).click()
        assert Path(waiting.value.path()).read_bytes().startswith(b"%PDF")
        page.keyboard.press("Escape")
        expect(page.get_by_text("Caption, with every setting")).to_be_hidden()
        settled(page)
    expect(scrubber).to_have_attribute("data-level", str(level))
    assert "at=0.95" in page.url


def test_output_change_axis_and_strip(page: Page, app_url: str, settled: Settled) -> None:
    scrubber = opened(page, app_url, settled)
    page.get_by_role("radio", name="Output change").click()
    slider = page.get_by_role("slider", name="Allowed output change")
    slider.press("Home")
    expect(slider).to_have_value("0")
    painted(page)
    low = level_of(scrubber)
    for allowed in range(1, 12):  # the level may be the same; what is allowed is not
        slider.press("ArrowRight")
        expect(page.locator(".reading")).to_contain_text(f"Change above {allowed} %")
    slider.press("End")
    expect(slider).to_have_value("100")
    until(page, lambda: level_of(scrubber) >= low)
    page.wait_for_url("**dial=change**at=1**")
    page.reload()
    page.locator(COMPLETE).wait_for()
    expect(page.locator(".reading")).to_contain_text("Change above 100")
    page.locator(".strip button").last.click()
    expect(page.get_by_role("radio", name="Contributing")).to_have_attribute("aria-checked", "true")
    expect(page.locator(".strip button").last).to_have_attribute("aria-current", "true")


def test_a_dial_that_is_chosen_while_it_plays_is_what_is_shown(
    page: Page, app_url: str, settled: Settled
) -> None:
    """It played on to the last level below the headline of 15 % change, and the cards stayed there."""
    opened(page, app_url, settled)
    for dial in ("All neurons", "Output change", "Contributing"):
        play = page.get_by_role("button", name=re.compile("Play local to global|Pause"))
        if play.inner_text().startswith("▶"):
            play.click()
        page.get_by_role("radio", name=dial).click()
        if dial == "Output change":
            expect(play).to_have_attribute("aria-pressed", "false")
        else:
            play.click()
        until(page, lambda: not disagreement(page.evaluate(SAYS)))
        page.wait_for_timeout(500)  # what would play on
        settled(page)
        until(page, lambda: not disagreement(page.evaluate(SAYS)))


#: Press a page of the menu, then a key of the slider, before that page has come.
LEAVING = """() => {
  document.querySelectorAll('[data-testid=stSidebarNavLink]')[8].click();
  const roots = [document];
  for (const root of roots) for (const node of root.querySelectorAll('*')) if (node.shadowRoot) roots.push(node.shadowRoot);
  roots.map(root => root.querySelector('.scrubber .slider')).find(Boolean)
    .dispatchEvent(new KeyboardEvent('keydown', {key: 'End', bubbles: true}));
}"""  # noqa: E501


def test_where_a_hand_lets_go_as_its_page_is_left_is_heard_of_when_it_is_back(
    page: Page, app_url: str, settled: Settled
) -> None:
    """The map came back where the hand had let go, and the cards below it where Python had last heard."""
    opened(page, app_url, settled)
    page.evaluate(LEAVING)
    page.wait_for_url("**/reproduction**")
    settled(page)
    page.get_by_test_id("stSidebarNavLink").first.click()
    page.locator(COMPLETE).wait_for()
    settled(page)
    until(page, lambda: not disagreement(page.evaluate(SAYS)))


def test_a_press_on_the_curve_goes_there(page: Page, app_url: str, settled: Settled) -> None:
    """For months it did nothing: a variable had taken the name of the function that finds the level."""
    wrong = complaints(page, app_url)
    scrubber, places = opened(page, app_url, settled), []
    box = page.locator(".curve").bounding_box()
    assert box is not None
    for share in (0.2, 0.6, 0.9):
        page.locator(".curve").click(position={"x": share * box["width"], "y": box["height"] / 2})
        settled(page)
        places.append(level_of(scrubber))
        until(page, lambda: not disagreement(page.evaluate(SAYS)))
    assert places == sorted(set(places))
    assert not wrong


def test_full_screen_cuts_nothing_and_has_the_keys(
    window: Callable[..., Page], app_url: str, settled: Settled, artefacts: Path
) -> None:
    page = window(1280, 800)
    scrubber = opened(page, app_url, settled)
    size = "node => parseFloat(getComputedStyle(node).fontSize) * (node.currentCSSZoom ?? 1)"
    parts = page.locator(".panels canvas, .marks button:visible, .slider, .reading")
    for scheme in BACKGROUNDS:
        with step(scheme):
            coloured(page, scheme)
            before = page.locator(".sentence").evaluate(size)
            page.get_by_role("button", name="Full screen").click()
            expect(slider_of(page)).to_be_focused()
            page.keyboard.press("Home")
            expect(scrubber).to_have_attribute("data-level", "0")
            page.keyboard.press("End")
            expect(scrubber).not_to_have_attribute("data-level", "0")

            def grown_and_whole(before: float = before) -> bool:
                inside = parts.evaluate_all(INSIDE)
                return all(inside) and len(inside) > 6 and page.locator(".sentence").evaluate(size) > before

            until(page, grown_and_whole)
            page.screenshot(path=artefacts / f"explore-full-{scheme}.png")
            page.evaluate("document.exitFullscreen()")
            expect(page.locator(":fullscreen")).to_have_count(0)


def test_screenshots(window: Callable[..., Page], app_url: str, settled: Settled, artefacts: Path) -> None:
    page = window(1366, 768)
    opened(page, app_url, settled)
    presets = page.locator(".marks button:visible")  # they lie below the slider
    for name, width, height, scheme in (
        ("wide", 1366, 768, "light"),
        ("phone", 390, 844, "light"),
        ("dark", 1280, 720, "dark"),
    ):
        with step(name):
            page.set_viewport_size({"width": width, "height": height})
            coloured(page, scheme)
            painted(page)
            fits_sideways(page)
            until(page, lambda: all(presets.evaluate_all(INSIDE)))
            page.screenshot(path=artefacts / f"explore-{name}.png")


@pytest.mark.parametrize(
    ("path", "section"), [("", ".scrubber"), ("compare", ".compare"), ("removal", ".stage")]
)
def test_who_cannot_unpack_is_told_so(
    window: Callable[..., Page], app_url: str, path: str, section: str
) -> None:
    """What is inert is not read aloud: so was the sentence that says why nothing comes."""
    page = window()
    page.add_init_script("window.DecompressionStream = class { constructor() { throw new TypeError(); } };")
    page.goto(f"{app_url}/{path}")
    told = page.locator(section)
    expect(told).to_contain_text("This browser cannot unpack the", timeout=120_000)
    assert not told.evaluate("one => one.inert")
