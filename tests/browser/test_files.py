"""Every page gives its view away as one file: opened from the disk it asks nothing; dropped, it is back."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from pruneattr_core import compare
from pruneattr_core.beside import QUICK
from pruneattr_core.datasets import load_dataset
from pruneattr_core.models import load_model, model_card
from tests.browser.serving import ROOT, complaints

SCENE = "model=scenes-net&source=scenes&picture=2"
ONE_FILE = "One file (HTML)"
#: Page, settings of its view, the button, and what the file draws.
VIEWS = (
    ("", f"{SCENE}&mode=freeze", ONE_FILE, "section.scrubber[data-ready]"),
    ("compare", f"{SCENE}&methods=saliency,edges", ONE_FILE, ".compare[data-complete=true]"),
    ("paths", f"{SCENE}&kept=0.3", ONE_FILE, ".folio[data-ready]"),
    ("paths", f"{SCENE}&show=dead&paths=taylor,random", ONE_FILE, ".folio[data-ready]"),
    ("decoding", f"{SCENE}&steps=32&paths=taylor", ONE_FILE, ".folio[data-ready]"),
    ("benchmarks", "bench=localise", ONE_FILE, ".folio[data-ready]"),
    ("sanity", f"{SCENE}&sane_measure=ssim", ONE_FILE, ".stage[data-ready]"),
    ("removal", f"{SCENE}&gone=0.1", ONE_FILE, ".stage[data-ready]"),
    ("review", "desk=tables", ONE_FILE, ".folio[data-ready]"),
    ("reproduction", "repro_paper=AP", ONE_FILE, ".folio[data-ready]"),
    ("lessons", "lesson=2-does-the-map-look", "Lesson as one file (HTML)", "main h1"),
)


def test_every_page_is_among_them() -> None:
    pages = {file.stem.partition("_")[2] for file in (ROOT / "pages").glob("*.py")}
    assert {page or "explore" for page, *_ in VIEWS} == pages


@pytest.mark.parametrize(("path", "query", "button", "drawn"), VIEWS)
def test_a_view_leaves_as_one_file_and_comes_back(
    browser: Browser, page: Page, app_url: str, settled: Callable[[Page], None], tmp_path: Path,
    path: str, query: str, button: str, drawn: str,
) -> None:  # fmt: skip
    page.goto(f"{app_url}/{path}?{query}")
    if path == "lessons":
        page.get_by_text("Presenting, class, language").click()
    if path in ("", "compare"):  # there a file can be had before all is computed
        expect(page.locator("[data-complete=true]").first).to_be_visible()
    press = page.get_by_role("button", name=button).first
    expect(press).to_be_enabled()
    settled(page)
    with page.expect_download() as coming:
        press.click()
    file = tmp_path / "view.html"
    coming.value.save_as(file)

    alone = browser.new_context(offline=True)
    mailed = alone.new_page()
    wrong = complaints(mailed, file.as_uri())
    mailed.goto(file.as_uri())
    expect(mailed.locator(drawn).first).to_be_visible()
    if path == "":
        expect(mailed.locator(".beside img")).to_have_count(len(QUICK))
    if path == "compare":
        mailed.locator("button.frame").first.click()
        expect(mailed.locator("dialog")).to_be_visible()
    assert wrong == []
    alone.close()
    assert file.stat().st_size < 1_000_000

    elsewhere = "benchmarks" if path != "benchmarks" else "reproduction"
    page.goto(f"{app_url}/{elsewhere}")
    settled(page)
    page.get_by_test_id("stFileUploaderDropzoneInput").last.set_input_files(file)
    wanted = {name: values for name, values in parse_qs(query).items() if name not in ("model", "source")}

    def back(address: str) -> bool:
        parts = urlsplit(address)
        return parts.path.strip("/") == path and wanted.items() <= parse_qs(parts.query).items()

    page.wait_for_url(back)


def test_a_file_that_asks_for_more_than_the_app_has_opens_in_part_and_says_so(
    page: Page, app_url: str, settled: Callable[[Page], None], tmp_path: Path
) -> None:
    card, file = model_card("scenes-net"), tmp_path / "more.html"
    inputs = torch.cat([card.preprocess(load_dataset("scenes")[index].image) for index in (0, 3)])
    asked = compare(load_model("scenes-net"), inputs, ["edges"], [1, 2], card=card, curves=False)
    file.write_text(asked.html(), "utf-8")
    wrong = complaints(page, app_url)
    page.goto(f"{app_url}/benchmarks")
    settled(page)
    page.get_by_test_id("stFileUploaderDropzoneInput").last.set_input_files(file)
    page.wait_for_url(re.compile("/compare[?]"))
    expect(page.locator("[data-complete=true]").first).to_be_visible()
    settled(page)
    expect(page.get_by_text("Only the first picture comes back").first).to_be_visible()
    address = parse_qs(urlsplit(page.url).query)
    assert (address["target"], address["methods"]) == (["1"], ["edges"])
    assert wrong == []
