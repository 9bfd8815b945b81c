"""One choice after the other, as a person makes them: nothing breaks, and screen and numbers agree."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.waiting import painted, until

Settled = Callable[[Page], None]
#: How many uploads this browser keeps.
STORED = """() => new Promise(done => {
  const asked = indexedDB.open('pruneattr', 1);
  asked.onupgradeneeded = () => asked.result.createObjectStore('uploads', {keyPath: 'id'});
  asked.onsuccess = () => {
    const count = asked.result.transaction('uploads').objectStore('uploads').count();
    count.onsuccess = () => { asked.result.close(); done(count.result); }; }; })"""


def agreed(page: Page, settled: Settled) -> str:
    """The neurons left that the map's line and the card below it both name."""
    line, card = page.locator(".reading"), page.get_by_test_id("stMetricValue").first
    said: list[str] = []

    def alike() -> bool:
        settled(page)
        if line.count() != 1:  # what a run replaces is gone when it ends
            return False
        said[:] = re.findall(r"([\d,]+) of [\d,]+ neurons left", line.inner_text())
        return said == [card.inner_text()]

    until(page, alike)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    return said[0]


def drawn_anew(page: Page, act: Callable[[], object], settled: Settled) -> str:
    """Do something and wait for another payload, with all its levels; see `agreed`."""
    before = page.locator("[data-ready]").get_attribute("data-ready")
    act()
    expect(page.locator(f"[data-complete=true]:not([data-ready='{before}'])")).to_have_count(1)
    return agreed(page, settled)


def asked(page: Page) -> dict[str, list[str]]:
    """What the address says beside model and source."""
    found = parse_qs(urlsplit(page.url).query)
    return {name: found[name] for name in found if name not in ("model", "source")}


def choose(page: Page, box: str, option: str) -> None:
    field = page.get_by_role("combobox", name=re.compile(box))
    field.scroll_into_view_if_needed()
    field.click()
    field.press_sequentially(option, delay=20)
    page.get_by_role("option", name=option).first.wait_for()
    field.press("Enter")


def test_one_choice_after_the_other(page: Page, app_url: str, settled: Settled, artefacts: Path) -> None:
    page.goto(f"{app_url}/?model=scenes-net&source=scenes")
    expect(page.get_by_test_id("stMetric").first).to_be_visible()
    agreed(page, settled)
    more = page.get_by_role("button", name="Next picture")
    drawn_anew(page, more.click, settled)
    drawn_anew(page, more.click, settled)  # the second one broke the page
    page.wait_for_url("**picture=2**")
    drawn_anew(page, page.get_by_text("Freeze", exact=True).click, settled)
    drawn_anew(page, lambda: choose(page, "Class to explain", "star"), settled)
    drawn_anew(page, more.click, settled)
    page.get_by_role("button", name="99 %", exact=True).click()
    page.wait_for_url("**at=0.99**")
    agreed(page, settled)
    drawn_anew(page, lambda: choose(page, "Model", "ResNet-8"), settled)  # its levels are others
    page.screenshot(path=artefacts / "choices.png")


def test_one_press_of_back_undoes_one_choice(page: Page, app_url: str, settled: Settled) -> None:
    page.goto(f"{app_url}/?model=scenes-net&source=scenes")
    expect(page.get_by_test_id("stMetric").first).to_be_visible()
    agreed(page, settled)
    start = page.evaluate("history.length")
    more = page.get_by_role("button", name="Next picture")
    drawn_anew(page, more.click, settled)
    drawn_anew(page, page.get_by_text("Freeze", exact=True).click, settled)
    drawn_anew(page, lambda: choose(page, "Model", "ResNet-8"), settled)
    until(page, lambda: page.evaluate("history.length") == start + 3)
    for step, said in (
        (page.go_back, {"picture": ["1"], "mode": ["freeze"]}),
        (page.go_back, {"picture": ["1"]}),
        (page.go_back, {}),
        (page.go_forward, {"picture": ["1"]}),
    ):
        drawn_anew(page, step, settled)
        until(page, lambda: asked(page) == said)  # noqa: B023  (waited for within the round)
    page.get_by_role("link", name="Compare").click()
    expect(page.get_by_role("heading", name="Compare")).to_be_visible()
    page.wait_for_url("**/compare?*picture=1*")
    settled(page)
    page.go_back()
    page.wait_for_url(re.compile(r"/\?"))
    agreed(page, settled)
    until(page, lambda: asked(page) == {"picture": ["1"]})


