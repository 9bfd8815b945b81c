"""The real app in a real browser: one server and one Chromium a worker for all tests of this folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

from perf.serving import faults
from tests.browser.serving import CHROMIUM_FLAGS, ROOT, Served, serving
from tests.browser.waiting import PATIENCE, painted
from tests.browser.windows import Windows
from tests.npm import fetched

ARTEFACTS = ROOT / "tests" / "artefacts"
expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A test here that fails is run once more and named as RERUN in the summary: a race to be looked for.

    A server, two processes of a browser and another worker's tests share two cores.
    """
    if not config.pluginmanager.hasplugin("rerunfailures"):
        return
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    opened = getattr(getattr(item, "funcargs", {}).get("window"), "pages", [])
    if report.when == "call" and report.failed and opened:
        ARTEFACTS.mkdir(exist_ok=True)
        with suppress(Error):  # a browser that stands still must not hide why the test failed
            opened[-1].screenshot(path=ARTEFACTS / f"failed-{item.name}.png")
    return report


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the system's Chromium; without one the browser tests skip, in CI they fail."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        message = "browser tests need Chromium on the PATH (Debian: apt install chromium)"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    return path


@pytest.fixture(scope="session")
def served(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The served app. Afterwards its log must hold no traceback."""
    with serving(tmp_path_factory.mktemp("server") / "log.txt") as app:
        yield app
    assert faults(app.said()) == ""


@pytest.fixture(scope="session")
def app_url(served: Served) -> str:
    """Address of the served app."""
    return served.url


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def windows(browser: Browser) -> Windows:
    """Of this browser."""
    return Windows(browser)


@pytest.fixture
def window(windows: Windows) -> Iterator[Callable[..., Page]]:
    """Opens pages of a size, each as of its own new profile; an error in their JavaScript fails the test."""
    thrown: list[str] = []

    def made(width: int = 1360, height: int = 900, scheme: str = "light", **options: object) -> Page:
        page = windows.take(width, height, scheme, options)
        page.on("pageerror", lambda error: thrown.append(str(error)))
        made.pages.append(page)  # type: ignore[attr-defined]
        return page

    made.pages = []  # type: ignore[attr-defined]  (the last one's picture is taken when a test fails)
    yield made
    for page in made.pages:  # type: ignore[attr-defined]
        windows.give(page)
    assert thrown == []


@pytest.fixture
def page(window: Callable[..., Page]) -> Page:
    """A page as on a laptop."""
    return window()


@pytest.fixture(scope="session")
def settled() -> Callable[[Page], None]:
    """Wait until the script has run and all is drawn; wait for a result first, a rerun may not have begun."""

    def wait(page: Page) -> None:
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        expect(page.locator("[data-stale=true]")).to_have_count(0)
        page.wait_for_function(
            "document.fonts.status === 'loaded' && [...document.images].every(image => image.complete)"
        )
        painted(page)  # canvases are drawn with a frame of the screen

    return wait


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """Folder for screenshots that a person should look at."""
    ARTEFACTS.mkdir(exist_ok=True)
    return ARTEFACTS


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """axe-core in the version and with the hash of tests/browser/axe, from npm."""
    modules = fetched(Path(__file__).parent / "axe", tmp_path_factory.mktemp("axe"))
    return (modules / "axe-core" / "axe.min.js").read_text("utf-8")
