"""What reviewers ask of a map beside localisation and pixel removal: is it sparse, faithful, stable, right?

All take one picture, so that a picture's numbers never depend on what it was computed beside. Where a measure
leaves its answer undefined (a zero map, a constant response) the answer is nan. What is Captum's and SciPy's
is imported where it is used: a page that only lists the measures would wait two seconds for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from pruneattr_core.arrays import as_array
from pruneattr_core.attribution.captum_methods import logits_of
from pruneattr_core.benchmarks.pixels import TIES
from pruneattr_core.benchmarks.undisturbed import scores_in, undisturbed
from pruneattr_core.errors import InputError
from pruneattr_core.importing import one_at_a_time
from pruneattr_core.one_of import is_one_of

UNDEFINED = math.nan
#: Spread of the noise of infidelity, in normalised input units, and how often it is drawn.
INFIDELITY_SD, INFIDELITY_DRAWS = 0.2, 20
#: Radius of max-sensitivity in normalised input units (l-infinity), and how many neighbours are looked at.
SENSITIVITY_RADIUS, SENSITIVITY_DRAWS = 0.02, 10
#: Share of the pixels that a subset of sensitivity-n holds, and how many subsets.
SENSITIVITY_N, SENSITIVITY_SUBSETS = 0.1, 50
#: Share of a sum's terms by which it may be off for how float64 adds it up.
_ROUNDING = 1e-13


def gini(values: ArrayLike) -> float:
    """Sparseness (Chalasani et al. 2020): the Gini index of the magnitudes, in [0, 1).

    0 when all pixels count alike, near 1 when few hold everything. Undefined for a zero map.
    """
    sizes = np.sort(np.abs(as_array(values)).ravel())
    total = sizes.sum()
    if not total or not np.isfinite(total):
        return UNDEFINED
    n = len(sizes)
    return float((2 * np.arange(1, n + 1) - n - 1) @ sizes / (n * total))


def entropy(values: ArrayLike) -> float:
    """Complexity (Bhatt et al. 2020): Shannon's entropy of the shares of magnitude, in nats.

    0 for one pixel, log(pixels) when all count alike. Undefined for a zero map.
    """
    with one_at_a_time:
        from scipy.stats import entropy as shannon

    sizes = np.abs(as_array(values)).ravel()
    total = sizes.sum()
    return float(shannon(sizes)) if total and np.isfinite(total) else UNDEFINED


def rank_accuracy(values: ArrayLike, mask: ArrayLike, ties: str = "raster") -> float:
    """Relevance rank accuracy (Arras et al. 2022): of the K highest pixels, the share inside a mask of K.

    Undefined for an empty or full mask.

    Args:
        values: map (H, W).
        mask: (H, W), 0 outside.
        ties: of equal pixels "raster" takes those that come first, as the shipped runs; "random" gives the
            mean over all their orders, what the mask covers for a map of one value.

    Raises:
        InputError: shapes that differ, a map that is not finite, or other ties.
    """
    chosen, inside = as_array(values), as_array(mask) != 0
    if chosen.shape != inside.shape:
        raise InputError(f"Expected a map and a mask of one shape, got {chosen.shape} and {inside.shape}.")
    if not np.isfinite(chosen).all():
        raise InputError("The map holds NaN or infinite values, which cannot be put in an order.")
    if not is_one_of(ties, TIES):
        raise InputError(f"Expected ties in {[*TIES]}, got {ties!r}.")
    chosen, inside = chosen.ravel(), inside.ravel()
    count = int(inside.sum())
    if count in (0, inside.size):
        return UNDEFINED
    order = np.argsort(-chosen, kind="stable")
    if ties == "raster":
        return float(inside[order[:count]].mean())
    last = chosen[order[count - 1]]
    above, equal = chosen > last, chosen == last
    return float((inside[above].sum() + (count - above.sum()) * inside[equal].mean()) / count)


def infidelity(model: nn.Module, x: Tensor, target: Tensor, values: Tensor, seed: int) -> float:
    """Infidelity (Yeh et al. 2019, eq. 1), by Captum, as a share of what a zero map has; lower is better.

    How badly noise times the map foretells what that noise does to the response, over the best multiple of
    the map: its unit plays no part, nor does the response's, nor whether its signs are turned round, as the
    multiple may be negative. Eq. 1 itself, without one, minds both and cannot compare maps of several units.
    0 if it foretells all, 1 for a zero map; a map that knows nothing is a little below 1, as one multiple is
    fitted.

    Args:
        model: network in eval mode.
        x: one normalised picture (1, C, H, W).
        target: (1,) int64.
        values: (1, C, H, W), or (1, 1, H, W), which counts for every channel.
        seed: of the noise.

    Raises:
        ModelError: training mode, or an answer that depends on chance.
        InputError: the network answers maps.
    """
    with one_at_a_time:
        from captum.metrics import infidelity as captum_infidelity

    answers = logits_of(model)

    def of(map_: Tensor, normalise: bool) -> float:
        generator = torch.Generator(x.device).manual_seed(seed)  # the process's own is every thread's

        def perturb(inputs: Tensor) -> tuple[Tensor, Tensor]:
            noise = INFIDELITY_SD * torch.empty_like(inputs).normal_(generator=generator)
            return noise, inputs - noise

        with torch.no_grad():
            found = captum_infidelity(
                lambda inputs: scores_in(answers(inputs), len(inputs)), perturb, x, map_, target=target,
                n_perturb_samples=INFIDELITY_DRAWS,
                max_examples_per_batch=INFIDELITY_DRAWS, normalize=normalise,
            )  # fmt: skip
        return float(found[0])

    with undisturbed(model, x):
        whole = of(torch.zeros_like(x), False)
        share = of(values.expand_as(x), True) / whole if whole else UNDEFINED
    return share if math.isfinite(share) else UNDEFINED


def max_sensitivity(explain_one: Callable[[Tensor], Tensor], x: Tensor, seed: int) -> float:
    """Max-sensitivity (Yeh et al. 2019, eq. 2), by Captum: the largest relative change of the map nearby.

    Lower is more stable, and a map that never looks at the network is most stable of all. Neighbours are
    explained in one batch: in float64 to the last bit as one by one; in float32 sums are rounded otherwise
    there, by which a neuron at PruneGrad's threshold may stay or go (3 of ResNet-8's 29,492 for one
    neighbour of ten CIFAR-10 pictures' hundred: that map differs by 3e-4 of its norm, the measure by 1e-6).

    Args:
        explain_one: (B, C, H, W) -> maps, for the class of x.
        x: one normalised picture (1, C, H, W).
        seed: of the neighbours.
    """
    with one_at_a_time:
        from captum.metrics import sensitivity_max

    def of_one(inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:  # Captum hands over tuples and wants one
        return (explain_one(inputs[0]).contiguous(),)

    generator = torch.Generator().manual_seed(seed)  # the process's own is every thread's

    def nearby(inputs: Tensor, radius: float) -> tuple[Tensor, ...]:
        noise = torch.empty(inputs.shape).uniform_(-radius, radius, generator=generator)
        return (inputs + noise.to(inputs.device),)

    found = sensitivity_max(
        of_one, x, nearby, perturb_radius=SENSITIVITY_RADIUS, n_perturb_samples=SENSITIVITY_DRAWS
    )
    return float(found[0]) if bool(torch.isfinite(found[0])) else UNDEFINED


def sensitivity_n(model: nn.Module, x: Tensor, target: Tensor, values: Tensor, seed: int) -> float:
    """Sensitivity-n (Ancona et al. 2018, eq. 2): Pearson's correlation, over random sets of pixels.

    Of the sum of a set's attributions, and what the response loses when the set becomes the mean colour.

    Args:
        model: network in eval mode.
        x: one normalised picture (1, C, H, W); 0 is the mean colour.
        target: (1,) int64.
        values: the map, (H, W).
        seed: of the sets.

    Raises:
        ModelError: training mode, or an answer that depends on chance.
        InputError: the network answers maps, or the map is not as large as the picture.
    """
    map_ = torch.from_numpy(as_array(values))
    if map_.shape != x.shape[2:]:
        raise InputError(f"Expected a map {tuple(x.shape[2:])}, got {tuple(map_.shape)}.")
    pixels = map_.numel()
    count = max(1, int(SENSITIVITY_N * pixels))
    rng = np.random.default_rng(seed)
    gone = torch.zeros(SENSITIVITY_SUBSETS, pixels, dtype=torch.bool)
    for row in gone:
        row[torch.from_numpy(rng.choice(pixels, count, replace=False))] = True
    keep = (~gone).view(SENSITIVITY_SUBSETS, 1, *x.shape[2:]).to(x)
    logits = logits_of(model)
    with undisturbed(model, x), torch.no_grad():
        whole = scores_in(logits(x), 1)[0, target[0]]
        lost = torch.cat([whole - logits(x * part)[:, target[0]] for part in keep.split(10)])
    sums = (gone.to(map_) @ map_.reshape(-1)).numpy()
    if np.ptp(sums) <= _ROUNDING * count * float(map_.abs().max()):
        return UNDEFINED  # a map of one value: its sums differ by how they were added up
    return _pearson(sums, lost.cpu().double().numpy())


def _pearson(a: NDArray[Any], b: NDArray[Any]) -> float:
    if np.ptp(a) == 0 or np.ptp(b) == 0 or not np.isfinite([a.sum(), b.sum()]).all():
        return UNDEFINED
    return float(np.corrcoef(a, b)[0, 1])


def parts_rank(values: ArrayLike, parts: ArrayLike, importance: ArrayLike) -> float:
    """Does a map order the shapes of a scene as they matter? Spearman over the shapes, in [-1, 1].

    Args:
        values: map (H, W).
        parts: bool (P, H, W), the pixels of every shape.
        importance: (P,) what the response loses when the scene is drawn without that shape: exact.

    Returns:
        Spearman's correlation of the mean magnitude on every shape with |importance|; undefined for fewer
        than three shapes that can be seen, or when all are alike.
    """
    with one_at_a_time:
        from scipy.stats import spearmanr

    sizes, inside = np.abs(as_array(values)), as_array(parts) != 0
    seen = [k for k in range(len(inside)) if inside[k].any()]
    means = np.array([sizes[inside[k]].mean() for k in seen])
    exact = np.abs(as_array(importance))[seen]
    if len(seen) < 3 or np.ptp(means) == 0 or np.ptp(exact) == 0:
        return UNDEFINED
    return float(spearmanr(means, exact).statistic)
