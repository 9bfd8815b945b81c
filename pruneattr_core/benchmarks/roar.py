"""ROAR and KAR: pixels go by attribution, then networks learn from scratch (Hooker et al. 2019, SCP table 1).

How they learn is `training`. Text and released code agree on the recipe; the released code stored its maps in
8 bits, whose ties its figures contain. Maps keep their precision here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from pruneattr_core.benchmarks.maps import maps_of
from pruneattr_core.benchmarks.pixels import area, replace_pixels
from pruneattr_core.benchmarks.training import Recipe, Recorded, train_alone
from pruneattr_core.given import check_progress
from pruneattr_core.runtime import Tick

#: Fractions removed in SCP table 1; the area starts at 0 with the accuracy of unchanged pictures.
FRACTIONS = (0.1, 0.3, 0.5, 0.7, 0.9)


def predicted(model: nn.Module, inputs: Tensor, batch: int = 64) -> Tensor:
    """Classes (N,) that the network predicts for pictures (N, C, H, W)."""
    with torch.no_grad():
        return torch.cat([model(part).argmax(1) for part in inputs.split(batch)])


def attributed(
    model: nn.Module,
    inputs: Tensor,
    target: Tensor,
    method: Mapping[str, Any],
    how: str = "signed_max",
    batch: int = 64,
    progress: Tick | None = None,
) -> Tensor:
    """Maps (N, H, W) of normalised pictures (N, C, H, W) for classes (N,), where `inputs` are."""
    check_progress(progress)
    maps = torch.empty(len(inputs), *inputs.shape[2:], device=inputs.device, dtype=inputs.dtype)
    for start in range(0, len(inputs), batch):
        part = slice(start, start + batch)
        maps[part] = maps_of(model, inputs[part], target[part], method, how).to(maps)
        if progress is not None:
            progress(min(part.stop, len(inputs)), len(inputs))
    return maps


def without_pixels(inputs: Tensor, maps: Tensor, fraction: float, order: str = "morf") -> Tensor:
    """Normalised pictures with the first `fraction` of the pixels at 0, the channel mean.

    Args:
        inputs: (N, C, H, W).
        maps: (N, H, W).
        fraction: in [0, 1].
        order: "morf" removes the most relevant (ROAR), "lerf" the least relevant (KAR).
    """
    if fraction == 0:
        return inputs
    return replace_pixels(inputs, maps, fraction, [0.0] * inputs.shape[1], order)


def accuracies(
    build: Callable[[], nn.Module],
    train: Sequence[Tensor],
    labels: Tensor,
    test: Sequence[Tensor],
    test_labels: Tensor,
    seeds: Sequence[int],
    recipe: Recipe,
    progress: Tick | None = None,
) -> Tensor:
    """Share of right test answers of a network trained on each entry of `train`, float64 (M,).

    Args:
        build: see `train_alone`.
        train: M tensors (N, C, H, W), normalised; one tensor may appear often.
        labels: (N,).
        test: M tensors (T, C, H, W), changed in the same way.
        test_labels: (T,).
        seeds: M.
        recipe: see `Recipe`.
        progress: called with networks done and in all.
    """
    check_progress(progress)
    on_gpu = labels.device.type == "cuda"
    recorded = _recorded(build, tuple(train[0].shape), labels, recipe) if on_gpu else None
    found = []
    for one, other, seed in zip(train, test, seeds, strict=True):
        network = (
            train_alone(build, one, labels, seed, recipe) if recorded is None else recorded.learn(one, seed)
        )
        found.append((predicted(network, other, 500) == test_labels).double().mean().cpu())
        if progress is not None:
            progress(len(found), len(seeds))
    return torch.stack(found)


@lru_cache(maxsize=1)
def _recorded(
    build: Callable[[], nn.Module], shape: tuple[int, ...], labels: Tensor, recipe: Recipe
) -> Recorded:
    """One recording for all cells of a process: compiling takes longer than a short training."""
    return Recorded(build, torch.zeros(shape, device=labels.device), labels, recipe)


def accuracy_area(base: float, accuracies: Sequence[float], fractions: Sequence[float] = FRACTIONS) -> float:
    """Area under accuracy from 0, where it is `base`, to the last fraction; trapezoids (SCP table 1)."""
    values = torch.tensor(accuracies, dtype=torch.float64)[:, None]
    return float(area(fractions, values, torch.tensor([base], dtype=torch.float64)))
