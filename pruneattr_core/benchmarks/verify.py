"""Is a run what it says? Some of its cells are computed again and compared bit for bit, or nearly so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pruneattr_core.benchmarks.executor import in_process
from pruneattr_core.benchmarks.run import Run
from pruneattr_core.benchmarks.sources import Source, open_source
from pruneattr_core.errors import InputError
from pruneattr_core.models.declared import is_code
from pruneattr_core.runtime import provenance

#: Largest difference, relative to 1 + |value|, that another processor may make, which sums in another order,
#: and that other versions of the libraries may.
ROUNDING, NEAR = 1e-5, 1e-3
#: Largest mean difference of all values of a sample, where single ones lie further apart: rounding swaps
#: pixels and neurons of nearly equal rank. On another processor single values moved by up to .06.
MEANS = 2e-3


@dataclass(frozen=True)
class Verdict:
    """What came of it.

    Attributes:
        cells: how many were computed again.
        exact: how many of them came out bit for bit.
        worst: largest difference, relative to 1 + |value|.
        mean: of all differences.
        same_versions: whether the libraries here are those of the run; if not, last bits may differ.
    """

    cells: int
    exact: int
    worst: float
    mean: float
    same_versions: bool

    @property
    def close(self) -> bool:
        """Whether every single value is the run's, but for rounding."""
        return self.worst <= (ROUNDING if self.same_versions else NEAR)

    @property
    def holds(self) -> bool:
        """Whether the run can be what it says: value by value, or on average."""
        return self.close or self.mean <= MEANS


def verify(
    run: Run,
    source: Source,
    cells: int = 4,
    seed: int = 0,
    own: Sequence[str] = (),
    tell: Callable[[str], None] = lambda line: None,
) -> Verdict:
    """Compute a sample of a run's cells again.

    Args:
        run: read from a folder or a file, so its hashes hold.
        source: where its network and pictures lie here.
        cells: how many cells, chosen by `seed`.
        seed: of that choice; take one that the run's maker did not know.
        own: methods of the run that are code, see `outside`, and may be run.
        tell: called with a line after every cell.

    Raises:
        InputError: another network or other pictures lie there than the run was made with, it was made on
            another device, or it names code that may not be run.
    """
    opened = open_source(source)
    if opened.weights != run.plan.model["weights_sha256"]:
        raise InputError(f"{opened.card.title} here has other weights than the run's: name the run's own.")
    if opened.data.data_hash() != run.plan.data["sha256"]:
        raise InputError(f"{opened.data.title} here holds other pictures than the run's: name its own.")
    made, here = (str(one.get("device", "cpu")) for one in (run.plan.versions, provenance(opened.device)))
    if made != here:
        raise InputError(
            f"The run was made on {made}, and here is {here}: another device gives single pictures values "
            "that no bound holds together, though means agree. Verify it on such a device (--device)."
        )
    foreign = [m["id"] for m in run.plan.methods if is_code(m["id"]) and m["id"] not in own]
    if foreign:
        raise InputError(
            f"The run holds a method that is code of its maker's, {foreign[0]!r}, and code runs only when "
            "you name it: read the file, then add --method with that name."
        )
    count = min(cells, len(run.plan.cells))
    numbers = sorted(
        int(n) for n in np.random.default_rng(seed).choice(len(run.plan.cells), count, replace=False)
    )
    exact, worst, apart = 0, 0.0, [np.zeros(0)]
    for number, values, _ in in_process(source, run.plan, numbers):
        method, part = run.plan.cells[number]
        kept = run.values[method, :, :, part]
        exact += np.array_equal(values, kept, equal_nan=True)
        if not np.array_equal(np.isfinite(values), np.isfinite(kept)):
            worst = float("inf")
        else:
            known = np.isfinite(kept)
            apart.append(np.abs(values[known] - kept[known]) / (1 + np.abs(kept[known])))
            worst = max(worst, float(apart[-1].max(initial=0.0)))
        tell(f"cell {number}: {run.plan.labels[method]}, largest difference so far {worst:.2g}")
    versions = provenance(opened.device) | {"threads": str(torch.get_num_threads())}
    every = np.concatenate(apart)
    mean = worst if not np.isfinite(worst) or not every.size else float(every.mean())
    return Verdict(count, exact, worst, mean, versions == dict(run.plan.versions))
