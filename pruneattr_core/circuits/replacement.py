"""What the neurons outside a path become: zero, their mean, another picture's values, or themselves.

The papers set them to 0 (PG1, PG2) or keep them as constants (SCP section 3.1). A neuron that is silent on
purpose is part of the reason for an answer, and zero gets it for free; circuits are therefore judged with
mean and resample ablation too (Chan et al. 2022, causal scrubbing; Conmy et al. 2023, arXiv:2304.14997).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from pruneattr_core import tape
from pruneattr_core.checks import check_inputs
from pruneattr_core.errors import InputError
from pruneattr_core.given import check_batches
from pruneattr_core.one_of import is_one_of
from pruneattr_core.pruning import Replacement, replace_gate
from pruneattr_core.runtime import own_modes

Unit = Literal["neuron", "channel"]


def zero(model: nn.Module, inputs: Tensor) -> Replacement:
    """Silence (PG2): 0 everywhere."""
    record = _record(model, check_inputs(model, inputs)[:1])
    return Replacement("zero", tuple(a.new_zeros([1] * a.ndim) for a in record.activations))


def activations_of(model: nn.Module, inputs: Tensor, name: str = "resample") -> Replacement:
    """The activations of other inputs, one per input explained.

    Of another picture that is resample ablation; of the same scene without its object, a counterfactual; of
    the inputs themselves it is mode freeze: nothing changes in the forward pass.

    Args:
        model: network in eval mode.
        inputs: (B, C, H, W), or (1, C, H, W) for one source for all.
        name: how it is called in tables.
    """
    return Replacement(name, _record(model, check_inputs(model, inputs)).activations)


def mean_of(model: nn.Module, batches: Iterable[Tensor], unit: Unit = "neuron") -> Replacement:
    """The mean activation over a reference set, summed in float64 batch by batch.

    Args:
        model: network in eval mode.
        batches: tensors (B, C, H, W).
        unit: "neuron" keeps a mean per neuron, "channel" one per channel over all its `positions`.

    Raises:
        InputError: no inputs, inputs of several sizes, or an unknown unit.

    Example:
        >>> from pruneattr_core.circuits.replacement import mean_of
        >>> mean_of(pruneattr_core.load_model("resnet8-cifar10"), [torch.rand(4, 3, 32, 32)])
        Replacement(name='mean', layers=<7 arrays>)
    """
    if not is_one_of(unit, ("neuron", "channel")):
        raise InputError(f'Expected unit "neuron" or "channel", got {unit!r}.')
    sums: list[Tensor] = []
    count, dtype = 0, torch.float64
    check_batches(batches)
    for batch in batches:
        found = _record(model, check_inputs(model, batch)).activations
        dtype = found[0].dtype
        own = [_summed(a, unit) for a in found]
        if sums and [one.shape for one in own] != [one.shape for one in sums]:
            raise InputError(
                "The batches lead to activations of different shapes, so they have no mean. Give pictures of "
                'one size, or take unit "channel".'
            )
        sums = own if not sums else [a + b for a, b in zip(sums, own, strict=True)]
        count += len(batch)
    if count == 0:
        raise InputError("A mean needs at least one reference input, got an empty set.")
    name = "mean" if unit == "neuron" else "channel mean"
    return Replacement(name, tuple((total / count).to(dtype) for total in sums))


@own_modes()
def replaced_logits(
    model: nn.Module, inputs: Tensor, masks: Sequence[Tensor], replacement: Replacement
) -> Tensor:
    """Logits (B, classes) of the network whose neurons outside the path are replaced.

    Args:
        model: network in eval mode; left untouched.
        inputs: checked batch (B, ...).
        masks: bool (B, *shape) per activation call, True = kept.
        replacement: of one or B inputs.
    """
    with torch.no_grad():
        return tape.run(model, inputs.clone(), replace_gate(masks, replacement)).logits


def positions(activation: Tensor) -> tuple[int, ...]:
    """Dimensions that are no channels: of (B, tokens, features) the tokens, else rows and columns."""
    if activation.ndim == 3:
        return (1,)
    return (1, 2) if channels_last(activation.shape[1:]) else tuple(range(2, activation.ndim))


def channels_last(shape: Sequence[int]) -> bool:
    """Whether a call of `shape` (without batch) is (H, W, C), as in ConvNeXt and Swin: a square, then not."""
    return len(shape) == 3 and shape[0] == shape[1] != shape[2]


@own_modes()
def _record(model: nn.Module, inputs: Tensor) -> tape.Record:
    with torch.no_grad():
        return tape.run(model, inputs.clone())


def _summed(activation: Tensor, unit: Unit) -> Tensor:
    total = activation.double().sum(0, keepdim=True)
    at = positions(total)
    return total.mean(at, keepdim=True) if unit == "channel" and at else total
