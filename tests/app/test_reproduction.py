"""The page Reproduction: what it shows are the claims, filtered by paper and verdict."""

from __future__ import annotations

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from pruneattr_core.reproduction.page import all_claims, texts


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
