"""A view that was sent as one file: opened from the disk it works, and asks nothing of anybody."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from playwright.sync_api import Page, expect

from pruneattr_core.share.component import FOLIO, SCRUBBER
from pruneattr_core.share.html import one_file
from pruneattr_core.ui.first_view import stored
from pruneattr_core.ui.folio import Folio
from pruneattr_core.ui.inline import inline
from pruneattr_core.ui.paths.charts import carried_lines
from tests.browser.waiting import painted


def test_a_file_scrubs_without_a_server(page: Page, tmp_path: Path, artefacts: Path) -> None:
    payload = stored()
    assert payload is not None
    text = one_file(
        SCRUBBER, payload, "A <b>scene</b>", {"note": "</script><script>document.title = 'taken'</script>"}
    )
    file = tmp_path / "view.html"
    file.write_text(text, "utf-8")
    assert len(text) < 1_000_000
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.goto(file.as_uri())
    expect(page.locator("section.scrubber[data-ready]")).to_be_visible()
    page.get_by_role("slider", name="Sparsity").focus()
    page.keyboard.press("End")
    expect(page.locator(".reading")).to_contain_text("removed")
    painted(page)
    before = page.locator(".reading").text_content()
    page.keyboard.press("Home")
    expect(page.locator(".reading")).not_to_have_text(before or "")
    expect(page.get_by_role("heading", level=1)).to_have_text("A <b>scene</b>")
    assert page.title() == "A <b>scene</b>"
    assert [one for one in asked if one not in (file.as_uri(), "data:,")] == []
    assert said == []
    page.screenshot(path=artefacts / "one-file.png", full_page=True)


def test_charts_tables_and_pictures_of_a_file_answer_pointer_and_keys(page: Page, tmp_path: Path) -> None:
    folio, low, high = Folio(), Folio(), Folio()
    low.table([{"kept": "1 %"}])
    high.table([{"kept": "100 %"}])
    high.picture(inline(np.zeros((4, 4, 3), np.uint8)), "A black map")
    folio.slides("Share that stays", 0, {"1 % stay": low, "100 % stay": high})
    figure = carried_lines([0.01, 1], {"The path": np.array([1.0, 3.0]), "Random": np.ones(2)}, 3, 1)
    folio.parts.append({"kind": "chart", "figure": figure, "alt": "Two lines"})
    file = tmp_path / "page.html"
    file.write_text(one_file(FOLIO, folio.payload("T"), "A page", {"page": "paths"}), "utf-8")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(file.as_uri())
    expect(page.locator(".folio[data-ready]")).to_be_visible()
    slider = page.get_by_role("slider", name="Share that stays")
    expect(page.get_by_role("cell", name="1 %", exact=True)).to_be_visible()
    slider.press("End")
    expect(page.get_by_role("cell", name="100 %")).to_be_visible()
    expect(page.get_by_role("cell", name="1 %", exact=True)).to_be_hidden()
    expect(page.get_by_role("img", name="A black map")).to_be_visible()
    chart = page.get_by_role("img", name="Two lines")
    chart.press("ArrowRight")
    expect(page.locator(".tip")).to_have_text("The path: 1.0% kept: 1.00")
    page.get_by_role("button", name="The path").click()
    chart.press("ArrowRight")
    expect(page.locator(".tip")).to_have_text("Random: 1.0% kept: 1.00")
    assert [one for one in asked if not one.startswith(("file:", "data:", "blob:"))] == []
    assert said == []
