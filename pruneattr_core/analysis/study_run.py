"""A finished study of paths, stored as `runs.stored` describes.

Its header holds configuration, model, data, methods, layers, versions, device and command. Its table has one
row per mean over pictures: table, a, b, sparsity, layer, n, mean, low, high; its values are the last four of
each row, (rows, 4).

Tables: "base" (dead share of all neurons), "dead" (of a path), "sparsity" (reached), "overlap" (Jaccard of
a and b), "layers" (the same per layer, b being the reference), "kept" (share of a layer's neurons in the
path).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.analysis.interval import Interval, mean_interval
from pruneattr_core.errors import StoreError
from pruneattr_core.render.plain import sheet_cell
from pruneattr_core.runs.reading import from_folder
from pruneattr_core.runs.stored import Stored, harmless, write_stored

#: Kind of these runs.
KIND = "paths"
COLUMNS = ["table", "a", "b", "sparsity", "layer", "n", "mean", "low", "high"]

#: table, method, other method, sparsity as text, layer as text.
Key = tuple[str, str, str, str, str]


@dataclass(frozen=True, eq=False)
class Study:
    """Means with 95 % t intervals over pictures.

    Attributes:
        header: see the module.
        points: key -> interval.
        timing: seconds and date.
    """

    header: Mapping[str, Any]
    points: Mapping[Key, Interval]
    timing: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Model, data and number of pictures."""
        return f"{self.header['model']['title']}, {self.header['data']['title']}, n = {self.n}"

    @property
    def n(self) -> int:
        """Number of pictures; costly methods may have fewer, see `Interval.n`."""
        return len(self.header["data"]["indices"])

    @property
    def methods(self) -> tuple[str, ...]:
        """Keys of `paths.table.METHODS`."""
        return tuple(self.header["methods"])

    @property
    def sparsities(self) -> tuple[float, ...]:
        """Requested."""
        return tuple(self.header["config"]["sparsities"])

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the activation calls."""
        return tuple(self.header["layers"])

    @property
    def base(self) -> Interval:
        """Dead share of all neurons."""
        return self.points["base", "", "", "", ""]

    def dead(self, method: str, sparsity: float) -> Interval | None:
        """Dead share of the method's paths; None where it was not computed."""
        return self.points.get(("dead", method, "", f"{sparsity:g}", ""))

    def reached(self, method: str, sparsity: float) -> Interval | None:
        """Sparsity really reached."""
        return self.points.get(("sparsity", method, "", f"{sparsity:g}", ""))

    def overlap(self, a: str, b: str, sparsity: float) -> Interval | None:
        """Network-wide Jaccard, in whichever order."""
        at = f"{sparsity:g}"
        return self.points.get(("overlap", a, b, at, "")) or self.points.get(("overlap", b, a, at, ""))

    def layer_overlap(self, method: str, sparsity: float) -> list[Interval | None]:
        """Jaccard per layer with the reference method."""
        return self._per_layer("layers", method, self.header["config"]["reference"], sparsity)

    def kept(self, method: str, sparsity: float) -> list[Interval | None]:
        """Share of each layer's neurons in the path."""
        return self._per_layer("kept", method, "", sparsity)

    def _per_layer(self, table: str, a: str, b: str, sparsity: float) -> list[Interval | None]:
        return [self.points.get((table, a, b, f"{sparsity:g}", str(k))) for k in range(len(self.layers))]


def collect(
    cells: Sequence[Mapping[str, Any]], sparsities: Sequence[float], reference: str
) -> dict[Key, Interval]:
    """Means and intervals over the cells of `study`."""
    values: dict[Key, list[float]] = {}

    def add(key: Key, value: float | None) -> None:
        if value is not None:
            values.setdefault(key, []).append(value)

    for record in cells:
        add(("base", "", "", "", ""), record["base"])
        for k, at in enumerate(f"{s:g}" for s in sparsities):
            for table in ("sparsity", "dead"):
                for method, levels in record[table].items():
                    add((table, method, "", at, ""), levels[k])
            for pair, levels in record["overlap"].items():
                a, b = pair.split("|")
                add(("overlap", a, b, at, ""), levels[k])
            for table, other in (("layers", reference), ("kept", "")):
                for method, levels in record[table].items():
                    for layer, value in enumerate(levels[k]):
                        add((table, method, other, at, str(layer)), value)
    return {key: mean_interval(found) for key, found in values.items()}


def write_study(
    header: Mapping[str, Any], points: Mapping[Key, Interval], folder: Path, timing: Mapping[str, Any]
) -> None:
    """Write a run as a new folder, complete or not at all.

    Args:
        header: see the module.
        points: key -> interval.
        folder: its place.
        timing: seconds, date: what may differ between equal runs.

    Raises:
        StoreError: the folder holds something, or cannot be written.
    """
    values = np.array([[one.n, one.mean, one.low, one.high] for one in points.values()], np.float64)
    write_stored(
        Stored({"benchmark": KIND, **header}, values, points_csv(points, values), {}, timing), folder
    )


def read_study(folder: Path) -> Study:
    """The run in a folder, checked.

    Raises:
        StoreError: a file is missing, too large, damaged or changed, or it is a run of another kind.
    """
    stored = from_folder(folder)
    kind = stored.header.get("benchmark")
    if kind != KIND:
        raise StoreError(f"The run in {folder.name} holds {harmless(str(kind))!r}, no study of paths.")
    try:
        rows = list(csv.reader(io.StringIO(stored.points.decode())))[1:]
        keys: list[Key] = [(row[0], row[1], row[2], row[3], row[4]) for row in rows]
        if stored.values.shape != (len(keys), 4) or points_csv(keys, stored.values) != stored.points:
            raise ValueError("the points are not those of its values")
        means = [Interval(float(m), float(low), float(high), int(n)) for n, m, low, high in stored.values]
        found = Study(stored.header, dict(zip(keys, means, strict=True)), stored.timing)
        _ = found.title, found.methods, found.sparsities, found.layers, found.base
    except (ValueError, KeyError, TypeError, IndexError, csv.Error) as error:
        raise StoreError(f"The run in {folder.name} is damaged ({error}): take the original.") from error
    return found


def points_csv(keys: Iterable[Key], values: NDArray[np.float64]) -> bytes:
    """The table, means to six digits."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(COLUMNS)
    for key, (n, *found) in zip(keys, values, strict=True):
        table.writerow([*map(sheet_cell, key), int(n), *(f"{value:.6g}" for value in found)])
    return out.getvalue().encode()
