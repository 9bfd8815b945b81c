"""Charts and tables of a page as its file holds them."""

from __future__ import annotations

import json

import numpy as np
import plotly.graph_objects as go
import pytest

from pruneattr_core.share.framing import header_of
from pruneattr_core.ui.folio import Folio
from pruneattr_core.ui.folio_chart import chart_spec
from pruneattr_core.ui.paths import charts


def test_lines_keep_their_values_and_say_them() -> None:
    figure = charts.carried_lines([0.01, 0.1, 1], {"A": np.array([1.5, np.nan, 3]), "B": np.ones(3)}, 2, 0.1)
    spec = chart_spec(figure, "two lines")
    json.dumps(spec, allow_nan=False)
    first = spec["series"][0]
    assert first["y"] == [1.5, None, 3.0]
    assert first["tips"] == ["A: 1.0% kept: 1.50", "", "A: 100.0% kept: 3.00"]
    assert spec["x"]["log"]
    assert spec["x"]["percent"]
    assert spec["y"]["range"][0] < 1
    assert spec["y"]["range"][1] > 3
    assert [(mark["axis"], mark["at"]) for mark in spec["marks"]] == [("y", 2), ("x", 0.1)]


def test_a_band_is_drawn_and_not_named() -> None:
    figure = go.Figure()
    figure.add_scatter(x=[0, 1, 1, 0], y=[1, 2, 1, 0], fill="toself", fillcolor="red", showlegend=False,
                       hoverinfo="skip", legendgroup="m")  # fmt: skip
    figure.add_scatter(x=["a", "b"], y=[1, 2], name="m", legendgroup="m")
    band, line = chart_spec(figure, "")["series"]
    assert (band["kind"], band["group"], band["legend"], set(band["tips"])) == ("band", "m", False, {""})
    assert (line["kind"], line["legend"]) == ("line", True)


def test_stacked_bars_reach_to_their_sum_and_errors_are_seen() -> None:
    figure = go.Figure(layout={"barmode": "stack"})
    for value in (3, 4):
        figure.add_bar(x=[value], y=["one"], orientation="h", name=f"{value}")
    assert chart_spec(figure, "")["x"]["range"][1] >= 7
    figure = go.Figure(go.Bar(x=[1.0], y=["one"], orientation="h", error_x={"array": [0.5]}))
    assert chart_spec(figure, "")["x"]["range"][1] >= 1.5
    upright = go.Figure(go.Bar(x=[1, 2, 3], y=[0.2, 0.4, 0.1]))
    assert chart_spec(upright, "")["x"]["range"] == [0.5, 3.5]


def test_a_heat_map_is_read_cell_by_cell() -> None:
    spec = chart_spec(charts.heat_map(["A", "B"], np.array([[1, 0.25], [0.25, 1]])), "")
    assert spec["series"][0]["tips"][0] == ["A and A: 1.0000", "A and B: 0.2500"]
    assert spec["y"]["reversed"]
    assert [note["text"] for note in spec["notes"]] == ["1.00", "0.25", "0.25", "1.00"]


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match="pie"):
        chart_spec(go.Figure(go.Pie(values=[1])), "")


def test_a_table_is_written_as_on_screen_and_equal_pictures_are_held_once() -> None:
    folio, pixel = Folio(), "data:image/png;base64,AAAA"
    config = {"share": {"label": "Share", "type_config": {"format": "%.2f"}}, "n": {}}
    rows = [{"who": "a", "share": np.float64(0.126), "n": 12345}, {"who": "b", "share": None, "n": 1}]
    folio.table(rows, config)
    folio.picture(pixel, "one")
    folio.picture(pixel, "again")
    payload = folio.payload("T")
    table, pictures = header_of(payload)["parts"]
    assert table["columns"] == ["who", "Share", "n"]
    assert table["rows"] == [["a", "0.13", "12,345"], ["b", "-", "1"]]
    assert table["numeric"] == [False, True, True]
    assert pictures["pictures"][0]["start"] == pictures["pictures"][1]["start"] == 0
    assert payload.endswith(b"\0\0\0")
