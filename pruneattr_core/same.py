"""When two values are the same: field by field, arrays number by number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch


def same(self: Any, other: object) -> bool:
    """For `__eq__` of a dataclass that holds arrays, made with `eq=False`; NaN is the same as NaN.

    Such a value has no hash: its arrays can be changed.
    """
    names = [one.name for one in fields(self)]
    if type(self) is not type(other):
        return NotImplemented
    return all(_alike(getattr(self, name), getattr(other, name)) for name in names)


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one is other or (
            one.device == other.device
            and one.dtype == other.dtype
            and one.shape == other.shape
            and bool(((one == other) | (one != one) & (other != other)).all())
        )
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    if is_dataclass(one) and type(one) is type(other):
        return same(one, other)
    return bool(one == other)
