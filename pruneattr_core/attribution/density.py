"""Critical path density: where the contributions of the neurons that stay lie, at every resolution at once.

Ours, from no paper. Along the pruned network's answer f_p every activation a of every call contributes
a * d f_p / d a to first order. Summed over channels these are maps, fine at early calls and coarse at late
ones; the density blends them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruneattr_core.attribution.support import spatial_axes
from pruneattr_core.errors import InputError
from pruneattr_core.graph import Graph
from pruneattr_core.importing import one_at_a_time
from pruneattr_core.one_of import is_one_of
from pruneattr_core.paths.dial import Dial, Sparsity
from pruneattr_core.pruning import Instead, check_mode, gate_of
from pruneattr_core.response import Asked
from pruneattr_core.scoring import contributions
from pruneattr_core.selection import Of, Ties
from pruneattr_core.values import ChangeOf, Contributions

#: How the contributions at one place become one number.
SIZES = ("magnitude", "positive")
#: How maps of several resolutions become one.
BLENDS = ("geometric", "arithmetic")
#: What stands for the picture itself, the finest map.
FINE = ("none", "gradient", "times_input")
#: Keeps the logarithm of an empty place finite, as a share of the map's mean.
_FLOOR = 1e-3


def path_density(
    model: nn.Module,
    inputs: Tensor,
    target: Tensor | Asked,
    sizes: str = "positive",
    blend: str = "geometric",
    coarse: int = 1,
    fine: str = "times_input",
    smooth: float = 0.02,
    sparsity: Sparsity = None,
    of: Of = "all",
    output_change: float | None = None,
    change_of: ChangeOf = "response",
    mode: Instead = "freeze",
    contribution: str = "taylor",
    ties: Ties = "drop",
    class_scores: bool = False,
) -> Tensor:
    """One map per picture, (B, 1, H, W), >= 0, mean 1 where anything contributes.

    Args:
        model: network in eval mode.
        inputs: checked batch (B, C, H, W).
        target: classes (B,) int64, or another response.
        sizes: key of `SIZES`: sum of |a g| over channels, or the positive part of the sum of a g.
        blend: key of `BLENDS`.
        coarse: how many resolutions are blended, the coarsest ones; 0 for all.
        fine: key of `FINE`: nothing, |d f_p / d x|, or |x d f_p / d x|, summed over channels.
        smooth: standard deviation of a Gaussian blur, as a share of the shorter side.
        sparsity: as `PruneGrad.attribute` takes it, and so are the rest.
        of: see there.
        output_change: see there.
        change_of: see there.
        mode: see there.
        contribution: see there.
        ties: see there.
        class_scores: see there.

    Raises:
        InputError: an argument out of range.
    """
    dial = Dial(sparsity, of, output_change, change_of)
    scores = contributions(model, inputs, target, contribution, class_scores=class_scores)
    picture, layers = densities(model, inputs, scores, dial.masks(model, inputs, scores, ties), mode, sizes)
    chosen = layers[-coarse:] if coarse else layers
    finest = {"none": (), "gradient": picture[:1], "times_input": picture[1:]}
    if not (is_one_of(fine, finest) and is_one_of(blend, BLENDS)):
        raise InputError(f"Expected fine in {FINE} and blend in {BLENDS}, got {fine!r} and {blend!r}.")
    return blended([*finest[fine], *chosen], blend, smooth, tuple(inputs.shape[2:]))


def densities(
    model: nn.Module,
    inputs: Tensor,
    scores: Contributions,
    masks: Sequence[Tensor],
    mode: Instead = "zero",
    sizes: str = "magnitude",
) -> tuple[tuple[Tensor, Tensor], list[Tensor]]:
    """The maps that are blended, each (B, h, w) with mean 1 (or all 0).

    Args:
        model: network in eval mode.
        inputs: checked batch (B, C, H, W).
        scores: its contributions.
        masks: what is kept, bool (B, *shape) per call.
        mode: see `path_density`.
        sizes: see `path_density`.

    Returns:
        (|d f_p / d x|, |x d f_p / d x|) of the picture, and one map a resolution, finest first: the mean over
        the calls that have it.

    Raises:
        InputError: an unknown mode or size.
    """
    check_mode(mode, inputs)
    if not is_one_of(sizes, SIZES):
        raise InputError(f"Expected sizes in {SIZES}, got {sizes!r}.")
    graph = Graph(model, inputs, scores.question, gate=gate_of(masks, mode), class_scores=scores.class_scores)
    gradient, size = graph.input_gradient(), tuple(inputs.shape[2:])
    found: dict[tuple[int, ...], list[Tensor]] = {}
    calls = zip(graph.record.activations, graph.activation_gradients(), masks, strict=True)
    for activation, slope, mask in calls:
        axes = spatial_axes(tuple(activation.shape[1:]), size)
        if axes is not None:
            channels = ({1, 2, 3} - {axis + 1 for axis in axes}).pop()
            parts = activation.detach() * slope * mask
            one = parts.abs().sum(channels) if sizes == "magnitude" else parts.sum(channels).clamp(min=0)
            found.setdefault(tuple(one.shape[1:]), []).append(normalised(one))
    layers = [torch.stack(found[shape]).mean(0) for shape in sorted(found, reverse=True)]
    picture = normalised(gradient.abs().sum(1)), normalised((gradient * inputs).abs().sum(1))
    return picture, layers


def normalised(maps: Tensor) -> Tensor:
    """Maps (B, h, w) >= 0 divided by their means; a map of zeros stays one."""
    means = maps.mean((1, 2), keepdim=True)
    return maps / torch.where(means > 0, means, torch.ones_like(means))


def blended(maps: Sequence[Tensor], blend: str, smooth: float, size: tuple[int, ...]) -> Tensor:
    """Maps (B, h, w) of several resolutions as one (B, 1, H, W) with mean 1 (or all 0).

    Args:
        maps: each with mean 1.
        blend: key of `BLENDS`; a geometric mean wants all of them, an arithmetic one any.
        smooth: see `path_density`.
        size: (H, W).

    Raises:
        InputError: no map.
    """
    if not maps:
        raise InputError(
            "Nothing is blended: the network has no activation with rows and columns. Choose fine."
        )
    large = [F.interpolate(one[:, None], size=size, mode="bilinear", align_corners=False) for one in maps]
    whole = torch.stack(large)
    seen = whole.amax(0) > 0  # where the floor is all there is, nothing is
    floored = (whole + _FLOOR).log().mean(0).exp() * seen
    whole = floored if blend == "geometric" else whole.mean(0)
    if smooth:
        with one_at_a_time:
            from torchvision.transforms.functional import gaussian_blur

        sigma = smooth * min(size)
        whole = gaussian_blur(whole, [2 * round(3 * sigma) + 1] * 2, [sigma, sigma])
    return normalised(whole[:, 0])[:, None].detach()
