"""The first view of the critical-paths page without a browser: what the path carries, and what it sees."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from pruneattr_core.circuits.curve import SIZES
from pruneattr_core.share.words import percent
from pruneattr_core.ui import cache, pictures, shell
from pruneattr_core.ui.jobs import Job
from pruneattr_core.ui.paths import carrying
from pruneattr_core.ui.paths import page as path_page
from pruneattr_core.ui.paths.carrying import Carried
from pruneattr_core.ui.paths.state import REPLACED
from pruneattr_core.ui.pictures import UPLOAD
from tests.app.conftest import Small, Start, healthy, until


@pytest.fixture
def paths_page(lone_page: Callable[..., Start]) -> Start:
    """Opens the page."""
    return lone_page(path_page.draw, "Critical paths")


def chart(app: AppTest, key: str) -> dict:
    return json.loads(next(c.proto.spec for c in app.get("plotly_chart") if c.proto.id.endswith(key)))


def test_the_page_opens_with_what_the_path_carries(paths_page: Start) -> None:
    app = paths_page(kept="0.2", paths="taylor,random")

    def table(app: AppTest) -> pd.DataFrame | None:
        return next((one.value for one in app.dataframe if "the others become" in one.value), None)

    def complete(app: AppTest) -> bool:
        """All sizes of all replacements, not the few that are there first."""
        rows = table(app)
        return rows is not None and len(rows) == len(REPLACED) and set(rows["kept"]) == {percent(0.2, 1)}

    until(app, complete)
    healthy(app)
    rows = table(app)
    assert rows is not None
    said = rows.set_index("the others become")["answer"]
    assert set(said.index) == {title.lower() for title in REPLACED.values()}
    assert said["their own value"] == said["zero"]  # kept by construction, and kept at a fifth
    shown = chart(app, "chart_carries_zero")["data"]
    assert len(shown[0]["x"]) == len(SIZES)
    names = [line["name"] for line in shown]
    until(app, lambda app: any("CPR, higher is better): the path" in one.value for one in app.caption))
    assert names[0] == "The path"
    assert {"As many at random", "The runner-up's path", "Another picture's path"} <= set(names)


class One(Small):
    """One output."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x)[:, :1]


def test_one_output_has_no_runner_up(paths_page: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own path stood beside it under that name."""
    monkeypatch.setattr(cache, "load_model", lambda *_, **__: One().eval())
    app = paths_page(kept="0.2", paths="taylor,random")
    until(app, lambda app: any("CPR, higher is better): the path" in one.value for one in app.caption))
    healthy(app)
    names = [line["name"] for line in chart(app, "chart_carries_zero")["data"]]
    assert {"The path", "Another picture's path"} <= set(names)
    assert "The runner-up's path" not in names
    assert not any("the runner-up's" in one.value for one in app.caption)
    (rows,) = (one.value for one in app.dataframe if "the others become" in one.value)
    assert "the runner-up's path" not in rows


@pytest.mark.parametrize("instead", REPLACED)
def test_what_a_path_sees_does_not_wait_for_its_curves(
    paths_page: Start, monkeypatch: pytest.MonkeyPatch, instead: str
) -> None:
    go = threading.Event()
    work_of = carrying.work_of

    def held(*asked: Any) -> Callable[[Job], Carried]:
        work = work_of(*asked)
        return lambda job: go.wait(600) and work(job)

    def sees(app: AppTest) -> bool:
        return any("What the path alone sees" in one.value for one in app.caption)

    monkeypatch.setattr(carrying, "work_of", held)
    try:
        app = paths_page(instead=instead, picture="3")
        until(app, sees)
        healthy(app)
        assert not app.get("plotly_chart")
    finally:
        go.set()
    until(app, lambda app: sees(app) and bool(app.get("plotly_chart")))
    healthy(app)


def test_curves_of_a_picture_that_was_left_hold_nothing_up(
    paths_page: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page of the third picture stood still until those of the first two had come to their end."""
    begun: list[Job] = []
    over = threading.Event()

    def endless(*_: Any) -> Callable[[Job], None]:
        def work(job: Job) -> None:
            begun.append(job)
            while not over.wait(0.01):
                job.tick(0, 1)

        return work

    monkeypatch.setattr(carrying, "work_of", endless)
    app = paths_page()
    for place in (1, 2):
        app.session_state["picture"] = place
        app.run()
        healthy(app)
    try:
        until(app, lambda _: len(begun) == 3)
        assert [one.cancelled.is_set() for one in begun] == [True, True, False]
        app.session_state["show"] = "agreement"
        app.run()
        healthy(app)
        assert not begun[-1].finished.is_set()  # a comparison waits for no curves
    finally:
        over.set()


def test_what_a_path_carries_is_drawn_of_an_upload_too(paths_page: Start) -> None:
    data = io.BytesIO()
    Image.new("RGB", (140, 130), (200, 40, 90)).save(data, "PNG")
    app = paths_page(paths="taylor,random", instead="counterfactual")
    assert app.session_state["instead"] == "counterfactual"  # a scene can be drawn without its shape
    app.file_uploader(key="uploader").set_value(("mine.png", data.getvalue(), "image/png")).run()
    assert app.session_state["source"] == UPLOAD
    until(app, lambda app: any("Nobody has marked" in one.value for one in app.info))
    app.session_state["instead"] = "zero"
    app.run()
    until(
        app, lambda app: any(str(c.proto.id).endswith("chart_carries_zero") for c in app.get("plotly_chart"))
    )
    healthy(app)


def test_pictures_beside_one_are_never_itself_and_always_there(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = pictures.from_dataset("scenes", 3)
    beside = shell.others(picture, "scenes-net", 5)
    assert beside == [("scenes", place) for place in (4, 5, 6, 7, 8)]
    last = len(pictures.dataset("scenes")) - 1
    around = shell.others(pictures.from_dataset("scenes", last), "scenes-net", last + 7)
    assert len(around) == len(set(around)) == last
    assert ("scenes", last) not in around
    upload = replace(picture, source=UPLOAD, place="")
    assert shell.others(upload, "scenes-net", 2) == [("scenes", 0), ("scenes", 1)]
    whole = pictures.dataset
    monkeypatch.setattr(pictures, "dataset", lambda name: [0] if name == "mine" else whole(name))
    alone = replace(picture, source="mine", place="0")
    assert shell.others(alone, "scenes-net", 2) == [("scenes", 0), ("scenes", 1)]
