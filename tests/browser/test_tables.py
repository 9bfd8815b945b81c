"""Tables in a real browser: columns are as wide as what stands in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.serving import serving
from tests.browser.waiting import until

SCRIPT = """
import streamlit as st
from pruneattr_core.ui.kept import dataframe

rows = [{"path": "NeuronMCT", "kept": 5, "how": "one"}]
if st.query_params.get("rows") or st.toggle("More"):
    rows.append({"path": "GreedyPruning (printed rule)", "kept": 6157536, "how": "two"})
dataframe(rows, "table", column_config={"how": st.column_config.TextColumn(width="large")})
"""
#: Both rows are there.
HIGH = "document.querySelector('[data-testid=stDataFrame]')?.clientHeight > 90"


def test_a_table_that_has_grown_is_drawn_as_one_that_comes_whole(
    window: Callable[..., Page], tmp_path: Path
) -> None:
    """Columns stayed as wide as the first rows' texts: two methods of Paths read "GreedyPrunin"."""
    (tmp_path / "tables.py").write_text(SCRIPT, "utf-8")
    with serving(tmp_path / "log.txt", script=tmp_path / "tables.py") as served:
        drawn = []
        for grows in (True, False):
            page = window()
            page.goto(served.url if grows else f"{served.url}/?rows=2")
            table = page.get_by_test_id("stDataFrame")
            expect(table).to_be_visible()
            if grows:
                at_rest(page)
                page.get_by_text("More").click()
            page.wait_for_function(HIGH)
            drawn.append(at_rest(page))
        assert drawn[0] == drawn[1]


def at_rest(page: Page) -> str:
    """What the table has drawn, once ten looks in a row have seen the same: it comes in several frames."""
    canvas = page.get_by_test_id("stDataFrame").locator("canvas").first
    looks: list[str] = []

    def settled() -> bool:
        looks.append(canvas.evaluate("canvas => canvas.toDataURL()"))
        return len(looks) > 10 and len(set(looks[-10:])) == 1

    until(page, settled)
    return looks[-1]
