"""DeepLift by the rescale rule (Shrikumar et al. 2017, section 3.5.1).

For networks of linear layers, functions of one value and max pooling. Captum's numbers wherever Captum keeps
the method's own promise, that the map sums to the difference of the logits. In three places ours differ,
because there that promise breaks: where windows of max pooling overlap, Captum un-pools with `max_unpool2d`,
which overwrites what another window sent to the same place; where the tensor before a ReLU or a pooling also
goes another way (`h + conv(relu(h))`, the pooling branch of an Inception block), its rule overwrites the
gradient of that other way too; and activations that it has no rule for (GELU, SiLU, ReLU6) keep their
derivative without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from pruneattr_core.activations import ACTIVATIONS, FUNCTIONS
from pruneattr_core.attribution.calls import Maker, Substituted, rectifiers
from pruneattr_core.attribution.listen import ceiling_of

#: Below this a difference counts as none, and the derivative stands for the quotient, as in Captum.
NO_DIFFERENCE = 1e-10

#: Functions of one value besides the tape's activations.
_SMOOTH = {
    torch.sigmoid,
    torch.sigmoid_,
    Tensor.sigmoid,
    Tensor.sigmoid_,
    F.sigmoid,
    torch.tanh,
    torch.tanh_,
    Tensor.tanh,
    Tensor.tanh_,
    F.tanh,
    F.softplus,
    F.hardsigmoid,
}
_RECTIFIERS = rectifiers()
#: Functions that are a rectifier with some arguments only.
_SPELLED = {*FUNCTIONS} - {*ACTIVATIONS}
_MAXIMA = {F.max_pool2d, torch.max_pool2d, F.adaptive_max_pool2d}
#: Plain names of the functions that have a rule here.
RESCALED = {func.__name__.rstrip("_") for func in (*ACTIVATIONS, *_SMOOTH)} | {
    "max_pool2d",
    "adaptive_max_pool2d",
}


def deeplift(model: nn.Module, inputs: Tensor, target: Tensor, baseline: float) -> Tensor:
    """Difference of the logit from that of the baseline, shared out by the rescale rule.

    Every function of one value passes back (y - y') / (x - x') instead of its derivative, where x' and y' are
    what the baseline makes there. One forward pass of the baseline, a forward and a backward pass of the
    inputs.

    Args:
        model: network in eval mode.
        inputs: checked batch (B, C, H, W).
        target: (B,) int64.
        baseline: value of every reference input.

    Returns:
        Of the shape of the inputs, in logit units; sums to logit(x) - logit(baseline).
    """
    # The private modules remember what they meet first, and that is the baseline.
    network = Substituted(model, torch.full_like(inputs[:1], baseline), _choose)
    with torch.enable_grad():
        leaf = inputs.detach().clone().requires_grad_()
        logits = network(leaf)
        (multiplier,) = torch.autograd.grad(logits.gather(1, target.unsqueeze(1)).sum(), leaf)
    return multiplier * (inputs - baseline)


def _choose(index: int, func: Any) -> Maker | None:
    if func in _MAXIMA:
        return lambda *args, **kwargs: _Largest(_remaining(func, args, {**kwargs, "return_indices": True}))
    if func in FUNCTIONS or func in _SMOOTH:
        return lambda *args, **kwargs: _one_value(func, args, kwargs)
    return None


def _one_value(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> nn.Module | None:
    if func in _SPELLED and ceiling_of(func, args, kwargs) is None:
        return None
    rectifier = _RECTIFIERS[func](*args, **kwargs) if func in _RECTIFIERS else None
    return _Elementwise(rectifier or _remaining(func, args, kwargs))


def _remaining(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[Tensor], Any]:
    """The call as a function of its first argument, which it leaves alone though `func` may work in place."""
    return lambda x: func(x.clone(), *args[1:], **kwargs)


class _Remembering(nn.Module):
    """One call: plainly for the baseline, which comes first and is remembered, by a rule from then on."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function
        self.reference: tuple[Any, ...] = ()


class _Elementwise(_Remembering):
    def forward(self, x: Tensor) -> Tensor:
        """Of the shape of x."""
        if not self.reference:
            y: Tensor = self.function(x)
            self.reference = (x, y)
            return y
        ruled: Tensor = _Rescale.apply(x, self.function, *self.reference)
        return ruled


class _Rescale(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, function: Any, x_ref: Tensor, y_ref: Tensor) -> Tensor:
        y: Tensor = function(x)
        ctx.save_for_backward(x, y)
        ctx.function, ctx.reference = function, (x_ref, y_ref)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor | None, ...]:
        x, y = ctx.saved_tensors
        x_ref, y_ref = ctx.reference
        difference = x - x_ref
        same = difference.abs() < NO_DIFFERENCE
        below = above * (y - y_ref) / torch.where(same, 1.0, difference)
        if bool(same.any()):
            with torch.enable_grad():
                leaf = x.detach().requires_grad_()
                (plain,) = torch.autograd.grad(ctx.function(leaf), leaf, above)
            below = torch.where(same, plain, below)
        return below, None, None, None


class _Largest(_Remembering):
    """Max pooling; the function returns (values, indices)."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, h, w)."""
        if not self.reference:
            y, place = self.function(x)
            self.reference = (x, y, place)
            return y
        ruled: Tensor = _PoolByShare.apply(x, self.function, *self.reference)
        return ruled


class _PoolByShare(torch.autograd.Function):
    """Max pooling hands on y - y' = (m - y') + (y - m), where m = max(y, y').

    The first part goes to the place of x's maximum, the second to that of the baseline's; each of the two is
    0 where x - x' is 0 at that place.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, function: Any, x_ref: Tensor, y_ref: Tensor, place_ref: Tensor
    ) -> Tensor:
        y: Tensor
        y, place = function(x)
        ctx.save_for_backward(x, y, place)
        ctx.reference = (x_ref, y_ref, place_ref)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor | None, ...]:
        x, y, place = ctx.saved_tensors
        x_ref, y_ref, place_ref = ctx.reference
        larger = torch.maximum(y, y_ref)
        gained = torch.zeros_like(x).flatten(2)
        # Adds, since windows that overlap can share a maximum.
        gained.scatter_add_(2, place.flatten(2), (above * (larger - y_ref)).flatten(2))
        gained.scatter_add_(2, place_ref.expand_as(place).flatten(2), (above * (y - larger)).flatten(2))
        plain = torch.zeros_like(gained).scatter_add_(2, place.flatten(2), above.flatten(2))
        difference = x - x_ref
        same = difference.abs() < NO_DIFFERENCE
        below = gained.view(x.shape) / torch.where(same, 1.0, difference)
        return torch.where(same, plain.view(x.shape), below), None, None, None, None
