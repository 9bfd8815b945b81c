"""Every lesson from its card to its last step by keyboard alone, with a picture of each step."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from perf.class_link import lead
from pruneattr_core.lessons.text import names, read
from tests.browser.serving import Served
from tests.browser.waiting import until

#: Whether a key pressed on a row of the review's desk reaches the page, where it would answer or turn pages.
HEARD = """row => {
  let heard = false;
  const hear = () => { heard = true; };
  document.addEventListener('keydown', hear);
  row.dispatchEvent(new KeyboardEvent('keydown', {key: 'n', bubbles: true, composed: true}));
  document.removeEventListener('keydown', hear);
  row.getRootNode().activeElement?.blur();  // the key led into the row's note
  return heard;
}"""
#: Texts of the page in which a line may end between a number and its percent sign.
PARTED = r"""() => {
  const found = [], walker = document.createTreeWalker(document.querySelector('[data-testid=stMain]'), 4);
  while (walker.nextNode())
    if (/\d %/.test(walker.currentNode.data) && !walker.currentNode.parentElement.closest('style, script, code, [data-testid=stDataFrame], .js-plotly-plot'))
      found.push(walker.currentNode.data);
  return found;
}"""  # noqa: E501
#: What scrolls.
MAIN = "document.querySelector('[data-testid=stMain]')"
#: Presses of Tab after which a button on the page must have been reached.
MOST_TABS = 80


def tab_to(page: Page, key: str) -> None:
    """Move the focus to the button with a key, as somebody without a mouse does."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate(f"document.activeElement.closest('.st-key-{key}') !== null"):
            return
    raise AssertionError(f"{MOST_TABS} presses of Tab do not lead to {key}")


@pytest.mark.parametrize("name", names("en"))
def test_a_lesson_from_start_to_end_by_keyboard(
    name: str, page: Page, app_url: str, settled: Callable[[Page], None], artefacts: Path
) -> None:
    lesson = read(name)
    page.goto(f"{app_url}/lessons")
    begin = page.locator(f".st-key-begin_{name} button")
    expect(begin).to_be_enabled()
    settled(page)  # what a run is about to replace loses its focus, and keys with it
    tab_to(page, f"begin_{name}")
    page.keyboard.press("Enter")
    for number, step in enumerate(lesson.steps, 1):
        # `first`: while a run replaces a step by the next one, both may be on the page.
        heading = page.get_by_role("heading", name=re.compile(re.escape(step.title)), level=3).first
        expect(heading).to_be_visible()
        page.wait_for_function(f"{MAIN}.scrollTop === 0")
        settled(page)
        if step.question:
            right = next(k for k, choice in enumerate(step.choices) if choice.right)
            said = step.choices[right].text.replace("*", "")
            button = page.locator(f".st-key-choice_{right} button").filter(has_text=said).first
            expect(button).to_be_visible()
            page.keyboard.press(str(right + 1))
            reason = page.get_by_test_id("stAlert").filter(has_text="Right.").first
            expect(reason).to_be_visible()
            settled(page)
        if step.page == "review" and number == 1:
            assert not page.locator(".review .row").first.evaluate(HEARD)
        page.screenshot(path=artefacts / f"lesson-{name}-{number}.png")
        if number < len(lesson.steps):
            page.evaluate(f"{MAIN}.scrollTo(0, 1e6)")  # whoever reads to the end goes on from there
            page.keyboard.press("n")
    expect(page.locator(".st-key-lesson_next button:disabled").first).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_the_page_in_a_german_lesson_is_german_until_the_lesson_is_english(
    page: Page, app_url: str, settled: Callable[[Page], None]
) -> None:
    page.goto(f"{app_url}/lessons?lesson=3-removing-pixels&lesson_language=de")
    view = page.locator("[class*=st-key-lesson_view]").first
    said = {"Bildpunkte löschen, live": "Pixel removal, live", "Ganze Kurven": "Whole curves"}
    for german, english in said.items():  # of the page itself, and of a component with a root of its own
        expect(view.get_by_text(german).first).to_be_visible()
        expect(view.get_by_text(english)).to_have_count(0)
    settled(page)
    order = view.locator("input[role=combobox]").first  # what is chosen, what can be, and help
    expect(order).to_have_value("LeRF, das Unwichtigste zuerst")
    choices, tip = page.get_by_role("listbox"), page.get_by_test_id("stTooltipContent")

    def listed() -> bool:  # a run that replaces the box closes its list
        if not choices.count():
            order.click()
        return "MoRF, das Wichtigste zuerst" in "".join(choices.all_inner_texts())

    def helped() -> bool:
        if not tip.count():
            page.mouse.move(0, 0)
            view.get_by_test_id("stTooltipIcon").first.hover()
            page.wait_for_timeout(500)  # it comes a moment later
        return any("Diese Ansicht, zum Bewegen" in text for text in tip.all_inner_texts())

    until(page, listed)
    page.keyboard.press("Escape")
    until(page, helped)
    page.mouse.move(0, 0)
    page.get_by_text("Vorführen, Klasse, Sprache").first.click()
    page.locator(".st-key-lesson_language button").filter(has_text="English").first.click()
    for german, english in said.items():
        expect(view.get_by_text(english).first).to_be_visible()
        expect(view.get_by_text(german)).to_have_count(0)
    expect(order).to_have_value("LeRF, least relevant first")


