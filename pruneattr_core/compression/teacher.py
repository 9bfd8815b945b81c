"""What students learn from: the teacher's training, and its answers to fixed pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.brief import brief
from pruneattr_core.compression.loop import Schedule, optimise
from pruneattr_core.compression.matching import channel_weights, ewa_map, seen, swa_map, task_loss
from pruneattr_core.compression.pool import Pool
from pruneattr_core.errors import InputError

#: Largest random shift in the teacher's training, as a fraction of the side (reflected borders).
SHIFT = 0.125


def train_teacher(
    model: nn.Module,
    pictures: Pool,
    schedule: Schedule,
    seed: int,
    identity: str,
    checkpoint: Path | None = None,
    log: Callable[[str], None] = print,
    change: str = "shift",
) -> float:
    """Train on the task alone, pictures mirrored and changed (`CHANGES`) at random; see `optimise`."""
    changed = CHANGES[change]

    def loss(chosen: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        inputs = changed(pictures.batch(chosen, rng.random(len(chosen)) < 0.5), rng)
        return task_loss(model(inputs), pictures.targets(chosen), pictures.multi_label)

    return optimise(model, loss, len(pictures), schedule, seed, identity, checkpoint, log=log)


def _shifted(batch: Tensor, rng: np.random.Generator) -> Tensor:
    count, _, height, width = batch.shape
    pad = round(SHIFT * min(height, width))
    padded = F.pad(batch, (pad,) * 4, mode="reflect").permute(0, 2, 3, 1)
    rows = torch.arange(height) + torch.from_numpy(rng.integers(0, 2 * pad + 1, (count, 1)))
    columns = torch.arange(width) + torch.from_numpy(rng.integers(0, 2 * pad + 1, (count, 1)))
    which, rows, columns = (one.to(batch.device) for one in (torch.arange(count), rows, columns))
    picked = padded[which[:, None, None], rows[:, :, None], columns[:, None, :]]
    return picked.permute(0, 3, 1, 2)


def _cropped(batch: Tensor, rng: np.random.Generator) -> Tensor:
    """A part of each picture made as large as it, as torchvision's RandomResizedCrop chooses it (AP on VOC).

    The part's area is 8 to 100 % of the picture's and its sides are as 3:4 to 4:3; a side that would be
    longer than the picture's is as long.
    """
    count = len(batch)
    areas, ratios = rng.uniform(0.08, 1.0, count), np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3), count))
    sides = np.stack([np.sqrt(areas * ratios), np.sqrt(areas / ratios)], 1).clip(max=1.0)  # width, height
    moved = (1 - sides) * rng.uniform(-1, 1, (count, 2))
    theta = np.zeros((count, 2, 3))
    theta[:, [0, 1], [0, 1]], theta[:, :, 2] = sides, moved
    grid = F.affine_grid(torch.from_numpy(theta).to(batch), list(batch.shape), align_corners=False)
    return F.grid_sample(batch, grid, padding_mode="border", align_corners=False)


#: What happens to pictures at random while the teacher learns, besides mirroring.
CHANGES: dict[str, Callable[[Tensor, np.random.Generator], Tensor]] = {"shift": _shifted, "crop": _cropped}


@dataclass(frozen=True, eq=False)
class Answers:
    """The frozen teacher's answers to every picture of a pool, as it is (0) and mirrored (1).

    They do not change while a student learns, so computing them once is exact.

    Attributes:
        logits: (2, N, classes).
        weights: (2, N, C), channel weights for the teacher's largest logit (SWA's U).
        activations: (2, N, C, H, W) of the matched layer.
        layer: its name.
    """

    logits: Tensor
    weights: Tensor
    activations: Tensor
    layer: str

    __repr__ = brief

    def map(
        self,
        matching: str,
        chosen: NDArray[np.int64],
        mirrored: NDArray[np.bool_],
        dropped: NDArray[np.int64] | None = None,
    ) -> Tensor:
        """The teacher's map (B, H, W) for "ewa", "swa" or "sswa" (without the channels `dropped`)."""
        side = mirrored.astype(np.int64)
        activation = self.activations[side, chosen]
        if matching == "ewa":
            return ewa_map(activation)
        weights = self.weights[side, chosen]
        if dropped is not None:
            weights = weights.index_fill(1, torch.from_numpy(dropped).to(weights.device), 0.0)
        return swa_map(activation, weights)


def answers(model: nn.Module, pictures: Pool, layer: str, block: int = 100) -> Answers:
    """Ask the teacher once for everything that matching may need.

    Args:
        model: frozen, in eval mode, private to the caller.
        pictures: what the student will see.
        layer: name of the module to match.
        block: pictures a pass; always the same blocks, so that a resumed training meets the same bits.

    Raises:
        ModelError: there is no such layer.
        InputError: there are no pictures.
    """
    everything, kept = [], None
    for mirrored in (0, 1):
        parts: list[tuple[Tensor, Tensor]] = []
        for start in range(0, len(pictures), block):
            chosen = np.arange(start, min(start + block, len(pictures)))
            inputs = pictures.batch(chosen, np.full(len(chosen), bool(mirrored)))
            logits, activation = seen(model, inputs, layer, leaf=True)
            if kept is None:
                kept = activation.new_empty(2, len(pictures), *activation.shape[1:])
            kept[mirrored, chosen] = activation.detach()
            parts.append((logits.detach(), channel_weights(logits, activation, logits.argmax(1))))
        everything.append([torch.cat(one) for one in zip(*parts, strict=True)])
    if kept is None:
        raise InputError("There are no pictures to learn from.")
    logits, weights = (torch.stack(one) for one in zip(*everything, strict=True))
    return Answers(logits, weights, kept, layer)
