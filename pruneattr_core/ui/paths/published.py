"""Figures printed in papers, from assets/published.json; never ours."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from pruneattr_core.assets import ASSETS

_FILE = ASSETS / "published.json"


@cache
def published() -> dict[str, Any]:
    """The whole file: chapter -> figures with their source."""
    content: dict[str, Any] = json.loads(_FILE.read_text("utf-8"))
    return content


def overlaps(labels: str) -> dict[frozenset[str], float]:
    """Jaccard of every pair of methods in SCP fig. 2a.

    Args:
        labels: "printed", as on the poster, or "restored", with the swapped labels put right.
    """
    figure = published()["critical_paths"]["overlap"]
    names, rows = figure[labels], figure["upper_triangle"]
    return {
        frozenset((names[i], names[i + step])): value
        for i, row in enumerate(rows)
        for step, value in enumerate(row)
        if step
    }
