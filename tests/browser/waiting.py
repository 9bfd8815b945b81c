"""Waiting for what a test then asserts: nothing is read while it may still be on its way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from playwright.sync_api import Locator, Page, expect

#: Milliseconds for a result. A machine with load is slow, so this only ends what stands still.
PATIENCE = 240_000

#: Which parts lie wholly on the screen, above its lower edge.
INSIDE = """parts => parts.map(part => { const box = part.getBoundingClientRect();
  return box.width > 0 && box.right <= innerWidth + 1 && box.bottom <= innerHeight + 1; })"""

#: Left, top, right and bottom of the visible ones, in pixels of the screen.
BOXES = """all => all.filter(node => node.checkVisibility()).map(node => {
  const {left, top, right, bottom} = node.getBoundingClientRect();
  return [left, top, right, bottom]; })"""

#: Of the page, by the scheme of its colours.
BACKGROUNDS = {"light": "rgb(255, 255, 255)", "dark": "rgb(16, 20, 24)"}


def painted(page: Page, milliseconds: int = 0) -> None:
    """Wait for the page's own timers of so many milliseconds, then until what was asked for is drawn.

    Handlers run before a press returns, drawing waits for a screen frame at most. What the server is to do
    is not waited for.
    """
    page.evaluate(
        """wait => new Promise(done => setTimeout(() =>
        requestAnimationFrame(() => requestAnimationFrame(done)), wait))""",
        milliseconds,
    )


def coloured(page: Page, scheme: str) -> None:
    """Wait until the page has the colours of a scheme, "light" or "dark", that is chosen while it stands."""
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
    expect(page.get_by_test_id("stApp")).to_have_css("background-color", BACKGROUNDS[scheme])


def until(page: Page, holds: Callable[[], object]) -> None:
    """Look again and again until `holds` does; for what `expect` cannot say."""
    end = time.monotonic() + PATIENCE / 1000
    while not holds():
        assert time.monotonic() < end, "waited too long"
        page.wait_for_timeout(100)  # also lets the browser's events in


def cut_off(page: Page) -> list[str]:
    """Texts of the page's components that a narrow place cuts off, and that no title says whole."""
    found: list[str] = page.evaluate("""() => {
      const roots = [document];
      for (const root of roots) for (const node of root.querySelectorAll('*')) if (node.shadowRoot) roots.push(node.shadowRoot);
      return roots.slice(1).flatMap(root => [...root.querySelectorAll('*')])
        .filter(node => node.checkVisibility() && node.childElementCount === 0 && node.textContent.trim())
        .filter(node => { const {overflowX, webkitLineClamp, textOverflow} = getComputedStyle(node);
          return overflowX === 'hidden' && (textOverflow === 'ellipsis' || webkitLineClamp !== 'none'); })
        .filter(node => node.scrollWidth > node.clientWidth + 1 || node.scrollHeight > node.clientHeight + 1)
        .filter(node => !node.closest('[title]:not([title=""]), [data-title]'))
        .map(node => node.textContent); }""")  # noqa: E501
    return found


def fits_sideways(page: Page) -> None:
    """Nothing is wider than the window."""
    page.wait_for_function(
        "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )


def have(rows: Locator, attribute: str, values: list[str]) -> None:
    """The elements are so many, and each has its value of an attribute."""
    expect(rows).to_have_count(len(values))
    for place, value in enumerate(values):
        expect(rows.nth(place)).to_have_attribute(attribute, value)


@contextmanager
def step(*said: object) -> Iterator[None]:
    """What fails in here says in which step of its test it was."""
    try:
        yield
    except BaseException as failure:
        failure.add_note(f"in the step {' '.join(map(str, said))}")
        raise
