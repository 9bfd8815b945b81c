"""A view that was sent as one file: opened from the disk it works, and asks nothing of anybody."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from pruneattr_core.share.component import SCRUBBER
from pruneattr_core.share.html import one_file
from pruneattr_core.ui.opening import stored


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
    before = page.locator(".reading").text_content()
    page.keyboard.press("Home")
    expect(page.locator(".reading")).not_to_have_text(before or "")
    expect(page.get_by_role("heading", level=1)).to_have_text("A <b>scene</b>")
    assert page.title() == "A <b>scene</b>"
    assert [one for one in asked if one not in (file.as_uri(), "data:,")] == []
    assert said == []
    page.screenshot(path=artefacts / "one-file.png", full_page=True)
