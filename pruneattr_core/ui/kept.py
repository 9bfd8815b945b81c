"""What is drawn once for all who are shown it: thirty of a class come to the same page within a second."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit.dataframe_util import convert_anything_to_pandas_df, convert_pandas_df_to_arrow_table

from pruneattr_core.ui.jobs import Cache

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

#: Bytes of all of it; what they cannot be told of, a chart or a table, is taken for `_SMALL`.
_ROOM, _SMALL = 48 << 20, 1 << 19
#: Types of values of which a row's text says all.
_PLAIN = (str, int, float, bool, type(None))


@st.cache_resource(show_spinner=False)
def _shelf() -> Cache:
    return Cache(_ROOM, _size)


def _size(one: Any) -> int:
    if isinstance(one, bytes | str):
        return len(one)
    return sum(map(_size, one)) if isinstance(one, tuple) else int(getattr(one, "nbytes", _SMALL))


def kept(key: Hashable, make: Callable[[], Any]) -> Any:
    """What `make` makes, once for all who ask; nobody may change it.

    Args:
        key: explicit values that name all that is made.
        make: makes it, from these values alone.
    """
    return _shelf().once(key, make, lambda: None)


def kept_chart(key: Hashable, draw: Callable[[], Figure]) -> Figure:
    """A chart that is drawn once, and put into Plotly's own form once, as either takes 10 to 30 ms.

    Args:
        key: see `kept`.
        draw: see `kept`.
    """

    def drawn() -> Figure:
        figure = draw()
        spec = figure.to_dict()
        figure.to_dict = lambda: spec  # Streamlit only reads it
        return figure

    found: Figure = kept(("chart", key), drawn)
    return found


def kept_table(rows: Any) -> Any:
    """Rows as Streamlit's tables take them, put into Arrow's form once; rows of other values as they are.

    Args:
        rows: name -> value each; the table's index has to be hidden.
    """
    if not isinstance(rows, Sequence) or not all(map(_is_plain, rows)):
        return rows
    return kept(("table", repr(rows)), lambda: _arrow(rows))


def _is_plain(row: Any) -> bool:
    return isinstance(row, Mapping) and all(type(value) in _PLAIN for value in row.values())


def _arrow(rows: Sequence[Mapping[str, Any]]) -> Any:
    return convert_pandas_df_to_arrow_table(convert_anything_to_pandas_df(rows))
