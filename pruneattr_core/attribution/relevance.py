"""A network as a list of private linear, pooling and ReLU modules, on which relevance can be propagated.

Weights are copies: some rules write to them. BatchNorm is merged into the convolution before it, as LRP
prescribes; a mean over positions becomes average pooling and every addition a module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruneattr_core.attribution.calls import (
    ADDITIONS,
    MEANS,
    Choice,
    Maker,
    Substituted,
    is_constant_addition,
    rectifiers,
)
from pruneattr_core.attribution.captum_methods import logits_of
from pruneattr_core.errors import ModelError


def relevance_network(
    model: nn.Module, inputs: Tensor, addition: Callable[[], nn.Module], passing: Callable[[], nn.Module]
) -> Substituted:
    """The private network for `inputs`.

    Args:
        model: network in eval mode.
        inputs: (B, C, H, W).
        addition: makes the module that adds two tensors.
        passing: makes the module that stands for a merged BatchNorm, an identity.

    Raises:
        ModelError: a BatchNorm with no convolution before it, or logits that are not the model's.
    """
    network = Substituted(model, inputs, _choice(addition, passing))
    with torch.no_grad():
        ours, theirs = network(inputs[:1]), logits_of(model)(inputs[:1])
    tolerance = 1e-8 if inputs.dtype == torch.float64 else 1e-3
    if not torch.allclose(ours, theirs, rtol=tolerance, atol=tolerance * float(theirs.abs().max())):
        raise ModelError(
            "This network cannot be rewritten as a list of layers without changing its answer, for example "
            "because a convolution's output is used besides its BatchNorm. Choose another method."
        )
    return network


def _choice(addition: Callable[[], nn.Module], passing: Callable[[], nn.Module]) -> Choice:
    previous: list[nn.Module] = []

    def keep(module: nn.Module) -> nn.Module:
        previous.append(module)
        return module

    def batch_norm(
        x: Tensor,
        mean: Tensor,
        var: Tensor,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> nn.Module:
        before = previous[-1] if previous else None
        if not isinstance(before, nn.Conv2d) or before.out_channels != len(mean):
            raise ModelError(
                "Relevance is propagated through BatchNorm by merging it into the convolution before it; "
                "this "
                "network has one elsewhere."
            )
        scale = (var + eps).rsqrt() * (1 if weight is None else weight)
        shift = (0 if before.bias is None else before.bias) - mean
        merged = shift * scale + (0 if bias is None else bias)
        before.weight = _own(before.weight * scale.view(-1, 1, 1, 1))
        before.bias = _own(merged)
        return keep(passing())

    def add(*args: Any, **kwargs: Any) -> nn.Module | None:
        return None if is_constant_addition(args) else keep(addition())

    table = {
        **{func: _kept(keep, make) for func, make in rectifiers().items()},
        **dict.fromkeys(ADDITIONS, add),
        **{func: lambda *a, **k: keep(_mean(*a, **k)) for func in MEANS},
        F.max_pool2d: lambda *a, **k: keep(max_pool2d(*a, **k)),
        torch.max_pool2d: lambda *a, **k: keep(max_pool2d(*a, **k)),
        F.avg_pool2d: lambda x, *a, **k: keep(nn.AvgPool2d(*a, **k)),
        F.adaptive_avg_pool2d: lambda *a, **k: keep(_adaptive(*a, **k)),
        F.conv2d: lambda *a, **k: keep(_conv2d(*a, **k)),
        F.linear: lambda *a, **k: keep(_linear(*a, **k)),
        F.batch_norm: batch_norm,
    }
    return lambda index, func: table.get(func)


def _kept(keep: Callable[[nn.Module], nn.Module], make: Maker) -> Maker:
    def kept(*args: Any, **kwargs: Any) -> nn.Module | None:
        module = make(*args, **kwargs)
        return None if module is None else keep(module)

    return kept


def max_pool2d(
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> nn.Module:
    """The module that does what one call of `F.max_pool2d` does."""
    return nn.MaxPool2d(kernel_size, stride, padding, dilation, return_indices, ceil_mode)


def _own(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values.detach().clone(), requires_grad=False)


def _adaptive(x: Tensor, output_size: Any) -> nn.Module:
    return nn.AdaptiveAvgPool2d(output_size)


def _conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> nn.Module:
    module = nn.Conv2d(
        weight.shape[1] * groups,
        weight.shape[0],
        (weight.shape[2], weight.shape[3]),
        stride,
        padding,
        dilation,
        groups,
        bias is not None,
        device="meta",
    )
    module.weight = _own(weight)
    if bias is not None:
        module.bias = _own(bias)
    return module


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> nn.Module:
    module = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, device="meta")
    module.weight = _own(weight)
    if bias is not None:
        module.bias = _own(bias)
    return module


class GlobalMean(nn.AdaptiveAvgPool2d):
    """Mean over the positions of (B, C, H, W): average pooling, so that rules for pooling apply."""

    def __init__(self, keepdim: bool) -> None:
        super().__init__(1)
        self.keepdim = keepdim

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C), or (B, C, 1, 1) with keepdim."""
        pooled = super().forward(x)
        return pooled if self.keepdim else pooled.flatten(1)


def _mean(x: Tensor, dim: Any = None, keepdim: bool = False, **other: Any) -> nn.Module:
    axes = sorted(
        axis % x.ndim for axis in (dim if isinstance(dim, tuple | list) else [dim] if dim is not None else [])
    )
    if x.ndim != 4 or axes != [2, 3]:
        raise ModelError("Relevance is propagated through means over rows and columns only.")
    return GlobalMean(keepdim)
