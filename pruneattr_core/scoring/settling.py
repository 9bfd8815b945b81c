"""NeuronIntGrad with as many nodes as the ranking needs, layer by layer.

Where all that the network sees passes through a layer, scaling it to alpha switches later neurons when their
biases come to count: at small alpha. So nodes lie denser there, alpha = u ** 1.5 with u equidistant. Nodes
double: a rule of 2n nodes holds those of n, as u = (j + shift) / n with shift 1/3 and 2/3 by turns. What the
shift costs is put right to first order by the gradient at alpha = 1 (Euler-Maclaurin; the integrand in u is 0
at u = 0).

How far the ranking is from that of a fine rule is estimated from the neurons that entered or left the path
when the nodes of their layer were doubled last; the layers with most of them for their cost are doubled next.
`perf/intgrad.py` holds the estimate against 600 midpoints.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from pruneattr_core.response import Asked
from pruneattr_core.runtime import within_budget
from pruneattr_core.scoring.branching import Brancher
from pruneattr_core.scoring.quadrature import PREVIEW
from pruneattr_core.selection import masks_at
from pruneattr_core.values import Contributions

#: Sparsities, of all neurons, at which the ranking is judged.
JUDGED = (0.8, 0.9, 0.95)
#: Estimated overlap (Jaccard) with the path of a fine rule that ends the doubling.
GOAL = 0.985
#: Nodes of a layer: at first, when twice as many are looked at too; on photographs; at most.
FIRST, USUAL, MOST = 6, 48, 192
#: How a run names this rule; another text where another ranking may come out.
NAME = f"{2 * FIRST} to {MOST} nodes at u ** 1.5, until settled to {GOAL:g} at {', '.join(map(str, JUDGED))}"
#: alpha = u ** this. Alone 1.75 is best for SqueezeNet and 1 for ResNet-8; 1.5 loses little on either.
_POWER = 1.5
#: 1 - Jaccard with a fine rule, as a share of 1 - Jaccard with half the nodes; measured .55 to .65.
_OF_LAST = 0.7
#: What doubling is expected to divide a layer's error by.
_GAIN = 1.8
#: Gradients count as equal within this many units of rounding of the largest.
_EQUAL = 100


class Layer:
    """The integral over one layer of one image, by a number of nodes that doubles.

    Attributes:
        scores: (1, *shape) signed contributions.
        before: the same by half the nodes.
        nodes: gradients that they rest on; 1 where the gradient is constant along alpha.
        cost: of a node, in bytes of activations that it computes.
    """

    def __init__(self, brancher: Brancher, call: int, asked: Asked) -> None:
        """Integrate with `FIRST` and with twice as many nodes; with one where the gradient is constant."""
        self._activation = brancher.activations[call]
        self._at = partial(gradients_at, brancher, call, asked)
        self.cost, self.nodes, self._shift = brancher.bytes_each(call), 1, 1 / 3
        self.scores = self.before = self._sum = torch.zeros_like(self._activation)
        self._end: Tensor | None = None
        constant = self._take((np.arange(FIRST) + self._shift) / FIRST, first=True)
        if self._end is None:  # nothing depends on this layer
            return
        if constant:
            self.scores = self.before = self._end * self._activation
            return
        self.nodes, self.scores = FIRST, self._value(FIRST)
        self.double()

    @property
    def open(self) -> bool:
        """Whether more nodes may be taken."""
        return 1 < self.nodes < MOST

    def double(self) -> None:
        """Take as many nodes again, between the old ones."""
        # Of the (k + 2/3) / 2n every second one, from k = 0, is a (j + 1/3) / n; and the other way round.
        self._take((np.arange(self.nodes) + (5 / 6 if self._shift < 0.5 else 1 / 6)) / self.nodes)
        self.nodes, self._shift, self.before = 2 * self.nodes, 1 - self._shift, self.scores
        self.scores = self._value(self.nodes)

    def _value(self, nodes: int) -> Tensor:
        assert self._end is not None
        return (self._sum + (0.5 - self._shift) * _POWER * self._end) / nodes * self._activation

    def _take(self, places: np.ndarray, first: bool = False) -> bool:
        """Add the gradients at u = places; whether all are as that at alpha = 1, taken with the first."""
        weights = _POWER * places ** (_POWER - 1)
        if first:
            places, weights = np.append(1.0, places), np.append(0.0, weights)
        alike = True
        for part in within_budget(len(places), self.cost, self._activation.device):
            gradient = self._at(places[part] ** _POWER)
            if gradient is None:
                break
            if self._end is None:
                self._end = gradient[:1].clone()
            alike = alike and all_alike(gradient, self._end)
            self._sum = self._sum + weighed(gradient, weights[part])
        return alike


def settle(layers: Sequence[Layer], tick: Callable[[], None]) -> float:
    """Double the nodes of layers until the ranking of all of them has settled.

    Args:
        layers: of one image.
        tick: called after each doubling; may raise to stop.

    Returns:
        Estimated overlap (Jaccard), in [0, 1], of the path with that of a fine rule, the lowest over
        `JUDGED`: below `GOAL` where `MOST` nodes do not reach it, nan where contributions are not finite.
    """
    while True:
        if not all(bool(torch.isfinite(layer.scores).all()) for layer in layers):
            return math.nan
        doubt = _doubt(layers)
        left = doubt.sum(0)
        if 1 - left.max() >= GOAL or not any(layer.open for layer in layers):
            return float(max(0.0, 1 - left.max()))
        worst = int(left.argmax())
        gain = [-doubt[k, worst] / (layer.cost * layer.nodes) for k, layer in enumerate(layers)]
        for k in sorted((k for k, layer in enumerate(layers) if layer.open), key=gain.__getitem__):
            layers[k].double()
            tick()
            left = left - doubt[k] * (1 - 1 / _GAIN)
            if 1 - left.max() >= GOAL:
                break


def caveat(scores: Contributions) -> str:
    """What is to be said beside maps and paths that rest on an integral; "" where nothing is."""
    if scores.method == "intgrad_preview":
        return f"Neurons are ranked by a quick integral, of {PREVIEW} nodes a layer."
    if scores.agreement is None or bool((scores.agreement >= GOAL).all()):
        return ""
    return (
        f"The integral that ranks neurons has not settled with {MOST} nodes a layer: its paths overlap by "
        f"about {float(scores.agreement.min()):.1%} with those of a finer one."
    )


def _doubt(layers: Sequence[Layer]) -> np.ndarray:
    """(layers, sparsities): what each layer is expected to add to 1 - Jaccard with a fine rule."""
    now = masks_at([layer.scores.abs() for layer in layers], JUDGED)
    before = masks_at([layer.before.abs() for layer in layers], JUDGED)
    found = []
    for new, old in zip(now, before, strict=True):
        either = sum(int((a | b).sum()) for a, b in zip(new, old, strict=True))
        turned = [int((a ^ b).sum()) for a, b in zip(new, old, strict=True)]
        found.append(np.array(turned) * _OF_LAST / max(either, 1))
    return np.stack(found, 1)


def gradients_at(brancher: Brancher, call: int, asked: Asked, alphas: np.ndarray) -> Tensor | None:
    """(nodes, *shape) gradients of the response at alpha times an activation.

    None where nothing after that layer depends on it.
    """
    activation = brancher.activations[call]
    scale = torch.from_numpy(alphas).to(activation).view(-1, *[1] * (activation.ndim - 1))
    scaled, logits = brancher.run(call, partial(torch.mul, scale), len(scale), grad=True)
    if not logits.requires_grad:
        return None
    # The caller may have switched gradients off.
    with torch.inference_mode(False), torch.enable_grad():
        response = asked.repeat(len(scale)).of(logits).sum()
    found: Tensor | None = torch.autograd.grad(response, scaled, allow_unused=True)[0]
    return found


def weighed(gradients: Tensor, weights: np.ndarray) -> Tensor:
    """(1, *shape) weighed sum of (nodes, *shape)."""
    column = torch.from_numpy(weights).to(gradients).view(-1, *[1] * (gradients.ndim - 1))
    return (gradients * column).sum(0, True)


def all_alike(gradients: Tensor, one: Tensor) -> bool:
    """Whether all (nodes, *shape) are as that one (1, *shape), up to rounding."""
    bound = _EQUAL * torch.finfo(gradients.dtype).eps * gradients.abs().max()
    return bool(((gradients - one).abs() <= bound).all())
