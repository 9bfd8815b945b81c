"""How far does it hold (a picture in and out of its ball), and whose paths are alike."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from pruneattr_core.analysis.alike import alike
from pruneattr_core.analysis.nudging import FACTORS
from pruneattr_core.heads import Head, declare
from pruneattr_core.share.words import percent
from pruneattr_core.ui import cache
from pruneattr_core.ui.paths import page as path_page
from pruneattr_core.ui.paths.alike import nestings
from tests.app.conftest import Small, Start, healthy, until


@pytest.fixture
def holds_page(lone_page: Callable[..., Start]) -> Start:
    """Opens the view; it waits until the ball is known."""
    start = lone_page(path_page.draw, "Critical paths")

    def run(**query: str) -> AppTest:
        app = start(show="holds", paths="taylor", **query)
        until(app, lambda app: bool(verdict(app)))
        healthy(app)
        return app

    return run


def verdict(app: AppTest) -> str:
    return next((text.value for text in app.markdown if "side the ball" in text.value), "")


@pytest.mark.parametrize("kind", ["noise", "block"])
def test_inside_the_map_is_the_same_whatever_the_way(holds_page: Start, kind: str) -> None:
    app = holds_page(nudge=kind, nudge_by="0.5")
    assert "Inside the ball" in verdict(app)
    table = app.dataframe[0].value
    assert table["nudged"].iloc[3] == table["nudged"].iloc[4]  # the frozen logit is the one predicted


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_the_probability_is_the_heads(holds_page: Start, monkeypatch: pytest.MonkeyPatch, head: Head) -> None:
    """Of a network that answers several it was a softmax, as of one of many."""

    def network(*_: object, **__: object) -> Small:
        made = Small().eval()
        declare(made, head)
        return made

    monkeypatch.setattr(cache, "load_model", network)
    table = holds_page(nudge="block", nudge_by="0.5").dataframe[0].value
    chance, logit = (float(table["before"].iloc[row]) for row in (1, 2))
    own = 1 / (1 + math.exp(-logit))
    assert (chance == pytest.approx(own, abs=1e-4)) is (head == "sigmoid")
    said = str(table["before"].iloc[0])
    assert said.startswith("not ") is (head == "sigmoid" and own <= 0.5)


def test_the_slider_walks_out_of_the_ball(holds_page: Start) -> None:
    app = holds_page(nudge="edge", nudge_by="0.99")
    assert "Inside the ball" in verdict(app)
    app.select_slider(key="nudge_by_box_0").set_value(3000.0).run()
    healthy(app)
    assert "neurons have switched" in verdict(app)
    chart = next(c for c in app.get("plotly_chart") if c.proto.id.endswith("chart_holds"))
    lines = {line["name"]: line for line in json.loads(chart.proto.spec)["data"]}
    assert list(lines["Map: likeness with the one before"]["x"]) == list(FACTORS)
    app.get("button_group")[-1].set_value("block").run()
    app.number_input(key="nudge_row").set_value(8).run()
    healthy(app)
    assert "the ball" in verdict(app)


def test_a_path_of_nothing_holds_everywhere(lone_page: Callable[..., Start]) -> None:
    app = lone_page(path_page.draw, "Critical paths")(show="holds", paths="taylor", kappa="1")
    until(app, lambda app: any("holds everywhere" in info.value for info in app.info))
    healthy(app)


def test_overlaps_of_classes_and_pictures_are_those_of_the_run(lone_page: Callable[..., Start]) -> None:
    app = lone_page(path_page.draw, "Critical paths")(
        show="published", paths="taylor", alike="resnet8-nesting", alike_at="0.99"
    )
    healthy(app)
    found = alike(nestings()["resnet8-nesting"], "0.99")
    assert found.within is not None
    assert found.inside is not None
    text = next(one.value for one in app.markdown if "lies in the same picture's" in one.value)
    assert f"**{found.within.mean:.3f}**" in text
    assert f"**{percent(found.inside.mean, 1)}**" in text
    charts = {c.proto.id.rpartition("-")[2]: c for c in app.get("plotly_chart")}
    assert {"chart_classes", "chart_pictures"} <= set(charts)
