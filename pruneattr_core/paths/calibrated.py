"""Sparsities at which the answer of a network changes by a given amount on average, measured beforehand.

Written by `python -m pruneattr_core calibrate --out assets/calibration.json`; found by the weights.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from torch import nn

from pruneattr_core.assets import ASSETS
from pruneattr_core.errors import InputError
from pruneattr_core.models import weights_hash
from pruneattr_core.values import ChangeOf

_FILE = ASSETS / "calibration.json"


@cache
def _table() -> dict[str, dict[str, Any]]:
    if not _FILE.exists():
        return {}
    table: dict[str, dict[str, Any]] = json.loads(_FILE.read_text("utf-8"))
    return table


def calibrated_sparsity(
    weights_sha256: str, change: str = "0.15", change_of: ChangeOf = "response"
) -> float | None:
    """The share of all neurons at whose removal the mean output change is `change`; None if not measured."""
    points = _table().get(weights_sha256, {}).get("points", {}).get(change_of, {})
    return None if change not in points else float(points[change])


def calibrated(model: nn.Module, change_of: ChangeOf = "response") -> float:
    """The network's 15 % point (PG2's choice of kappa), as a share of all neurons.

    Raises:
        InputError: it was not measured for these weights.
    """
    found = calibrated_sparsity(weights_hash(model), change_of=change_of)
    if found is None:
        raise InputError(
            f'sparsity="calibrated" needs the 15 % point of the {change_of}, and none is stored for these '
            "weights. Give a number, or measure one: python -m pruneattr_core calibrate MODEL DATA."
        )
    return found
