"""NeuronIntGrad: the integrated gradient of every neuron, one layer at a time.

For layer i with activations a and response f (the target logit),

    c_j = a_j * integral over alpha in [0, 1] of df(alpha * a; x) / da_j        (SCP eq. 4)

where all activations of the layer are scaled together and every other layer computes as always, so that
completeness holds per layer: sum_j c_j = f(x) - f(layer := 0).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from pruneattr_core.checks import Target, check_inputs, check_target, resolve_target
from pruneattr_core.errors import InputError
from pruneattr_core.runtime import within_budget
from pruneattr_core.scoring.branching import Brancher
from pruneattr_core.values import Contributions

Rule = Literal["gauss", "uniform"]
Progress = Callable[[int, int], None]

#: Gauss-Legendre nodes that are as complete as the papers' 50 uniform steps in the median layer, on
#: SqueezeNet and on ResNet-8. SqueezeNet alone would do with 4 or 5; the few wide layers of ResNet-8 need
#: more (perf/intgrad.py).
NODES = 8
#: Steps of the papers' uniform rule.
UNIFORM_STEPS = 50


@dataclass(frozen=True)
class SignedContributions:
    """Contributions before their absolute value is taken.

    Attributes:
        names: one name per activation call scored.
        layers: (B, *shape) per call, signed, in units of the target logit.
        dead: bool (B, *shape) per call: activation == 0.
        target: (B,) int64.
        logits: (B, classes) of the original network.
    """

    names: tuple[str, ...]
    layers: tuple[Tensor, ...]
    dead: tuple[Tensor, ...]
    target: Tensor
    logits: Tensor


@dataclass(frozen=True)
class Completeness:
    """How far the contributions of each layer add up to what the layer does; every field (calls, B) float64.

    Attributes:
        names: per call.
        total: sum of the signed contributions of the layer.
        change: f(x) - f(layer := 0).
        relative: |total - change| / |change|; 0 where both are 0.
    """

    names: tuple[str, ...]
    total: Tensor
    change: Tensor
    relative: Tensor


def nodes(steps: int, rule: Rule = "gauss") -> tuple[np.ndarray, np.ndarray]:
    """Nodes in [0, 1] and weights (sum 1) of the integral.

    Args:
        steps: number of Gauss-Legendre nodes, or n of the uniform rule alpha_j = j / n, j = 0..n, whose n + 1
            gradients are averaged (the papers' rule; the released code lets alpha add up to j (j + 1) / 2n).
        rule: "gauss" or "uniform".

    Raises:
        InputError: fewer than 1 step or unknown rule.
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise InputError(f"Expected steps >= 1, the number of nodes of the integral; got {steps!r}.")
    if rule == "uniform":
        return np.arange(steps + 1) / steps, np.full(steps + 1, 1 / (steps + 1))
    if rule != "gauss":
        raise InputError(f'Expected rule "gauss" or "uniform", got {rule!r}.')
    at, weights = np.polynomial.legendre.leggauss(steps)
    return (at + 1) / 2, weights / 2


def intgrad_signed(
    model: nn.Module,
    inputs: Tensor,
    target: Target = None,
    steps: int = NODES,
    rule: Rule = "gauss",
    layers: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> SignedContributions:
    """Signed NeuronIntGrad contributions.

    Per image and layer, what precedes the layer runs once and what follows it as a batch of nodes, in
    memory-bounded parts; the backward pass ends at the layer.

    Args:
        model: classifier in eval mode; left untouched.
        inputs: normalised batch (B, C, H, W); equals its single images.
        target: None for the predicted class; int, list or tensor as in Captum.
        steps: see `nodes`.
        rule: see `nodes`.
        layers: indices of the activation calls to score; None for all.
        progress: called with (layers done, layers * B); may raise to stop.

    Raises:
        InputError: steps, rule, layers or inputs that cannot be used.
        TargetError: a target out of range.
        ModelError: a network without activations, or in training mode.
    """
    inputs = check_inputs(model, inputs)
    chosen = check_target(target, len(inputs))
    alphas, weights = nodes(steps, rule)
    found = []
    for image in range(len(inputs)):
        brancher = Brancher(model, inputs[image : image + 1])
        own = resolve_target(brancher.logits, None if chosen is None else chosen[image : image + 1])
        calls = chosen_calls(layers, brancher.names)
        scores = []
        for done, call in enumerate(calls, 1):
            scores.append(_integrate(brancher, call, int(own), alphas, weights))
            if progress is not None:
                progress(image * len(calls) + done, len(inputs) * len(calls))
        found.append((brancher, calls, own, scores))
    first, calls = found[0][:2]
    return SignedContributions(
        tuple(first.names[call] for call in calls),
        tuple(torch.cat([one[3][k] for one in found]) for k in range(len(calls))),
        tuple(torch.cat([one[0].activations[call] == 0 for one in found]) for call in calls),
        torch.cat([one[2] for one in found]),
        torch.cat([one[0].logits for one in found]),
    )


def chosen_calls(layers: Sequence[int] | None, names: Sequence[str]) -> list[int]:
    """Indices of activation calls, checked; None for all.

    Raises:
        InputError: an index out of range, or none at all.
    """
    calls = list(range(len(names))) if layers is None else [int(call) for call in layers]
    if not calls or min(calls) < 0 or max(calls) >= len(names):
        raise InputError(f"Expected layers as indices from 0 to {len(names) - 1}, got {layers!r}.")
    return calls


def _integrate(brancher: Brancher, call: int, target: int, alphas: np.ndarray, weights: np.ndarray) -> Tensor:
    """(1, *shape) signed contributions of one layer of one image."""
    activation = brancher.activations[call]
    total = torch.zeros_like(activation)
    column = (-1, *[1] * (activation.ndim - 1))
    for part in within_budget(len(alphas), brancher.bytes_each(call), activation.device):
        scale = torch.from_numpy(alphas[part]).to(activation).view(column)
        weight = torch.from_numpy(weights[part]).to(activation).view(column)
        scaled, logits = brancher.run(call, partial(torch.mul, scale), len(scale), grad=True)
        if not logits.requires_grad:
            continue  # nothing after this layer depends on it
        (gradient,) = torch.autograd.grad(logits[:, target].sum(), scaled, allow_unused=True)
        if gradient is not None:
            total += (gradient * weight).sum(0, keepdim=True)
    return total.mul_(activation)


def intgrad(model: nn.Module, inputs: Tensor, target: Tensor | None, steps: int = 50) -> Contributions:
    """|NeuronIntGrad| of a checked batch by Gauss-Legendre, as accurate as `steps` uniform steps.

    ceil(sqrt(steps)) nodes serve: 8 for the papers' 50, about as complete (measured by perf/intgrad.py).
    """
    return absolute(intgrad_signed(model, inputs, target, math.isqrt(max(steps - 1, 0)) + 1), "intgrad")


def intgrad_uniform(
    model: nn.Module, inputs: Tensor, target: Tensor | None, steps: int = UNIFORM_STEPS
) -> Contributions:
    """|NeuronIntGrad| of a checked batch by the papers' rule: mean gradient at alpha = 0, 1/steps, ..., 1."""
    return absolute(intgrad_signed(model, inputs, target, steps, "uniform"), "intgrad_uniform")


def absolute(signed: SignedContributions, method: str) -> Contributions:
    """What ranks neurons: the absolute values, as the reference does."""
    return Contributions(
        signed.names,
        tuple(layer.abs() for layer in signed.layers),
        signed.dead,
        signed.target,
        signed.logits,
        method,
    )


def completeness(
    model: nn.Module,
    inputs: Tensor,
    target: Target = None,
    steps: int = NODES,
    rule: Rule = "gauss",
    signed: SignedContributions | None = None,
) -> Completeness:
    """Check sum_j c_j = f(x) - f(layer := 0) for every layer.

    Args:
        model: as in `intgrad_signed`.
        inputs: as in `intgrad_signed`.
        target: as in `intgrad_signed`.
        steps: as in `intgrad_signed`.
        rule: as in `intgrad_signed`.
        signed: contributions of all layers computed before, if there are any.
    """
    if signed is None:
        signed = intgrad_signed(model, inputs, target, steps, rule)
    total = torch.stack([layer.double().flatten(1).sum(1) for layer in signed.layers])
    change = torch.empty_like(total)
    for image in range(len(inputs)):
        brancher = Brancher(model, inputs[image : image + 1].detach())
        label = int(signed.target[image])
        for call in range(len(brancher.names)):
            without = brancher.run(call, torch.zeros_like, 1, grad=False)[1]
            change[call, image] = (brancher.logits - without)[0, label]
    gap = (total - change).abs()
    return Completeness(signed.names, total, change, torch.where(gap == 0, gap, gap / change.abs()))
