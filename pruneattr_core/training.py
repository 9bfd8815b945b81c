"""The training loop behind the bundled weights: seeded, resumable after a kill, one core is enough.

Every batch is a pure function of (seed, step), so a checkpoint needs only the step, the network and the
optimiser, and a resumed run ends with the very bits of an uninterrupted one (same machine and threads).
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor, nn

from pruneattr_core.errors import WeightsError
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


def orthogonalise(matrix: Tensor, steps: int = 4) -> Tensor:
    """U V^T of a matrix U S V^T, roughly: all singular values end in about [0.6, 1.2].

    Newton-Schulz iteration with the quintic of Jordan et al., *Muon*, 2024.

    Args:
        matrix: (n, m).
        steps: iterations.
    """
    x = matrix / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    for _ in range(steps):
        gram = x @ x.T
        x = 3.4445 * x + (2.0315 * gram @ gram - 4.7750 * gram) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalised, for convolutions followed by BatchNorm (Jordan et al., 2024).

    Each filter bank is held at Frobenius norm sqrt(out channels): BatchNorm makes its scale meaningless.
    On the CIFAR-10 network two epochs of this equal four of plain SGD.

    Args:
        params: weights (out, in, kh, kw).
        lr: size of a step relative to the weights.
        momentum: of the Nesterov average.
    """

    def __init__(self, params: list[nn.Parameter], lr: float, momentum: float = 0.9) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update from the gradients that are there."""
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["average"] = torch.zeros_like(p)
                average = state["average"].mul_(group["momentum"]).add_(p.grad)
                update = orthogonalise(p.grad.add(average, alpha=group["momentum"]).flatten(1))
                p.mul_(len(p) ** 0.5 / p.norm())
                tall = max(1.0, len(p) / p[0].numel()) ** 0.5
                p.add_(update.view(p.shape), alpha=-group["lr"] * tall)


def fit(
    model: nn.Module,
    pool: Pool,
    recipe: Recipe,
    seed: int,
    checkpoint: Path | None = None,
    every: int = 100,
    log: Callable[[str], None] = print,
) -> float:
    """Train `model` in place and leave it in eval mode.

    Args:
        model: network with its first weights; channels-last is set here.
        pool: what to learn.
        recipe: how.
        seed: of the order and the augmentation.
        checkpoint: file to go on from and to write every `every` steps, atomically; removed by nobody here.
        every: steps between checkpoints.
        log: receives one line an epoch.

    Returns:
        Seconds of training, those before a kill included.

    Raises:
        WeightsError: the checkpoint belongs to another recipe, seed or data.
    """
    model.to(memory_format=torch.channels_last).train()
    optimisers = _optimisers(model, recipe)
    plan = _plan(len(pool.labels), recipe)
    name = identity(pool, recipe, seed)
    first, seconds = _resume(checkpoint, name, model, optimisers)
    if first:
        log(f"going on from step {first} of {len(plan)}")
    epoch_order: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))
    loss_sum, correct, done, began = 0.0, 0, 0, time.monotonic()
    for step in range(first, len(plan)):
        epoch, within, side = plan[step]
        if epoch_order[0] != epoch:
            epoch_order = epoch, np.random.default_rng((seed, 1, epoch)).permutation(len(pool.labels))
        chosen = epoch_order[1][within * recipe.batch : (within + 1) * recipe.batch]
        images = augmented(pool.images[chosen], recipe, side, np.random.default_rng((seed, 2, step)))
        labels = torch.from_numpy(pool.labels[chosen])
        _set_rates(optimisers, recipe, step / len(plan))
        logits = model(images)
        loss = F.cross_entropy(logits, labels, label_smoothing=recipe.smoothing)
        model.zero_grad(set_to_none=True)
        loss.backward()
        for optimiser in optimisers:
            optimiser.step()
        loss_sum, correct, done = (
            loss_sum + loss.item(),
            correct + int((logits.argmax(1) == labels).sum()),
            done + 1,
        )
        last = step + 1 == len(plan) or plan[step + 1][0] != epoch
        elapsed = seconds + time.monotonic() - began
        if checkpoint is not None and (last or (step + 1) % every == 0):
            _save(checkpoint, name, step + 1, elapsed, model, optimisers)
        if last:
            log(
                f"epoch {epoch + 1}  {side}x{side}  loss {loss_sum / done:.4f}  "
                f"training accuracy {correct / (done * recipe.batch):.4f}  {elapsed:.0f} s"
            )
            loss_sum, correct, done = 0.0, 0, 0
    model.eval()
    return seconds + time.monotonic() - began


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
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / f"{name}.safetensors", data)
    card = {**card, "file": f"{name}.safetensors", "sha256": hashlib.sha256(data).hexdigest()}
    write_atomically(
        folder / f"{name}.json", (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode()
    )
    return folder / f"{name}.safetensors"


def _plan(count: int, recipe: Recipe) -> list[tuple[int, int, int]]:
    """(epoch, step within it, side) of every step."""
    sides = [side for epochs, side in recipe.stages for _ in range(epochs)]
    return [(e, k, side) for e, side in enumerate(sides) for k in range(count // recipe.batch)]


def _optimisers(model: nn.Module, recipe: Recipe) -> tuple[torch.optim.Optimizer, ...]:
    filters = [p for p in model.parameters() if p.ndim == 4]
    rest = [p for p in model.parameters() if p.ndim != 4]
    sgd = torch.optim.SGD(
        rest, recipe.sgd_lr, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay, foreach=False
    )
    return Muon(filters, recipe.muon_lr), sgd


def _set_rates(optimisers: tuple[torch.optim.Optimizer, ...], recipe: Recipe, progress: float) -> None:
    muon, sgd = optimisers
    muon.param_groups[0]["lr"] = recipe.muon_lr * (1 - progress)
    sgd.param_groups[0]["lr"] = recipe.sgd_lr * min(progress / 0.2, (1 - progress) / 0.8)


def identity(pool: Pool, recipe: Recipe, seed: int) -> str:
    """sha256 hex of all that decides a training: pictures, labels, recipe and seed."""
    digest = hashlib.sha256(json.dumps([asdict(recipe), seed]).encode())
    digest.update(np.ascontiguousarray(pool.images).data)
    digest.update(np.ascontiguousarray(pool.labels).data)
    return digest.hexdigest()


def _save(
    path: Path,
    name: str,
    step: int,
    seconds: float,
    model: nn.Module,
    optimisers: tuple[torch.optim.Optimizer, ...],
) -> None:
    states = [optimiser.state_dict() for optimiser in optimisers]
    state = {
        "identity": name,
        "step": step,
        "seconds": seconds,
        "model": model.state_dict(),
        "optimisers": states,
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())


def _resume(
    path: Path | None, name: str, model: nn.Module, optimisers: tuple[torch.optim.Optimizer, ...]
) -> tuple[int, float]:
    """Load the checkpoint, if there is one; the next step and the seconds already spent."""
    if path is None or not path.exists():
        return 0, 0.0
    try:
        state = torch.load(path, weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise WeightsError(f"{path} is not a training checkpoint. Delete it to start anew.") from error
    if state["identity"] != name:
        raise WeightsError(
            f"The checkpoint {path} belongs to another recipe, seed or data set. Delete it to start anew."
        )
    model.load_state_dict(state["model"])
    for optimiser, saved in zip(optimisers, state["optimisers"], strict=True):
        optimiser.load_state_dict(saved)
    return int(state["step"]), float(state["seconds"])
