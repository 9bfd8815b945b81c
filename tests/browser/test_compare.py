"""The Compare page in Chromium: the grid completes, hovering reads all maps, a click enlarges."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.browser.serving import complaints
from tests.browser.waiting import BACKGROUNDS, coloured, cut_off, fits_sideways, painted, step, until

Settled = Callable[[Page], None]
METHODS = "prunegrad,saliency,input_x_gradient,guided_backprop,gradcam,edges"
NUMBER = re.compile("^[+\N{MINUS SIGN}]?[0-9]")


def opened(page: Page, url: str, settled: Settled, query: str = f"methods={METHODS}") -> Locator:
    """The complete grid."""
    page.goto(f"{url}/compare?{query}")
    grid = page.locator(".compare[data-complete=true]")
    grid.wait_for()
    settled(page)
    return grid


def test_hovering_reads_the_same_pixel_in_all_maps_without_the_server(
    page: Page, app_url: str, settled: Settled
) -> None:
    grid = opened(page, app_url, settled)
    expect(grid).to_have_attribute("data-cells", "6")
    sent: list[object] = []
    page.on("request", lambda request: sent.append(request.url))
    frames = grid.locator("button.frame")
    frames.nth(1).hover(position={"x": 60, "y": 70})
    values = grid.locator(".value")
    for place in range(6):
        expect(values.nth(place)).to_have_text(NUMBER)
    expect(grid.locator(".cross:visible")).to_have_count(7)
    first = values.all_inner_texts()
    frames.nth(4).hover(position={"x": 90, "y": 40})
    until(page, lambda: values.all_inner_texts() != first)
    assert sent == []


def test_a_map_that_is_large_while_it_is_computed_anew_breaks_nothing(
    page: Page, app_url: str, settled: Settled
) -> None:
    """The pixel under the pointer was read in the old map, which the new grid does not hold."""
    wrong = complaints(page, app_url)
    grid = opened(page, app_url, settled, "model=scenes-net&source=scenes&methods=prunegrad,prunepgd")
    before = grid.get_attribute("data-ready")
    grid.get_by_role("slider", name="Sparsity of the maps").press("ArrowLeft")
    frame = grid.get_by_role("button", name="Enlarge PrunePGD")
    frame.click(position={"x": 20, "y": 20})
    large = grid.locator("dialog .frame").last
    large.hover(position={"x": 30, "y": 30})
    expect(page.locator(f".compare[data-complete=true]:not([data-ready='{before}'])")).to_be_visible()
    settled(page)
    assert not wrong


def test_a_click_enlarges_and_arrows_walk(
    page: Page, app_url: str, settled: Settled, artefacts: Path
) -> None:
    grid = opened(page, app_url, settled)
    grid.locator("button.frame").first.click()
    dialog = grid.locator("dialog")
    expect(dialog).to_be_visible()
    expect(dialog.locator("h3")).to_contain_text("PruneGrad")
    expect(dialog.locator(".curve")).to_be_visible()
    page.screenshot(path=artefacts / "compare-enlarged.png")
    page.keyboard.press("ArrowRight")
    expect(dialog.locator("h3")).not_to_contain_text("PruneGrad")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_the_link_survives_a_reload(page: Page, app_url: str, settled: Settled) -> None:
    opened(page, app_url, settled, "methods=saliency,edges&more=1,2&order=seconds&grid_scale=shared")
    page.reload()
    grid = page.locator(".compare[data-complete=true]")
    grid.wait_for()
    expect(grid).to_have_attribute("data-cells", "6")
    expect(grid.locator(".scales")).to_have_text("one scale for all")
    expect(grid.locator(".method-head")).to_have_count(2)


def test_pictures_for_a_person(
    window: Callable[..., Page], app_url: str, settled: Settled, artefacts: Path
) -> None:
    for width, query in ((1400, f"methods={METHODS}"), (420, f"methods={METHODS}&more=1")):
        page = window(width, 1000)
        opened(page, app_url, settled, query)
        for scheme in BACKGROUNDS:
            with step(f"{width} wide, {scheme}"):
                coloured(page, scheme)
                settled(page)
                page.screenshot(path=artefacts / f"compare-{width}-{scheme}.png")
                fits_sideways(page)
                assert cut_off(page) == []


#: A number for each map on screen that changes with its pixels.
_PICTURES = """section => [...section.querySelectorAll('button.frame canvas')].map(canvas => {
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  return pixels.reduce((sum, value, i) => (sum * 31 + value * (i % 251)) | 0, 0);
})"""


def test_the_slider_moves_pruned_maps_only_and_asks_nobody(
    page: Page, app_url: str, settled: Settled, artefacts: Path
) -> None:
    sent: list[object] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    entries = "prunegrad,prunegrad~sparsity=0.5,prunegrad~mode=freeze,saliency,gradcam,edges"
    grid = opened(page, app_url, settled, f"model=scenes-net&source=scenes&methods={entries}")
    page.mouse.move(0, 0)
    names = ["PruneGrad", "PruneGrad", "PruneGrad", "Gradient (saliency)", "Grad-CAM", "Edge detector"]
    expect(grid.locator(".cell:not(.picture) h3")).to_have_text(names)
    before, count = grid.evaluate(_PICTURES), len(sent)
    box = grid.locator(".live .slider").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.55 * box["width"], middle)
    page.mouse.down()
    for part in range(20):
        page.mouse.move(box["x"] + (0.55 + 0.018 * part) * box["width"], middle)

    def changed() -> list[bool]:
        now = page.locator(".compare").evaluate(_PICTURES)
        return [a != b for a, b in zip(before, now, strict=True)]

    until(page, lambda: changed()[0] and changed()[2])
    painted(page)
    assert len(sent) == count
    assert changed() == [True, False, True, False, False, False]
    page.screenshot(path=artefacts / "compare-live.png")
    page.mouse.up()
    page.wait_for_url("**prune=0.9*")
    expect(grid.locator(".live .reading")).not_to_contain_text("let go")
    settled(page)
    page.locator(".compare[data-complete=true]").wait_for()
    until(page, lambda: changed()[1::2] == [False] * 3)
    for _ in range(2):  # the second picture once broke pages
        identity = page.locator(".compare").get_attribute("data-ready")
        page.get_by_role("button", name="Next picture").click()
        page.locator(f".compare[data-complete=true]:not([data-ready='{identity}'])").wait_for()
        settled(page)
    page.wait_for_url("**picture=2**")
    assert "prune=0.9" in page.url  # the dial stays where the hand left it


def test_what_takes_long_is_asked_for_in_its_cell_also_in_full_screen(
    page: Page, app_url: str, settled: Settled
) -> None:
    """A cell named a button above it, which full screen hides."""
    grid = opened(page, app_url, settled, "model=efficientnet-lite0&methods=saliency,neuron_intgrad")
    page.locator(".compare .present").click()
    page.wait_for_function("document.fullscreenElement !== null")
    grid.locator(".cell.dear button").click()
    expect(page.locator(".compare .cell.computing")).to_be_visible()
    assert page.evaluate("document.fullscreenElement !== null")
    page.evaluate("document.exitFullscreen()")
    page.locator(".st-key-cancel_grid button").click()
    again = page.locator(".compare .cell.stopped button")
    expect(again).to_have_text("Continue")
    again.click()
    expect(page.locator(".compare .cell.computing")).to_be_visible()
    page.locator(".st-key-cancel_grid button").click()
    expect(again).to_be_visible()
