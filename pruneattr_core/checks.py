"""What callers may hand in: inputs and targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pruneattr_core.errors import ArgumentTypeError, InputError, TargetError
from pruneattr_core.response import Asked, Response
from pruneattr_core.response import Target as Target

#: What functions take that read one class per input and nothing else.
Classes = int | Sequence[int] | Tensor | None


def check_inputs(model: nn.Module, inputs: Any) -> Tensor:
    """`inputs` as a detached tensor that the model can take.

    Raises:
        ArgumentTypeError: not a floating-point tensor.
        InputError: no batch, NaN or infinite values, or another device or dtype than the model's.
    """
    if not isinstance(inputs, Tensor):
        raise ArgumentTypeError(f"Expected inputs as a tensor (B, C, H, W), got {type(inputs).__name__}.")
    if not inputs.is_floating_point():
        raise ArgumentTypeError(f"Expected normalised floating-point inputs, got {inputs.dtype}.")
    if inputs.ndim < 2 or inputs.ndim == 3 or inputs.shape[0] == 0:
        raise InputError(
            f"Expected a batch (B, C, H, W) with B >= 1, got shape {tuple(inputs.shape)}. "
            "Add the batch dimension with inputs[None] for a single picture."
        )
    if not bool(torch.isfinite(inputs).all()):
        raise InputError("The inputs hold NaN or infinite values. Check the preprocessing.")
    parameter = next(model.parameters(), None) if isinstance(model, nn.Module) else None
    if parameter is not None and (parameter.device != inputs.device or parameter.dtype != inputs.dtype):
        raise InputError(
            f"The inputs are {inputs.dtype} on {inputs.device} but the model is {parameter.dtype} on "
            f"{parameter.device}. Use inputs.to({str(parameter.device)!r}, {parameter.dtype})."
        )
    return inputs.detach()


def check_target(target: Target, batch: int) -> Tensor | None:
    """`target` as (batch,) int64, or None for the predicted classes.

    Raises:
        TargetError: another length than the batch.
        ArgumentTypeError: not integers.
    """
    if target is None:
        return None
    if isinstance(target, Response | Asked) or (callable(target) and not isinstance(target, Tensor)):
        raise ArgumentTypeError(
            "Expected classes as int, list of ints or tensor: this computation reads the probability of one "
            "class, and takes no other response."
        )
    try:
        chosen = torch.as_tensor(target)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArgumentTypeError(f"Expected target as int, list of ints or tensor, got {target!r}.") from error
    if chosen.is_floating_point() or chosen.is_complex() or chosen.dtype == torch.bool:
        raise ArgumentTypeError(f"Expected integer targets, got {chosen.dtype}.")
    chosen = chosen.detach().long().flatten()
    if chosen.numel() == 1:
        chosen = chosen.repeat(batch)
    if chosen.numel() != batch:
        raise TargetError(f"Expected one target or {batch} (one per input), got {chosen.numel()}.")
    return chosen


def resolve_target(logits: Tensor, target: Tensor | None) -> Tensor:
    """The class to explain for every input, (B,) int64 on the device of the (B, classes) logits.

    Raises:
        TargetError: a class that the model does not have.
    """
    if target is None:
        return logits.detach().argmax(1)
    classes = logits.shape[1]
    wrong = target[(target < 0) | (target >= classes)]
    if wrong.numel():
        raise TargetError(
            f"Target {int(wrong[0])} does not exist: this model has classes 0 to {classes - 1}."
        )
    return target.to(logits.device)
