"""BatchNorm in eval mode on the CPU with a way back that costs a third, to the last bit PyTorch's own.

The derivative by the input is a constant per channel, 1 / sqrt(var + eps) * weight. PyTorch nevertheless
reads the input once more on the way back, for sums that only training needs, and keeps it until then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.overrides import TorchFunctionMode

#: Values of an input from which the way back is worth a function of ours.
LARGE = 1 << 17


class _Call(NamedTuple):
    """The arguments of `F.batch_norm`."""

    input: Tensor
    running_mean: Tensor | None
    running_var: Tensor | None
    weight: Tensor | None = None
    bias: Tensor | None = None
    training: bool = False
    momentum: float = 0.1
    eps: float = 1e-5


class _Normed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, call: _Call) -> Tensor:
        variance, columns = call.running_var, (-1, *[1] * (x.ndim - 2))
        assert variance is not None  # see `batch_norm`
        root = (variance.double() + call.eps).rsqrt().to(x.dtype)  # as PyTorch rounds
        weight = torch.ones_like(root) if call.weight is None else call.weight
        ctx.save_for_backward(root.view(columns), weight.view(columns))
        return F.batch_norm(x, *call[1:])

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        root, weight = ctx.saved_tensors
        return (gradients[0] * root).mul_(weight), None


def batch_norm(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor:
    """What `F.batch_norm` gives for these arguments, value and derivative by the input alike.

    Training, statistics of the batch, parameters that want a gradient, other devices, mixed precisions and
    transforms of functions (`torch.func`, forward derivatives) are left to PyTorch, and what is smaller than
    `LARGE`.
    """
    call = _Call(*args, **kwargs)
    x, given = call.input, [one for one in call[1:5] if one is not None]
    served = (
        not call.training
        and call.running_mean is not None
        and call.running_var is not None
        and torch.is_grad_enabled()
        and x.requires_grad
        and x.numel() >= LARGE
        and x.dtype in (torch.float32, torch.float64)
        and all(one.device.type == "cpu" and one.dtype == x.dtype for one in (x, *given))
        and not any(one.requires_grad for one in given)
        and not torch._C._are_functorch_transforms_active()
        and forward_ad._current_level < 0
    )
    normed: Tensor = _Normed.apply(x, call) if served else F.batch_norm(*args, **kwargs)
    return normed


class CheapWayBack(TorchFunctionMode):
    """Under it BatchNorm is that of `batch_norm`: a pass and its gradient take up to a fifth less.

    Not where saved tensors are hooked: gradient checkpointing computes again without this, and counts.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if func is F.batch_norm and torch._C._autograd._top_saved_tensors_default_hooks(False) is None:
            return batch_norm(args, given)
        return func(*args, **given)


def cheap_way_back(network: nn.Module) -> AbstractContextManager[Any]:
    """`CheapWayBack` where a network has a BatchNorm."""
    normed = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())
    return CheapWayBack() if normed else nullcontext()
