"""NeuronIntGrad: the integrated gradient of every neuron, one layer at a time.

For layer i with activations a and response f (the target logit, or another),

    c_j = a_j * integral over alpha in [0, 1] of df(alpha * a; x) / da_j        (SCP eq. 4)

where all activations of the layer are scaled together and every other layer computes as always, so that
completeness holds per layer: sum_j c_j = f(x) - f(layer := 0).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from pruneattr_core.brief import brief
from pruneattr_core.checks import Target, check_inputs
from pruneattr_core.errors import InputError
from pruneattr_core.given import check_progress
from pruneattr_core.graph import Graph
from pruneattr_core.heads import Head
from pruneattr_core.response import Asked, asked_of, joined, resolved
from pruneattr_core.runtime import Tick, own_modes, within_budget
from pruneattr_core.same import same
from pruneattr_core.scoring.branching import Brancher
from pruneattr_core.scoring.quadrature import NODES, PREVIEW, Rule, nodes
from pruneattr_core.scoring.settling import USUAL, Layer, all_alike, gradients_at, settle, weighed
from pruneattr_core.selection import is_zero
from pruneattr_core.values import Contributions

Rank = Literal["magnitude", "value"]

#: Nodes at which a layer is looked at first: gradients equal at the first, a middle and the last one are
#: those of an answer linear along the way: what switches no neuron between two ends switches none inside.
_LOOK = 3


@dataclass(frozen=True, eq=False)
class SignedContributions:
    """Contributions before their absolute value is taken.

    Attributes:
        names: one name per activation call scored.
        layers: (B, *shape) per call, signed, in units of the response.
        dead: bool (B, *shape) per call: activation == 0.
        target: (B,) int64.
        logits: (B, classes) of the original network.
        nodes: int64 (calls, B), gradients really distinct: 1 where the gradient is constant along alpha.
        asked: the response explained; None for the class `target`.
        head: how the outputs are read.
        class_scores: whether class scores were counted as neurons.
        agreement: (B,) float64, see `Contributions.agreement`; None from a rule of fixed nodes.
    """

    names: tuple[str, ...]
    layers: tuple[Tensor, ...]
    dead: tuple[Tensor, ...]
    target: Tensor
    logits: Tensor
    nodes: Tensor | None = None
    asked: Asked | None = None
    head: Head = "softmax"
    class_scores: bool = False
    agreement: Tensor | None = None

    __repr__ = brief
    __eq__ = same


@dataclass(frozen=True, eq=False)
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

    __repr__ = brief
    __eq__ = same


@own_modes()
def intgrad_signed(
    model: nn.Module,
    inputs: Tensor,
    target: Target = None,
    steps: int | None = None,
    rule: Rule | None = None,
    layers: Sequence[int] | None = None,
    progress: Tick | None = None,
    class_scores: bool = False,
) -> SignedContributions:
    """Signed NeuronIntGrad contributions.

    Per image and layer, what precedes the layer runs at batch 1 and what follows it as a batch of nodes, in
    memory-bounded parts; the backward pass ends at the layer. A layer whose gradient is found constant along
    alpha (the last one; closing ReLUs of networks without biases) takes no more nodes than show that. The
    papers' rule always takes all.

    Args:
        model: classifier in eval mode; left untouched.
        inputs: normalised batch (B, C, H, W); equals its single images.
        target: None for the predicted class; int, list or tensor as in Captum.
        steps: number of nodes of the rule; None for the rule's own, see `quadrature.nodes`.
        rule: "midpoint", "uniform" (the papers') or "gauss". None for midpoints where steps are given, and
            else for as many nodes as the ranking of these layers needs, see `settling`.
        layers: indices of the activation calls to score; None for all.
        progress: called with (layers done, layers * B), several times a layer; may raise to stop.
        class_scores: whether class scores count as neurons, see `contributions`.

    Raises:
        InputError: steps, rule, layers or inputs that cannot be used.
        TargetError: a target out of range.
        ModelError: a network without activations, in training mode, or one whose gradient ends on the way.
    """
    check_progress(progress)
    inputs = check_inputs(model, inputs)
    chosen = asked_of(target, len(inputs))
    fixed = None if rule is None and steps is None else nodes(steps, rule or "midpoint")
    # Raises where the gradient ends on the way: a layer is looked at by itself below.
    Graph(model, inputs[:1], chosen[:1], to_input=False, class_scores=class_scores, finite=False)
    found, agreement = [], []
    for image in range(len(inputs)):
        brancher = Brancher(model, inputs[image : image + 1], class_scores)
        own = resolved(brancher.logits, chosen[image])
        calls = chosen_calls(layers, brancher.names)

        def tell(
            done: float, before: int = image * len(calls), total: int = len(inputs) * len(calls)
        ) -> None:
            if progress is not None:
                progress(before + int(done), total)

        if fixed is None:
            scores, alike = _settled(brancher, calls, own, tell)
            agreement.append(alike)
        else:
            scores = []
            for done, call in enumerate(calls, 1):
                scores.append(_integrate(brancher, call, own, *fixed, rule != "uniform"))
                tell(done)
        found.append((brancher, calls, own, scores))
    first, calls = found[0][:2]
    return SignedContributions(
        tuple(first.names[call] for call in calls),
        tuple(torch.cat([one[3][k][0] for one in found]) for k in range(len(calls))),
        tuple(torch.cat([is_zero(one[0].activations[call]) for one in found]) for call in calls),
        torch.cat([one[2].target for one in found]),
        torch.cat([one[0].logits for one in found]),
        nodes=torch.tensor([[one[3][k][1] for one in found] for k in range(len(calls))]),
        asked=joined([one[2] for one in found]),
        head=first.head if chosen.head is None else chosen.head,
        class_scores=class_scores,
        agreement=torch.tensor(agreement, dtype=torch.float64) if fixed is None else None,
    )


def _settled(
    brancher: Brancher, calls: Sequence[int], asked: Asked, tell: Callable[[float], None]
) -> tuple[list[tuple[Tensor, int]], float]:
    """Per layer signed contributions and their nodes, and how well their ranking has settled."""
    layers: list[Layer] = []

    def tick() -> None:
        tell(sum(min(1.0, layer.nodes / USUAL) if layer.open else 1.0 for layer in layers))

    for call in calls:
        layers.append(Layer(brancher, call, asked))
        tick()
    agreement = settle(layers, tick)
    tell(len(calls))
    return [(layer.scores, layer.nodes) for layer in layers], agreement


def chosen_calls(layers: Sequence[int] | None, names: Sequence[str]) -> list[int]:
    """Indices of activation calls, checked; None for all.

    Raises:
        InputError: an index out of range, or none at all.
    """
    calls = list(range(len(names))) if layers is None else [int(call) for call in layers]
    if not calls or min(calls) < 0 or max(calls) >= len(names):
        raise InputError(f"Expected layers as indices from 0 to {len(names) - 1}, got {layers!r}.")
    return calls


def _integrate(
    brancher: Brancher, call: int, asked: Asked, alphas: np.ndarray, weights: np.ndarray, look: bool
) -> tuple[Tensor, int]:
    """(1, *shape) signed contributions of one layer of one image, and how many nodes they needed."""
    activation = brancher.activations[call]
    total, every = torch.zeros_like(activation), np.arange(len(alphas))
    first = np.array([0, len(every) // 2, len(every) - 1]) if look and len(every) > _LOOK else every[:0]
    rest = np.setdiff1d(every, first)
    for nodes_at in filter(len, (first, rest)):
        for part in within_budget(len(nodes_at), brancher.bytes_each(call), activation.device):
            here = nodes_at[part]
            gradient = gradients_at(brancher, call, asked, alphas[here])
            if gradient is None:
                return total, 1
            if len(here) == _LOOK and nodes_at is first and all_alike(gradient, gradient[:1]):
                return gradient[-1:] * activation, 1
            total += weighed(gradient, weights[here])
    return total.mul_(activation), len(every)


def _scorer(
    method: str, rule: Rule | None = None, own: int | None = None, rank: Rank = "magnitude"
) -> Callable[[nn.Module, Tensor, Asked, int | None, bool], Contributions]:
    def score(
        model: nn.Module,
        inputs: Tensor,
        target: Asked,
        steps: int | None = None,
        class_scores: bool = False,
    ) -> Contributions:
        count = own if steps is None else steps
        signed = intgrad_signed(model, inputs, target, count, rule, class_scores=class_scores)
        return ranked(signed, method, rank)

    return score


#: Scorers of a checked batch, by the name of the contribution. All but the last rank by the magnitude, as the
#: reference does; SCP's text ranks by the value. A name stands for one rule, so that a run keeps its meaning:
#: what was the default before has a name of its own.
INTEGRALS = {
    "intgrad": _scorer("intgrad"),
    "intgrad_preview": _scorer("intgrad_preview", own=PREVIEW),
    "intgrad_midpoint": _scorer("intgrad_midpoint", "midpoint"),
    "intgrad_uniform": _scorer("intgrad_uniform", "uniform"),
    "intgrad_gauss": _scorer("intgrad_gauss", "gauss"),
    "intgrad_gauss8": _scorer("intgrad_gauss8", "gauss", own=8),
    "intgrad_value": _scorer("intgrad_value", rank="value"),
}

#: Name of a contribution -> nodes of a layer. Until a ranking settles: 44 to 68 on SqueezeNet, SceneNet and
#: ResNet-8, 200 on EfficientNet-Lite0.
_NODES_OF = {
    **dict.fromkeys(INTEGRALS, 60.0),
    "intgrad_preview": float(PREVIEW),
    "intgrad_midpoint": float(NODES["midpoint"]),
    "intgrad_uniform": float(NODES["uniform"]),
    "intgrad_gauss": float(NODES["gauss"]),
    "intgrad_gauss8": 8.0,
}


def integral_passes(contribution: str, layers: int = 25) -> float:
    """About how many forward-and-backward passes a ranking of the neurons of one picture takes.

    A node of a layer runs what follows that layer, half of the network on average.

    Args:
        contribution: its name; 0 passes for what is no integral.
        layers: of activations.
    """
    return _NODES_OF.get(contribution, 0.0) * layers / 2


def ranked(signed: SignedContributions, method: str = "intgrad", rank: Rank = "magnitude") -> Contributions:
    """What ranks neurons, >= 0.

    Args:
        signed: the contributions.
        method: name to carry on.
        rank: "magnitude" is |c|, the reference's choice. "value" is c where it is positive, SCP's text:
            neurons that speak against the response count as little as dead ones and go with them, so it
            equals ranking by c at every sparsity that keeps positive neurons only.
    """
    layers = tuple(layer.abs() if rank == "magnitude" else layer.clamp(min=0) for layer in signed.layers)
    return Contributions(
        signed.names,
        layers,
        signed.dead,
        signed.target,
        signed.logits,
        method,
        signed.asked,
        signed.head,
        signed.class_scores,
        signed.agreement,
    )


@own_modes()
def completeness(
    model: nn.Module,
    inputs: Tensor,
    target: Target = None,
    steps: int | None = None,
    rule: Rule | None = None,
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
        brancher = Brancher(model, inputs[image : image + 1].detach(), signed.class_scores)
        asked = signed.target[image : image + 1] if signed.asked is None else signed.asked[image]
        own = resolved(brancher.logits, asked)
        for call in range(len(brancher.names)):
            without = brancher.run(call, torch.zeros_like, 1, grad=False)[1]
            change[call, image] = (own.of(brancher.logits) - own.of(without))[0]
    gap = (total - change).abs()
    return Completeness(signed.names, total, change, torch.where(gap == 0, gap, gap / change.abs()))
