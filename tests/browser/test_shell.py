"""The app as a whole: it starts, draws, and writes no traceback (checked when the server stops)."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from playwright.sync_api import Page, expect
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from perf.soak import View, Visit, visitor
from tests.browser.waiting import PATIENCE


def test_server_is_healthy(app_url: str) -> None:
    with urllib.request.urlopen(f"{app_url}/_stcore/health", timeout=300) as answer:
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


async def _pages_run(url: str) -> tuple[list[str], str]:
    """Go to a page, press on the one before while it comes, then here: pages that ran, and the one wanted."""
    async with visitor(url) as line:
        visit, view = Visit(line), View("", "model=scenes-net&source=scenes&picture=1")
        await visit.open(view)
        left = visit.script
        fragment = next(part for _, part, _ in visit.elements.values() if part)
        wanted = next(hash for hash, name in visit.pages.items() if name == "reproduction")

        async def ask(script: str, part: str = "", pressed: str = "") -> None:
            said = BackMsg()
            said.rerun_script.query_string, said.rerun_script.context_info.url = view.query, f"{url}/"
            said.rerun_script.page_script_hash, said.rerun_script.fragment_id = script, part
            if pressed:
                said.rerun_script.widget_states.widgets.add(id=pressed, bool_value=True)
            await line.send(said.SerializeToString())

        await ask(wanted)
        await ask(left, fragment)
        await ask(left, pressed="$$ID-of_the_whole_page-None")
        ran: list[str] = []
        whole = 0
        while whole < 2:
            message = ForwardMsg.FromString(await asyncio.wait_for(line.recv(), PATIENCE / 1000))
            if message.WhichOneof("type") == "new_session":
                page = message.new_session.page_script_hash
                if ran or page == wanted:  # before it the page that is left may still tell what it computes
                    ran.append(page)
            if message.WhichOneof("type") == "script_finished" and not message.script_finished:
                whole += 1
                await ask(wanted)
        return ran, wanted


def test_a_press_on_a_page_that_was_just_left_does_not_bring_it_back(app_url: str) -> None:
    with ThreadPoolExecutor(1) as apart:  # Playwright has a loop of its own on this thread
        ran, wanted = apart.submit(asyncio.run, _pages_run(app_url)).result()
    assert set(ran) == {wanted}
