"""A finished run: header, values, points, timing and sample pictures; in a folder or a zip, and checked.

Files of a run:
    header.json  the plan, and the SHA-256 of every other file except timing.json
    values.npy   float64 (methods, measures, points, pictures); nan where a measure is undefined
    points.csv   mean, standard deviation and count over pictures, derived from the values
    timing.json  seconds, date and how often the run was resumed: all that may differ between equal runs
    samples/     small pictures, only of data that may be passed on
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.benchmarks.plan import Plan, plan_from
from pruneattr_core.errors import StoreError
from pruneattr_core.render.plain import sheet_cell
from pruneattr_core.store import write_folder

HEADER, VALUES, POINTS, TIMING = "header.json", "values.npy", "points.csv", "timing.json"
#: Bytes of one file and of a whole run, and members of a zip, that are accepted.
FILE_LIMIT, RUN_LIMIT, MEMBER_LIMIT = 32 << 20, 48 << 20, 256


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

    def __post_init__(self) -> None:
        if self.values.shape != self.plan.shape or self.values.dtype != np.float64:
            given = f"{self.values.dtype} {self.values.shape}"
            raise StoreError(f"Expected values float64 {self.plan.shape}, got {given}: the run is damaged.")
        self.values.setflags(write=False)

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits over plan and values."""
        return hashlib.sha256(self.plan.sha256().encode() + self.values.tobytes()).hexdigest()[:12]

    def of(self, method: str, measure: str) -> NDArray[np.float64]:
        """Values (points, pictures) of one method, by label, and measure."""
        values: NDArray[np.float64] = self.values[
            self.plan.labels.index(method), self.plan.measures.index(measure)
        ]
        return values

    def files(self) -> dict[str, bytes]:
        """Every file of the run, by name."""
        content = {VALUES: _npy(self.values), POINTS: points_csv(self.plan, self.values)}
        content |= {f"samples/{number:03d}.png": data for number, data in sorted(self.samples.items())}
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
        header = json.dumps(self.plan.json() | {"files": hashes}, indent=1, sort_keys=True)
        timing = json.dumps(dict(self.timing), indent=1, sort_keys=True)
        return {HEADER: header.encode() + b"\n", TIMING: timing.encode() + b"\n", **content}


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
        StoreError: the folder exists, or cannot be written.
    """
    write_folder(folder, run.files())


def zip_run(run: Run) -> bytes:
    """The run as a zip file for export; equal runs give equal bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in run.files().items():
            packed.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def read_run(folder: Path) -> Run:
    """The run in a folder, checked.

    Raises:
        StoreError: a file is missing, too large, changed or of another schema.
    """
    files = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            if file.stat().st_size > FILE_LIMIT:
                raise StoreError(f"{file.name} of the run {folder.name} is too large to be ours.")
            files[file.relative_to(folder).as_posix()] = file.read_bytes()
    return _checked(files, folder.name)


def run_from_files(files: Mapping[str, bytes]) -> Run:
    """The run whose files came one by one, as a browser sends a folder: only the last part of a name counts.

    Args:
        files: name -> content, from anybody.

    Raises:
        StoreError: foreign or too many files, hostile sizes, or whatever `read_run` refuses.
    """
    named = {}
    for given, data in files.items():
        last = given.replace("\\", "/").rpartition("/")[2]
        name = f"samples/{last}" if last.endswith(".png") else last
        if not _expected(name) or name in named:
            raise StoreError(
                f"{_harmless(given)!r} belongs to no run, or is there twice: nothing was imported."
            )
        named[name] = data
    if len(named) > MEMBER_LIMIT or sum(map(len, named.values())) > RUN_LIMIT:
        raise StoreError("These files are more than a run may have: nothing was imported.")
    return _checked(named, "these files")


def run_from_zip(data: bytes) -> Run:
    """The run in a zip that may come from anybody; nothing is written to disk.

    Raises:
        StoreError: no zip, hostile names or sizes, or whatever `read_run` refuses.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            return _checked(_members(packed), "this file")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(
            f"This is no zip file we can read ({str(error)[:80]}): export the run again."
        ) from error


def _members(packed: zipfile.ZipFile) -> dict[str, bytes]:
    found = [member for member in packed.infolist() if not member.is_dir()]
    names = [member.filename for member in found]
    if len(found) > MEMBER_LIMIT or len(set(names)) != len(names):
        raise StoreError(f"The zip holds {len(found)} files, some perhaps twice: this is no exported run.")
    top = os.path.commonpath(names) if names and HEADER not in names else ""
    files, left = {}, RUN_LIMIT
    for member in found:
        name = member.filename.removeprefix(f"{top}/") if top else member.filename
        if not _expected(name):
            raise StoreError(f"The zip holds {_harmless(name)!r}, which no run has: nothing was imported.")
        with packed.open(member) as stream:
            files[name] = stream.read(min(left, FILE_LIMIT) + 1)
        left -= len(files[name])
        if left < 0 or len(files[name]) > FILE_LIMIT:
            raise StoreError("The zip unpacks to more than a run may have: nothing was imported.")
    return files


def _expected(name: str) -> bool:
    if name in (HEADER, VALUES, POINTS, TIMING):
        return True
    number = name.removeprefix("samples/").removesuffix(".png")
    return name == f"samples/{number}.png" and number.isascii() and number.isdigit() and len(number) < 6


def _harmless(name: str) -> str:
    return "".join(c if c.isalnum() or c in "._-/" else "?" for c in name[:60])


def _checked(files: Mapping[str, bytes], title: str) -> Run:
    for name in (HEADER, VALUES, POINTS, TIMING):
        if name not in files:
            raise StoreError(f"The run in {title} has no {name}: it is incomplete.")
    try:
        header, timing = json.loads(files[HEADER]), json.loads(files[TIMING])
    except (ValueError, RecursionError) as error:
        raise StoreError(f"The header of the run in {title} is no JSON ({str(error)[:60]}).") from error
    plan = plan_from(header)
    hashes = header.get("files")
    others = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    del others[HEADER], others[TIMING]
    if not isinstance(hashes, dict) or hashes != others:
        wrong = [name for name in others if not isinstance(hashes, dict) or hashes.get(name) != others[name]]
        raise StoreError(
            f"The run in {title} was changed after it was made: {_harmless(', '.join(wrong)) or 'a file'} "
            "does not have the hash of its header. Take the original."
        )
    run = Run(
        plan,
        _values(files[VALUES], plan.shape, title),
        _samples(files),
        timing if isinstance(timing, dict) else {},
    )
    if points_csv(plan, run.values) != files[POINTS]:
        raise StoreError(
            f"In the run in {title} the points are not those of its values: it was put together."
        )
    return run


def _samples(files: Mapping[str, bytes]) -> dict[int, bytes]:
    found = [name for name in files if name.startswith("samples/")]
    return {int(name.removeprefix("samples/").removesuffix(".png")): files[name] for name in found}


def _values(data: bytes, shape: tuple[int, ...], title: str) -> NDArray[np.float64]:
    """The array, accepted only if every byte is as we would write it: no sizes are taken from the file."""
    start = len(data) - 8 * math.prod(shape)
    values = np.frombuffer(data, "<f8", offset=start).reshape(shape) if start > 0 else None
    if values is None or _npy(values) != data:
        raise StoreError(
            f"The values of the run in {title} are not the {shape} numbers its header speaks of."
        )
    return values


def _npy(values: NDArray[np.float64]) -> bytes:
    out = io.BytesIO()
    np.save(out, values, allow_pickle=False)
    return out.getvalue()
