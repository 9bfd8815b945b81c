"""RAP: Relative Attributing Propagation (Nam et al., AAAI 2020), for chains of layers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruneattr_core.attribution.relevance import relevance_network

Layer = nn.Conv2d | nn.Linear


def rap(model: nn.Module, inputs: Tensor, target: Tensor) -> Tensor:
    """Signed relevance whose sum is the target logit: above 0 relevant, below 0 irrelevant.

    From the output down (z_ij = x_i w_ij, z+ and z- its positive and negative parts):

    1. The logit goes to the inputs of the last layer by their absolute share,
       R_i = |z_i| / sum |z| * logit.
    2. Every other linear layer passes R_j on to positive contributions in full and to negative ones in
       proportion to their relative influence,
       R_i = sum_j (z+_ij / Z+_j + |z-_ij| / (Z+_j + Z-_j)) R_j, with Z-_j = sum_i |z-_ij|.
    3. The surplus that this makes is taken off uniformly from all units that received relevance, which
       keeps the sum and turns the least influential units negative.

    ReLU passes relevance on, pooling by share. The bias takes none, as in the authors' released code. That
    code differs in three places: it treats negative relevance in convolutions by another rule than in linear
    layers, shifts positive and negative inputs apart, and ends with the box rule at the picture; here every
    layer follows the rule above.

    Returns:
        Of the shape of the inputs, in logit units.
    """
    network = relevance_network(model, inputs, nn.Identity, nn.Identity)
    steps: list[tuple[nn.Module, Tensor, Tensor]] = []
    handles = [
        module.register_forward_hook(lambda module, given, out: steps.append((module, given[0], out)))
        for module in network.calls
    ]
    with torch.no_grad():
        logits = network(inputs)
    for handle in handles:  # the hooks are on private modules, but refer to `steps`
        handle.remove()
    score = logits.gather(1, target.unsqueeze(1))
    relevance = torch.zeros_like(logits).scatter_(1, target.unsqueeze(1), score)
    first = True
    for module, given, out in reversed(steps):
        relevance = relevance.reshape(out.shape)
        if isinstance(module, Layer):
            rule = _by_absolute_share if first else _by_relative_influence
            relevance, first = rule(module, given, relevance), False
        elif not isinstance(module, nn.ReLU | nn.Identity):
            relevance = _by_share(module, given, relevance)
    return relevance.reshape(inputs.shape)


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


def _by_absolute_share(layer: Layer, given: Tensor, relevance: Tensor) -> Tensor:
    started = (relevance != 0).to(relevance)
    influence = torch.stack([_back(layer, part, started).abs() for part in _parts(layer, given)]).sum(0)
    return _divide(influence, _total(influence)) * _total(relevance)


def _by_relative_influence(layer: Layer, given: Tensor, relevance: Tensor) -> Tensor:
    parts = _parts(layer, given)
    high = _apply(layer, *parts[0]) + _apply(layer, *parts[1])
    low = -_apply(layer, *parts[2]) - _apply(layer, *parts[3])  # >= 0
    # Without a positive contribution all of it goes to the negative ones, so that nothing is lost.
    to_high = _divide(relevance, high)
    to_low = -_divide(relevance, high + low)
    shares = [_back(layer, part, to_high) for part in parts[:2]]
    shares += [_back(layer, part, to_low) for part in parts[2:]]
    received = torch.stack(shares).sum(0)
    reached = (received != 0).to(received)
    return received - reached * _divide(_total(received) - _total(relevance), _total(reached))


def _by_share(module: nn.Module, given: Tensor, relevance: Tensor) -> Tensor:
    with torch.enable_grad():
        leaf = given.detach().requires_grad_()
        out = module(leaf)
        (gradient,) = torch.autograd.grad(out, leaf, _divide(relevance, out.detach()))
    return given * gradient
