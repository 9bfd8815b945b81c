"""A network as a list of private linear, pooling and ReLU modules, on which relevance can be propagated.

Weights are copies: some rules write to them. BatchNorm is merged into the layer before it, as LRP prescribes;
where it follows no layer, as in DenseNet, or that layer's result is used besides, it is a linear layer of its
own (a convolution of size 1 with a group for every channel). A mean over positions becomes average pooling,
every addition a module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruneattr_core.attribution.calls import Choice, Maker, Substituted, rectifiers
from pruneattr_core.attribution.captum_methods import logits_of
from pruneattr_core.attribution.listen import ADDITIONS, MEANS, is_constant_addition
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
        ModelError: logits that are not the model's.
    """
    with torch.no_grad():
        theirs = logits_of(model)(inputs[:1]).detach()  # the network may switch gradients on itself
    tolerance = 1e-8 if inputs.dtype == torch.float64 else 1e-3
    for merge in (True, False):
        network = Substituted(model, inputs, _choice(addition, passing, merge))
        with torch.no_grad():
            ours = network(inputs[:1]).detach()
        if torch.allclose(ours, theirs, rtol=tolerance, atol=tolerance * float(theirs.abs().max())):
            return network
    raise ModelError(
        "This network cannot be rewritten as a list of layers without changing its answer. Choose another "
        "method."
    )


def _choice(addition: Callable[[], nn.Module], passing: Callable[[], nn.Module], merge: bool) -> Choice:
    previous: list[nn.Module] = []

    def keep(module: nn.Module) -> nn.Module:
        previous.append(module)
        return module

    def batch_norm(
        x: Tensor,
        running_mean: Tensor,
        running_var: Tensor,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> nn.Module:
        scale = (running_var + eps).rsqrt() * (1 if weight is None else weight)
        shift = (0 if bias is None else bias) - running_mean * scale
        before = previous[-1] if previous else None
        if merge and isinstance(before, nn.Conv2d | nn.Linear) and len(before.weight) == len(running_mean):
            shift = shift + (0 if before.bias is None else before.bias * scale)
            before.weight = _own(before.weight * scale.view(-1, *[1] * (before.weight.ndim - 1)))
            before.bias = _own(shift)
            return keep(passing())
        if x.ndim != 4:
            raise ModelError(
                "Relevance is propagated through BatchNorm of vectors only right after their layer."
            )
        return keep(_conv2d(x, scale.view(-1, 1, 1, 1), shift, groups=len(running_mean)))

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
