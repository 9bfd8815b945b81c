"""The training loop of a compression study: any loss of chosen pictures; resumed after a kill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.descent import Checkpoint, Descent, Rates
from pruneattr_core.errors import InputError

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
        identity: of everything that decides this training.
        checkpoint: file to go on from and to write every `every` steps; see `descent.Checkpoint`.
        every: steps between checkpoints.
        log: receives a line about ten times.

    Returns:
        Seconds of training, those before a kill included.

    Raises:
        WeightsError: the checkpoint belongs to another training.
        InputError: fewer pictures than one batch.
    """
    steps = schedule.steps(count)
    rates = Rates(schedule.rate, schedule.muon_rate, schedule.weight_decay, begin=0.005)
    kept = Checkpoint(checkpoint, identity, every)
    descent = Descent(model, rates, steps, count, schedule.batch, seed, kept, log)
    for step in descent:
        descent.follow(loss(step.chosen, step.rng))
        done = step.number + 1
        if done == steps or done % max(1, steps // 10) == 0:
            losses = descent.losses()
            log(f"step {done} of {steps}  loss {sum(losses) / len(losses):.4f}  {descent.seconds:.0f} s")
    model.eval()
    return descent.seconds
