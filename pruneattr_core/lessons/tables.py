"""The tables that a step may name."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from pruneattr_core.lessons import hans, lab
from pruneattr_core.lessons.numbers import numbers

Rows = list[dict[str, str]]


def tables_of(name: str, word: Callable[[str], str]) -> tuple[Rows, ...]:
    """Rows for readers of one of `text.TABLES`; the laboratory's is computed; none for an empty name.

    Args:
        name: of the table.
        word: a text by its key, in the reader's language.
    """
    if not name:
        return ()
    found = (lab.rows(scores(), word),) if name == "lab" else hans.tables(word)
    return tuple([{key: numbers(text, word) for key, text in row.items()} for row in rows] for rows in found)


@cache
def scores() -> tuple[lab.Score, ...]:
    """Every method on every network of the laboratory."""
    return tuple(lab.table())
