"""Choosing a sparsity by how much the output may change (PAPERS: choosing kappa).

All changes are those of the zero-mode network: in mode freeze the output never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from pruneattr_core.checks import Target, check_inputs
from pruneattr_core.errors import InputError
from pruneattr_core.graph import bytes_each
from pruneattr_core.pruning import outputs_of, pruned_logits
from pruneattr_core.runtime import chunks, own_modes
from pruneattr_core.scoring import contributions
from pruneattr_core.values import Contributions, Outputs, Ties, masks_at, share_removed

#: About 1 % of all neurons at a time, as PG1 section 4.1; the last percent in tenths, since some networks
#: answer the same with 1 % of their neurons.
PRUNING_STEPS = (*(i / 100 for i in range(1, 100)), *(i / 1000 for i in range(991, 1000)))
#: Thresholds shown in PG1 and PG2.
OUTPUT_CHANGES = (0.05, 0.10, 0.15, 0.20, 0.30)

Progress = Callable[[int, int], None]


@own_modes()
def output_curve(
    model: nn.Module,
    inputs: Tensor,
    scores: Contributions,
    sparsities: Sequence[float],
    ties: Ties = "drop",
    progress: Progress | None = None,
) -> Outputs:
    """Answers of the zero-mode network at every sparsity; forward passes only.

    Args:
        model: network in eval mode.
        inputs: (B, C, H, W), the batch that was scored.
        scores: its contributions.
        sparsities: K fractions in [0, 1].
        ties: see `Contributions.path`.
        progress: called with (levels done, K); may raise to stop.

    Returns:
        Fields of shape (K, B).
    """
    inputs = check_inputs(model, inputs)
    batch = len(inputs)
    known: dict[tuple[int, ...], Tensor] = {}
    keys: list[tuple[int, ...]] = []
    waiting: list[tuple[tuple[int, ...], tuple[Tensor, ...]]] = []
    size = next(iter(chunks(len(sparsities), batch * bytes_each(inputs) // 2, inputs))).stop

    def flush() -> None:
        stacked = [torch.cat(layer) for layer in zip(*(masks for _, masks in waiting), strict=True)]
        logits = pruned_logits(model, inputs.repeat(len(waiting), *[1] * (inputs.ndim - 1)), stacked)
        known.update(zip((key for key, _ in waiting), logits.split(batch), strict=True))
        waiting.clear()

    removed = []
    for done, masks in enumerate(masks_at(scores.layers, sparsities, ties), 1):
        removed.append(share_removed(masks))
        key = tuple(removed[-1].tolist())  # paths nest, so equal shares mean equal masks
        keys.append(key)
        if key not in known and key not in dict(waiting):
            waiting.append((key, masks))
        if len(waiting) == size:
            flush()
            if progress is not None:
                progress(done, len(sparsities))
    if waiting:
        flush()
    if progress is not None:
        progress(len(sparsities), len(sparsities))
    logits = torch.stack([known[key] for key in keys])
    return outputs_of(logits, scores.logits, scores.question, torch.stack(removed), scores.head)


@own_modes()
def sparsity_for_change(
    model: nn.Module,
    inputs: Tensor,
    scores: Contributions,
    output_change: float,
    ties: Ties = "drop",
) -> Tensor:
    """Per input: prune step by step until the output change first exceeds `output_change` (PG1 section 4.1).

    Args:
        model: network in eval mode.
        inputs: (B, C, H, W), the batch that was scored.
        scores: its contributions.
        output_change: allowed |p_pruned - p| / p of the target probability, >= 0.
        ties: see `Contributions.path`.

    Returns:
        (B,) float64 requested sparsity, the last of `PRUNING_STEPS` where the change never exceeds.

    Raises:
        InputError: a negative or NaN output change.
    """
    if not output_change >= 0:
        raise InputError(f"Expected output_change >= 0, a fraction such as 0.15; got {output_change!r}.")
    found = []
    for image in range(len(inputs)):
        own = scores[image]
        answer = PRUNING_STEPS[-1]
        for start in range(0, len(PRUNING_STEPS), 8):
            steps = PRUNING_STEPS[start : start + 8]
            change = output_curve(model, inputs[image : image + 1], own, steps, ties).output_change[:, 0]
            over = (change > output_change).nonzero()
            if len(over):
                answer = steps[int(over[0])]
                break
        found.append(answer)
    return torch.tensor(found, dtype=torch.float64)


@dataclass(frozen=True)
class Calibration:
    """Output change against sparsity over a data set (PG2 fig. 2a).

    Attributes:
        sparsity: (K,) requested.
        mean: (K,) mean output change.
        spread: (K,) standard deviation over inputs.
        kept_prediction: (K,) share of inputs whose predicted class stays.
        n: number of inputs.
        points: allowed output change -> sparsity at which the mean reaches it; changes never reached are
            left out.
    """

    sparsity: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    kept_prediction: np.ndarray
    n: int
    points: dict[float, float]


@own_modes()
def calibrate(
    model: nn.Module,
    batches: Iterable[Tensor],
    target: Target = None,
    changes: Sequence[float] = OUTPUT_CHANGES,
    method: str = "taylor",
    sparsities: Sequence[float] = PRUNING_STEPS,
    progress: Callable[[int], None] | None = None,
) -> Calibration:
    """The sparsities at which the mean output change over a data set reaches given values.

    Args:
        model: network in eval mode.
        batches: tensors (B, C, H, W).
        target: explained class; None for each input's predicted one.
        changes: allowed mean output changes, as fractions.
        method: contribution, see `contributions`.
        sparsities: increasing grid of at least two levels.
        progress: called with the number of inputs done; may raise to stop.

    Raises:
        InputError: no inputs, or a grid that does not increase.
    """
    grid = np.asarray(sparsities, dtype=np.float64)
    if len(grid) < 2 or (np.diff(grid) <= 0).any():
        raise InputError("Expected an increasing grid of at least two sparsities.")
    per_input, stays, done = [], [], 0
    for batch in batches:
        scores = contributions(model, batch, target, method)
        curve = output_curve(model, batch, scores, sparsities)
        per_input.append(curve.output_change.cpu().double().numpy())
        stays.append((~curve.changed).cpu().numpy())
        done += len(batch)
        if progress is not None:
            progress(done)
    if not per_input:
        raise InputError("Calibration needs at least one input, got an empty data set.")
    change = np.concatenate(per_input, axis=1)
    mean = change.mean(1)
    return Calibration(
        sparsity=grid,
        mean=mean,
        spread=change.std(1),
        kept_prediction=np.concatenate(stays, axis=1).mean(1),
        n=change.shape[1],
        points={float(c): s for c in changes if (s := first_crossing(grid, mean, c)) is not None},
    )


def first_crossing(grid: np.ndarray, mean: np.ndarray, level: float) -> float | None:
    """Where the piecewise linear curve first reaches `level`; None if it never does."""
    over = np.flatnonzero(mean >= level)
    if not len(over):
        return None
    k = int(over[0])
    if k == 0:
        return float(grid[0])
    return float(np.interp(level, mean[k - 1 : k + 1], grid[k - 1 : k + 1]))