def test_what_no_gesture_made_is_no_entry_and_a_screen_readers_click_is_one(
    page: Page, app_url: str, settled: Settled
) -> None:
    """A late word of the run before took the path to the page that was left and back: two entries more."""
    page.goto(f"{app_url}/review")
    expect(page.get_by_role("heading", name="Compression review").first).to_be_visible()
    settled(page)
    # What a test asks the page counts as a press while the script is not there; one entry takes it.
    page.evaluate("history.pushState(null, '', '/review?desk=tables')")
    start = page.evaluate("history.length")
    for path in ("/benchmarks", "/review"):
        page.evaluate("path => history.pushState(null, '', path)", path)
    assert (page.evaluate("history.length"), page.url) == (start, f"{app_url}/review")
    page.get_by_role("link", name="Benchmarks").first.evaluate("link => link.click()")
    page.wait_for_url("**/benchmarks*")
    settled(page)
    assert page.evaluate("history.length") == start + 1


def test_a_link_to_a_page_is_one_entry_and_holds_nothing_of_another(
    page: Page, app_url: str, settled: Settled
) -> None:
    """What the page that a link leads to says first came before its path, as an entry of the page left."""
    page.goto(f"{app_url}/benchmarks")  # once, so that the second time it comes at once
    expect(page.get_by_role("heading", name="Benchmarks").first).to_be_visible()
    settled(page)
    start = page.evaluate("history.length")
    for name, path in (("Compression review", "review"), ("Benchmarks", "benchmarks")) * 2:
        page.get_by_role("link", name=name).first.click()
        page.wait_for_url(f"**/{path}*")
        expect(page.get_by_role("heading", name=name).first).to_be_visible()
        settled(page)
    assert page.evaluate("history.length") == start + 4
    for path in ("review", "benchmarks", "review", "benchmarks"):
        page.go_back()
        page.wait_for_url(f"**/{path}*")
        settled(page)
        assert {field for field in asked(page) if field.startswith("bench_")} <= (
            {"bench_run"} if path == "benchmarks" else set()
        )
        assert "teacher" not in asked(page) or path == "review"


def test_a_reload_keeps_an_upload(page: Page, app_url: str, settled: Settled, tmp_path: Path) -> None:
    file = tmp_path / "mine.png"
    Image.new("RGB", (140, 130), (30, 160, 90)).save(file)
    page.goto(f"{app_url}/?model=scenes-net&source=scenes")
    expect(page.get_by_test_id("stMetric").first).to_be_visible()
    agreed(page, settled)
    upload = page.get_by_test_id("stFileUploaderDropzoneInput").last
    drawn_anew(page, lambda: upload.set_input_files(file), settled)
    page.wait_for_url("**upload=**")
    settled(page)
    photo = page.locator("[data-panel=photo]")
    expect(photo).to_have_attribute("aria-label", "mine.png")
    page.reload()
    expect(photo).to_have_attribute("aria-label", "mine.png")
    agreed(page, settled)


