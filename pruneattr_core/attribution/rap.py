"""RAP: Relative Attributing Propagation (Nam et al., AAAI 2020)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from pruneattr_core.attribution.relevance import relevance_network

Layer = nn.Conv2d | nn.Linear


def rap(model: nn.Module, inputs: Tensor, target: Tensor) -> Tensor:
    """Signed relevance whose sum is the target logit: above 0 relevant, below 0 irrelevant.

    From the output down (z_ij = x_i w_ij, z+ and z- its positive and negative parts):

    1. The logit goes to the inputs of the last layer by their absolute share,
       R_i = sum_j |z_ij| / sum_i |z_ij| R_j. What an output holds to which nothing contributes (its
       inputs are dead, it is its bias alone: 0/0 above, which the released code drops) is spread as by 3.
    2. Every other linear layer passes R_j on to positive contributions in full and to negative ones in
       proportion to their relative influence,
       R_i = sum_j (z+_ij / Z+_j + |z-_ij| / (Z+_j + Z-_j)) R_j, with Z-_j = sum_i |z-_ij|.
    3. The surplus that this makes is taken off uniformly from all units that received relevance, which
       keeps the sum and turns the least influential units negative.

    ReLU and ReLU6 pass relevance on; pooling and additions split it by share of the result (z_i / sum z; for
    additions that is the released code's rule for residual networks); concatenation hands every part its
    own; a tensor that goes several ways gets the sum. The bias takes none, as in the authors' released code.
    That code differs in four places: it treats negative relevance in convolutions by another rule than in
    linear layers, shifts positive and negative inputs apart, ends with the box rule at the picture, and knows
    a linear last layer only, of one output; here every layer follows the rule above. Where no unit at all
    receives relevance (the logit is its bias), the map is 0.

    Returns:
        Of the shape of the inputs, in logit units.
    """
    network = relevance_network(model, inputs, _Sum, nn.Identity)
    last = [module for module in network.calls if isinstance(module, Layer)][-1:]
    network.replace(lambda module: _Propagating(module, first=module in last))
    with torch.enable_grad():
        leaf = inputs.detach().clone().requires_grad_()
        logits = network(leaf)
        start = torch.zeros_like(logits)
        start.scatter_(1, target.unsqueeze(1), logits.detach().gather(1, target.unsqueeze(1)))
        (relevance,) = torch.autograd.grad(logits, leaf, start)
    return relevance


class _Sum(nn.Module):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b


class _Propagating(nn.Module):
    """A module whose backward pass takes relevance of its output to relevance of its inputs.

    Whatever the network does between such modules only moves values, and its derivative moves relevance.
    """

    def __init__(self, module: nn.Module, first: bool) -> None:
        super().__init__()
        self.module, self.first = module, first

    def forward(self, *given: Tensor) -> Tensor:
        if isinstance(self.module, nn.ReLU | nn.Identity):
            passed: Tensor = _Pass.apply(self.module, *given)
            return passed
        out: Tensor = _Relevance.apply(self, *given)
        return out

    def rule(self, given: tuple[Tensor, ...], relevance: Tensor) -> tuple[Tensor, ...]:
        """Relevance of the output -> relevance of each input."""
        if not isinstance(self.module, Layer):
            return _by_share(self.module, given, relevance)
        rule = _by_absolute_share if self.first else _by_relative_influence
        return (rule(self.module, given[0], relevance),)


class _Pass(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, module: nn.Module, x: Tensor) -> Tensor:
        result: Tensor = module(x)
        return result.view_as(result)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, relevance: Tensor) -> tuple[None, Tensor]:
        return None, relevance


class _Relevance(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, owner: _Propagating, *given: Tensor) -> Tensor:
        ctx.owner = owner
        ctx.save_for_backward(*given)
        result: Tensor = owner.module(*given)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, relevance: Tensor) -> tuple[Tensor | None, ...]:
        return None, *ctx.owner.rule(ctx.saved_tensors, relevance)


def _parts(layer: Layer, given: Tensor) -> list[tuple[Tensor, Tensor]]:
    """(input part, weight part) pairs: first the two whose products are positive, then the negative ones."""
    high, low = given.clamp(min=0), given.clamp(max=0)
    positive, negative = layer.weight.clamp(min=0), layer.weight.clamp(max=0)
    return [(high, positive), (low, negative), (high, negative), (low, positive)]


def _apply(layer: Layer, given: Tensor, weight: Tensor) -> Tensor:
    if isinstance(layer, nn.Linear):
        return F.linear(given, weight)
    return F.conv2d(given, weight, None, layer.stride, layer.padding, layer.dilation, layer.groups)


def _back(layer: Layer, part: tuple[Tensor, Tensor], above: Tensor) -> Tensor:
    """x_i * sum_j w_ij above_j."""
    given, weight = part
    with torch.enable_grad():
        leaf = given.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(_apply(layer, leaf, weight), leaf, above)
    return given * gradient


def _divide(a: Tensor, b: Tensor) -> Tensor:
    return torch.where(b == 0, 0.0, a / torch.where(b == 0, 1.0, b))


def _total(values: Tensor) -> Tensor:
    return values.flatten(1).sum(1).view(-1, *[1] * (values.ndim - 1))


def _influences(layer: Layer, parts: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Z+ and Z- of every output, both >= 0."""
    high = _apply(layer, *parts[0]) + _apply(layer, *parts[1])
    low = -_apply(layer, *parts[2]) - _apply(layer, *parts[3])
    return high, low


def _by_absolute_share(layer: Layer, given: Tensor, relevance: Tensor) -> Tensor:
    parts = _parts(layer, given)
    high, low = _influences(layer, parts)
    each = _divide(relevance, high + low)
    shares = [_back(layer, part, each) for part in parts[:2]]
    shares += [_back(layer, part, -each) for part in parts[2:]]
    received = torch.stack(shares).sum(0)
    lost = torch.where(high + low == 0, relevance, 0.0)
    return _shifted(received, -_total(lost))


def _by_relative_influence(layer: Layer, given: Tensor, relevance: Tensor) -> Tensor:
    parts = _parts(layer, given)
    high, low = _influences(layer, parts)
    # Without a positive contribution all of it goes to the negative ones, so that nothing is lost.
    to_high = _divide(relevance, high)
    to_low = -_divide(relevance, high + low)
    shares = [_back(layer, part, to_high) for part in parts[:2]]
    shares += [_back(layer, part, to_low) for part in parts[2:]]
    received = torch.stack(shares).sum(0)
    return _shifted(received, _total(received) - _total(relevance))


def _shifted(received: Tensor, surplus: Tensor) -> Tensor:
    """What units received, less a surplus (B, 1, ...) taken off uniformly from those that received any."""
    reached = (received != 0).to(received)
    return received - reached * _divide(surplus, _total(reached))


def _by_share(module: nn.Module, given: tuple[Tensor, ...], relevance: Tensor) -> tuple[Tensor, ...]:
    with torch.enable_grad():
        leaves = tuple(x.detach().requires_grad_() for x in given)
        out = module(*leaves)
        gradients = torch.autograd.grad(out, leaves, _divide(relevance, out.detach()))
    return tuple(x * gradient for x, gradient in zip(given, gradients, strict=True))
