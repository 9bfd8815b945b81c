"""The room of a screen: full screen is filled and cuts nothing; on a phone nothing lies over anything."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import combinations
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.waiting import BOXES, INSIDE, coloured, cut_off, fits_sideways, painted, step, until

Settled = Callable[[Page], None]
WHOLE = """all => all.every(node =>
  node.scrollWidth <= node.clientWidth + 1 && node.scrollHeight <= node.clientHeight + 1)"""
#: Size of the letters on the screen.
LETTERS = "node => parseFloat(getComputedStyle(node).fontSize) * (node.currentCSSZoom ?? 1)"
WALLS = [(1366, 768, "light"), (1920, 1080, "dark"), (1280, 720, "light")]
#: Pages whose pictures and curves move with one slider.
STAGES = (
    "removal?gone_methods=prunegrad,saliency,guided_backprop",  # and two controls
    "removal?gone_methods=prunegrad,prunegrad_x_input,saliency,gradcam,guided_backprop,excitation_backprop",
    "sanity?sane_methods=prunegrad,saliency,guided_backprop,edges",
)
Box = list[float]


def boxes(found: Locator) -> list[Box]:
    """Those that are visible."""
    return list(found.evaluate_all(BOXES))


def widths(section: Locator) -> list[float]:
    """Of its pictures; those that a run has just replaced have none."""
    return [right - left for left, _, right, _ in boxes(section.locator(".frame, .hole"))]


def meet(one: Box, other: Box) -> bool:
    """Whether two boxes share more than a pixel."""
    return (
        min(one[2], other[2]) - max(one[0], other[0]) > 1
        and min(one[3], other[3]) - max(one[1], other[1]) > 1
    )


def opened(page: Page, address: str, settled: Settled) -> None:
    page.goto(address)
    page.locator("[data-ready][data-complete=true]").first.wait_for()
    settled(page)


def on_walls(page: Page, check: Callable[[int, int, str], None]) -> None:
    """The check in a window of each of these sizes and colours, not full screen before it."""
    for width, height, scheme in WALLS:
        with step(f"{width} x {height}, {scheme}"):
            page.set_viewport_size({"width": width, "height": height})
            coloured(page, scheme)
            painted(page)
            check(width, height, scheme)
            small_again(page)


def small_again(page: Page) -> None:
    """As Escape does it: no key that a test sends reaches the browser."""
    page.evaluate("document.exitFullscreen()")
    expect(page.locator(":fullscreen")).to_have_count(0)
    page.locator("[data-fitted]").wait_for(state="detached")


def test_the_explorer_fills_the_screen(
    window: Callable[..., Page], app_url: str, settled: Settled, artefacts: Path
) -> None:
    page = window(*WALLS[0])
    opened(page, app_url, settled)
    sentence, board = page.locator(".sentence"), page.locator(".board")

    def check(width: int, height: int, scheme: str) -> None:
        before = sentence.evaluate(LETTERS)
        page.get_by_role("button", name="Full screen").click()
        page.keyboard.press("End")  # the longest sentence: another class, and what it was
        settled(page)
        until(page, lambda: sentence.evaluate(LETTERS) > before)
        words, panels, below, colours = (
            boxes(page.locator(".headline")),
            boxes(page.locator(".panels .frame")),
            boxes(board),
            boxes(page.locator(".scrubber .underline")),
        )
        parts = [*words, *panels, *below, *colours]
        assert len(panels) == 3
        assert not any(meet(one, other) for one, other in combinations(parts, 2))
        assert all(
            left >= 0 and top >= 0 and right <= width and bottom <= height
            for left, top, right, bottom in parts
        )
        assert sentence.evaluate("node => node.scrollWidth <= node.clientWidth")
        covered = sum((right - left) * (bottom - top) for left, top, right, bottom in parts)
        assert covered > 0.8 * width * height
        page.screenshot(path=artefacts / f"full-explorer-{width}-{scheme}.png")

    on_walls(page, check)


def test_the_review_fills_the_screen(
    window: Callable[..., Page], app_url: str, settled: Settled, artefacts: Path
) -> None:
    page = window(*WALLS[0])
    numbers, rows = page.locator(".numbers").first, page.locator(".row")

    def check(students: int, width: int, height: int, scheme: str) -> None:
        before = numbers.evaluate(LETTERS)
        page.get_by_role("button", name="Full screen").click()
        until(page, lambda: numbers.evaluate(LETTERS) > before)
        rows.nth(1).focus()
        page.keyboard.press("j")  # the heads that stay cover nothing of the row that has the focus
        expect(rows.nth(2)).to_be_focused()
        (heads,), (row,) = boxes(page.locator(".heads")), boxes(rows.nth(2))
        assert row[1] >= heads[3]
        assert row[3] <= height
        assert row[2] - row[0] > 0.94 * width
        maps = boxes(rows.nth(2).locator(".frame"))
        assert sum(right - left for left, _, right, _ in maps) > (0.72 if students == 4 else 0.5) * width
        assert cut_off(page) == []
        page.screenshot(path=artefacts / f"full-review-{students}-{width}-{scheme}.png")

    opened(page, f"{app_url}/review?desk_count=24", settled)
    on_walls(page, partial(check, 4))
    student = str(rows.first.get_attribute("data-key")).split("|")[1]
    opened(page, f"{app_url}/review?desk_count=24&students={student}", settled)
    with step("one student alone"):
        on_walls(page, partial(check, 1))


def test_compare_fills_the_screen(
    window: Callable[..., Page], app_url: str, settled: Settled, artefacts: Path
) -> None:
    page = window(*WALLS[0])
    opened(page, f"{app_url}/compare?methods=prunegrad,saliency&more=2,3", settled)
    reading, maps = page.locator(".compare .reading"), page.locator(".compare button.frame")
    large = page.locator(".enlarged")

    def check(width: int, height: int, scheme: str) -> None:
        before, (small, *_) = reading.evaluate(LETTERS), boxes(maps)
        page.get_by_role("button", name="Full screen").click()
        until(page, lambda: reading.evaluate(LETTERS) > before)
        first, *others = boxes(maps)
        assert first[2] - first[0] > 1.15 * (small[2] - small[0])
        assert first[3] <= height  # whole, before anybody scrolls
        assert all(left >= 0 and right <= width for left, _, right, _ in others)
        page.screenshot(path=artefacts / f"full-compare-{width}-{scheme}.png")
        page.locator(".compare button.frame").first.click()
        expect(large).to_be_visible()
        ((left, top, right, bottom),) = boxes(large)
        assert min(left, top) >= 0
        assert right <= width
        assert bottom <= height
        page.screenshot(path=artefacts / f"full-compare-large-{width}-{scheme}.png")
        page.keyboard.press("Escape")
        expect(large).to_be_hidden()

    on_walls(page, check)


@pytest.mark.parametrize("address", STAGES)
def test_pixel_removal_and_the_sanity_check_fill_the_screen(
    window: Callable[..., Page], app_url: str, settled: Settled, artefacts: Path, address: str
) -> None:
    page = window(*WALLS[0])
    opened(page, f"{app_url}/{address}", settled)
    sentence, chart = page.locator(".sentence"), page.locator(".stage .chart")

    def check(width: int, height: int, scheme: str) -> None:
        before = sentence.evaluate(LETTERS)
        page.get_by_role("button", name="Full screen").click()
        page.keyboard.press("End")  # the longest sentence
        until(page, lambda: sentence.evaluate(LETTERS) >= 1.1 * before)
        small = page.locator(".stage :is(.total, .note, .axis-title, .tick, figcaption, .controls button)")
        assert min(part.evaluate(LETTERS) for part in small.locator("visible=true").all()) >= height / 51
        page.screenshot(path=artefacts / f"full-{address.split('?')[0]}-{width}-{scheme}.png")
        parts = [
            box
            for what in (".headline", ".stage .card", ".stage .board", ".stage .note")
            for box in boxes(page.locator(what))
        ]
        assert not any(meet(one, other) for one, other in combinations(parts, 2))
        assert all(
            left >= 0 and top >= 0 and right <= width and bottom <= height
            for left, top, right, bottom in parts
        )
        assert all(right - left > 0.18 * height for left, _, right, _ in boxes(page.locator(".stage .frame")))
        ((left, top, right, bottom),) = boxes(chart)
        page.mouse.click((left + right) / 2, (top + bottom) / 2)  # the slider goes where the chart is pressed
        settled(page)
        ((cursor, *_),) = boxes(page.locator(".stage .chart .cursor"))
        assert abs(cursor - (left + right) / 2) < (right - left) / 14

    on_walls(page, check)


#: Texts and pictures of what fills the screen that lie beyond the window, or over one another.
AMISS = """section => {
  const scale = section.currentCSSZoom ?? 1, box = node => node.getBoundingClientRect();
  const seen = [...section.querySelectorAll('*')].filter(node => !node.closest('dialog, defs') && node.checkVisibility());
  const named = node => `${node.tagName}.${node.getAttribute('class')} ${node.textContent.trim().slice(0, 40)}`;
  const beyond = seen.filter(node => { const {left, top, right, bottom, width, height} = box(node);
    return width && height && (left < -1 || top < -1 || right > innerWidth + 1 || bottom > innerHeight + 1); });
  const spilling = seen.filter(node => getComputedStyle(node).overflowY === 'auto' && node.scrollHeight > node.clientHeight + 1);
  const cards = seen.filter(node => node.matches('.cell, .card, .panels > figure')), wide = cards.filter(card =>
    [...card.querySelectorAll('p, span, h3, dt, dd')].some(node => box(node).right > box(card).right + 3));
  const scrolls = section.scrollHeight > section.clientHeight + 1 || section.scrollWidth > section.clientWidth + 1;
  return [...beyond, ...spilling, ...wide].map(named).concat(scrolls ? ['it scrolls'] : []);
}"""  # noqa: E501
SEVEN = "prunegrad,saliency,input_x_gradient,guided_backprop,gradcam,prunepgd,edges"
#: Address -> how many pictures it shows.
FULL = {
    "": 3,
    "compare?methods=prunegrad,saliency": 3,
    f"compare?methods={SEVEN}": 8,
    f"compare?methods={SEVEN},deconvolution,integrated_gradients": 10,
    STAGES[0]: 5,
    STAGES[1]: 8,
    STAGES[2]: 4,
}


@pytest.mark.parametrize("address", FULL)
def test_full_screen_holds_everything_in_windows_of_many_shapes(
    window: Callable[..., Page], app_url: str, settled: Settled, artefacts: Path, address: str
) -> None:
    page = window(1366, 768, "dark" if list(FULL).index(address) % 2 else "light")
    opened(page, f"{app_url}/{address}", settled)
    page.get_by_role("button", name="Full screen").click()
    section = page.locator(":fullscreen:is(.scrubber, .compare, .stage)")
    slider = section.get_by_role("slider").first
    expect(slider).to_be_focused()
    for width, height in ((1024, 768), (1280, 720), (1366, 768), (1920, 1080), (2200, 600), (800, 600)):
        page.set_viewport_size({"width": width, "height": height})
        for key in ("Home", "End"):  # words that change take their room
            page.keyboard.press(key)
            until(page, lambda: section.evaluate(AMISS) == [])
            assert slider.evaluate_all(INSIDE) == [True]
        room = 0.1 * min(width, height)
        until(page, lambda room=room: [one > room for one in widths(section)] == [True] * FULL[address])
        page.screenshot(path=artefacts / f"wall-{list(FULL).index(address)}-{width}x{height}.png")
    assert section.locator(".marks button:visible").count() == (8 if not address else 0)
    page.set_viewport_size({"width": 640, "height": 480})  # here it may scroll, but only downwards
    until(page, lambda: section.evaluate("node => node.scrollWidth <= node.clientWidth"))
    slider.scroll_into_view_if_needed()
    assert slider.evaluate_all(INSIDE) == [True]
    page.set_viewport_size({"width": 1366, "height": 768})
    until(page, lambda: section.evaluate(AMISS) == [])
    small_again(page)


def test_names_of_classes_stand_whole(window: Callable[..., Page], app_url: str, settled: Settled) -> None:
    page = window(1366, 768)
    opened(page, f"{app_url}/review?desk_count=24", settled)
    for name in (".says", ".words h3", ".target"):
        assert page.locator(name).count() > 5
        assert page.locator(name).evaluate_all(WHOLE)


@pytest.mark.parametrize(
    ("address", "sticky"),
    [("compare?methods=prunegrad,saliency", ".live"), ("review?desk_count=24", ".leaf")],
)
def test_on_a_phone_the_menus_button_lies_over_nothing_and_the_review_names_its_slider_and_colours(
    window: Callable[..., Page], app_url: str, settled: Settled, artefacts: Path, address: str, sticky: str
) -> None:
    page = window(390, 844, has_touch=True)
    opened(page, f"{app_url}/{address}", settled)
    if "review" in address:
        with step("it names the slider and the colours"):
            expect(page.locator(".under span")).to_be_visible()
            expect(page.locator(".legend")).to_be_visible()
            fits_sideways(page)
    button = page.get_by_test_id("stExpandSidebarButton")
    bar = page.get_by_test_id("stHeader")
    page.mouse.move(195, 600)
    for _ in range(4):
        page.mouse.wheel(0, 180)
        settled(page)
        ((left, top, right, bottom),) = boxes(button)
        (covered,) = boxes(bar)
        assert covered[1] <= top
        assert bottom <= covered[3]
        assert bar.evaluate("node => getComputedStyle(node).backgroundColor") not in (
            "transparent",
            "rgba(0, 0, 0, 0)",
        )
        assert not any(meet([left, top, right, bottom], other) for other in boxes(page.locator(sticky)))
    page.screenshot(path=artefacts / f"phone-scrolled-{address.split('?')[0]}.png")


def test_the_button_of_a_folded_menu_stands_beside_the_page(
    window: Callable[..., Page], app_url: str, settled: Settled
) -> None:
    page = window(1366, 768)
    opened(page, f"{app_url}/compare?methods=prunegrad,saliency", settled)
    page.get_by_test_id("stSidebarContent").hover()
    page.get_by_test_id("stSidebarCollapseButton").get_by_role("button").click()
    button = page.get_by_test_id("stExpandSidebarButton")
    expect(button).to_be_visible()
    settled(page)
    page.mouse.move(700, 500)
    page.mouse.wheel(0, 300)
    sticky = page.locator(".live")
    until(page, lambda: boxes(sticky)[0][1] < 20)
    until(page, lambda: boxes(button)[0][2] <= boxes(sticky)[0][0])  # it glides there


def test_charts_of_the_tables_stand_one_below_the_other_on_a_phone(
    window: Callable[..., Page], app_url: str, settled: Settled, artefacts: Path
) -> None:
    page = window(390, 844, has_touch=True)
    page.goto(f"{app_url}/review?desk=tables")
    charts = page.locator(".js-plotly-plot")
    expect(charts).to_have_count(4)
    settled(page)
    fits_sideways(page)
    titles = page.locator(".js-plotly-plot :is(.legend, .annotation)")
    assert not any(meet(one, other) for one, other in combinations(boxes(titles), 2))
    charts.first.hover()
    expect(page.locator(".modebar-container").first).to_be_hidden()
    page.screenshot(path=artefacts / "phone-tables.png")
