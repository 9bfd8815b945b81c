"""A finished study of paths as a folder: header.json and points.csv.

    header.json  schema, configuration, model, data, methods, layers, versions, device, seconds, command,
                 and the SHA-256 of points.csv
    points.csv   one row per mean over pictures: table, a, b, sparsity, layer, n, mean, low, high

Tables: "base" (dead share of all neurons), "dead" (of a path), "sparsity" (reached), "overlap" (Jaccard of
    a and
b), "layers" (the same per layer, b being the reference), "kept" (share of a layer's neurons in the path).
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pruneattr_core.analysis.interval import Interval, mean_interval
from pruneattr_core.errors import StoreError
from pruneattr_core.store import write_folder

SCHEMA = "pruneattr-paths/1"
HEADER, POINTS = "header.json", "points.csv"
COLUMNS = ["table", "a", "b", "sparsity", "layer", "n", "mean", "low", "high"]
_LIMIT = 4 << 20

#: table, method, other method, sparsity as text, layer as text.
Key = tuple[str, str, str, str, str]


@dataclass(frozen=True, eq=False)
class Study:
    """Means with 95 % t intervals over pictures.

    Attributes:
        header: see the module.
        points: key -> interval.
    """

    header: Mapping[str, Any]
    points: Mapping[Key, Interval]

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


def write_study(header: Mapping[str, Any], points: Mapping[Key, Interval], folder: Path) -> None:
    """Write a run as a new folder, complete or not at all.

    Raises:
        StoreError: the folder exists, or cannot be written.
    """
    table = _csv(points)
    full = {**header, "schema": SCHEMA, "files": {POINTS: hashlib.sha256(table).hexdigest()}}
    write_folder(folder, {POINTS: table, HEADER: (json.dumps(full, indent=1) + "\n").encode()})


def read_study(folder: Path) -> Study:
    """The run in a folder, checked.

    Raises:
        StoreError: a file is missing, too large, damaged or changed.
    """
    try:
        data = {name: _bytes(folder / name) for name in (HEADER, POINTS)}
        header = json.loads(data[HEADER])
        if header["schema"] != SCHEMA:
            raise ValueError(f"schema {header['schema']!r}")
        if header["files"][POINTS] != hashlib.sha256(data[POINTS]).hexdigest():
            raise ValueError(f"{POINTS} was changed")
        points = dict(_rows(csv.DictReader(io.StringIO(data[POINTS].decode()))))
        found = Study(header, points)
        _ = found.title, found.methods, found.sparsities, found.layers, found.base
    except FileNotFoundError as error:
        raise StoreError(
            f"{folder} is no run of path analyses: {Path(error.filename).name} is missing."
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"The run in {folder.name} is damaged ({error}): take the original.") from error
    return found


def _bytes(file: Path) -> bytes:
    if file.stat().st_size > _LIMIT:
        raise ValueError(f"{file.name} is too large to be ours")
    return file.read_bytes()


def _rows(table: Iterable[Mapping[str, str]]) -> Iterable[tuple[Key, Interval]]:
    for row in table:
        key = (row["table"], row["a"], row["b"], row["sparsity"], row["layer"])
        yield key, Interval(float(row["mean"]), float(row["low"]), float(row["high"]), int(row["n"]))


def _csv(points: Mapping[Key, Interval]) -> bytes:
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(COLUMNS)
    for key, found in points.items():
        table.writerow([*key, found.n, *(f"{v:.6g}" for v in (found.mean, found.low, found.high))])
    return out.getvalue().encode()
