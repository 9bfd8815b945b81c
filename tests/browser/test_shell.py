"""The app as a whole: it starts, draws, and writes no traceback (checked when the server stops)."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect


def test_server_is_healthy(app_url: str) -> None:
    with urllib.request.urlopen(f"{app_url}/_stcore/health", timeout=60) as answer:
        assert (answer.status, answer.read()) == (200, b"ok")


def test_first_page_is_drawn(
    page: Page, app_url: str, settled: Callable[[Page], None], artefacts: Path
) -> None:
    page.goto(app_url)
    expect(page.get_by_role("heading").first).to_be_visible()
    settled(page)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    page.screenshot(path=artefacts / "first-page.png")


def test_unknown_address_leads_to_the_app(page: Page, app_url: str, settled: Callable[[Page], None]) -> None:
    page.goto(f"{app_url}/no-such-page?model=nonsense&target=-7&sparsity=NaN")
    expect(page.get_by_role("heading").first).to_be_visible()
    settled(page)
    expect(page.get_by_test_id("stException")).to_have_count(0)
