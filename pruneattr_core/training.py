"""How the bundled weights were trained: pictures, recipe, augmentation; one core is enough."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor, nn

from pruneattr_core.brief import brief
from pruneattr_core.descent import Checkpoint, Descent, Rates
from pruneattr_core.given import check_progress
from pruneattr_core.store import write_atomically


@dataclass(frozen=True)
class Pool:
    """Labelled pictures in memory.

    Attributes:
        images: uint8 (N, H, W, 3).
        labels: int64 (N,).
        name: what they are, for the record beside the weights.
    """

    images: np.ndarray
    labels: np.ndarray
    name: str = ""

    __repr__ = brief


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes:
        stages: (epochs, side in pixels), in order; small pictures cost less (antialiased bilinear resize).
        batch: pictures a step; the remainder of an epoch is left out.
        muon_lr: peak learning rate of the convolutions, see `Muon`; falls linearly to 0.
        sgd_lr: peak learning rate of everything else (one cycle: up during 20 %, then linearly to 0).
        weight_decay: of everything that SGD trains.
        smoothing: label smoothing of the cross entropy.
        shift: largest random shift, as a fraction of the side (reflected borders).
        flip: mirror half of the pictures.
        mean: per channel, of pictures in [0, 1].
        std: per channel.
    """

    stages: tuple[tuple[int, int], ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    batch: int = 128
    muon_lr: float = 0.04
    sgd_lr: float = 0.2
    weight_decay: float = 5e-4
    smoothing: float = 0.1
    shift: float = 0.125
    flip: bool = True


def fit(
    model: nn.Module,
    pool: Pool,
    recipe: Recipe,
    seed: int,
    checkpoint: Path | None = None,
    every: int = 100,
    log: Callable[[str], None] = print,
    progress: Callable[[int, int, str], None] | None = None,
) -> float:
    """Train `model` in place and leave it in eval mode.

    Args:
        model: network with its first weights; channels-last is set here.
        pool: what to learn.
        recipe: how.
        seed: of the order and the augmentation.
        checkpoint: file to go on from and to write every `every` steps; see `descent.Checkpoint`.
        every: steps between checkpoints.
        log: receives one line an epoch.
        progress: called after each step with (steps done, steps in all, the epoch).

    Returns:
        Seconds of training, those before a kill included.

    Raises:
        WeightsError: the checkpoint belongs to another recipe, seed or data.
    """
    check_progress(progress)
    sides = [side for epochs, side in recipe.stages for _ in range(epochs)]
    steps = len(sides) * (len(pool.labels) // recipe.batch)
    descent = Descent(
        model,
        Rates(recipe.sgd_lr, recipe.muon_lr, recipe.weight_decay),
        steps=steps,
        count=len(pool.labels),
        batch=recipe.batch,
        seed=seed,
        checkpoint=Checkpoint(checkpoint, identity(pool, recipe, seed), every),
        log=log,
    )
    correct = 0
    for step in descent:
        side = sides[step.epoch]
        labels = torch.from_numpy(pool.labels[step.chosen])
        logits = model(augmented(pool.images[step.chosen], recipe, side, step.rng))
        descent.follow(F.cross_entropy(logits, labels, label_smoothing=recipe.smoothing))
        correct += int((logits.argmax(1) == labels).sum())
        if progress is not None:
            progress(step.number + 1, steps, f"epoch {step.epoch + 1} of {len(sides)}")
        if step.last:
            losses = descent.losses()
            log(
                f"epoch {step.epoch + 1}  {side}x{side}  loss {sum(losses) / len(losses):.4f}  "
                f"training accuracy {correct / (len(losses) * recipe.batch):.4f}  {descent.seconds:.0f} s"
            )
            correct = 0
    model.eval()
    return descent.seconds


def accuracy(model: nn.Module, pool: Pool, recipe: Recipe, batch: int = 250) -> float:
    """Share of `pool` that `model` names correctly, pictures at their own size."""
    hits = 0
    with torch.no_grad():
        for start in range(0, len(pool.labels), batch):
            images = normalised(pool.images[start : start + batch], recipe)
            labels = torch.from_numpy(pool.labels[start : start + batch])
            hits += int((model(images).argmax(1) == labels).sum())
    return hits / len(pool.labels)


def normalised(images: np.ndarray, recipe: Recipe) -> Tensor:
    """uint8 (B, H, W, 3) -> float32 (B, 3, H, W), channels last, (x / 255 - mean) / std."""
    tensor = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255
    mean, std = torch.tensor(recipe.mean).view(1, 3, 1, 1), torch.tensor(recipe.std).view(1, 3, 1, 1)
    return ((tensor - mean) / std).contiguous(memory_format=torch.channels_last)


def augmented(images: np.ndarray, recipe: Recipe, side: int, rng: np.random.Generator) -> Tensor:
    """Make a normalised batch of `side` x `side` pictures, shifted and mirrored at random.

    Args:
        images: uint8 (B, H, W, 3).
        recipe: its shift, flip, mean and std.
        side: wanted height and width.
        rng: the only source of chance.
    """
    batch = normalised(images, recipe)
    if side != images.shape[1]:
        batch = F.interpolate(batch, size=side, mode="bilinear", antialias=True, align_corners=False)
    count, pad = len(images), round(recipe.shift * side)
    padded = F.pad(batch, (pad,) * 4, mode="reflect").permute(0, 2, 3, 1)
    grid = torch.arange(side)
    rows = grid + torch.from_numpy(rng.integers(0, 2 * pad + 1, (count, 1)))
    mirror = torch.from_numpy(rng.random((count, 1)) < (0.5 if recipe.flip else 0.0))
    columns = torch.where(mirror, side - 1 - grid, grid) + torch.from_numpy(
        rng.integers(0, 2 * pad + 1, (count, 1))
    )
    picked = padded[torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return picked.permute(0, 3, 1, 2)


def write_weights(model: nn.Module, folder: Path, name: str, card: dict[str, Any]) -> Path:
    """Write `name`.safetensors, then `name`.json with its sha256; each appears whole or not at all."""
    tensors = {key: value.detach().contiguous() for key, value in model.state_dict().items()}
    data = save(tensors)
    write_atomically(folder / f"{name}.safetensors", data)
    card = {**card, "file": f"{name}.safetensors", "sha256": hashlib.sha256(data).hexdigest()}
    write_atomically(
        folder / f"{name}.json", (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode()
    )
    return folder / f"{name}.safetensors"


def identity(pool: Pool, recipe: Recipe, seed: int) -> str:
    """sha256 hex of all that decides a training: pictures, labels, recipe and seed."""
    digest = hashlib.sha256(json.dumps([asdict(recipe), seed]).encode())
    digest.update(np.ascontiguousarray(pool.images).data)
    digest.update(np.ascontiguousarray(pool.labels).data)
    return digest.hexdigest()
