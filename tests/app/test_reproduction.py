"""The page Reproduction: what it shows are the claims, filtered by paper and verdict."""

from __future__ import annotations

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from pruneattr_core.reproduction import side_by_side
from pruneattr_core.reproduction.page import all_claims, texts
from pruneattr_core.ui.compare.state import PRESETS, by_layer


def test_filters_and_the_command_of_a_row(start: Callable[..., AppTest]) -> None:
    app = start(model="scenes-net")
    app.switch_page("pages/9_reproduction.py").run(timeout=600)
    claims = all_claims()
    assert len(app.dataframe[0].value) == len(claims)
    app.segmented_control(key="repro_paper").set_value("AP").run(timeout=600)
    app.segmented_control(key="repro_verdict").set_value("not decided here").run(timeout=600)
    chosen = [c for c in claims if c.paper == "AP" and c.verdict == "not decided here"]
    assert list(app.dataframe[0].value["what"]) == [texts(claim)["what"] for claim in chosen]
    assert not app.exception
    assert not app.error


def test_asks_for_no_network_and_every_paper_has_rows(start: Callable[..., AppTest]) -> None:
    app = start(model="scenes-net")
    app.switch_page("pages/9_reproduction.py").run(timeout=600)
    assert not [box for box in app.sidebar.selectbox if box.key in ("model", "source")]
    for paper in set(app.segmented_control(key="repro_paper").options) - {"All papers"}:
        app.segmented_control(key="repro_paper").set_value(paper.rpartition("(")[2].rstrip(")")).run(
            timeout=600
        )
        assert len(app.dataframe[0].value) > 0


def test_figures_without_numbers_name_what_compare_really_offers() -> None:
    titles = {preset.title for preset in (*PRESETS.values(), by_layer(["early", "late"]))}
    for (paper, figure), shown in side_by_side.SHOWN.items():
        assert shown in titles, f"{paper} {figure}"
