"""Sparsities at which the answer changes by 15 % on average, measured beforehand.

Written by `python -m pruneattr_core calibrate --out assets/calibration.json`.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from pruneattr_core.assets import ASSETS

_FILE = ASSETS / "calibration.json"


@cache
def _table() -> dict[str, dict[str, Any]]:
    if not _FILE.exists():
        return {}
    table: dict[str, dict[str, Any]] = json.loads(_FILE.read_text("utf-8"))
    return table


def calibrated_sparsity(weights_sha256: str, change: str = "0.15") -> float | None:
    """The calibrated sparsity for these weights, None if nobody measured it."""
    points = _table().get(weights_sha256, {}).get("points", {})
    return None if change not in points else float(points[change])
