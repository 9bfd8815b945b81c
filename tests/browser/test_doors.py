"""Every page, light and dark: nothing is fetched from elsewhere, nothing fails in the console."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

Settled = Callable[[Page], None]
#: Address -> what is there when the page has come.
PAGES = {
    "": ".scrubber, [data-testid=stSkeleton]",
    "compare": "h2",
    "paths": "h2",
    "decoding": "h2",
    "benchmarks": ".js-plotly-plot",
    "sanity": "h2",
    "removal": "h2",
    "review": ".review",
    "review?desk=tables": "[data-testid=stDataFrame]",
}


@pytest.fixture
def watched(browser: Browser, app_url: str) -> Callable[..., tuple[Page, list[str]]]:
    """Opens a page; what it asked for elsewhere and complained of stands in the list."""
    opened = []

    def visit(address: str, scheme: str = "light") -> tuple[Page, list[str]]:
        context = browser.new_context(
            viewport={"width": 1366, "height": 768}, color_scheme=scheme, reduced_motion="reduce"
        )
        opened.append(context)
        page, wrong = context.new_page(), []
        here = urlsplit(app_url).netloc

        def asked(url: str) -> None:
            parts = urlsplit(url)
            if parts.scheme not in ("data", "blob") and parts.netloc != here:
                wrong.append(f"asked {url}")

        def complained(said: ConsoleMessage) -> None:
            # Streamlit looks for its server below the page's address first, and finds it above.
            if said.type == "error" and "/_stcore/" not in said.location["url"]:
                wrong.append(f"{said.text} {said.location['url']}")

        page.on("request", lambda request: asked(request.url))
        page.on("websocket", lambda socket: asked(socket.url))
        page.on("console", complained)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(f"{app_url}/{address}")
        return page, wrong

    yield visit
    for context in opened:
        context.close()


@pytest.mark.parametrize("address", PAGES)
def test_nothing_comes_from_elsewhere(address: str, watched, settled: Settled) -> None:
    page, wrong = watched(address)
    page.locator(PAGES[address]).first.wait_for(timeout=90_000)
    settled(page)
    icon = page.locator("link[rel~=icon]").first.get_attribute("href")
    assert icon is not None
    assert not icon.startswith("https:")
    assert wrong == []


def test_a_model_that_is_not_here_blocks_only_pages_that_use_it(page: Page, app_url: str) -> None:
    page.goto(f"{app_url}/benchmarks?model=torchvision/vit_b_16&target=3")
    page.locator(".js-plotly-plot").first.wait_for(timeout=90_000)
    page.get_by_role("link", name="Compression review").click()
    page.locator(".review").wait_for(timeout=90_000)
    page.get_by_role("link", name="Sanity check").click()
    expect(page.get_by_text("are not on this machine")).to_be_visible(timeout=60_000)
    expect(page.get_by_role("combobox", name="Model")).to_have_value(re.compile("vit_b_16"))
