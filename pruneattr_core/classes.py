"""Classes as callers give them: numbers of Python, NumPy or PyTorch, one or several."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from pruneattr_core.errors import ArgumentTypeError, TargetError


def classes_in(name: str, value: Any) -> tuple[int, ...]:
    """Classes as int, ints or an integer tensor or array -> as ints.

    Raises:
        ArgumentTypeError: something else; it is called `name`.
        TargetError: none at all.
    """
    if isinstance(value, list | tuple):
        value = [one.item() if isinstance(one, np.generic) else one for one in value]
    try:
        chosen = torch.as_tensor(value.item() if isinstance(value, np.generic) else value, device="cpu")
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ArgumentTypeError(f"Expected {name} as int, list of ints or tensor, got {value!r}.") from error
    if chosen.numel() == 0:
        raise TargetError(f"Expected at least one class as {name}, got none.")
    if chosen.is_floating_point() or chosen.is_complex() or chosen.dtype == torch.bool:
        raise ArgumentTypeError(f"Expected {name} as integers, got {chosen.dtype}.")
    try:
        return tuple(int(one) for one in chosen.flatten().to(torch.int64, copy=True).tolist())
    except (ValueError, RuntimeError) as error:  # without values, sparse
        raise ArgumentTypeError(f"Expected {name} as int, list of ints or tensor, got {value!r}.") from error


def optional_classes(name: str, value: Any) -> tuple[int, ...] | None:
    """`classes_in`, and None for None."""
    return None if value is None else classes_in(name, value)


def one_each(values: Tensor, batch: int, what: str) -> Tensor:
    """Rows for `batch` inputs: those given, or the only one for all of them.

    Raises:
        TargetError: another number of rows; they are called `what`.
    """
    values = values.expand(batch, *values.shape[1:]) if len(values) == 1 else values
    if len(values) != batch:
        raise TargetError(f"Expected one {what} or {batch} (one per input), got {len(values)}.")
    return values
