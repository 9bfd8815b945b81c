"""The review desk in Chromium: keys judge and are saved, one slider moves all columns by itself."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from pruneattr_core.compression import family
from pruneattr_core.compression.review_verdicts import Verdict, load_review, reviews_folder, save_verdicts
from tests.browser.waiting import coloured, cut_off, fits_sideways, have, step, until

Settled = Callable[[Page], None]

pytestmark = pytest.mark.skipif(
    not any(family.students(one.id) for one in family.teachers()),
    reason="no students in assets/students: python -m pruneattr_core compress",
)
IN_SIGHT = """rows => rows.map(row => { const {top, bottom} = row.getBoundingClientRect();
  return top >= -1 && bottom <= innerHeight + 1 && bottom > top; })"""
PIXELS = """frame => { const c = frame.querySelector('canvas'), all = [0, 0, c.width, c.height];
  return [...c.getContext('2d').getImageData(...all).data].reduce((s, v) => (s * 31 + v) | 0, 0); }"""

#: Parts of the lists of numbers whose value is not in its label's line, or whose line begins indented.
PARTED = """lists => lists.flatMap(list => {
  const left = node => node.getBoundingClientRect().left, top = node => node.getBoundingClientRect().top;
  const grid = getComputedStyle(list).display === 'grid', edge = left(list);
  const told = [...list.querySelectorAll('dd')].map(value => [value.previousElementSibling, value]);
  const firsts = new Map();
  for (const pair of told) for (const node of pair)
    if (node.getBoundingClientRect().width) firsts.set(Math.round(top(node)), Math.min(left(node), firsts.get(Math.round(top(node))) ?? 1e9));
  const parted = told.filter(([name, value]) => name.textContent && Math.abs(top(name) - top(value)) > 2);
  const indented = grid ? [] : [...firsts.values()].filter(first => first > edge + 2);
  return [...parted.map(([name, value]) => name.textContent + value.textContent), ...indented.map(String)];
})"""  # noqa: E501


@pytest.fixture
def review() -> Iterator[str]:
    """The name of a review that nobody has; its file lies where the server writes and is removed."""
    name = f"test {os.getpid()} {uuid.uuid4().hex[:8]}"
    yield name
    (reviews_folder() / f"{name}.json").unlink(missing_ok=True)


def opened(page: Page, url: str, settled: Settled, query: str) -> Locator:
    """The complete desk; what is cut off in it can be read all the same."""
    page.goto(f"{url}/review?{query}")
    desk = page.locator(".review[data-complete=true]")
    desk.wait_for()
    settled(page)
    assert cut_off(page) == []
    return desk


def sums(desk: Locator) -> list[int]:
    """A number for the pixels of every map."""
    return [int(frame.evaluate(PIXELS)) for frame in desk.locator(".cell .frame").all()]


def test_keys_judge_and_a_reload_resumes(page: Page, app_url: str, settled: Settled, review: str) -> None:
    desk = opened(page, app_url, settled, f"review={review}&desk_count=24")
    rows = desk.locator(".row")
    expect(rows).to_have_count(6)
    teacher, student, data, _, target, method = str(rows.first.get_attribute("data-key")).split("|")
    said = Verdict(teacher, student, data, 9, "one", target, method, "ok")
    save_verdicts("another", {said.key: said})
    page.reload()
    offer = page.get_by_role("button", name="Go on with another (1 of 24)")
    expect(offer).to_be_visible()
    desk.wait_for()
    settled(page)
    rows.first.focus()
    for key in ("1", "3", "2"):
        page.keyboard.press(key)
    page.keyboard.press("n")
    page.keyboard.type("looks at the corner")
    page.keyboard.press("Enter")
    expect(rows.nth(3)).to_be_focused()
    expect(page.get_by_text("3 of 24", exact=True)).to_be_visible()
    expect(offer).to_be_hidden()  # this one is begun
    until(page, lambda: len(load_review(review)) == 4)  # the note comes with a later run
    kept = [(one.verdict, one.note) for one in load_review(review).values()]
    assert kept == [("ok", ""), ("broken", ""), ("suspicious", ""), ("", "looks at the corner")]
    page.reload()
    desk.wait_for()
    settled(page)
    verdicts = ["ok", "broken", "suspicious", "", "", ""]
    have(rows, "data-verdict", verdicts)
    expect(rows.nth(3).locator(".note")).to_have_value("looks at the corner")
    page.get_by_role("link", name="Benchmarks").click()
    expect(page.get_by_role("heading", name="Benchmarks")).to_be_visible()
    page.get_by_role("link", name="Compression review").click()
    desk.wait_for()
    settled(page)
    have(rows, "data-verdict", verdicts)
    rows.nth(5).focus()
    page.keyboard.press("1")  # the last row of a page turns it
    desk = page.locator(".review[data-page='2'][data-complete=true]")
    desk.wait_for()
    expect(desk.locator(".row").first).to_be_focused()
    page.wait_for_url("**desk_page=2**")


def test_rows_show_what_another_window_has_judged(
    page: Page, app_url: str, settled: Settled, review: str
) -> None:
    """The tally counted it; the row stood empty and was the next unjudged one."""
    desk = opened(page, app_url, settled, f"review={review}&desk_count=24")
    rows = desk.locator(".row")
    teacher, student, data, place, target, method = str(rows.first.get_attribute("data-key")).split("|")
    said = Verdict(teacher, student, data, int(place), "one", target, method, "broken", "a corner")
    assert said.key == rows.first.get_attribute("data-key")
    save_verdicts(review, {said.key: said})
    rows.nth(1).locator("button.ok").click()
    expect(page.get_by_text("2 of 24", exact=True)).to_be_visible()
    have(rows, "data-verdict", ["broken", "ok", "", "", "", ""])
    expect(rows.first.locator(".note")).to_have_value("a corner")
    rows.nth(2).locator(".note").press_sequentially("typed")  # and not left
    until(page, lambda: [one.note for one in load_review(review).values()] == ["a corner", "", "typed"])
    expect(rows.nth(2).locator(".note")).to_be_focused()
    of_second = next(one for one in load_review(review).values() if one.verdict == "ok")
    save_verdicts(
        review, {of_second.key: replace(of_second, verdict="broken", note="no")}
    )  # over what was said here
    rows.nth(3).locator("button.ok").click()
    have(rows, "data-verdict", ["broken", "broken", "", "ok", "", ""])
    expect(rows.nth(1).locator(".note")).to_have_value("no")
    rows.nth(1).locator("button.ok").click()  # and what is said here now counts
    until(page, lambda: load_review(review)[of_second.key].verdict == "ok")
    have(rows, "data-verdict", ["broken", "ok", "", "ok", "", ""])


def test_a_reload_keeps_the_row_the_verdicts_and_the_way_to_compare(
    page: Page, app_url: str, review: str
) -> None:
    page.goto(f"{app_url}/review?review={review}&desk_count=24&desk_page=2")
    desk = page.locator(".review[data-ready]")
    rows = desk.locator(".row")
    expect(rows).to_have_count(6)  # maps may come later
    rows.nth(1).focus()
    page.keyboard.press("3")
    expect(page.get_by_text("1 of 24", exact=True)).to_be_visible()
    desk.get_by_role("radio", name="Swipe").click()
    wipe, under = desk.get_by_role("slider", name="Swipe"), desk.get_by_role("slider", name="Picture under")
    wipe.press("End")
    under.press("Home")
    rows.nth(3).focus()  # the first and the third are open: it stands at neither
    for _ in range(2):
        page.reload()
        expect(rows.nth(3)).to_be_focused()
        have(rows, "data-verdict", ["", "broken", "", "", "", ""])
        assert "desk_page=2" in page.url
        expect(desk).to_have_attribute("data-mode", "swipe")
        expect(wipe).to_have_value("100")
        expect(under).to_have_value("0")


def test_what_is_undone_on_another_page_comes_back_into_sight(
    page: Page, app_url: str, settled: Settled, review: str
) -> None:
    desk = opened(page, app_url, settled, f"review={review}&desk_count=24")
    rows, said = desk.locator(".row"), page.locator(".said")
    rows.nth(4).focus()
    for _ in range(2):
        page.keyboard.press("2")
    page.locator(".review[data-page='2']").wait_for()
    expect(page.get_by_text("2 of 24", exact=True)).to_be_visible()
    page.keyboard.press("z")
    expect(said).to_be_in_viewport()
    expect(said).to_contain_text("on page 1: the verdict is taken back")
    page.locator(".review[data-page='1']").wait_for()
    expect(rows.nth(5)).to_be_focused()
    have(rows, "data-verdict", ["", "", "", "", "suspicious", ""])
    expect(page.get_by_text("1 of 24", exact=True)).to_be_visible()


def test_focus_and_view_are_never_apart(
    window: Callable[..., Page], app_url: str, settled: Settled, review: str
) -> None:
    page = window(1366, 768)
    desk = opened(page, app_url, settled, f"review={review}&desk_count=24")
    page.keyboard.press("Tab")
    expect(page.locator(".pruneattr-skip")).to_be_focused()  # the first of all
    page.keyboard.press("Enter")
    expect(desk.locator(".row").first).to_be_focused()
    page.keyboard.press("2")
    expect(desk.locator(".row").nth(1)).to_be_focused()
    page.keyboard.press("z")
    expect(desk.locator(".row").first).to_be_focused()
    expect(desk.locator(".row").first).to_have_attribute("data-verdict", "")
    page.keyboard.press("j")
    page.keyboard.press("j")
    until(page, lambda: sum(desk.locator(".row").evaluate_all(IN_SIGHT)) >= 3)
    # What comes above the rows pushes the one that has the focus down, not out, also where what follows a
    # scroll is due between the two.
    page.get_by_test_id("stMainBlockContainer").evaluate(
        """main => {
            const due = [], later = window.setTimeout;
            window.setTimeout = act => due.push(act);
            document.dispatchEvent(new Event("scroll"));
            window.setTimeout = later;
            main.firstElementChild.style.paddingTop = "12rem";
            for (const act of due) act();
        }"""
    )
    until(page, lambda: desk.locator(".row").evaluate_all(IN_SIGHT)[2])
    page.keyboard.press("PageDown")
    second = page.locator(".review[data-page='2'][data-complete=true]")
    second.wait_for()
    rows = second.locator(".row")
    expect(rows.first).to_be_focused()
    until(page, lambda: rows.evaluate_all(IN_SIGHT)[0])
    page.keyboard.press("3")
    expect(rows.first).to_have_attribute("data-verdict", "broken")
    expect(page.get_by_text("1 of 24", exact=True)).to_be_visible()
    rows.nth(5).focus()
    page.mouse.move(900, 500)
    page.mouse.wheel(0, -5000)  # the row goes out of sight, and the focus with the view
    page.wait_for_function(
        "() => { const row = document.activeElement.shadowRoot?.activeElement;"
        " return row && row.getBoundingClientRect().bottom <= innerHeight; }"
    )
    page.goto(f"{app_url}/review?desk_count=24")  # no name: a new review, and the offer to go on
    page.get_by_role("button", name=f"Go on with {review} (1 of 24)").click()
    expect(page.get_by_text("1 of 24", exact=True).first).to_be_visible()


def test_a_phone_shows_one_picture(
    window: Callable[..., Page], app_url: str, settled: Settled, review: str
) -> None:
    page = window(390, 844, has_touch=True)
    desk = opened(page, app_url, settled, f"review={review}&desk_count=24")
    rows = desk.locator(".row")
    until(page, lambda: [row.is_visible() for row in rows.all()] == [True] + 5 * [False])
    desk.get_by_role("button", name="Next ▶").click()
    expect(rows.nth(1)).to_be_visible()
    box = rows.nth(1).bounding_box()
    assert box is not None
    assert box["height"] < 700
    rows.nth(1).get_by_role("button", name="OK", exact=True).click()
    expect(rows.nth(2)).to_be_visible()
    expect(rows.nth(1)).to_be_hidden()


def test_one_slider_moves_all_columns_without_the_server(page: Page, app_url: str, settled: Settled) -> None:
    desk = opened(page, app_url, settled, "desk_method=prunegrad&desk_count=24")
    before, sent = sums(desk), []
    page.on("request", lambda request: sent.append(request.url) if app_url in request.url else None)
    slider = desk.get_by_role("slider", name="Sparsity of all columns")
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(desk).to_have_attribute("data-level", "9")
    expect(slider).to_have_attribute("aria-valuetext", "95 % of all neurons removed")
    until(page, lambda: all(one != other for one, other in zip(before, sums(desk), strict=True)))
    assert sent == []
    page.wait_for_function("location.search.includes('desk_level=9')")
    plain = desk.locator(".numbers", has_text="plain gradient")
    expect(plain).to_have_count(0)
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(desk).to_have_attribute("data-level", "1")
    expect(plain).to_have_count(desk.locator(".cell.ready").count())  # half of all neurons: silent ones alone


def test_a_number_stands_beside_its_label(page: Page, app_url: str, settled: Settled) -> None:
    """'in mask' ended a line and '39 %' began the next; a part without a label stood indented."""
    lists = opened(page, app_url, settled, "desk_count=24").locator(".row:visible .numbers")
    for width in (1366, 1500, 800):
        with step(f"{width} wide"):
            page.set_viewport_size({"width": width, "height": 900})
            settled(page)
            assert cut_off(page) == []
            assert lists.count()
            assert lists.evaluate_all(PARTED) == []


def test_swipe_and_flicker_by_keyboard(page: Page, app_url: str, settled: Settled) -> None:
    desk = opened(page, app_url, settled, "desk_count=24")
    teacher, student = sums(desk)[:2]
    desk.get_by_role("radio", name="Side by side").focus()
    page.keyboard.press("ArrowRight")
    wipe = desk.get_by_role("slider", name="Swipe")
    wipe.focus()
    page.keyboard.press("End")
    expect(desk.locator(".frame.wiped").first).to_be_visible()
    until(page, lambda: sums(desk)[:2] == [teacher, teacher])  # the whole width shows the teacher's map
    desk.locator(".row").first.focus()
    page.keyboard.press("f")
    expect(desk.locator(".whose").nth(2)).to_have_text("Teacher")
    until(page, lambda: sums(desk)[:2] == [teacher, teacher])
    expect(desk.locator(".play")).to_have_attribute("aria-pressed", "false")  # motion is reduced here
    page.keyboard.press("f")
    until(page, lambda: sums(desk)[:2] == [teacher, student])


def test_order_by_deformation_filters_and_report(
    page: Page, app_url: str, settled: Settled, review: str
) -> None:
    desk = opened(page, app_url, settled, f"desk_count=24&desk_order=cosine&review={review}")
    expect(page.get_by_text("are right in both networks")).to_be_visible()
    settled(page)  # the order by these numbers has come, too
    desk.wait_for()
    desk.locator(".row").first.focus()
    page.keyboard.press("3")
    expect(page.get_by_text("1 of 24", exact=True)).to_be_visible()
    settled(page)
    with page.expect_download() as report:
        page.get_by_role("button", name="Report (HTML)").click()
    text = Path(report.value.path()).read_text("utf-8")
    assert text.count("data:image/png;base64") == 3
    with page.expect_download() as table:
        page.get_by_role("button", name="Verdicts (CSV)").click()
    assert Path(table.value.path()).read_text("utf-8-sig").count("broken") == 1


def test_paths_and_tables_open(page: Page, app_url: str, settled: Settled) -> None:
    page.goto(f"{app_url}/review?desk=paths")
    expect(page.get_by_text("Overlap of critical paths")).to_be_visible()
    expect(page.get_by_text("Dead neurons against")).to_be_visible()
    page.goto(f"{app_url}/review?desk=tables")
    expect(
        page.get_by_text("in the form of AP's").or_(page.get_by_text("No compression run")).first
    ).to_be_visible()


def test_pictures_for_a_person(
    window: Callable[..., Page], app_url: str, settled: Settled, artefacts: Path
) -> None:
    for width in (1400, 420):
        page = window(width, 1000)
        opened(page, app_url, settled, "desk_method=prunegrad&desk_count=24")
        for scheme in ("light", "dark"):
            with step(f"{width} wide, {scheme}"):
                coloured(page, scheme)
                settled(page)
                assert cut_off(page) == []
                page.screenshot(path=artefacts / f"review-{width}-{scheme}.png")
                fits_sideways(page)


def test_a_verdict_keeps_the_level_it_was_given_at(
    page: Page, app_url: str, settled: Settled, review: str
) -> None:
    """A note made its numbers those of the slider; the report drew 90 % whatever was judged."""
    desk = opened(page, app_url, settled, f"review={review}&desk_method=prunegrad&desk_count=24")
    row, slider = desk.locator(".row").first, desk.get_by_role("slider", name="Sparsity of all columns")

    def said() -> list[tuple[str, str, float, float]]:
        return [(one.verdict, one.note, one.level, one.cosine) for one in load_review(review).values()]

    slider.press("Home")
    row.locator("button.broken").click()  # at once, while the slider's own word is still on its way
    until(page, lambda: len(said()) == 1)
    ((_, _, level, cosine),) = said()
    assert level == 0
    slider.press("End")
    page.wait_for_function("location.search.includes('desk_level=12')")
    row.locator(".note").fill("typed later")
    row.locator(".note").press("Enter")
    until(page, lambda: said() == [("broken", "typed later", 0, cosine)])
    expect(row.locator("button.broken")).to_have_attribute(
        "title", "Broken (key 3), given at: All neurons kept"
    )
    with page.expect_download() as report:
        page.get_by_role("button", name="Report (HTML)").click()
    text = Path(report.value.path()).read_text("utf-8")
    assert "All neurons kept" in text
    assert f"cosine {cosine:.3f}" in text
    row.focus()
    page.keyboard.press("3")  # the same word, said of what is seen now
    until(page, lambda: said()[0][2] == 0.99)
    page.keyboard.press("z")
    until(page, lambda: said() == [("broken", "typed later", 0, cosine)])


def test_the_last_word_can_be_taken_back_where_no_picture_is_left(
    page: Page, app_url: str, settled: Settled, review: str
) -> None:
    desk = opened(page, app_url, settled, f"review={review}&desk_count=24")
    desk.locator(".row").first.locator("button.ok").click()
    expect(page.get_by_text("1 of 24", exact=True)).to_be_visible()
    page.get_by_role("button", name="Order and filters (1)").click()
    page.get_by_role("combobox", name="Verdict").click()
    page.get_by_role("option", name="Broken").click()
    expect(page.get_by_text("No picture passes these filters")).to_be_visible()
    settled(page)
    page.keyboard.press("Escape")
    undo = page.locator(".review[data-empty=true]").get_by_role("button", name="Undo")
    undo.click()
    until(page, lambda: load_review(review) == {})
    expect(page.get_by_text("0 of 24", exact=True)).to_be_visible()
