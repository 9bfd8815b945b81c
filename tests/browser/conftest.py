"""The real app in a real browser: one server and one Chromium for all tests of this folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
ARTEFACTS = ROOT / "tests" / "artefacts"
CHROMIUM_FLAGS = (
    "--no-sandbox",  # in containers everything runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
expect.set_options(timeout=30_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.xdist_group("browser"))  # one worker: one server, one browser


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    page = getattr(item, "funcargs", {}).get("page")
    if report.when == "call" and report.failed and page is not None:
        page.screenshot(path=ARTEFACTS / f"failed-{item.name}.png")
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
def app_url(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the served app. Afterwards its log must hold no traceback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log.txt"
    settings = {"server.port": port, "server.address": "127.0.0.1", "server.headless": "true"}
    flags = [f"--{name}={value}" for name, value in settings.items()]
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", *flags],
            cwd=ROOT,
            env={**os.environ, "PRUNEATTR_FIRST_MODEL": "scenes-net"},  # quick on a busy machine
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_healthy(url, server, log)
        yield url
    finally:
        server.terminate()
        server.wait(60)
    text = log.read_text(encoding="utf-8", errors="replace")
    assert "Traceback" not in text, text


def wait_until_healthy(url: str, server: subprocess.Popen[bytes], log: Path, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"the server did not come up:\n{log.read_text(encoding='utf-8', errors='replace')}")


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of its own profile; an error in the page's JavaScript fails the test."""
    context = browser.new_context(
        viewport={"width": 1360, "height": 900}, device_scale_factor=1, reduced_motion="reduce"
    )
    page = context.new_page()
    thrown: list[str] = []
    page.on("pageerror", lambda error: thrown.append(str(error)))
    yield page
    context.close()
    assert thrown == []


@pytest.fixture(scope="session")
def settled() -> Callable[[Page], None]:
    """Wait until the script has run and all is drawn; wait for a result first, a rerun may not have begun."""

    def wait(page: Page) -> None:
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        expect(page.locator("[data-stale=true]")).to_have_count(0)
        page.wait_for_function(
            "document.fonts.status === 'loaded' && [...document.images].every(image => image.complete)"
        )

    return wait


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """Folder for screenshots that a person should look at."""
    ARTEFACTS.mkdir(exist_ok=True)
    return ARTEFACTS
