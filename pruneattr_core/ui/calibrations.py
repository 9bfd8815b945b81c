"""Sparsities at which the answer changes by 15 % on average, measured beforehand for the bundled models."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

_FILE = Path(__file__).parents[2] / "assets" / "calibration.json"


@cache
def _table() -> dict[str, dict[str, float]]:
    if not _FILE.exists():
        return {}
    table: dict[str, dict[str, float]] = json.loads(_FILE.read_text("utf-8"))
    return table


def calibrated_sparsity(weights_sha256: str, change: str = "0.15") -> float | None:
    """The calibrated sparsity for these weights, None if nobody measured it."""
    return _table().get(weights_sha256, {}).get(change)
