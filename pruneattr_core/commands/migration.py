"""Runs of earlier versions brought to today's format: checked as they were read then, the same numbers after.

Three formats came before: benchmarks ("pruneattr-run/1", whose header had no hash of its own), studies of
paths ("pruneattr-paths/1", no values and no timing), compression studies (one JSON file, "format" 1). Nothing
else in the package reads them.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pruneattr_core.analysis.study_run import COLUMNS, KIND, read_study
from pruneattr_core.benchmarks.run import read_run
from pruneattr_core.compression import table as compression
from pruneattr_core.errors import StoreError
from pruneattr_core.runs.reading import read_files
from pruneattr_core.runs.stored import (
    HEADER,
    OLDER,
    POINTS,
    SCHEMA,
    TIMING,
    VALUES,
    Stored,
    check_schema,
    npy,
    write_stored,
)


def migrate(place: Path, say: Callable[[str], None]) -> int:
    """Bring every older run at `place` to today's format, each in its own place.

    Args:
        place: a run, or a folder with runs somewhere in it.
        say: told one line per run.

    Returns:
        How many were brought here; those of today's format are left as they are.

    Raises:
        StoreError: a run is damaged, or cannot be written. It is left as it was.
    """
    count = 0
    for old in list(_runs(place)):
        target = old.with_suffix("") if old.is_file() else old
        found = _compression(old) if old.is_file() else _folder(old)
        if found is not None:
            _replace(old, target, found)
            count += 1
            say(f"{target.name}: {found.values.size} values, the same numbers")
    return count


def _runs(place: Path) -> Iterator[Path]:
    """Folders with a header, and JSON files that may be compression studies."""
    if place.is_file() or (place / HEADER).is_file():
        yield place
        return
    if not place.is_dir():
        raise StoreError(f"{place} is not there: name a run, or a folder of runs.")
    for file in sorted(place.rglob("*.json")):
        if file.name == HEADER:
            yield file.parent
        elif not (file.parent / HEADER).exists() and file.stat().st_size and _parsed(file).get("format") == 1:
            yield file


def _folder(folder: Path) -> Stored | None:
    """The older run in a folder; None where it is of today's format."""
    files = read_files(folder)
    header = _parsed(folder / HEADER)
    schema = header.pop("schema", None)
    if schema == SCHEMA:
        return None
    if schema not in OLDER:
        check_schema(schema)
    hashes = header.pop("files", None)
    others = {
        name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name not in (HEADER, TIMING)
    }
    if hashes != others:
        raise StoreError(f"The run in {folder} was changed after it was made: take the original.")
    return _paths(header, files) if "paths" in schema else _benchmark(header, files, folder)


def _benchmark(header: Mapping[str, Any], files: Mapping[str, bytes], folder: Path) -> Stored:
    try:
        values = np.load(io.BytesIO(files[VALUES]), allow_pickle=False)
        timing = json.loads(files[TIMING])
    except (KeyError, ValueError, OSError, EOFError) as error:
        raise StoreError(f"The run in {folder} is damaged ({error}): take the original.") from error
    pictures = {name: data for name, data in files.items() if name.startswith("samples/")}
    samples = {int(Path(name).stem): data for name, data in pictures.items()}
    return Stored(header, values, files[POINTS], samples, timing)


def _paths(header: dict[str, Any], files: Mapping[str, bytes]) -> Stored:
    rows = list(csv.reader(io.StringIO(files[POINTS].decode())))
    place = COLUMNS.index("n")
    values = np.array([[float(cell) for cell in row[place:]] for row in rows[1:]], np.float64)
    timing = {"seconds": header.pop("seconds", None), "date": header.pop("finished", None)}
    known = {name: value for name, value in timing.items() if value is not None}
    return Stored({"benchmark": KIND, **header}, values, files[POINTS], {}, known)


def _compression(file: Path) -> Stored:
    content = _parsed(file)
    given = content.pop("sha256", None)
    if content.get("format") != 1 or given != _sha256_of(content):
        raise StoreError(f"{file} is no compression run of an earlier version, or it was changed.")
    return compression.stored(content, {})


def _replace(old: Path, target: Path, found: Stored) -> None:
    """Write beside, read back, compare, and only then put it in the old one's place."""
    fresh = target.with_name(f"{target.name}.migrated")
    write_stored(found, fresh)
    try:
        again = _read(fresh, str(found.header["benchmark"]))
        if (fresh / POINTS).read_bytes() != found.points or npy(again.values) != npy(found.values):
            raise StoreError(f"{old} did not survive the change of format: it is left as it was.")
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    aside = old.with_name(f"{old.name}.older")
    old.rename(aside)
    fresh.rename(target)
    shutil.rmtree(aside) if aside.is_dir() else aside.unlink()


def _read(folder: Path, kind: str) -> Stored:
    """What is in the folder, by the reader that its kind has in the app."""
    from pruneattr_core.runs.reading import from_folder

    reader: Callable[[Path], Any] = {KIND: read_study, compression.KIND: compression.read_study}.get(
        kind, read_run
    )
    reader(folder)
    return from_folder(folder)


def _parsed(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{file} cannot be read ({str(error)[:80]}).") from error
    return found if isinstance(found, dict) else {}


def _sha256_of(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
