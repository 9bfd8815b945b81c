"""Training that a kill does not harm: every step is a pure function of (seed, step).

So a checkpoint needs only the step, the network and the optimisers, and a resumed training ends with the
very bits of an uninterrupted one (same machine, same number of threads).
"""

from __future__ import annotations

import copy
import io
import pickle
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.brief import brief
from pruneattr_core.errors import StoreError, WeightsError
from pruneattr_core.muon import Muon
from pruneattr_core.store import read_sealed, write_sealed

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

    __repr__ = brief


@dataclass(frozen=True)
class Checkpoint:
    """Where a training goes on after a kill: the last state, and the one before it should that be damaged.

    Attributes:
        path: file to go on from, sealed and written whole or not at all; the state before lies beside it as
            `<path>.before`. `remove` takes both away. None keeps nothing.
        identity: of everything that decides the training; a checkpoint of another one is refused.
        every: steps between two writes; the last step is written in any case.
    """

    path: Path | None
    identity: str
    every: int

    def write(self, step: int, seconds: float, model: nn.Module, optimisers: Optimisers) -> None:
        """Keep what has been reached.

        Raises:
            StoreError: it cannot be written.
        """
        if self.path is None:
            return
        states = [optimiser.state_dict() for optimiser in optimisers]
        state = {"identity": self.identity, "step": step, "seconds": seconds, "optimisers": states}
        fresh, last, older = _files(self.path)
        write_sealed(fresh, packed({**state, "model": model.state_dict()}))
        try:
            if last.exists():
                last.replace(older)
            fresh.replace(last)
        except OSError as error:
            raise StoreError(f"{last} could not be written: {error.strerror}.") from error

    def read(self, model: nn.Module, optimisers: Optimisers, say: Callable[[str], None]) -> tuple[int, float]:
        """Load the last good state there is; returns the next step and the seconds already spent.

        Args:
            model: its weights are replaced.
            optimisers: their states are replaced.
            say: told about a damaged file, and where the training goes back to.

        Raises:
            WeightsError: the file belongs to another training.
        """
        if self.path is None:
            return 0, 0.0
        first = copy.deepcopy((model.state_dict(), [one.state_dict() for one in optimisers]))
        damaged = False
        for file in _files(self.path)[1:]:
            data = read_sealed(file, say)
            damaged |= data is None and file.exists()
            if data is None:
                continue
            state = unpacked(data)
            if isinstance(state, dict) and state.get("identity", self.identity) != self.identity:
                raise WeightsError(
                    f"The checkpoint {file} belongs to another training: other settings, seed or data. "
                    "Delete it to start anew."
                )
            try:
                model.load_state_dict(state["model"])
                for optimiser, saved in zip(optimisers, state["optimisers"], strict=True):
                    optimiser.load_state_dict(saved)
                found = int(state["step"]), float(state["seconds"])
            except (RuntimeError, KeyError, TypeError, ValueError, AttributeError) as error:
                say(f"{file} is no checkpoint of this training ({type(error).__name__}) and is not used.")
                damaged = True
                model.load_state_dict(first[0])
                for optimiser, saved in zip(optimisers, first[1], strict=True):
                    optimiser.load_state_dict(saved)
                continue
            return found
        if damaged:
            say("No good checkpoint is left: the training starts anew.")
        return 0, 0.0


def remove(path: Path) -> None:
    """Take a checkpoint away, when what was made of it is safe."""
    for file in _files(path):
        file.unlink(missing_ok=True)


def _files(path: Path) -> tuple[Path, Path, Path]:
    """Where a state is written first, where the last one lies, and the one before."""
    return path.with_name(f"{path.name}.next"), path, path.with_name(f"{path.name}.before")


def packed(state: Mapping[str, Any]) -> bytes:
    """As `torch.save` writes it."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    return buffer.getvalue()


def unpacked(data: bytes) -> Any:
    """What was packed; None where these bytes are nothing that torch reads without running code."""
    try:
        return torch.load(io.BytesIO(data), weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, KeyError):
        return None


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
        log: told when it goes on, and about damaged checkpoints.

    Raises:
        WeightsError: the checkpoint belongs to another training.
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
        self._done, self._before = checkpoint.read(model, self._optimisers, log)
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
