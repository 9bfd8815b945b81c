"""A window that a test takes is one in which nobody has been, whatever the test before did in it."""

from __future__ import annotations

from playwright.sync_api import Browser, Page

from tests.browser.windows import Windows

#: What a page can tell of those who were here before.
TRACES = """async () => ({
  history: history.length,
  session: Object.keys(sessionStorage), local: Object.keys(localStorage), cookie: document.cookie.includes('one='),
  databases: (await indexedDB.databases()).map(one => one.name),
  dark: matchMedia('(prefers-color-scheme: dark)').matches,
  calm: matchMedia('(prefers-reduced-motion: reduce)').matches,
  paper: matchMedia('print').matches,
  size: [innerWidth, innerHeight], touch: navigator.maxTouchPoints, own: window.mine ?? null,
  pointed: document.querySelector(':hover')?.tagName ?? null, whole: document.fullscreenElement?.tagName ?? null,
})"""  # noqa: E501
#: Leaves all of them.
LEAVE = """async () => {
  sessionStorage.one = localStorage.one = '1'; document.cookie = 'one=1; path=/';
  addEventListener('pagehide', () => { sessionStorage.late = '1'; });
  await new Promise(done => { const asked = indexedDB.open('pruneattr', 1); asked.onsuccess = done; });
  history.pushState(null, '', '?other'); window.mine = 1; document.documentElement.requestFullscreen?.();
}"""


def _seen(page: Page, url: str) -> dict[str, object]:
    """The traces in a page of the server that runs none of its scripts."""
    page.goto(f"{url}/_stcore/health")
    return dict(page.evaluate(TRACES))


def test_a_window_that_was_used_is_as_a_new_one(browser: Browser, app_url: str) -> None:
    windows, heard = Windows(browser), list[str]()
    first = windows.take(800, 600, "light", {})
    new = _seen(first, app_url)
    for other in (first, windows.take(640, 480, "dark", {})):
        other.on("request", lambda asked: heard.append(asked.url))
        _seen(other, app_url)
        other.mouse.move(99, 99)
        other.evaluate(LEAVE)
        other.emulate_media(color_scheme="dark", media="print", reduced_motion="no-preference")
        other.context.new_page().goto(f"{app_url}/_stcore/health")
        windows.give(other)
    heard.clear()
    pair = [windows.take(800, 600, "light", {}) for _ in range(2)]
    assert first in pair
    for page in pair:
        assert _seen(page, app_url) == new
        assert page.context.pages == [page]
        windows.give(page)
    assert heard == []


def test_a_tab_that_was_told_what_lasts_or_stands_elsewhere_is_not_used_again(
    browser: Browser, app_url: str
) -> None:
    windows = Windows(browser)

    def again(page: Page) -> bool:
        windows.give(page)
        following = windows.take(800, 600, "light", {})
        windows.give(following)
        return following == page

    for lasting in (
        lambda page: page.add_init_script("window.mine = 1"),
        lambda page: page.route("**/*.png", lambda route: route.abort()),
        lambda page: page.route_web_socket("**/_stcore/stream", lambda line: None),
        lambda page: page.expose_function("mine", lambda: 1),
        lambda page: page.clock.install(),
        lambda page: page.close(),
        lambda page: page.goto("about:blank"),
    ):
        page = windows.take(800, 600, "light", {})
        page.goto(f"{app_url}/_stcore/health")
        lasting(page)
        assert not again(page)
    touched = windows.take(800, 600, "light", {"has_touch": True})
    page = windows.take(800, 600, "light", {})
    page.goto(f"{app_url}/_stcore/health")
    assert touched.evaluate("navigator.maxTouchPoints") > 0
    assert again(page)
    windows.give(touched)
