"""What a network answers about the class explained, in numbers and in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.heads import NOT_IT, Answering

Array = NDArray[Any]


def named(classes: Sequence[str], target: int, answer: int) -> str:
    """An answer about a target in words, where `NOT_IT` is one."""
    return f"not {classes[target]}" if answer == NOT_IT else classes[answer]


def answers(kind: Answering, target: int, prediction: Array, probability: Array) -> Array:
    """`Explained.prediction` at K levels, of the largest outputs (K,) and the target's probability (K,)."""
    if kind == "values":
        return np.full_like(prediction, target)
    return prediction if kind == "one" else np.where(probability > 0.5, target, NOT_IT)
