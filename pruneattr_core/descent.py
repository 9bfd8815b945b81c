"""Training that a kill does not harm: every step is a pure function of (seed, step).

So a checkpoint needs only the step, the network and the optimisers, and a resumed training ends with the
very bits of an uninterrupted one (same machine, same number of threads).
"""

from __future__ import annotations

import io
import pickle
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.errors import WeightsError
from pruneattr_core.muon import Muon
from pruneattr_core.store import write_atomically

Optimisers = tuple[torch.optim.Optimizer, ...]


@dataclass(frozen=True)
class Rates:
    """Peak learning rates and what goes with them.

    Attributes:
        sgd: of `torch.optim.SGD` with Nesterov momentum 0.9; up during the first 20 %, then linearly to 0.
        muon: of `Muon`, for convolutions; falls linearly to 0; 0 leaves them to SGD too.
        weight_decay: of everything that SGD trains.
        begin: share of the training at which the way up of SGD's rate starts.
    """

    sgd: float
    muon: float
    weight_decay: float
    begin: float = 0.0


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        number: from 0.
        epoch: passes over the pictures before it.
        chosen: (batch,) the pictures of its batch.
        rng: its only source of chance.
        last: whether its epoch ends with it.
    """

    number: int
    epoch: int
    chosen: NDArray[np.int64]
    rng: np.random.Generator
    last: bool


@dataclass(frozen=True)
class Checkpoint:
    """Where a training goes on after a kill.

    Attributes:
        path: file to go on from, written whole or not at all; removed by nobody here. None keeps nothing.
        identity: of everything that decides the training; a checkpoint of another one is refused.
        every: steps between two writes; the last step is written in any case.
    """

    path: Path | None
    identity: str
    every: int

    def write(self, step: int, seconds: float, model: nn.Module, optimisers: Optimisers) -> None:
        """Keep what has been reached."""
        if self.path is None:
            return
        states = [optimiser.state_dict() for optimiser in optimisers]
        state = {"identity": self.identity, "step": step, "seconds": seconds, "optimisers": states}
        buffer = io.BytesIO()
        torch.save({**state, "model": model.state_dict()}, buffer)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, buffer.getvalue())

    def read(self, model: nn.Module, optimisers: Optimisers) -> tuple[int, float]:
        """Load what there is; returns the next step and the seconds already spent.

        Raises:
            WeightsError: the file belongs to another training, or is no checkpoint.
        """
        if self.path is None or not self.path.exists():
            return 0, 0.0
        try:
            state = torch.load(self.path, weights_only=True)
        except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
            raise WeightsError(
                f"{self.path} is not a training checkpoint. Delete it to start anew."
            ) from error
        if state["identity"] != self.identity:
            raise WeightsError(
                f"The checkpoint {self.path} belongs to another training: other settings, seed or data. "
                "Delete it to start anew."
            )
        model.load_state_dict(state["model"])
        for optimiser, saved in zip(optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        return int(state["step"]), float(state["seconds"])


class Descent:
    """The steps that are left of a training: iterate over them and `follow` the loss of each.

    Args:
        model: network with its first weights; set to channels-last and training mode.
        rates: how weights are changed.
        steps: number of steps in all.
        count: number of pictures.
        batch: pictures a step; the remainder of an epoch is left out.
        seed: of order and chance.
        checkpoint: where to go on from, and where to write to.
        log: told when it goes on.

    Raises:
        WeightsError: the checkpoint belongs to another training, or is none.
    """

    def __init__(
        self,
        model: nn.Module,
        rates: Rates,
        steps: int,
        count: int,
        batch: int,
        seed: int,
        checkpoint: Checkpoint,
        log: Callable[[str], None],
    ) -> None:
        self._model = model.to(memory_format=torch.channels_last).train()
        self._rates, self._steps, self._count, self._batch, self._seed = rates, steps, count, batch, seed
        self._checkpoint, self._optimisers = checkpoint, _optimisers(model, rates)
        self._done, self._before = checkpoint.read(model, self._optimisers)
        if self._done:
            log(f"going on from step {self._done} of {steps}")
        self._began = time.monotonic()
        self._losses: list[float] = []

    def __iter__(self) -> Iterator[Step]:
        within = self._count // self._batch
        order: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))
        for number in range(self._done, self._steps):
            epoch, place = divmod(number, within)
            if order[0] != epoch:
                order = epoch, np.random.default_rng((self._seed, 1, epoch)).permutation(self._count)
            chosen = order[1][place * self._batch : (place + 1) * self._batch]
            rng = np.random.default_rng((self._seed, 2, number))
            yield Step(number, epoch, chosen, rng, last=place + 1 == within)

    def follow(self, loss: Tensor) -> None:
        """Change the weights by the gradient of the step's loss, and write the checkpoint when it is due."""
        _set_rates(self._optimisers, self._rates, self._done / self._steps)
        self._model.zero_grad(set_to_none=True)
        loss.backward()
        for optimiser in self._optimisers:
            optimiser.step()
        self._losses.append(loss.item())
        self._done += 1
        if self._done == self._steps or self._done % self._checkpoint.every == 0:
            self._checkpoint.write(self._done, self.seconds, self._model, self._optimisers)

    def losses(self) -> list[float]:
        """Of the steps since this was asked last."""
        found, self._losses = self._losses, []
        return found

    @property
    def seconds(self) -> float:
        """Of training, those before a kill included."""
        return self._before + time.monotonic() - self._began


def _optimisers(model: nn.Module, rates: Rates) -> Optimisers:
    filters = [p for p in model.parameters() if p.requires_grad and p.ndim == 4 and rates.muon > 0]
    known = {id(p) for p in filters}
    rest = [p for p in model.parameters() if p.requires_grad and id(p) not in known]
    sgd = torch.optim.SGD(
        rest, rates.sgd, momentum=0.9, nesterov=True, weight_decay=rates.weight_decay, foreach=False
    )
    return (sgd, Muon(filters, rates.muon)) if filters else (sgd,)


def _set_rates(optimisers: Optimisers, rates: Rates, progress: float) -> None:
    up, down = max(progress, rates.begin) / 0.2, (1 - progress) / 0.8
    optimisers[0].param_groups[0]["lr"] = rates.sgd * min(up, down)
    for muon in optimisers[1:]:
        muon.param_groups[0]["lr"] = rates.muon * (1 - progress)
