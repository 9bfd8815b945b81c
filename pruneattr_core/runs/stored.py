"""A stored run: header, values, table, timing and sample pictures; in a folder or a zip, and checked.

Files of a run, of every kind:
    header.json  schema, kind ("benchmark"), everything that determines the numbers, the shape of the values,
                 the SHA-256 of every other file except timing.json, and its own: over all of it but that
    values.npy   float64, of that shape; nan where something is undefined
    points.csv   the table for people and spreadsheets, which the kind derives from header and values
    timing.json  seconds, date and the like: all that may differ between equal runs
    samples/     small pictures, only of data that may be passed on
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.brief import brief
from pruneattr_core.errors import StoreError
from pruneattr_core.store import write_folder

SCHEMA = "pruneattr-run/2"
#: Schemas of earlier versions, which `runs migrate` brings here.
OLDER = ("pruneattr-run/1", "pruneattr-paths/1")
HEADER, VALUES, POINTS, TIMING = "header.json", "values.npy", "points.csv", "timing.json"
#: Kinds of runs that are tables about single pictures, and all kinds that are no benchmarks.
TABLES = ("circuit", "linearity", "nesting", "shapley")
STUDIES = (*TABLES, "paths", "compression", "device")
#: Largest run that is read, in values.
LIMIT = 4_000_000
#: Axes of its values.
DIMENSIONS = 8
#: Bytes of its JSON that are read: lists of nothing take thirty times their text.
TEXT_LIMIT = 4 << 20
#: Said of the files, not of what they hold.
_OWN = ("schema", "shape", "files", "sha256")


@dataclass(frozen=True, eq=False)
class Stored:
    """A run in memory, whatever its kind.

    Attributes:
        header: as JSON holds it; "benchmark" is the kind. Schema, shape and hashes are left out.
        values: float64; read-only.
        points: the table, CSV.
        samples: number of a picture -> PNG bytes.
        timing: see the module.
    """

    header: Mapping[str, Any]
    values: NDArray[np.float64]
    points: bytes
    samples: Mapping[int, bytes] = field(default_factory=dict)
    timing: Mapping[str, Any] = field(default_factory=dict)

    __repr__ = brief

    def files(self) -> dict[str, bytes]:
        """Every file of the run, by name; equal runs give equal bytes but for the timing."""
        content = {VALUES: npy(self.values), POINTS: self.points}
        content |= {f"samples/{number:03d}.png": data for number, data in sorted(self.samples.items())}
        header = {
            **self.header,
            "schema": SCHEMA,
            "shape": list(self.values.shape),
            "files": {name: _sha256(data) for name, data in content.items()},
        }
        header["sha256"] = _seal(header)
        return {HEADER: _json(header), TIMING: _json(self.timing), **content}


def write_stored(run: Stored, folder: Path) -> None:
    """Write a run as a new folder; it appears complete or not at all, and nothing is overwritten.

    Raises:
        StoreError: the folder holds something, or cannot be written.
    """
    write_folder(folder, run.files())


def checked(files: Mapping[str, bytes], title: str) -> Stored:
    """The run in these files, which may come from anybody.

    Args:
        files: name -> content.
        title: names their place in messages.

    Raises:
        StoreError: a file is missing or foreign to the header, something was changed, or of another schema.
    """
    for name in (HEADER, VALUES, POINTS, TIMING):
        if name not in files:
            raise StoreError(f"The run in {title} has no {name}: it is incomplete.")
    header, timing = (_parsed(files[name], f"The {name} of the run in {title}") for name in (HEADER, TIMING))
    check_schema(header.get("schema"))
    others = {name: _sha256(data) for name, data in files.items() if name not in (HEADER, TIMING)}
    hashes = header.get("files")
    if not isinstance(hashes, dict) or hashes != others or header.get("sha256") != _seal(header):
        known = hashes if isinstance(hashes, dict) else {}
        wrong = [name for name in others if known.get(name) != others[name]] or [HEADER]
        raise StoreError(
            f"The run in {title} was changed after it was made: {harmless(', '.join(wrong))} does not have "
            "the hash of its header. Take the original."
        )
    shape = header.get("shape")
    sides: list[Any] = shape if isinstance(shape, list) and len(shape) <= DIMENSIONS else [None]
    if not all(type(side) is int and 0 <= side <= LIMIT for side in sides):
        raise StoreError(f"The header of the run in {title} is damaged (shape): take the original.")
    return Stored(
        {name: value for name, value in header.items() if name not in _OWN},
        _values(files[VALUES], tuple(sides), title),
        files[POINTS],
        _samples(files),
        timing,
    )


def check_schema(found: Any) -> None:
    """Say what to do about a run of another version.

    Raises:
        StoreError: the schema is not ours.
    """
    if found == SCHEMA:
        return
    number = SCHEMA.rpartition("/")[2]
    if found in OLDER:
        raise StoreError(
            f"This run has the older schema {found}, this version reads schema {number}: the command "
            "`python -m pruneattr_core runs migrate FOLDER` brings it here, its numbers unchanged."
        )
    theirs = str(found).removeprefix(SCHEMA.removesuffix(number))
    if theirs.isdecimal() and theirs.isascii() and len(theirs) < 6 and int(theirs) > int(number):
        raise StoreError(
            f"This run has schema {theirs}, this version reads schema {number}: a newer PruneAttr wrote it. "
            "Update, or export the run with this version."
        )
    raise StoreError(
        f"Expected a header of schema {SCHEMA}, got {harmless(str(found))!r}: this is no run of ours."
    )


def harmless(text: str) -> str:
    """The text without what could be markup, cut to 60 characters."""
    return "".join(c if c.isalnum() or c in "._-/ ," else "?" for c in text[:60])


def npy(values: NDArray[np.float64]) -> bytes:
    """The array as numpy writes it."""
    out = io.BytesIO()
    np.save(out, values, allow_pickle=False)
    return out.getvalue()


def _parsed(data: bytes, what: str) -> dict[str, Any]:
    """A JSON object of finite numbers, except those a header writes as NaN itself."""
    try:
        if len(data) > TEXT_LIMIT:
            raise ValueError(f"it has more than {TEXT_LIMIT >> 20} MB")
        found = json.loads(data)
        if not isinstance(found, dict):
            raise ValueError(f"it is a {type(found).__name__}")
        _finite(found)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{what} cannot be read ({harmless(str(error))}): take the original.") from error
    return found


def _finite(value: Any) -> None:
    """Refuse infinity: no number of a run is, but 1e999 reads as one."""
    if isinstance(value, float) and math.isinf(value):
        raise ValueError("a number is infinite")
    for inside in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _finite(inside)


def _values(data: bytes, shape: tuple[int, ...], title: str) -> NDArray[np.float64]:
    """The array, accepted only if every byte is as we would write it: no sizes are taken from the file."""
    count = math.prod(shape)
    start = len(data) - 8 * count
    values = None
    if start > 0 and count <= LIMIT:
        values = np.frombuffer(data, "<f8", offset=start).reshape(shape)
    if values is None or npy(values) != data:
        raise StoreError(
            f"The values of the run in {title} are not the {shape} numbers its header speaks of."
        )
    values.setflags(write=False)
    return values


def _samples(files: Mapping[str, bytes]) -> dict[int, bytes]:
    found = [name for name in files if name.startswith("samples/")]
    return {int(name.removeprefix("samples/").removesuffix(".png")): files[name] for name in found}


def _seal(header: Mapping[str, Any]) -> str:
    inside = {name: value for name, value in header.items() if name != "sha256"}
    return _sha256(json.dumps(inside, sort_keys=True).encode())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _json(content: Mapping[str, Any]) -> bytes:
    """Keys in their own order, which is that of tables."""
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
