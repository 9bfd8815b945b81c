"""Back on the desk undoes one choice, a review's name included; neither it nor a link loses a word."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Locator, Page, WebSocketRoute, expect
from streamlit.proto.BackMsg_pb2 import BackMsg

from pruneattr_core.compression.review_verdicts import load_review, reviews_folder, save_verdicts
from tests.browser.waiting import have, until

Settled = Callable[[Page], None]


@pytest.fixture
def names() -> Iterator[list[str]]:
    """Names of reviews that nobody has; a test adds what the page makes up. Their files are removed."""
    made = [f"test {os.getpid()} {uuid.uuid4().hex[:8]}" for _ in range(2)]
    yield made
    for name in made:
        (reviews_folder() / f"{name}.json").unlink(missing_ok=True)


def _desk(page: Page, url: str, settled: Settled, review: str) -> Locator:
    page.goto(f"{url}/review?review={review}&desk_count=24")
    desk = page.locator(".review[data-complete=true]")
    desk.wait_for()
    settled(page)
    return desk


def _unheard(page: Page, said: bytes) -> None:
    """What holds `said` never comes to the server until the page is loaded again."""
    lines: list[WebSocketRoute] = []

    def connect(line: WebSocketRoute) -> None:
        server, first = line.connect_to_server(), not lines
        lines.append(line)
        line.on_message(
            lambda told: None if first and isinstance(told, bytes) and said in told else server.send(told)
        )

    page.route_web_socket("**/_stcore/stream", connect)


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


def test_what_is_said_just_before_a_link_is_pressed_is_kept(
    page: Page, app_url: str, settled: Settled, names: list[str]
) -> None:
    """The browser tells of it after it has asked for the next page: a part of one that was left."""
    desk = _desk(page, app_url, settled, names[0])
    note, link = desk.locator(".row .note").nth(1), page.get_by_role("link", name="Reproduction")
    note.press_sequentially("typed", delay=1)
    link.click()
    until(page, lambda: [one.note for one in load_review(names[0]).values()] == ["typed"])
    expect(page.get_by_role("heading", name="Reproduction")).to_be_visible()
    page.get_by_role("link", name="Compression review").click()
    expect(note).to_have_value("typed")
    settled(page)
    desk.locator(".row button.ok").nth(2).click()
    link.click()
    until(page, lambda: [one.verdict for one in load_review(names[0]).values()] == ["", "ok"])


def test_what_is_said_while_a_run_goes_on_is_kept_though_a_link_is_pressed(
    page: Page, app_url: str, settled: Settled, names: list[str]
) -> None:
    """It waited for its run, and the next page's request took its place without a word of it."""
    held: dict[str, bytes] = {}
    leaving: list[bool] = []

    def in_turn(line: WebSocketRoute) -> None:
        server = line.connect_to_server()

        def pass_on(message: str | bytes) -> None:
            if not leaving or not isinstance(message, bytes):
                server.send(message)
                return
            asked = BackMsg.FromString(message).rerun_script
            if b"typed" in message or not asked.fragment_id:
                held["word" if asked.fragment_id else "link"] = message
            if len(held) == 2:
                leaving.clear()
                ahead = held["word"].replace(b"typed", b"taped")
                for one in (ahead, held["word"], held["link"]):  # one that runs, and one that waits
                    server.send(one)

        line.on_message(pass_on)

    page.route_web_socket("**/_stcore/stream", in_turn)
    desk = _desk(page, app_url, settled, names[0])
    leaving.append(True)
    desk.locator(".row .note").nth(1).press_sequentially("typed", delay=1)
    page.get_by_role("link", name="Reproduction").click()
    expect(page.get_by_role("heading", name="Reproduction")).to_be_visible()
    until(page, lambda: [one.note for one in load_review(names[0]).values()] == ["typed"])


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_what_a_browser_tells_as_it_goes_is_kept(
    page: Page, app_url: str, settled: Settled, names: list[str], busy: bool
) -> None:
    """Streamlit ended the run before it had begun, or while it waited for the one before."""
    told = list[bytes]()

    def in_turn(line: WebSocketRoute) -> None:
        server = line.connect_to_server()

        def pass_on(message: str | bytes) -> None:
            if not isinstance(message, bytes) or b"typed" not in message:
                server.send(message)
            elif not told:
                told.extend([message.replace(b"typed", b"taped"), message] if busy else [message])
                for one in told:
                    server.send(one)
                server.close()

        line.on_message(pass_on)

    page.route_web_socket("**/_stcore/stream", in_turn)
    desk = _desk(page, app_url, settled, names[0])
    desk.locator(".row .note").nth(1).press_sequentially("typed", delay=1)
    page.keyboard.press("Tab")
    until(page, lambda: [one.note for one in load_review(names[0]).values()] == ["typed"])
    assert told


#: Streamlit may call what a component has returned after it has called the component again.
LATE = """const made = Blob;
window.Blob = class extends made {
  constructor(parts, options) {
    const late = parts?.[0]?.replace?.('export default function', 'const component = function');
    super(!late || late === parts[0] ? parts : [late, `
      export default (...given) => {
        const before = component(...given), now = component(...given);
        Promise.resolve().then(() => before?.());
        return now;
      }`], options);
  }
};"""


