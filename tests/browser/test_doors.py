"""Every page: nothing from elsewhere, no error in the console, nothing that axe-core finds, nothing cut."""

from __future__ import annotations

import asyncio
import http.client
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from perf.soak import View, Visit, visitor
from tests.browser.serving import complaints
from tests.browser.waiting import BACKGROUNDS, coloured, until

ROOT = Path(__file__).resolve().parents[2]
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
    "lessons": ".st-key-begin_1-local-or-global",
    "lessons?lesson=3-removing-pixels": ".st-key-choice_2 button",
    "reproduction": "h2",
}

#: Of impact moderate or worse: rule and where. What Streamlit draws itself is in too: nothing is excluded.
VIOLATIONS = """async () => {
  const rules = {'label-content-name-mismatch': {enabled: true}};
  const {violations} = await axe.run(document, {resultTypes: ['violations'], rules});
  return violations.filter(one => ['moderate', 'serious', 'critical'].includes(one.impact)).flatMap(one =>
    one.nodes.map(node => [one.id, node.html.slice(0, 120),
      [...node.any, ...node.all, ...node.none][0]?.message].join(" "))); }"""

#: Options that lie behind the end of their line.
HIDDEN_OPTIONS = """() => [...document.querySelectorAll('[data-testid=stButtonGroup] > [role]')]
  .filter(group => group.scrollWidth > group.clientWidth + 1).map(group => group.innerText)"""


@pytest.fixture
def watched(window: Callable[..., Page], app_url: str) -> Callable[..., tuple[Page, list[str]]]:
    """Opens a page; what it asked for elsewhere and complained of stands in the list."""

    def visit(address: str) -> tuple[Page, list[str]]:
        page = window(1366, 768, "light")
        wrong = complaints(page, app_url)
        page.goto(f"{app_url}/{address}")
        return page, wrong

    return visit


@pytest.mark.parametrize("address", PAGES)
def test_nothing_from_elsewhere_no_error_no_barrier_no_entry_of_its_own(
    address: str, watched, settled: Settled, axe: str
) -> None:
    page, wrong = watched(address)
    page.locator(PAGES[address]).first.wait_for()
    settled(page)
    # about:blank, and the page: one Back leaves it. What a lesson sets may come before any script is there.
    assert page.evaluate("history.length") in ((2, 3) if "lesson=" in address else (2,))
    icon = page.locator("link[rel~=icon]").first.get_attribute("href")
    assert icon is not None
    assert not icon.startswith("https:")
    page.evaluate(axe)
    found: list[list[str]] = []

    def seen_twice() -> bool:
        """None, or the same ones again: what a run is about to replace is dimmed."""
        settled(page)
        found.append(page.evaluate(VIOLATIONS))
        return not found[-1] or (len(found) > 20 and found[-1] == found[-2])

    for scheme in BACKGROUNDS:
        coloured(page, scheme)
        found.clear()
        until(page, seen_twice)
        assert found[-1] == [], scheme
    assert page.evaluate(HIDDEN_OPTIONS) == []
    assert wrong == []


def test_a_model_that_is_not_here_blocks_only_pages_that_use_it(page: Page, app_url: str) -> None:
    page.goto(f"{app_url}/benchmarks?model=torchvision/vit_b_16&target=3")
    page.locator(".js-plotly-plot").first.wait_for()
    page.get_by_role("link", name="Compression review").click()
    page.locator(".review").wait_for()
    page.get_by_role("link", name="Sanity check").click()
    expect(page.get_by_text("are not on this machine")).to_be_visible()
    expect(page.get_by_role("combobox", name="Model")).to_have_value(re.compile("vit_b_16"))


def handshake(url: str, host: str, origin: str) -> int:
    """Status of the answer to whoever asks for the connection of a session."""
    line = http.client.HTTPConnection(urlsplit(url).netloc, timeout=300)
    line.putrequest("GET", "/_stcore/stream", skip_host=True)
    asked = {"Host": host, "Origin": origin, "Upgrade": "websocket", "Connection": "Upgrade"}
    asked |= {"Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==", "Sec-WebSocket-Version": "13"}
    for name, value in (asked | {"Sec-WebSocket-Protocol": "streamlit"}).items():
        line.putheader(name, value)
    line.endheaders()
    status = line.getresponse().status
    line.close()
    return status


def test_a_session_is_opened_to_pages_of_our_own_alone(app_url: str) -> None:
    """Neither a foreign page, nor one under a name that leads here (DNS rebinding)."""
    ours = urlsplit(app_url).netloc
    assert handshake(app_url, ours, app_url) == 101
    foreign = "http://evil.example"
    for host, origin in ((ours, foreign), (ours, "null"), ("evil.example", foreign), ("0.0.0.0", app_url)):
        assert handshake(app_url, host, origin) == 403, (host, origin)


def test_no_message_names_a_folder_of_the_server(app_url: str) -> None:
    addresses = {
        "lessons": "lesson=../../etc",
        "benchmarks": "bench_run=/etc/passwd",
        "review": "review=/etc",
    }

    async def heard(page: str, query: str) -> bytes:
        found: list[bytes] = []
        async with visitor(app_url) as line:
            receive = line.recv

            async def recv() -> bytes:
                found.append(await receive())  # type: ignore[arg-type]
                return found[-1]

            line.recv = recv  # type: ignore[method-assign, assignment]
            with suppress(ValueError):  # an error box is an answer as well
                await Visit(line).open(View(page, query))
        return b"".join(found)

    async def all_of_it() -> list[bytes]:
        await heard("lessons", "")  # a server's very first run begins before anything of ours
        return [await heard(page, query) for page, query in addresses.items()]

    with ThreadPoolExecutor(1) as apart:  # Playwright has a loop of its own on this thread
        for told in apart.submit(asyncio.run, all_of_it()).result():
            assert len(told) > 1000
            assert str(ROOT).encode() not in told
