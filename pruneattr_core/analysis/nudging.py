"""A picture moved step by step: what becomes of its answer, its path and its map in and outside the ball.

Inside the ball of `linearity.linear_radius` no neuron of the frozen path switches (SCP Prop. 4), so the
frozen network is affine and its gradient, the map, is one and the same (Prop. 5). Nothing of that is said
about the whole network, whose other neurons switch when they like: both are followed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from pruneattr_core.activations import Activation
from pruneattr_core.analysis.frozen import Frozen
from pruneattr_core.brief import brief
from pruneattr_core.checks import check_inputs
from pruneattr_core.critical_path import Path
from pruneattr_core.errors import InputError
from pruneattr_core.graph import bytes_each
from pruneattr_core.runtime import own_modes, within_budget
from pruneattr_core.scoring import contributions

Kind = Literal["edge", "noise", "brightness", "block"]
#: How far a picture is moved, in radii: some places inside, the edge, and far outside.
FACTORS = (0.5, 0.99, 1.5, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
#: Blocks along a side of the picture.
BLOCKS = 8


@dataclass(frozen=True, eq=False)
class Nudges:
    """One picture at K places along one way; all on the CPU.

    Attributes:
        factors: (K,) distances in radii.
        radius: of the ball, l2 in units of the normalised input.
        way: (1, C, H, W) of length 1.
        logits: (K, classes) of the whole network.
        start: (classes,) the same where nothing was moved.
        frozen: (K,) target's logit when what lies outside the path is constant.
        affine: (K,) what the gradient at the start predicts for it.
        switched: (K,) int64, neurons of the path that have switched in the frozen network.
        neurons: of the path.
        overlap: (K,) Jaccard of the path with the one that the moved picture gets for itself.
        maps: (1 + K, C, H, W) gradient of the frozen network, the start first.
        likeness: (K,) cosine of the map with the one at the start; nan where one of them is zero.
    """

    factors: tuple[float, ...]
    radius: float
    way: Tensor
    logits: Tensor
    start: Tensor
    frozen: Tensor
    affine: Tensor
    switched: Tensor
    neurons: int
    overlap: Tensor
    maps: Tensor
    likeness: Tensor

    __repr__ = brief

    @property
    def nbytes(self) -> int:
        """Bytes of the maps, next to which the rest is little."""
        return int(self.maps.nbytes + self.way.nbytes)


def way_of(
    kind: Kind,
    inputs: Tensor,
    std: Sequence[float],
    normal: Tensor,
    seed: int = 0,
    place: tuple[int, int] = (0, 0),
) -> Tensor:
    """A direction of length 1 in which to move a normalised picture.

    Args:
        kind: "edge" is the shortest way to a neuron that switches; "noise" is Gaussian, as strong in every
            pixel value; "brightness" adds the same to every pixel; "block" does so in one of `BLOCKS` x
            `BLOCKS` blocks.
        inputs: (1, C, H, W).
        std: of the normalisation, per channel: directions are those of pixel values.
        normal: of `linearity.Radius`.
        seed: of the noise.
        place: row and column of the block, from 0.

    Raises:
        InputError: an unknown kind, or a block outside the picture.
    """
    if kind == "edge":
        return normal
    scale = inputs.new_tensor(list(std)).view(1, -1, 1, 1)
    if kind == "noise":
        generator = torch.Generator().manual_seed(seed)
        moved = torch.randn(inputs.shape, generator=generator, dtype=torch.float64).to(inputs) / scale
    elif kind == "brightness":
        moved = torch.ones_like(inputs) / scale
    elif kind == "block":
        if not all(0 <= at < BLOCKS for at in place):
            raise InputError(f"Expected the block's row and column from 0 to {BLOCKS - 1}, got {place}.")
        moved = torch.zeros_like(inputs)
        (top, bottom), (left, right) = (
            (at * side // BLOCKS, max((at + 1) * side // BLOCKS, at * side // BLOCKS + 1))
            for at, side in zip(place, inputs.shape[-2:], strict=True)
        )
        moved[..., top:bottom, left:right] = 1
        moved = moved / scale
    else:
        raise InputError(f"Expected a way out of edge, noise, brightness, block; got {kind!r}.")
    length = moved.norm()
    return moved / length if length > 0 else moved


@own_modes()
def nudged(
    model: nn.Module,
    inputs: Tensor,
    path: Path,
    target: int,
    radius: float,
    way: Tensor,
    factors: Sequence[float] = FACTORS,
) -> Nudges:
    """Follow a picture along a way.

    Args:
        model: classifier in eval mode with piecewise-linear activations; left untouched.
        inputs: (1, C, H, W); float64 is advised.
        path: of this input, chosen by Taylor scores at `path.meta["sparsity"]`.
        target: class index.
        radius: of the ball, finite and above 0.
        way: (1, C, H, W).
        factors: distances in radii.

    Raises:
        InputError: not one input, or a radius that is not finite and above 0.
        ModelError: as in `linearity.linear_radius`.
    """
    inputs = check_inputs(model, inputs)
    if len(inputs) != 1 or len(path) != 1:
        raise InputError(f"Expected one input and its path, got {len(inputs)} and {len(path)}.")
    if not (math.isfinite(radius) and radius > 0):
        raise InputError(f"Expected a finite radius above 0, got {radius!r}.")
    frozen = Frozen(model, inputs, [mask.to(inputs.device) for mask in path.layers], path.class_scores)
    before = _pieces(frozen, inputs)
    first = _gradient(frozen, inputs, target)
    found: list[tuple[Tensor, ...]] = []
    for part in within_budget(len(factors), 3 * bytes_each(inputs), inputs.device):
        length = inputs.new_tensor(list(factors[part])).view(-1, 1, 1, 1) * radius
        points = inputs + length * way
        with torch.no_grad():
            logits = model(points.clone())
        value, maps = _gradient(frozen, points, target)
        own = contributions(model, points, target, class_scores=path.class_scores)
        paths = own.path(path.meta["sparsity"])
        same = Path(path.names, tuple(mask.expand(len(points), *mask.shape[1:]) for mask in frozen.masks))
        pieces = zip(_pieces(frozen, points), before, frozen.masks, strict=True)
        switched = torch.stack([((now != old) & mask).flatten(1).sum(1) for now, old, mask in pieces]).sum(0)
        affine = first[0] + ((points - inputs) * first[1]).flatten(1).sum(1)
        found.append((logits, value, affine, switched, same.jaccard(paths), maps))
    joined = [torch.cat(part).cpu() for part in zip(*found, strict=True)]
    logits, value, affine, switched, overlap, maps = joined
    start = first[1].cpu()
    likeness = torch.cosine_similarity(maps.flatten(1), start.flatten(1), eps=0)
    return Nudges(
        tuple(float(factor) for factor in factors),
        float(radius),
        way.cpu(),
        logits,
        frozen.logits[0].cpu(),
        value,
        affine,
        switched,
        sum(int(mask.sum()) for mask in path.layers),
        overlap,
        torch.cat([start, maps]),
        likeness,
    )


def _gradient(frozen: Frozen, points: Tensor, target: int) -> tuple[Tensor, Tensor]:
    """Target's logit (n,) of the frozen network and its gradient (n, C, H, W)."""
    leaf = points.clone().requires_grad_()
    logits = frozen.run(leaf.clone())[1][:, target]
    if not logits.requires_grad:
        return logits, torch.zeros_like(points)
    (gradient,) = torch.autograd.grad(logits.sum(), leaf)
    return logits.detach(), gradient


def _piece(found: Activation) -> Tensor:
    """On which of its linear pieces every neuron is, in one byte: the number of kinks below it."""
    below = torch.zeros_like(found.before, dtype=torch.int8)
    for kink in found.kinks:
        below += found.before > kink
    return below


def _pieces(frozen: Frozen, points: Tensor) -> list[Tensor]:
    with torch.no_grad():
        return frozen.seen(points, _piece)[0]