def test_a_name_that_is_typed_and_entered_is_that_one_alone(
    page: Page, app_url: str, settled: Settled
) -> None:
    page.goto(f"{app_url}/compare?model=scenes-net&source=scenes&methods=edges")
    page.locator(".compare[data-complete=true]").wait_for()
    settled(page)
    choose(page, "Explain it", "together with others")
    names = page.get_by_role("combobox", name=re.compile("Mean with"))
    names.click()
    names.press_sequentially("ar", delay=20)  # star and arrow
    page.get_by_role("option", name="arrow").wait_for()
    names.press("Enter")
    page.wait_for_url("**contrast=**")
    assert len(asked(page)["contrast"][0].split(",")) == 1


def test_a_reload_keeps_all_uploads_of_a_grid_of_one_name(
    page: Page, app_url: str, settled: Settled, tmp_path: Path
) -> None:
    page.goto(f"{app_url}/compare?model=scenes-net&source=scenes&methods=saliency,edges")
    grid = page.locator(".compare[data-complete=true]")
    grid.wait_for()
    upload = page.get_by_test_id("stFileUploaderDropzoneInput").last
    for place in range(6):
        file = tmp_path / str(place) / "photo.png"
        file.parent.mkdir()
        Image.new("RGB", (140, 130), (40 * place, 160, 90)).save(file)
        former = page.url
        upload.set_input_files(file)
        until(page, lambda: "upload=" in page.url and page.url != former)  # noqa: B023
        settled(page)
    page.get_by_role("button", name="Pictures").last.click()
    box = page.get_by_role("combobox", name=re.compile("of your uploads"))
    for place in range(1, 6):
        box.click()
        page.get_by_role("option", name=f"photo.png ({place})", exact=True).click()
        until(page, lambda: len(asked(page).get("uploads", [""])[0].split(",")) == place)  # noqa: B023
        settled(page)
    shown = asked(page)
    assert len({*shown["upload"], *shown["uploads"][0].split(",")}) == 6
    expect(grid).to_have_attribute("data-cells", "12")
    page.reload()
    expect(page.locator(".compare[data-complete=true]")).to_have_attribute("data-cells", "12")
    settled(page)
    expect(page.get_by_test_id("stAlert")).to_have_count(0)
    assert asked(page) == shown


def test_an_upload_on_a_page_that_shows_none_outlives_a_reload(
    page: Page, app_url: str, settled: Settled, tmp_path: Path
) -> None:
    file = tmp_path / "aside.png"
    Image.new("RGB", (140, 130), (130, 60, 90)).save(file)
    page.goto(f"{app_url}/benchmarks?model=scenes-net")
    page.locator(".js-plotly-plot").first.wait_for()
    settled(page)
    page.get_by_test_id("stFileUploaderDropzoneInput").last.set_input_files(file)
    page.wait_for_url("**upload=**")
    until(page, lambda: page.evaluate(STORED))
    page.reload()
    page.locator(".js-plotly-plot").first.wait_for()
    page.get_by_role("link", name="Threshold explorer").click()
    expect(page.locator("[data-panel=photo]")).to_have_attribute("aria-label", "aside.png")


def test_what_is_pressed_in_quick_succession_all_counts(page: Page, app_url: str, settled: Settled) -> None:
    page.goto(f"{app_url}/?model=scenes-net&source=scenes&picture=20")
    more = page.get_by_role("button", name="Next picture")
    for _ in range(3):  # while the page computes: each press supersedes the run of the one before
        more.click()
        painted(page, 250)
    until(page, lambda: asked(page) == {"picture": ["23"]})
    agreed(page, settled)
    expect(page.locator("[data-panel=photo]")).to_have_attribute("aria-label", re.compile("^0023 "))
    page.get_by_role("radio", name="Freeze", exact=True).click()
    page.get_by_role("slider", name="Sparsity", exact=True).press("Home")  # the map before stands yet
    painted(page, 250)
    more.click()
    until(page, lambda: asked(page).get("picture") == ["24"] and asked(page).get("mode") == ["freeze"])
    agreed(page, settled)
    until(page, lambda: asked(page).get("at") == ["0"])
    expect(page.locator(".scrubber[data-ready]")).to_have_attribute("data-level", "0")
