"""What is drawn once for all who are shown it is what each would have drawn."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import pytest
from plotly.io import to_json
from streamlit.dataframe_util import convert_anything_to_arrow_bytes, convert_arrow_bytes_to_pandas_df

from pruneattr_core.ui.kept import kept_chart, kept_table
from pruneattr_core.ui.method_cards import Card, once_ready


@pytest.mark.parametrize(
    "rows",
    [
        [{"method": "A", "n": 3, "area": 0.25}, {"method": "B", "n": None, "area": float("nan")}],
        [{"method": "A", "right": True}, {"method": None, "more": "x"}],
        [{"one": 1}, {"one": 1.0}],
        [],
    ],
)
def test_a_table_kept_in_arrows_form_is_the_table(rows: list[dict[str, Any]]) -> None:
    plain = convert_arrow_bytes_to_pandas_df(convert_anything_to_arrow_bytes(rows))
    kept = kept_table(rows)
    assert kept is kept_table([dict(row) for row in rows])
    again = convert_arrow_bytes_to_pandas_df(convert_anything_to_arrow_bytes(kept))
    assert again.equals(plain)
    assert list(again.dtypes) == list(plain.dtypes)


def test_tables_of_equal_but_different_values_are_told_apart() -> None:
    whole, true = [{"one": 1}], [{"one": True}]
    assert whole == true
    assert kept_table(whole) is not kept_table(true)
    columns = {"one": [1, 2]}
    assert kept_table(columns) is columns


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
