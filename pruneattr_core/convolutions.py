"""Copies of convolution weights that a pass on the CPU computes with instead, the model untouched.

Passes on the CPU run channels-last. Weights in another layout are copied at every call of a convolution; a
BatchNorm after it reads every activation once more, forward and backward. Both are spared by one copy of the
weights, in that layout and with the BatchNorm multiplied in. Copies live no longer than the weights they were
made of, are made anew when these change, and take a bounded share of memory. Only float32 on the CPU is
served: results differ from the plain network's by rounding.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Bytes of all copies together; ResNet-50 takes 94 MB.
BUDGET = 128 << 20


class Norm(NamedTuple):
    """What a BatchNorm in eval mode computes with: (x - mean) / sqrt(var + eps) * weight + bias."""

    mean: Tensor
    var: Tensor
    weight: Tensor | None
    bias: Tensor | None
    eps: float

    def same(self, other: Norm) -> bool:
        """Whether these are the very tensors of another."""
        return all(a is b for a, b in zip(self[:4], other[:4], strict=True)) and self.eps == other.eps


def norm_of(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Norm | None:
    """What a call of `F.batch_norm` computes with; None where it normalises by the batch."""
    names = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
    given = {"weight": None, "bias": None, "training": False, "eps": 1e-5}
    given |= dict(zip(names, args, strict=False)) | dict(kwargs)
    mean, var = given.get("running_mean"), given.get("running_var")
    if given["training"] or not isinstance(mean, Tensor) or not isinstance(var, Tensor):
        return None
    return Norm(mean, var, given["weight"], given["bias"], float(given["eps"]))


class Misfit(Exception):
    """A convolution was computed together with a BatchNorm that did not follow."""


class Fold:
    """A convolution and the BatchNorm that alone reads its output; holds neither."""

    def __init__(self, weight: Tensor, norm: Norm) -> None:
        self._weight, self._eps = weakref.ref(weight), norm.eps
        self._norm = tuple(None if one is None else weakref.ref(one) for one in norm[:4])

    def norm(self, weight: Tensor) -> Norm | None:
        """The BatchNorm after the convolution with `weight`; None where it is another one or gone."""
        found = [None if one is None else one() for one in self._norm]
        gone = any(one is not None and it is None for one, it in zip(self._norm, found, strict=True))
        if gone or self._weight() is not weight:
            return None
        mean, var, scale, shift = found
        return None if mean is None or var is None else Norm(mean, var, scale, shift, self._eps)


@dataclass(frozen=True)
class _Copy:
    """What was made of which tensors, and what tells that they changed (see `_state`)."""

    sources: tuple[weakref.ref[Tensor], ...]
    state: tuple[Any, ...]
    small: Tensor | None
    weight: Tensor
    bias: Tensor | None


_Key = tuple[int, ...]
_copies: dict[_Key, _Copy] = {}
_probe = torch.empty(0)


def served(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether a call is a convolution that a copy may compute: parameters, channels-last, float32, CPU."""
    if func is not F.conv2d or len(args) < 2 or {"input", "weight", "bias"} & set(kwargs):
        return False
    x, weight = args[0], args[1]
    bias = args[2] if len(args) > 2 else None
    return (
        isinstance(weight, nn.Parameter)
        and (bias is None or isinstance(bias, nn.Parameter))
        and x.dtype == weight.dtype == torch.float32
        and x.device.type == weight.device.type == "cpu"
        and x.ndim == 4
        and x.is_contiguous(memory_format=torch.channels_last)
        and _dense(weight)
    )


def with_copy(args: Sequence[Any], norm: Norm | None) -> tuple[Any, ...]:
    """Arguments of a served convolution, with copies of weight and bias for the given ones.

    Gradients reach its input, but neither parameter.
    """
    bias = args[2] if len(args) > 2 else None
    if norm is None and args[1].is_contiguous(memory_format=torch.channels_last):
        return tuple(args)
    copy = _copy_of(args[1], bias, norm)
    return (args[0], copy.weight, copy.bias, *args[3:])


def _copy_of(weight: Tensor, bias: Tensor | None, norm: Norm | None) -> _Copy:
    tensors = [weight, *([] if bias is None else [bias])]
    tensors += [] if norm is None else [one for one in norm[:4] if one is not None]
    key = tuple(map(id, tensors))
    state, small = _state(tensors, norm)
    found = _copies.get(key)
    if (
        found is not None
        and found.state == state
        and all(ref() is one for ref, one in zip(found.sources, tensors, strict=True))
        and (small is None if found.small is None else small is not None and torch.equal(found.small, small))
    ):
        return found
    with torch.no_grad():
        made = _made(weight, bias, norm)

    def gone(_: object) -> None:
        _copies.pop(key, None)

    copy = _Copy(tuple(weakref.ref(one, gone) for one in tensors), state, small, *made)
    _copies.pop(key, None)
    _copies[key] = copy
    held = sum(one.weight.nbytes for one in list(_copies.values()))
    for old in list(_copies):
        if held <= BUDGET:
            break
        dropped = _copies.pop(old, None)
        held -= 0 if dropped is None else dropped.weight.nbytes
    return copy


def _state(tensors: Sequence[Tensor], norm: Norm | None) -> tuple[tuple[Any, ...], Tensor | None]:
    """What tells that parameters changed, and the values of all but the weight.

    A version does not count what is written through `.data`, so the weight is multiplied with random numbers
    too: that takes 1 % of a pass.
    """
    global _probe
    weight = tensors[0].detach()
    flat = weight.as_strided((weight.numel(),), (1,))
    probe = _probe
    if len(probe) < len(flat):
        _probe = probe = torch.randn(len(flat), generator=torch.Generator().manual_seed(0))
    print_of = float(torch.dot(flat, probe[: len(flat)]))
    rest = [one.detach().flatten() for one in tensors[1:]]
    eps = 0.0 if norm is None else norm.eps
    state = (weight._version, weight.data_ptr(), weight.stride(), print_of, eps)
    return state, torch.cat(rest) if rest else None


def _made(weight: Tensor, bias: Tensor | None, norm: Norm | None) -> tuple[Tensor, Tensor | None]:
    copy = torch.empty_like(weight, memory_format=torch.channels_last, requires_grad=False)
    if norm is None:
        return copy.copy_(weight), bias.detach() if bias is not None else None
    scale = (norm.var.double() + norm.eps).rsqrt()
    scale = scale if norm.weight is None else scale * norm.weight
    shift = (-norm.mean if bias is None else bias - norm.mean).double() * scale
    shift = shift if norm.bias is None else shift + norm.bias
    torch.mul(weight, scale.float().view(-1, 1, 1, 1), out=copy)
    return copy, shift.float()


def _dense(weight: Tensor) -> bool:
    return weight.is_contiguous() or weight.is_contiguous(memory_format=torch.channels_last)
