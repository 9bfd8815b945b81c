"""What is drawn once for all who are shown it is what each would have drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from plotly.io import to_json
from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df, convert_arrow_table_to_arrow_bytes

from pruneattr_core.ui.kept import kept_chart, kept_table
from pruneattr_core.ui.method_cards import Card, once_ready


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        (
            [{"method": "A", "n": 3, "area": 0.25}, {"method": "B", "n": None, "area": float("nan")}],
            {"method": ["A", "B"], "n": [3, None], "area": [0.25, None]},
        ),
        (
            [{"method": "A", "right": True}, {"method": None, "more": "x"}],
            {"method": ["A", None], "right": [True, None], "more": [None, "x"]},
        ),
        ([{"one": 1}, {"one": 1.5}], {"one": [1.0, 1.5]}),
        ([{"one": 1}, {"one": "two"}, {"one": True}], {"one": ["1", "two", "True"]}),
        ([{"one": 2.0}, {"one": float("inf")}], {"one": ["2.0", "inf"]}),
        ([{"one": 2**70}], {"one": [2.0**70]}),
        ([{"when": "2026-11-30", "what": "null"}], {"when": ["2026-11-30"], "what": ["null"]}),
        ({"": ["a", "ß\n"], "n": [np.int64(1), np.float32(0.5)]}, {"": ["a", "ß\n"], "n": [1.0, 0.5]}),
        ({"none": [None, None]}, {"none": [None, None]}),
        ({"empty": []}, {"empty": []}),
        ([], {}),
    ],
)
def test_a_table_holds_what_was_given(rows: Any, columns: dict[str, list[Any]]) -> None:
    made = kept_table(rows)
    assert made.to_pydict() == columns
    assert made is kept_table(rows)
    shown = convert_arrow_bytes_to_pandas_df(convert_arrow_table_to_arrow_bytes(made))
    assert list(shown.columns) == list(columns)
    assert len(shown) == len(next(iter(columns.values()), []))


def test_a_long_table_is_whole() -> None:
    rows = [{"place": place, "text": "x" * 500} for place in range(6000)]  # blocks of the reader are 1 MB
    assert kept_table(rows).to_pydict() == {"place": list(range(6000)), "text": ["x" * 500] * 6000}


def test_tables_of_equal_but_different_values_are_told_apart() -> None:
    whole, true = [{"one": 1}], [{"one": True}]
    assert whole == true
    assert kept_table(whole) is not kept_table(true)


def test_a_kept_chart_is_sent_as_it_was_drawn() -> None:
    def draw() -> go.Figure:
        return go.Figure([go.Scatter(x=[1, 2], y=[0.5, 1.5], name="a")]).update_layout(height=200)

    once = kept_chart("a chart of this test", draw)
    assert kept_chart("a chart of this test", lambda: 1 / 0) is once
    assert to_json(once.to_dict(), validate=False) == to_json(draw().to_dict(), validate=False)
    assert to_json(once.to_dict(), validate=False) == to_json(draw().to_dict(), validate=False)


def test_a_stage_is_kept_only_when_every_card_has_its_result() -> None:
    made: list[int] = []

    def make(start: Any) -> bytes:
        made.append(1)
        return b"%d" % len(made)

    ready, failed = Card("A", "ready", result=1), Card("B", "failed", "it was stopped")
    for cards in ([ready, failed], [ready, Card("C", "computing", "waiting", 1)]):
        first, second = (once_ready(cards, "test", {"token": 0}, make) for _ in range(2))
        assert first != second  # what failed may be tried again, and what computes goes on
    whole = [once_ready([ready], "test", {"token": 0}, make) for _ in range(2)]
    assert whole[0] == whole[1]
    assert once_ready([ready], "test", {"token": 1}, make) != whole[0]
