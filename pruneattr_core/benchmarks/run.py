"""A finished benchmark: plan, values, timing and sample pictures; stored as `runs.stored` describes.

Its values are (methods, measures, points, pictures), nan where a measure is undefined; its table holds mean,
standard deviation and count over pictures.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.benchmarks.plan import Plan, plan_from
from pruneattr_core.benchmarks.protocols import BENCHMARKS
from pruneattr_core.brief import brief
from pruneattr_core.errors import StoreError
from pruneattr_core.render.plain import sheet_cell
from pruneattr_core.runs.reading import from_files, from_folder, from_zip, zipped
from pruneattr_core.runs.stored import HEADER, POINTS, STUDIES, Stored, harmless, write_stored


@dataclass(frozen=True, eq=False)
class Run:
    """A run in memory.

    Attributes:
        plan: what was computed.
        values: float64, see `Plan.shape`; read-only.
        samples: picture number within the run -> PNG bytes.
        timing: seconds, date, resumed.
    """

    plan: Plan
    values: NDArray[np.float64]
    samples: Mapping[int, bytes]
    timing: Mapping[str, Any]

    __repr__ = brief

    def __post_init__(self) -> None:
        if self.values.shape != self.plan.shape or self.values.dtype != np.float64:
            given = f"{self.values.dtype} {self.values.shape}"
            raise StoreError(f"Expected values float64 {self.plan.shape}, got {given}: the run is damaged.")
        self.values.setflags(write=False)

    @cached_property
    def id(self) -> str:
        """Twelve hexadecimal digits over plan and values."""
        return hashlib.sha256(self.plan.sha256().encode() + self.values.tobytes()).hexdigest()[:12]

    def of(self, method: str, measure: str) -> NDArray[np.float64]:
        """Values (points, pictures) of one method, by label, and measure."""
        values: NDArray[np.float64] = self.values[
            self.plan.labels.index(method), self.plan.measures.index(measure)
        ]
        return values

    def stored(self) -> Stored:
        """As it is kept."""
        table = points_csv(self.plan, self.values)
        return Stored(self.plan.json(), self.values, table, self.samples, self.timing)


def statistics(values: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Mean, standard deviation and count over the last axis, leaving undefined values out.

    Mean and deviation are nan where nothing is defined.
    """
    known = np.isfinite(values)
    count = known.sum(-1)
    some = np.where(count, count, 1)
    mean = np.where(known, values, 0).sum(-1) / some
    squares = np.where(known, values - mean[..., None], 0) ** 2
    deviation = np.sqrt(squares.sum(-1) / some)
    empty = count == 0
    return np.where(empty, np.nan, mean), np.where(empty, np.nan, deviation), count


def standard_error(deviation: Any, count: Any) -> NDArray[np.float64]:
    """Of a mean, from the `statistics` of its values; nan for fewer than two, which say nothing of others.

    The deviation is about the values' own mean, so it stands for count - 1 of them.
    """
    found: NDArray[np.float64] = np.where(
        np.asarray(count) > 1, deviation / np.sqrt(np.maximum(np.asarray(count) - 1, 1)), np.nan
    )
    return found


def points_csv(plan: Plan, values: NDArray[np.float64]) -> bytes:
    """The table of points: method, measure, x, n, mean, standard deviation."""
    mean, deviation, count = statistics(values)
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["method", "measure", "x", "n", "mean", "sd"])
    for index in np.ndindex(mean.shape):
        names = plan.labels[index[0]], plan.measures[index[1]], plan.x[index[2]]
        table.writerow(
            [*map(sheet_cell, names), int(count[index]), float(mean[index]), float(deviation[index])]
        )
    return out.getvalue().encode()


def write_run(run: Run, folder: Path) -> None:
    """Write a run as a new folder; it appears complete or not at all, and nothing is overwritten.

    Raises:
        StoreError: the folder holds something, or cannot be written.
    """
    write_stored(run.stored(), folder)


def zip_run(run: Run) -> bytes:
    """The run as a zip file for export; equal runs give equal bytes."""
    return zipped(run.stored())


def read_run(folder: Path) -> Run:
    """The run in a folder, checked.

    Raises:
        StoreError: a file is missing, too large, changed, of another schema, or it is no benchmark we know.
    """
    return run_of(from_folder(folder), folder.name)


def run_from_files(files: Mapping[str, bytes]) -> Run:
    """The run whose files came one by one, as a browser sends a folder: only the last part of a name counts.

    Args:
        files: name -> content, from anybody.

    Raises:
        StoreError: foreign or too many files, hostile sizes, or whatever `read_run` refuses.
    """
    return run_of(from_files(files), "these files")


def run_from_zip(data: bytes) -> Run:
    """The run in a zip that may come from anybody; nothing is written to disk.

    Raises:
        StoreError: no zip, hostile names or sizes, or whatever `read_run` refuses.
    """
    return run_of(from_zip(data), "this file")


def run_of(stored: Stored, title: str) -> Run:
    """The benchmark in a stored run.

    Args:
        stored: of any kind.
        title: names its place in messages.

    Raises:
        StoreError: it is of another kind, or its header, values and table do not belong together.
    """
    kind = stored.header.get("benchmark")
    if kind in STUDIES:
        raise StoreError(
            f"The run in {title} is a study of kind {kind!r}, no benchmark of maps: its page shows it, and "
            f"cell by cell only benchmarks can be verified. To check it, make it again into another folder, "
            f"with the command or settings that its {HEADER} names, and compare the two {POINTS}."
        )
    if not isinstance(kind, str) or kind not in BENCHMARKS:
        raise StoreError(
            f"The run in {title} measures {harmless(str(kind))!r}, and the benchmarks of this version are "
            f"{', '.join(BENCHMARKS)}. Open it with the version that made it."
        )
    plan = plan_from(stored.header)
    known = BENCHMARKS[kind]
    if not set(known.needs) <= set(plan.measures) or (known.numbers and isinstance(plan.x[0], str)):
        raise StoreError(
            f"The run in {title} lacks what every run of {kind} has: {', '.join((*known.needs, 'numbers'))}. "
            "It was put together: export the run again."
        )
    run = Run(plan, stored.values, stored.samples, stored.timing)
    if points_csv(plan, run.values) != stored.points:
        raise StoreError(
            f"In the run in {title} the points are not those of its values: it was put together."
        )
    return run
