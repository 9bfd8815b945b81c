"""Windows that tests take one after the other: each as of a new profile, most of them in a tab used before.

A page of the app costs 3.5 core-seconds in a new tab, 1.9 in one that has shown it: its scripts are there.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Error, Page

from tests.browser.waiting import PATIENCE

#: What a page can be told that nothing takes back; a tab that was told is not used again.
LASTING = ("add_init_script", "expose_binding", "expose_function", "route", "route_web_socket")
#: Milliseconds in which a tab lets itself be cleaned; one that stands still is closed.
CLEANING = 30_000
#: Empties what the tab alone remembers; whether its clock is the browser's own.
FORGET = """() => { sessionStorage.clear(); localStorage.clear();
  return setTimeout.toString().includes('[native code]'); }"""


class Windows:
    """Opens windows and takes them back.

    Args:
        browser: that they are of.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._idle: dict[tuple[tuple[str, object], ...], list[Page]] = {}
        self._heard: dict[Page, list[tuple[Any, Any]]] = {}
        self._kinds: dict[Page, tuple[tuple[str, object], ...]] = {}
        self._told: set[Page] = set()

    def take(self, width: int, height: int, scheme: str, options: dict[str, object]) -> Page:
        """A window in which nobody has been, as far as a page can tell.

        Args:
            width: in pixels.
            height: in pixels.
            scheme: of colours, "light" or "dark".
            options: of its profile, as `Browser.new_context` takes them.
        """
        kind = tuple(sorted(options.items()))
        idle = self._idle.setdefault(kind, [])
        page = idle.pop() if idle else self._opened(kind)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(
            color_scheme="dark" if scheme == "dark" else "light",
            contrast="null",
            forced_colors="null",
            media="null",
            reduced_motion="reduce",
        )
        return page

    def give(self, page: Page) -> None:
        """Take a window back: cleaned for the next test, or closed."""
        try:
            clean = page not in self._told and not page.is_closed() and self._cleaned(page)
        except Error:
            clean = False
        if clean:
            self._idle[self._kinds[page]].append(page)
            return
        with suppress(Error):
            page.context.close()

    def _opened(self, kind: tuple[tuple[str, object], ...]) -> Page:
        context = self._browser.new_context(device_scale_factor=1, **dict(kind))  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        self._kinds[page], self._heard[page] = kind, []
        page.on = self._noting(page, page.on)  # type: ignore[method-assign]
        for name in LASTING:
            setattr(page, name, self._marking(page, getattr(page, name)))
        return page

    def _noting(self, page: Page, on: Callable[..., None]) -> Callable[..., None]:
        """`Page.on`, remembered, to be taken back."""

        def heard(event: Any, act: Any) -> None:
            self._heard[page].append((event, act))
            on(event, act)

        return heard

    def _marking(self, page: Page, act: Callable[..., Any]) -> Callable[..., Any]:
        """One of `LASTING`, after which the tab is not used again."""

        def told(*given: Any, **named: Any) -> Any:
            self._told.add(page)
            return act(*given, **named)

        return told

    def _cleaned(self, page: Page) -> bool:
        """Whether nothing of what a test did in this tab is left in it."""
        while self._heard[page]:
            page.remove_listener(*self._heard[page].pop())
        for other in page.context.pages:
            if other != page:
                other.close()
        where = urlsplit(page.url)
        if where.scheme != "http":
            return False
        server = f"{where.scheme}://{where.netloc}"
        page.goto("about:blank", timeout=CLEANING)  # what a page keeps as it goes is kept now
        page.goto(f"{server}/_stcore/health", timeout=CLEANING)  # of its place, without any of its scripts
        own = bool(page.evaluate(FORGET))
        page.mouse.move(-1, -1)  # over nothing
        page.context.clear_cookies()
        page.goto("about:blank", timeout=CLEANING)
        devtools = page.context.new_cdp_session(page)
        devtools.send("Storage.clearDataForOrigin", {"origin": server, "storageTypes": "all"})
        devtools.send("Page.resetNavigationHistory")
        devtools.detach()
        return own and page.evaluate("history.length") == 1
