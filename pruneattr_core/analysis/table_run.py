"""Tables about single pictures, stored as `runs.stored` describes: circuits, linearity, nesting, Shapley.

Its header holds what was asked ("config"), model, data, versions, device, command and the names of the
columns: "texts", which say what a row is about, and "numbers". Its values are the numbers, (rows, numbers);
nan where something is undefined. Its table has all columns, numbers to six digits.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.brief import brief
from pruneattr_core.errors import InputError, StoreError
from pruneattr_core.one_of import is_one_of
from pruneattr_core.render.plain import sheet_cell
from pruneattr_core.runs.reading import from_folder
from pruneattr_core.runs.stored import TABLES, Stored, harmless, write_stored


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of texts and numbers.

    Attributes:
        header: see the module.
        rows: one tuple of texts per row.
        values: (rows, numbers) float64.
        timing: seconds and date.
    """

    header: Mapping[str, Any]
    rows: tuple[tuple[str, ...], ...]
    values: NDArray[np.float64]
    timing: Mapping[str, Any] = field(default_factory=dict)

    __repr__ = brief

    @property
    def kind(self) -> str:
        """One of `TABLES`."""
        return str(self.header["benchmark"])

    @property
    def title(self) -> str:
        """Model, data and number of pictures."""
        data = self.header["data"]
        return f"{self.header['model']['title']}, {data['title']}, n = {len(data['indices'])}"

    def column(self, name: str, **texts: str) -> NDArray[np.float64]:
        """A column of numbers, of the rows whose texts are these.

        Raises:
            InputError: no column of that name.
        """
        columns = list(self.header["numbers"])
        if not is_one_of(name, columns) or not set(texts) <= set(self.header["texts"]):
            raise InputError(f"Expected a column in {', '.join(columns)}; got {name!r}.")
        at = {self.header["texts"].index(key): value for key, value in texts.items()}
        rows = [k for k, row in enumerate(self.rows) if all(row[i] == value for i, value in at.items())]
        return np.asarray(self.values[rows, columns.index(name)])


def write_table(table: Table, folder: Path) -> None:
    """Write a run as a new folder, complete or not at all.

    Raises:
        StoreError: the folder holds something, or cannot be written.
    """
    points = _csv(table.header, table.rows, table.values)
    write_stored(Stored(table.header, table.values, points, {}, table.timing), folder)


def read_table(folder: Path) -> Table:
    """The run in a folder, checked.

    Raises:
        StoreError: a file is missing, too large, damaged or changed, or it is a run of another kind.
    """
    stored = from_folder(folder)
    kind = stored.header.get("benchmark")
    if kind not in TABLES:
        raise StoreError(f"The run in {folder.name} holds {harmless(str(kind))!r}, no table of pictures.")
    try:
        width = len(stored.header["texts"])
        rows = tuple(tuple(row[:width]) for row in list(csv.reader(io.StringIO(stored.points.decode())))[1:])
        if stored.values.shape != (len(rows), len(stored.header["numbers"])):
            raise ValueError("the points are not those of its values")
        if _csv(stored.header, rows, stored.values) != stored.points:
            raise ValueError("the points are not those of its values")
        found = Table(stored.header, rows, stored.values, stored.timing)
        _ = found.title
    except (ValueError, KeyError, TypeError, IndexError, csv.Error) as error:
        raise StoreError(f"The run in {folder.name} is damaged ({error}): take the original.") from error
    return found


def _csv(header: Mapping[str, Any], rows: Sequence[tuple[str, ...]], values: NDArray[np.float64]) -> bytes:
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow([*header["texts"], *header["numbers"]])
    for texts, numbers in zip(rows, values.tolist(), strict=True):
        said = ("" if math.isnan(value) else f"{value:.6g}" for value in numbers)
        table.writerow([*map(sheet_cell, texts), *said])
    return out.getvalue().encode()