@pytest.mark.parametrize("late", [False, True], ids=["usual", "cleaned late"])
def test_what_is_typed_just_before_a_reload_is_kept(
    page: Page, app_url: str, settled: Settled, names: list[str], late: bool
) -> None:
    if late:
        page.add_init_script(LATE)
    desk = _desk(page, app_url, settled, names[0])
    desk.locator(".row .note").nth(1).press_sequentially("typed", delay=1)
    page.reload()
    until(page, lambda: [one.note for one in load_review(names[0]).values()] == ["typed"])
    desk.wait_for()
    expect(desk.locator(".row .note").nth(1)).to_have_value("typed")


def test_what_never_left_the_browser_before_a_reload_is_said_again(
    page: Page, app_url: str, settled: Settled, names: list[str]
) -> None:
    """On a busy machine a browser may end the page before it sends what its last moment has told."""
    _unheard(page, b"typed")
    desk = _desk(page, app_url, settled, names[0])
    row = desk.locator(".row").nth(1)
    row.get_by_role("button", name="Broken").click()
    until(page, lambda: [one.verdict for one in load_review(names[0]).values()] == ["broken"])
    row.locator(".note").press_sequentially("typed", delay=1)
    page.reload()
    until(page, lambda: [one.note for one in load_review(names[0]).values()] == ["typed"])
    desk.wait_for()
    expect(row.locator(".note")).to_have_value("typed")
    assert [one.verdict for one in load_review(names[0]).values()] == ["broken"]


def test_what_another_window_has_said_since_is_not_said_over_after_a_reload(
    page: Page, app_url: str, settled: Settled, names: list[str]
) -> None:
    desk = _desk(page, app_url, settled, names[0])
    row = desk.locator(".row").nth(1)
    row.locator(".note").press_sequentially("mine", delay=1)
    until(page, lambda: [one.note for one in load_review(names[0]).values()] == ["mine"])
    save_verdicts(names[0], {key: replace(one, note="theirs") for key, one in load_review(names[0]).items()})
    page.reload()
    desk.wait_for()
    settled(page)
    expect(row.locator(".note")).to_have_value("theirs")
    assert [one.note for one in load_review(names[0]).values()] == ["theirs"]


@pytest.mark.parametrize("others", ["nothing", "other words"])
def test_what_was_heard_and_changed_in_another_window_since_stays_so_after_a_reload(
    page: Page, app_url: str, settled: Settled, names: list[str], others: str
) -> None:
    """A reload within the minute brought back what had been taken back, or said a former word over."""
    desk = _desk(page, app_url, settled, names[0])
    row = desk.locator(".row").nth(1)
    for verdict, word in (("OK", "ok"), ("Broken", "broken")):
        row.get_by_role("button", name=verdict, exact=True).click()
        until(page, lambda word=word: [one.verdict for one in load_review(names[0]).values()] == [word])
    key, said = next(iter(load_review(names[0]).items()))
    save_verdicts(names[0], {key: None if others == "nothing" else replace(said, verdict="ok")})
    stands = load_review(names[0])
    page.reload()
    desk.wait_for()
    settled(page)
    settled(page)
    assert load_review(names[0]) == stands


def test_a_first_word_and_a_reload_at_once_stay_in_one_review(
    page: Page, app_url: str, settled: Settled, names: list[str]
) -> None:
    """The page made up another name, and the word lay in a review that nothing on the screen named."""
    _unheard(page, b"suspicious")
    page.goto(f"{app_url}/review?desk_count=24")
    desk = page.locator(".review[data-complete=true]")
    desk.wait_for()
    settled(page)
    box = page.get_by_role("combobox", name="Review", exact=True)
    name = box.input_value()
    names.append(name)
    desk.locator(".row").nth(1).focus()
    page.keyboard.press("2")
    page.reload()
    until(page, lambda: [one.verdict for one in load_review(name).values()] == ["suspicious"])
    expect(box).to_have_value(name)
    expect(desk.locator(".row").nth(1)).to_have_attribute("data-verdict", "suspicious")


def test_what_is_undone_for_another_student_says_so_and_turns_no_page(
    page: Page, app_url: str, settled: Settled, names: list[str]
) -> None:
    """It said "on page 2" on the desk of a student of whom nothing was taken back, and turned to page 2."""
    review = names[0]
    desk = _desk(page, app_url, settled, f"{review}&desk_page=2")
    student = str(desk.locator(".row").first.get_attribute("data-key")).split("|")[1]
    desk.locator(".row").first.locator("button.ok").click()
    until(page, lambda: len(load_review(review)) == 1)
    page.get_by_role("combobox", name="Under review").click()
    page.get_by_role("option").nth(1).click()
    page.wait_for_url("**judged=**")
    page.get_by_role("button", name="Previous").locator("visible=true").first.click()
    desk = page.locator(f".review[data-page='1']:not(:has(.row[data-key*='|{student}|']))")
    desk.locator(".row").first.wait_for()
    settled(page)
    page.locator(".undo").click()
    until(page, lambda: load_review(review) == {})
    expect(page.locator(".said")).to_contain_text("plain, Grad-CAM")
    settled(page)
    assert "desk_page=2" not in page.url
