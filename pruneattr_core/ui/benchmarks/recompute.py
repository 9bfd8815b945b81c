"""A stored curve checked on the spot: the run's first pictures are computed again and compared."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from pruneattr_core.benchmarks.executor import cell_of
from pruneattr_core.benchmarks.plan import Plan
from pruneattr_core.benchmarks.run import Run
from pruneattr_core.benchmarks.sources import Opened
from pruneattr_core.errors import InputError, PruneAttrError
from pruneattr_core.models import model_card
from pruneattr_core.runtime import provenance
from pruneattr_core.ui import pictures
from pruneattr_core.ui.cache import Engine
from pruneattr_core.ui.jobs import Job

#: Pictures computed again, at most; whole cells.
PICTURES = 16
#: Numbers that are no further apart agree; of numbers above 1, in proportion.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Check:
    """Stored and new values of one method.

    Attributes:
        stored: (measures, points, pictures).
        new: the same, computed now.
        versions: of the libraries, device and threads, now.
    """

    stored: NDArray[np.float64]
    new: NDArray[np.float64]
    versions: dict[str, str]

    @property
    def nbytes(self) -> int:
        """Size on a shelf."""
        return self.stored.nbytes + self.new.nbytes

    @property
    def gaps(self) -> NDArray[np.float64]:
        """Differences, in proportion where the stored number is above 1; infinite where one is undefined."""
        gaps = np.abs(self.stored - self.new) / np.maximum(1.0, np.abs(self.stored))
        lone = np.isnan(self.stored) != np.isnan(self.new)
        return np.where(lone, np.inf, np.nan_to_num(gaps))

    def verdict(self, run: Run) -> tuple[bool, str]:
        """Whether all numbers agree, and a sentence or two that say so and what else has changed."""
        gaps = self.gaps
        apart, largest = int((gaps > TOLERANCE).sum()), float(gaps.max())
        if np.array_equal(self.stored, self.new, equal_nan=True):
            said = f"All {gaps.size} numbers are the stored ones, bit for bit."
        elif not apart:
            said = f"All {gaps.size} numbers agree within {TOLERANCE:g}; largest difference {largest:.1g}."
        else:
            most = f"by up to {largest:.2g}" if np.isfinite(largest) else "some defined on one side only"
            said = f"{apart} of {gaps.size} numbers differ by more than {TOLERANCE:g}, {most}."
        return not apart, f"{said} {self._changed(run, apart)}".strip()

    def _changed(self, run: Run, apart: int) -> str:
        then = run.plan.versions
        other = [
            f"{name} {then[name]}, now {now}"
            for name, now in self.versions.items()
            if name != "python" and name in then and then[name] != now
        ]
        if other:
            why = " Last bits may differ with these, and a rank of two nearly equal pixels with them."
            return f"The run was made with {'; '.join(other)}.{why if apart else ''}"
        return "Device, threads and versions are those of the run." if apart else ""


def check_key(run: Run, method: str) -> Hashable:
    """Under which the check of one method is kept."""
    return "bench check", run.id, method


def pictures_again(plan: Plan) -> int:
    """How many pictures a check computes."""
    return _cells(plan)[-1][1].stop


def _small(plan: Plan) -> Plan:
    """The plan, with cells that are no larger than a check."""
    return replace(plan, chunk=min(plan.chunk, PICTURES))


def _cells(plan: Plan) -> list[tuple[int, slice]]:
    """(number, pictures) of the cells of the first method that a check computes."""
    small = _small(plan)
    return [
        (number, part)
        for number, (place, part) in enumerate(small.cells)
        if place == 0 and part.stop <= PICTURES
    ]


def obstacle(run: Run) -> str:
    """Why the run cannot be checked on this machine, as far as that is seen at once; "" if nothing is."""
    plan = run.plan
    try:
        card = model_card(plan.model["id"], ask=False)
        if not card.available_offline():
            return f"The weights of {card.title} are not on this machine: open it in the sidebar first."
        if plan.data["id"] not in pictures.sources() or plan.data["id"] == pictures.UPLOAD:
            return f"The pictures ({plan.data['title']}) are not on this machine."
    except PruneAttrError as error:
        return str(error)
    return ""


def computed_again(engine: Engine, run: Run, method: str, job: Job) -> Check:
    """The first pictures of one method again.

    Raises:
        InputError: model, weights or pictures of the run are not on this machine.
        Cancelled: nobody waits any more.
    """
    plan, total = _small(run.plan), pictures_again(run.plan)
    if reason := obstacle(run):
        raise InputError(reason)
    data = pictures.dataset(plan.data["id"])
    if data.data_hash() != plan.data["sha256"]:
        raise InputError(f"{data.title} on this machine is not the data of the run.")
    network, weights = engine.model(plan.model["id"], job)
    if weights != plan.model["weights_sha256"]:
        raise InputError(
            "The weights on this machine are not those of the run, so it cannot be checked here."
        )
    opened = Opened(model_card(plan.model["id"]), network, data)
    place, cells = plan.labels.index(method), []
    for number, part in _cells(run.plan):
        job.tick(part.start, total)
        cells.append(cell_of(opened, plan, number + place))
    job.tick(total, total)
    new = np.concatenate(cells, axis=-1)
    versions = provenance(engine.device) | {"threads": str(torch.get_num_threads())}
    return Check(run.values[place][:, :, : new.shape[-1]], new, versions)
