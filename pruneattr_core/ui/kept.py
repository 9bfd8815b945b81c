"""What is drawn once for all who are shown it: thirty of a class come to the same page within a second."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from pruneattr_core.importing import one_at_a_time
from pruneattr_core.ui.jobs import Cache

if TYPE_CHECKING:
    from plotly.graph_objects import Figure
    from pyarrow import Table

#: A table: name -> value for each row, or name -> values for each column.
Rows = Sequence[Mapping[str, Any]] | Mapping[str, Sequence[Any]]
#: Bytes of all of it; what they cannot be told of, a chart or a table, is taken for `_SMALL`.
_ROOM, _SMALL = 48 << 20, 1 << 19


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


def dataframe(rows: Rows, key: str, **options: Any) -> Any:
    """Draw a table without an index, as Streamlit does with `options`, but without pandas.

    A browser measures a table's columns once, so that longer texts of later would be cut: with such the
    table goes to another place, where it is a new one. One in which rows are chosen stays with its choice.

    Args:
        rows: see `kept_table`.
        key: of the widget, unique on the page.
        **options: of Streamlit's own.
    """
    table = kept_table(rows)
    with st.container():
        if "on_select" not in options and _moved(key, _widths(table)):
            st.empty()
        return st.dataframe(table, hide_index=True, lazy=False, key=key, **options)


def _moved(key: str, widths: list[int]) -> bool:
    """Whether a table stands in the second place: it changes with the widths."""
    before, moved = st.session_state.get(f"_widths {key}", (widths, False))
    moved ^= before != widths
    st.session_state[f"_widths {key}"] = (widths, moved)
    return bool(moved)


def _widths(table: Table) -> list[int]:
    """The most characters of each column, before the point of a number."""
    return [
        max(
            (len(str(int(one) if isinstance(one, float) else one)) for one in column if one is not None),
            default=0,
        )
        for column in table.to_pydict().values()
    ]


def kept_table(rows: Rows) -> Table:
    """A table in Arrow's form, made once.

    Streamlit would import pandas for anything else: two seconds of a server that has just come up.

    Args:
        rows: what is missing, None or not a number is left
            empty, and a column of texts and numbers is one of texts.
    """
    names: list[str]
    if isinstance(rows, Mapping):
        names, lines = list(rows), [list(line) for line in zip(*rows.values(), strict=True)]
    else:
        names = list(dict.fromkeys(name for row in rows for name in row))
        lines = [[row.get(name) for name in names] for row in rows]
    lines = [[_plain(value) for value in line] for line in lines]
    return kept(("table", repr((names, lines))), lambda: _arrow(names, lines))


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and math.isnan(value) else value


def _arrow(names: Sequence[str], lines: Sequence[Sequence[Any]]) -> Table:
    with one_at_a_time:
        import pyarrow
        from pyarrow.json import ParseOptions, read_json  # `pyarrow.array` imports pandas, too

    kinds = {str: pyarrow.string(), float: pyarrow.float64(), int: pyarrow.int64(), bool: pyarrow.bool_()}
    of = [_kind([line[at] for line in lines]) for at in range(len(names))]
    schema = pyarrow.schema([(name, kinds[kind]) for name, kind in zip(names, of, strict=True)])
    if not lines:
        return schema.empty_table()
    text = "\n".join(
        json.dumps(
            {
                name: value if value is None or kind is not str else str(value)
                for name, kind, value in zip(names, of, line, strict=True)
            }
        )
        for line in lines
    )
    return read_json(io.BytesIO(text.encode()), parse_options=ParseOptions(explicit_schema=schema))


def _kind(values: Sequence[Any]) -> type:
    """What a column holds; texts where it is of several kinds, or of what no number of Arrow's JSON says."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return bool
    if kinds == {int} and all(abs(value) < 2**63 for value in values if value is not None):
        return int
    if kinds and kinds <= {int, float} and all(math.isfinite(value) for value in values if value is not None):
        return float
    return str
