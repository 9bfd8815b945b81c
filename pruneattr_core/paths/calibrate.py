"""Choosing a sparsity by how much the output may change (PAPERS: choosing kappa).

All changes are those of the zero-mode network: in mode freeze the output never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from pruneattr_core.brief import brief
from pruneattr_core.checks import Target, check_inputs, check_scores
from pruneattr_core.errors import InputError
from pruneattr_core.given import check_batches, check_progress, several
from pruneattr_core.graph import forward_chunks
from pruneattr_core.one_of import is_one_of
from pruneattr_core.pruning import outputs_of, pruned_logits
from pruneattr_core.runtime import Tick, own_modes
from pruneattr_core.same import same
from pruneattr_core.scoring import contributions
from pruneattr_core.selection import (
    Of,
    Removal,
    Ties,
    as_real,
    fraction,
    masks_at,
    removed_count,
    silent_count,
)
from pruneattr_core.values import ChangeOf, Contributions, Outputs

#: About 1 % of all neurons at a time, as PG1 section 4.1; the last percent in tenths, since some networks
#: answer the same with 1 % of their neurons.
PRUNING_STEPS = (*(i / 100 for i in range(1, 100)), *(i / 1000 for i in range(991, 1000)))
#: Thresholds shown in PG1 and PG2.
OUTPUT_CHANGES = (0.05, 0.10, 0.15, 0.20, 0.30)


@own_modes()
def output_curve(
    model: nn.Module,
    inputs: Tensor,
    scores: Contributions,
    sparsities: Sequence[float],
    ties: Ties = "drop",
    progress: Tick | None = None,
    of: Of = "all",
) -> Outputs:
    """Answers of the zero-mode network at every sparsity; forward passes only.

    Args:
        model: network in eval mode.
        inputs: (B, C, H, W), the batch that was scored.
        scores: its contributions.
        sparsities: K fractions in [0, 1].
        ties: see `Contributions.path`.
        progress: called with (levels done, K); may raise to stop.
        of: what the sparsities are a share of, see `Contributions.path`.

    Returns:
        Fields of shape (K, B).
    """
    check_progress(progress)
    inputs, sparsities = check_inputs(model, inputs), several("sparsities", sparsities, "[0, 0.8]")
    if not sparsities:
        raise InputError("Expected at least one sparsity.")
    check_scores(model, scores, inputs)
    batch = len(inputs)
    known: dict[tuple[int, ...], Tensor] = {}
    keys: list[tuple[int, ...]] = []
    waiting: list[tuple[tuple[int, ...], tuple[Tensor, ...]]] = []
    size = next(iter(forward_chunks(len(sparsities), inputs, batch))).stop

    def flush() -> None:
        stacked = [torch.cat(layer) for layer in zip(*(masks for _, masks in waiting), strict=True)]
        copies = inputs.repeat(len(waiting), *[1] * (inputs.ndim - 1))
        logits = pruned_logits(model, copies, stacked, scores.class_scores)
        known.update(zip((key for key, _ in waiting), logits.split(batch), strict=True))
        waiting.clear()

    removed = []
    for done, masks in enumerate(masks_at(scores.layers, sparsities, ties, of, scores.names), 1):
        removed.append(removed_count(masks))
        key = tuple(removed[-1].tolist())  # paths nest, so equal numbers mean equal masks
        keys.append(key)
        if key not in known and key not in dict(waiting):
            waiting.append((key, scores.spread(masks)))
        if len(waiting) == size:
            flush()
            if progress is not None:
                progress(done, len(sparsities))
    if waiting:
        flush()
    if progress is not None:
        progress(len(sparsities), len(sparsities))
    logits = torch.stack([known[key] for key in keys])
    removal = Removal(torch.stack(removed), silent_count(scores.layers), scores.neurons)
    return outputs_of(logits, scores.logits, scores.question, removal, scores.head)


def check_change(output_change: float | None, change_of: str) -> float:
    """The output change as a number, 0 for None; InputError unless it is allowed, and of what can change."""
    change = 0 if output_change is None else as_real(output_change)
    if change is None or not change >= 0:
        raise InputError(f"Expected output_change >= 0, a fraction such as 0.15; got {output_change!r}.")
    if not is_one_of(change_of, ("response", "probability")):
        raise InputError(f'Expected change_of "response" or "probability", got {change_of!r}.')
    return change


@own_modes()
def sparsity_for_change(
    model: nn.Module,
    inputs: Tensor,
    scores: Contributions,
    output_change: float,
    ties: Ties = "drop",
    change_of: ChangeOf = "response",
    of: Of = "all",
) -> Tensor:
    """Per input: prune step by step until the output change first exceeds `output_change` (PG1 section 4.1).

    Args:
        model: network in eval mode.
        inputs: (B, C, H, W), the batch that was scored.
        scores: its contributions.
        output_change: allowed change as a fraction, >= 0.
        ties: see `Contributions.path`.
        change_of: what changes: the "response" or its "probability", see `Outputs`.
        of: what the steps are shares of, see `Contributions.path`.

    Returns:
        (B,) float64 requested sparsity, the last of `PRUNING_STEPS` where the change never exceeds.

    Raises:
        InputError: a negative or NaN output change, or a change of something else.
    """
    allowed = check_change(output_change, change_of)
    found = []
    for image in range(len(inputs)):
        own = scores[image]
        answer = PRUNING_STEPS[-1]
        for start in range(0, len(PRUNING_STEPS), 8):
            steps = PRUNING_STEPS[start : start + 8]
            curve = output_curve(model, inputs[image : image + 1], own, steps, ties, of=of)
            over = (curve.change(change_of)[:, 0] > allowed).nonzero()
            if len(over):
                answer = steps[int(over[0])]
                break
        found.append(answer)
    return torch.tensor(found, dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class Calibration:
    """Output change against sparsity over a data set (PG2 fig. 2a).

    Attributes:
        sparsity: (K,) requested.
        mean: (K,) mean output change.
        spread: (K,) standard deviation over inputs.
        kept_prediction: (K,) share of inputs whose predicted class stays.
        n: number of inputs that count: where the response (or probability) is 0, no share of it can change.
        points: allowed output change -> sparsity at which the mean reaches it; changes never reached are
            left out.
        change_of: what changes: the "response" or its "probability".
    """

    sparsity: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    kept_prediction: np.ndarray
    n: int
    points: dict[float, float]
    change_of: ChangeOf = "response"

    __repr__ = brief
    __eq__ = same


@own_modes()
def calibrate(
    model: nn.Module,
    batches: Iterable[Tensor],
    target: Target = None,
    changes: Sequence[float] = OUTPUT_CHANGES,
    method: str = "taylor",
    sparsities: Sequence[float] = PRUNING_STEPS,
    progress: Callable[[int], None] | None = None,
    change_of: ChangeOf = "response",
) -> Calibration:
    """The sparsities at which the mean output change over a data set reaches given values.

    One call measures one change; `calibrations` measures both from the same passes.

    Args:
        model: network in eval mode.
        batches: tensors (B, C, H, W).
        target: explained class; None for each input's predicted one.
        changes: allowed mean output changes, as fractions.
        method: contribution, see `contributions`.
        sparsities: increasing grid of at least two levels.
        progress: called with the number of inputs done; may raise to stop.
        change_of: what changes: the "response" or its "probability", see `Outputs`.

    Raises:
        InputError: no inputs, or a grid that does not increase.

    Example:
        >>> from pruneattr_core import calibrate, load_model, model_card
        >>> from pruneattr_core.datasets import load_dataset
        >>> model, card = load_model("scenes-net"), model_card("scenes-net")
        >>> inputs = card.preprocess(load_dataset("scenes")[3].image)
        >>> found = calibrate(model, [inputs], changes=[0.15], sparsities=[0, 0.9, 0.99, 0.999])
        >>> 0.9 < found.points[0.15] < 0.999
        True
    """
    check_progress(progress)
    check_change(None, change_of)
    return calibrations(model, batches, target, changes, method, sparsities, progress)[change_of]


@own_modes()
def calibrations(
    model: nn.Module,
    batches: Iterable[Tensor],
    target: Target = None,
    changes: Sequence[float] = OUTPUT_CHANGES,
    method: str = "taylor",
    sparsities: Sequence[float] = PRUNING_STEPS,
    progress: Callable[[int], None] | None = None,
) -> dict[ChangeOf, Calibration]:
    """`calibrate` for the response and for the probability, from the same passes; arguments as there."""
    check_progress(progress)
    grid = np.asarray([fraction(s) for s in several("sparsities", sparsities, "[0, 0.8, 0.9]")])
    levels = several("changes", changes, "[0.15]")
    if not all((level := as_real(one)) is not None and level >= 0 for one in levels):
        raise InputError(f"Expected changes as fractions, 0 or more, such as [0.15], got {levels!r}.")
    check_batches(batches)
    if len(grid) < 2 or (np.diff(grid) <= 0).any():
        raise InputError("Expected an increasing grid of at least two sparsities.")
    kinds: tuple[ChangeOf, ...] = ("response", "probability")
    curves: list[Outputs] = []
    stays, done = [], 0
    for batch in batches:
        scores = contributions(model, batch, target, method)
        curves.append(output_curve(model, batch, scores, grid.tolist()))
        stays.append((~curves[-1].changed).cpu().numpy())
        done += len(batch)
        if progress is not None:
            progress(done)
    if not curves:
        raise InputError("Calibration needs at least one input, got an empty data set.")
    kept = np.concatenate(stays, axis=1).mean(1)
    found: dict[ChangeOf, Calibration] = {}
    for kind in kinds:
        change = np.concatenate([curve.change(kind).cpu().double().numpy() for curve in curves], axis=1)
        change = change[:, np.isfinite(change).all(0)]
        if not change.size:
            raise InputError(f"The {kind} is 0 for every input, so no share of it can change.")
        mean = change.mean(1)
        points = {float(c): s for c in levels if (s := first_crossing(grid, mean, c)) is not None}
        found[kind] = Calibration(grid, mean, change.std(1), kept, change.shape[1], points, kind)
    return found


def first_crossing(grid: np.ndarray, mean: np.ndarray, level: float) -> float | None:
    """Where the piecewise linear curve first reaches `level`; None if it never does."""
    over = np.flatnonzero(mean >= level)
    if not len(over):
        return None
    k = int(over[0])
    if k == 0:
        return float(grid[0])
    return float(np.interp(level, mean[k - 1 : k + 1], grid[k - 1 : k + 1]))