def test_a_class_has_its_teachers_step_and_its_answers_are_counted(served: Served) -> None:
    lesson = read("4-clever-hans")  # its networks are small
    with ThreadPoolExecutor(1) as apart:  # Playwright has a loop of its own on this thread
        found = apart.submit(asyncio.run, lead(served.url, lesson, 3, 2, 0)).result()
    assert (found["steps turned"], found["polls, all counts right"]) == (1, 2)


def test_who_reloads_the_page_votes_again_instead_of_twice(window: Callable[..., Page], app_url: str) -> None:
    lesson = read("4-clever-hans")
    number, step = next((k, step) for k, step in enumerate(lesson.steps, 1) if step.question)
    teacher, pupil = window(), window()
    teacher.goto(f"{app_url}/lessons?lesson=4-clever-hans&lesson_step={number}")
    teacher.get_by_text("Presenting, class, language").first.click()
    teacher.locator(".st-key-class_open button").first.click()
    teacher.wait_for_url(re.compile("[?&]class="))
    pupil.goto(f"{app_url}/lessons?{re.search('class=[^&]+', teacher.url)[0]}")  # type: ignore[index]
    for choice in (0, 1):
        pupil.locator(f".st-key-choice_{choice} button").first.click()
        expect(teacher.get_by_text(f"1 · {step.choices[choice].text}").first).to_be_visible()
        expect(teacher.get_by_text("Answers of the class: 1", exact=True).first).to_be_visible()
        pupil.reload()


def _deafened(page: Page) -> Callable[[], None]:
    """A call after which the server hears nothing more of this page until it is loaded again."""
    lines, deaf = list[WebSocketRoute](), list[WebSocketRoute]()

    def connect(line: WebSocketRoute) -> None:
        server = line.connect_to_server()
        lines.append(line)
        line.on_message(lambda message: None if line in deaf else server.send(message))

    page.route_web_socket("**/_stcore/stream", connect)
    return lambda: deaf.extend(lines)


def test_an_answer_is_kept_before_the_server_has_heard_of_it(page: Page, app_url: str) -> None:
    """It was kept at the end of the run that it asked for: on a busy server a reload came before."""
    deafen = _deafened(page)
    page.goto(f"{app_url}/lessons?lesson=5-small-networks&lesson_step=4")
    page.locator(".st-key-choice_1 button").wait_for()
    page.wait_for_function("sessionStorage['pruneattr-answers']")
    deafen()
    page.locator(".st-key-choice_1 button").click()
    page.reload()
    expect(page.get_by_test_id("stAlert").first).to_contain_text("Right.")


def test_an_answer_that_is_kept_is_counted_in_its_class(window: Callable[..., Page], app_url: str) -> None:
    """The pupil read that it was right, and the teacher never saw it."""
    teacher, pupil = window(), window()
    teacher.goto(f"{app_url}/lessons?lesson=5-small-networks&lesson_step=4")
    teacher.get_by_text("Presenting, class, language").first.click()
    teacher.locator(".st-key-class_open button").first.click()
    teacher.wait_for_url(re.compile("[?&]class="))
    deafen = _deafened(pupil)
    pupil.goto(f"{app_url}/lessons?{re.search('class=[^&]+', teacher.url)[0]}")  # type: ignore[index]
    pupil.locator(".st-key-choice_1 button").wait_for()
    pupil.wait_for_function("sessionStorage['pruneattr-answers']")
    deafen()
    pupil.locator(".st-key-choice_1 button").click()
    pupil.reload()
    expect(teacher.get_by_text("Answers of the class: 1", exact=True).first).to_be_visible()


def test_answers_outlive_a_reload_of_the_tab_and_numbers_keep_their_sign(
    page: Page, app_url: str, settled: Callable[[Page], None]
) -> None:
    page.goto(f"{app_url}/lessons?lesson=5-small-networks&lesson_step=4")
    page.locator(".st-key-choice_1 button").first.click()
    said = page.get_by_test_id("stAlert").first
    expect(said).to_contain_text("Right.")
    page.reload()
    expect(said).to_contain_text("Right.")
    settled(page)
    until(page, lambda: page.evaluate(PARTED) == [])
    page.goto(f"{app_url}/benchmarks?bench=calibrate")
    caption = page.get_by_text("The dashed line is the papers'").first
    expect(caption).to_be_visible()
    until(
        page, lambda: "15\N{NO-BREAK SPACE}%" in str(caption.text_content()) and page.evaluate(PARTED) == []
    )
