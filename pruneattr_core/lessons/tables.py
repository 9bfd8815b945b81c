"""The tables that a step may name."""

from __future__ import annotations

from functools import cache

from pruneattr_core.lessons import hans, lab

Rows = list[dict[str, str]]


@cache
def tables_of(name: str) -> tuple[Rows, ...]:
    """Rows for readers of one of `text.TABLES`; the laboratory's is computed; none for an empty name."""
    if not name:
        return ()
    return (lab.rows(lab.table()),) if name == "lab" else hans.tables()
