"""Pixel removal: LeRF and MoRF curves of the original model, deletion, insertion, and ROAR's replacement.

A good map can lose its least important pixels without moving the answer (LeRF, SCP table 2: lower is
better), while losing the most important ones moves it at once (MoRF: higher is better).

Text and released code: the text names neither the order of signed maps nor the fill; the released code sorts
maps in ascending order, sets all channels to 0 in normalised input (the mean) and takes |p0 - p| / p0 of the
softmax at 1 to 10 %. Those are the defaults, but that equal pixels go in a random order, so that a map of one
value scores as chance does; `assets/runs/bench/README.md` shows what the order decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pruneattr_core.benchmarks.fills import fill_removed
from pruneattr_core.benchmarks.undisturbed import scores_in, undisturbed
from pruneattr_core.brief import brief
from pruneattr_core.checks import Target, check_inputs, check_target, resolve_target
from pruneattr_core.errors import ArgumentTypeError, InputError
from pruneattr_core.given import check_progress, is_truth, several
from pruneattr_core.graph import forward_chunks
from pruneattr_core.heads import Head, head_of, outputs_in, probabilities
from pruneattr_core.one_of import is_one_of
from pruneattr_core.refusing import asked
from pruneattr_core.same import same
from pruneattr_core.selection import as_real

ORDERS = {"lerf": "Least relevant first", "morf": "Most relevant first"}
TIES = {"raster": "Equal pixels go row by row", "random": "Equal pixels go in a seeded random order"}

#: 1 to 10 % of the pixels, as in SCP.
LERF_FRACTIONS = tuple(percent / 100 for percent in range(1, 11))
#: 0 to 100 %, for deletion and insertion.
FULL_FRACTIONS = tuple(step / 10 for step in range(11))


@dataclass(frozen=True, eq=False)
class RemovalCurve:
    """How the original model answers while pixels go.

    Attributes:
        fractions: (K,) of the pixels removed, increasing, in [0, 1].
        probability: float64 (K, B), probability of the target, as the head reads it.
        original: float64 (B,), with every pixel in place.
        target: int64 (B,).
    """

    fractions: tuple[float, ...]
    probability: Tensor
    original: Tensor
    target: Tensor

    __repr__ = brief
    __eq__ = same

    @property
    def change(self) -> Tensor:
        """Absolute fractional change |p0 - p| / |p0|, (K, B); p0 may be below 0 for a head of values.

        Undefined (nan) where p0 is 0.
        """
        change = (self.probability - self.original).abs() / self.original.abs()
        return change.where(self.original != 0, torch.nan)

    @property
    def curve_auc(self) -> Tensor:
        """Area under the change from 0, where it is 0, to the last fraction; trapezoids, (B,).

        Not divided by the width: with SCP's fractions a curve that is 1 throughout has 0.095.
        """
        return area(self.fractions, self.change, torch.zeros_like(self.original))

    @property
    def probability_auc(self) -> Tensor:
        """Area under the probability from 0 to the last fraction, (B,): the deletion and insertion scores."""
        return area(self.fractions, self.probability, self.original)


def area(fractions: Sequence[float], values: Tensor, at_zero: Tensor) -> Tensor:
    """Trapezoids under values (K, B) over `fractions`, from (0, `at_zero`) on; (B,)."""
    x = torch.tensor([0.0, *fractions], dtype=values.dtype, device=values.device)
    return torch.trapezoid(torch.cat([at_zero[None], values]), x, dim=0)


def removal_masks(
    maps: Tensor, fractions: Sequence[float], order: str = "lerf", ties: str = "raster", seed: int = 0
) -> Tensor:
    """Which pixels go at each fraction: floor(fraction * H * W) of them, nested.

    Args:
        maps: (B, H, W), higher is more relevant.
        fractions: K numbers in [0, 1].
        order: key of `ORDERS`.
        ties: key of `TIES`. A map with large equal areas, such as a coarse one, is judged by this choice.
        seed: of ties "random".

    Returns:
        bool (K, B, H, W), True = removed.

    Raises:
        InputError: maps, fractions or choices that cannot be used.
    """
    _check_maps(maps)
    if not (is_one_of(order, ORDERS) and is_one_of(ties, TIES)):
        raise InputError(f"Expected order in {[*ORDERS]} and ties in {[*TIES]}, got {order!r} and {ties!r}.")
    fractions, seed = _shares(fractions), _check_seed(seed)
    place = removal_places(maps, order, ties, seed)
    return torch.stack([place < _count(fraction, maps[0].numel()) for fraction in fractions])


def removal_places(maps: Tensor, order: str = "lerf", ties: str = "random", seed: int = 0) -> Tensor:
    """The place of every pixel in the order in which they go, from 0, int64 (B, H, W); as `removal_masks`."""
    flat = maps.detach().flatten(1)
    total = flat.shape[1]
    # A shuffle before the stable sort is what makes equal pixels go in random order.
    shuffle = torch.arange(total, device=maps.device)
    if ties == "random":
        shuffle = torch.randperm(total, generator=torch.Generator().manual_seed(seed)).to(maps.device)
    turn = shuffle[flat[:, shuffle].argsort(dim=1, descending=order == "morf", stable=True)]
    place = torch.empty_like(turn).scatter_(1, turn, torch.arange(total, device=maps.device).expand_as(turn))
    return place.view(maps.shape)


def removal_curve(
    model: nn.Module,
    inputs: Tensor,
    maps: Tensor,
    target: Target = None,
    *,
    fractions: Sequence[float] = LERF_FRACTIONS,
    order: str = "lerf",
    fill: str = "mean",
    ties: str = "random",
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> RemovalCurve:
    """Remove pixels in the order of the maps and watch the original model's probability.

    Args:
        model: classifier in eval mode, (B, C, H, W) -> logits.
        inputs: normalised batch (B, C, H, W).
        maps: (B, H, W), one per input.
        target: None for each input's predicted class.
        fractions: increasing numbers in [0, 1].
        order: key of `ORDERS`.
        fill: key of `FILLS`.
        ties: key of `TIES`. Row by row, as in the shipped runs, what a sparse map leaves at 0 goes in a block
            from the top, which many pictures bear better than holes all over: on photographs a map of one
            value then beats most methods in LeRF.
        seed: of random ties and noise.
        progress: called with (pictures answered, K * B); may raise to stop.

    Raises:
        InputError: arguments that do not fit each other, or a network that answers maps.
        ModelError: training mode, or an answer that depends on chance.
        TargetError: a target out of range.
        ArgumentTypeError: something of a wrong kind.
    """
    check_progress(progress)
    inputs = check_inputs(model, inputs)
    if inputs.ndim != 4:
        raise InputError(f"Pixels are removed of pictures (B, C, H, W); got inputs {tuple(inputs.shape)}.")
    if not isinstance(maps, Tensor):
        raise ArgumentTypeError(f"Expected maps as a tensor (B, H, W), got {type(maps).__name__}.")
    if maps.shape != (len(inputs), *inputs.shape[2:]):
        raise InputError(
            f"Expected maps {(len(inputs), *inputs.shape[2:])} for inputs {tuple(inputs.shape)}, "
            f"got {tuple(maps.shape)}: collapse and resize the attribution first."
        )
    fractions, seed = _shares(fractions), _check_seed(seed)
    if fractions != sorted(fractions):
        raise InputError(f"Expected increasing fractions, got {fractions}.")
    removed = removal_masks(maps, fractions, order, ties, seed)
    wanted, count = check_target(target, len(inputs)), len(fractions)
    columns, originals, targets = [], [], []
    with undisturbed(model, inputs), torch.no_grad():
        for image, x in enumerate(inputs):
            logits = scores_in(asked(model, x[None].clone()), 1)
            chosen = resolve_target(logits, None if wanted is None else wanted[image : image + 1])
            head = head_of(model, logits)
            originals.append(_probability(logits, chosen, head))
            targets.append(chosen)
            answers = []
            for part in forward_chunks(count, inputs):
                filled = fill_removed(x, removed[part, image], fill, seed + image)
                answers.append(_probability(outputs_in(asked(model, filled), len(filled)), chosen, head))
                if progress is not None:
                    progress(image * count + part.stop, count * len(inputs))
            columns.append(torch.cat(answers))
    return RemovalCurve(tuple(fractions), torch.stack(columns, 1), torch.cat(originals), torch.cat(targets))


def insertion_curve(
    model: nn.Module,
    inputs: Tensor,
    maps: Tensor,
    target: Target = None,
    *,
    fill: str = "blur",
    seed: int = 0,
) -> RemovalCurve:
    """Start without any pixel and add the most relevant first: LeRF over 0 to 100 %, read from the end.

    `fractions` of the result are shares *shown*; `original` is the probability of the empty picture,
    so that `probability_auc` is the insertion score. Higher is better.
    """
    gone = removal_curve(model, inputs, maps, target, fractions=FULL_FRACTIONS, fill=fill, seed=seed)
    shown = gone.probability.flip(0)
    return RemovalCurve(gone.fractions, shown, shown[0], gone.target)


def replace_pixels(
    images: Tensor, maps: Tensor, fraction: float, values: Sequence[float] | Tensor, order: str = "morf"
) -> Tensor:
    """ROAR's pictures (order "morf": the most relevant go) or KAR's ("lerf": they are kept).

    Args:
        images: (N, C, H, W), in whatever units `values` are.
        maps: (N, H, W) on the same device; equal values go row by row.
        fraction: of the pixels replaced, in [0, 1]; floor(fraction * H * W) of them.
        values: (C,), the channel means of the training set.
        order: key of `ORDERS`.

    Returns:
        (N, C, H, W), a new tensor.

    Raises:
        InputError: shapes that do not match.
    """
    fill = torch.as_tensor(values, dtype=images.dtype, device=images.device).flatten()
    if images.ndim != 4 or maps.shape != (len(images), *images.shape[2:]) or len(fill) != images.shape[1]:
        given = f"{tuple(images.shape)}, {tuple(maps.shape)} and {len(fill)} values"
        raise InputError(f"Expected images (N, C, H, W), maps (N, H, W) and C values, got {given}.")
    (removed,) = removal_masks(maps, [fraction], order)
    return torch.where(removed.unsqueeze(1), fill.view(1, -1, 1, 1), images)


def _shares(fractions: Any) -> list[float]:
    """Fractions as they were given, as numbers."""
    given = several("fractions", fractions, "[0.1, 0.5]")
    found = [None if is_truth(one) else as_real(one) for one in given]
    if not found or any(one is None or not 0 <= one <= 1 for one in found):
        raise InputError(f"Expected fractions between 0 and 1, such as [0.1, 0.5]; got {given!r}.")
    return [one for one in found if one is not None]


def _check_seed(seed: Any) -> int:
    if is_truth(seed) or not isinstance(seed, Integral) or not 0 <= int(seed) < 1 << 63:
        raise InputError(f"Expected a seed, a whole number from 0 on; got {seed!r}.")
    return int(seed)


def _check_maps(maps: Tensor) -> None:
    if not isinstance(maps, Tensor) or maps.is_complex():
        kind = maps.dtype if isinstance(maps, Tensor) else type(maps).__name__
        raise ArgumentTypeError(f"Expected maps as a tensor of real numbers (B, H, W), got {kind}.")
    if maps.ndim != 3 or maps.numel() == 0:
        raise InputError(
            f"Expected maps (B, H, W), got shape {tuple(maps.shape)}: collapse the attribution first."
        )
    if not bool(torch.isfinite(maps).all()):
        raise InputError("The maps hold NaN or infinite values, which cannot be put in an order.")


def _count(fraction: float, total: int) -> int:
    """floor(fraction * total), forgiving what floats do to 0.07 * 100."""
    return int(np.floor(fraction * total + 1e-9))


def _probability(logits: Tensor, target: Tensor, head: Head) -> Tensor:
    """Probability of one target per picture, float64 (B,); one target serves the whole batch."""
    return probabilities(logits.double(), head).gather(1, target.expand(len(logits)).unsqueeze(1)).squeeze(1)
