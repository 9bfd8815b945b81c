"""The training loop of a compression study: every step is a function of (seed, step), so kills cost nothing.

A checkpoint holds the step, the network and the optimisers; a resumed training ends with the very bits of
an uninterrupted one (same machine, same number of threads).
"""

from __future__ import annotations

import io
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.errors import InputError, WeightsError
from pruneattr_core.store import write_atomically
from pruneattr_core.training import Muon

#: (pictures of the batch, the only source of chance of this step) -> loss
Loss = Callable[[NDArray[np.int64], np.random.Generator], Tensor]


@dataclass(frozen=True)
class Schedule:
    """How weights are changed.

    Attributes:
        epochs: passes over the pictures; parts of one are allowed.
        batch: pictures a step; the remainder of an epoch is left out.
        rate: peak learning rate of `torch.optim.SGD` with Nesterov momentum 0.9 (up during the first 20 %,
            then linearly to 0).
        muon_rate: that of `Muon` for convolutions, falling linearly to 0; 0 leaves them to SGD too.
        weight_decay: of everything that SGD trains.
    """

    epochs: float
    batch: int = 64
    rate: float = 0.05
    muon_rate: float = 0.02
    weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        if self.epochs <= 0 or self.batch < 2 or self.rate <= 0 or min(self.muon_rate, self.weight_decay) < 0:
            raise InputError(f"Expected epochs and rate above 0 and a batch of 2 or more, got {self}.")

    def steps(self, count: int) -> int:
        """Steps of a training on `count` pictures.

        Raises:
            InputError: fewer pictures than one batch.
        """
        if count < self.batch:
            raise InputError(f"{count} pictures do not fill one batch of {self.batch}: lower --batch.")
        return max(1, round(self.epochs * (count // self.batch)))


def optimise(
    model: nn.Module,
    loss: Loss,
    count: int,
    schedule: Schedule,
    seed: int,
    identity: str,
    checkpoint: Path | None = None,
    every: int = 100,
    log: Callable[[str], None] = print,
) -> float:
    """Train `model` in place and leave it in eval mode.

    Args:
        model: network with its first weights.
        loss: of a batch, see `Loss`; it runs the model.
        count: number of pictures.
        schedule: how.
        seed: of order and chance.
        identity: of everything that decides this training; a checkpoint of another is refused.
        checkpoint: file to go on from and to write every `every` steps, atomically; removed by nobody here.
        every: steps between checkpoints.
        log: receives a line about ten times.

    Returns:
        Seconds of training, those before a kill included.

    Raises:
        WeightsError: the checkpoint belongs to another training, or is none.
        InputError: fewer pictures than one batch.
    """
    model.to(memory_format=torch.channels_last).train()
    optimisers = _optimisers(model, schedule)
    steps, within = schedule.steps(count), count // schedule.batch
    first, seconds = _resumed(checkpoint, identity, model, optimisers)
    if first:
        log(f"going on from step {first} of {steps}")
    order: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))
    total, done, began = 0.0, 0, time.monotonic()
    for step in range(first, steps):
        epoch, place = divmod(step, within)
        if order[0] != epoch:
            order = epoch, np.random.default_rng((seed, 1, epoch)).permutation(count)
        chosen = order[1][place * schedule.batch : (place + 1) * schedule.batch]
        _set_rates(optimisers, schedule, step / steps)
        value = loss(chosen, np.random.default_rng((seed, 2, step)))
        model.zero_grad(set_to_none=True)
        value.backward()
        for optimiser in optimisers:
            optimiser.step()
        total, done, elapsed = total + value.item(), done + 1, seconds + time.monotonic() - began
        last = step + 1 == steps
        if checkpoint is not None and (last or (step + 1) % every == 0):
            _save(checkpoint, identity, step + 1, elapsed, model, optimisers)
        if last or (step + 1) % max(1, steps // 10) == 0:
            log(f"step {step + 1} of {steps}  loss {total / done:.4f}  {elapsed:.0f} s")
            total, done = 0.0, 0
    model.eval()
    return seconds + time.monotonic() - began


Optimisers = tuple[torch.optim.Optimizer, ...]


def _optimisers(model: nn.Module, schedule: Schedule) -> Optimisers:
    filters = [p for p in model.parameters() if p.requires_grad and p.ndim == 4 and schedule.muon_rate > 0]
    known = {id(p) for p in filters}
    rest = [p for p in model.parameters() if p.requires_grad and id(p) not in known]
    sgd = torch.optim.SGD(
        rest, schedule.rate, momentum=0.9, nesterov=True, weight_decay=schedule.weight_decay, foreach=False
    )
    return (sgd, Muon(filters, schedule.muon_rate)) if filters else (sgd,)


def _set_rates(optimisers: Optimisers, schedule: Schedule, progress: float) -> None:
    warm = min(max(progress, 0.005) / 0.2, (1 - progress) / 0.8)
    optimisers[0].param_groups[0]["lr"] = schedule.rate * warm
    for muon in optimisers[1:]:
        muon.param_groups[0]["lr"] = schedule.muon_rate * (1 - progress)


def _save(
    path: Path, identity: str, step: int, seconds: float, model: nn.Module, optimisers: Optimisers
) -> None:
    states = [optimiser.state_dict() for optimiser in optimisers]
    state = {"identity": identity, "step": step, "seconds": seconds, "optimisers": states}
    buffer = io.BytesIO()
    torch.save({**state, "model": model.state_dict()}, buffer)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())


def _resumed(path: Path | None, identity: str, model: nn.Module, optimisers: Optimisers) -> tuple[int, float]:
    """Load the checkpoint, if there is one; the next step and the seconds already spent."""
    if path is None or not path.exists():
        return 0, 0.0
    try:
        state = torch.load(path, weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise WeightsError(f"{path} is no training checkpoint. Delete it to start anew.") from error
    if state["identity"] != identity:
        raise WeightsError(f"The checkpoint {path} belongs to another training. Delete it to start anew.")
    model.load_state_dict(state["model"])
    for optimiser, saved in zip(optimisers, state["optimisers"], strict=True):
        optimiser.load_state_dict(saved)
    return int(state["step"]), float(state["seconds"])
