"""A stored curve checked on the spot: the run's first pictures are computed again and compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.benchmarks.executor import cell_of
from pruneattr_core.benchmarks.run import Run
from pruneattr_core.benchmarks.sources import Opened
from pruneattr_core.datasets import Dataset
from pruneattr_core.errors import InputError
from pruneattr_core.models import model_card
from pruneattr_core.ui import pictures
from pruneattr_core.ui.cache import Engine
from pruneattr_core.ui.worker import Job

#: Pictures computed again, at most; whole cells.
PICTURES = 16


@dataclass(frozen=True)
class Check:
    """Stored and new values of one method.

    Attributes:
        stored: (measures, points, pictures).
        new: the same, computed now.
    """

    stored: NDArray[np.float64]
    new: NDArray[np.float64]

    @property
    def nbytes(self) -> int:
        """Size on a shelf."""
        return self.stored.nbytes + self.new.nbytes

    def largest(self) -> float:
        """Largest difference where both are defined; infinite where only one is."""
        if (np.isnan(self.stored) != np.isnan(self.new)).any():
            return float("inf")
        gaps = np.abs(self.stored - self.new)
        return float(np.nanmax(gaps)) if np.isfinite(gaps).any() else 0.0


def recomputed(engine: Engine, run: Run, method: str, show: Callable[[Job, int], None]) -> Check:
    """The first pictures of one method again, on the engine's worker.

    Raises:
        InputError: model, weights or pictures of the run are not on this machine.
    """
    plan = run.plan
    data = _data(run)
    numbers = [
        number
        for number, (place, part) in enumerate(plan.cells)
        if plan.labels[place] == method and (part.stop <= PICTURES or part.start == 0)
    ]

    def work(job: Job) -> Check:
        network, weights = engine.model(plan.model["id"], job)
        if weights != plan.model["weights_sha256"]:
            raise InputError(
                "The weights on this machine are not those of the run, so it cannot be checked here."
            )
        opened = Opened(model_card(plan.model["id"]), network, data)
        job.note = f"Computing {method} again"
        cells = []
        for done, number in enumerate(numbers):
            job.tick(done, len(numbers))
            cells.append(cell_of(opened, plan, number))
        new = np.concatenate(cells, axis=-1)
        return Check(run.values[plan.labels.index(method)][:, :, : new.shape[-1]], new)

    found: Check = engine.worker.run(("bench check", run.id, method), work, show)
    return found


def _data(run: Run) -> Dataset:
    name = run.plan.data["id"]
    if name not in pictures.sources():
        raise InputError(f"The pictures ({run.plan.data['title']}) are not on this machine.")
    card = model_card(run.plan.model["id"])
    if not card.available_offline():
        raise InputError(
            f"The weights of {card.title} are not on this machine: open it in the sidebar first."
        )
    data = pictures.dataset(name)
    if data.data_hash() != run.plan.data["sha256"]:
        raise InputError(f"{data.title} on this machine is not the data of the run.")
    return data
