"""What a reviewer decided about a student's maps: one small file a review, whole after every verdict."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import secrets
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pruneattr_core.errors import InputError, StoreError
from pruneattr_core.one_of import is_one_of
from pruneattr_core.render.plain import sheet_cell
from pruneattr_core.store import write_atomically

FORMAT = "pruneattr-review-1"
#: What can be said about a map, by the key that says it.
VERDICTS = {"ok": "OK", "suspicious": "Suspicious", "broken": "Broken"}
#: What a level is a share of, by its key, in the words of a table.
SCALES = {"all": "share of all neurons removed", "none": "none: the method has no level", "": "not recorded"}
NOTE_LIMIT = 500
ENTRY_LIMIT = 20_000
_FILE_LIMIT = 64 << 20
_NAME_LIMIT = 60
_SECRET_BYTES = 12
_SECRET = re.compile(rf" [0-9a-f]{{{2 * _SECRET_BYTES}}}$")
_lock = threading.Lock()


@dataclass(frozen=True)
class Verdict:
    """One decision about one student's map of one picture and class.

    Attributes:
        teacher: id of the network compared with.
        student: id of the network judged.
        data: id of the picture set.
        picture: position in it.
        name: of the picture.
        target: class explained.
        method: key of `attribution.METHODS`.
        verdict: key of `VERDICTS`, or "" for a note alone.
        note: at most `NOTE_LIMIT` characters.
        cosine: similarity of the two maps at that moment, in [-1, 1]; nan if unknown.
        l2: distance of the two maps of norm 1, in [0, 2]; nan if unknown.
        point: whether the student's maximum lay in the mask (1, 0, shared maxima between); nan without one.
        mass: share of the student's positive mass inside the mask; nan without one.
        at: when, UTC, as 2026-01-31T12:00:00Z.
        scale: key of `SCALES`; "" in files from before levels were recorded.
        level: on that scale, in [0, 1], at which maps and numbers were judged; nan without one.
    """

    teacher: str
    student: str
    data: str
    picture: int
    name: str
    target: str
    method: str
    verdict: str
    note: str = ""
    cosine: float = math.nan
    l2: float = math.nan
    point: float = math.nan
    mass: float = math.nan
    at: str = ""
    scale: str = ""
    level: float = math.nan

    def __post_init__(self) -> None:
        """Refuse a verdict nobody can give."""
        if not is_one_of(self.verdict, ("", *VERDICTS)):
            raise InputError(f"Expected a verdict out of {', '.join(VERDICTS)}, got {self.verdict!r:.40}.")
        if not is_one_of(self.scale, SCALES) or (0 <= self.level <= 1) != (self.scale == "all"):
            raise InputError(
                f"Expected a level in [0, 1] of all neurons or none, got {self.level} of {self.scale!r:.40}."
            )
        if len(self.note) > NOTE_LIMIT:
            raise InputError(f"A note has at most {NOTE_LIMIT} characters, this one {len(self.note)}.")

    @property
    def key(self) -> str:
        """What it is about: a later verdict about the same replaces it."""
        parts = (self.teacher, self.student, self.data, str(self.picture), self.target, self.method)
        return "|".join(parts)

    @property
    def level_words(self) -> str:
        """The level at which it was given, as the desk says it; "" for a method without one."""
        return {"all": level_words(self.level), "none": "", "": "level not recorded"}[self.scale]


def level_words(level: float) -> str:
    """A share of all neurons removed, in [0, 1], in words."""
    percent = f"{100 * level:.1f}".rstrip("0").rstrip(".")
    return f"{percent} % of all neurons removed" if level else "All neurons kept"


def reviews_folder() -> Path:
    """Where reviews lie: `$XDG_DATA_HOME/pruneattr/reviews`, by default under `~/.local/share`."""
    home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(home) / "pruneattr" / "reviews"


def checked_name(name: str) -> str:
    """A review's name as it can be part of a file name.

    Raises:
        InputError: it is empty, too long or holds anything but letters, digits, space, dot, - and _.
    """
    tidy = " ".join(name.split())
    fine = all(c.isascii() and (c.isalnum() or c in " ._-") for c in tidy)
    if not tidy or len(tidy) > _NAME_LIMIT or not fine or not tidy[0].isalnum():
        raise InputError(
            f"A review's name has 1 to {_NAME_LIMIT} letters, digits, spaces, dots, - or _, and starts with "
            f"a letter or digit; got {name[:80]!r}."
        )
    return tidy


def review_names() -> list[str]:
    """Reviews that are there, in the order of their names."""
    return sorted(file.stem for file in reviews_folder().glob("[!.]*.json"))


def latest(names: Iterable[str]) -> str | None:
    """The one of these reviews that was written last; None where none is on the disk."""
    files = [reviews_folder() / f"{name}.json" for name in names]
    there = [file for file in files if file.is_file()]
    return max(there, key=lambda file: file.stat().st_mtime_ns).stem if there else None


def new_name() -> str:
    """A name that no other review has: today's date and a random number, in hexadecimal."""
    while (name := f"{datetime.now(UTC):%Y-%m-%d} {secrets.token_hex(3)}") in review_names():
        pass
    return name


def secret_name(name: str) -> str:
    """The name with 96 random bits behind it, which nobody guesses; as it is where it has them."""
    if _SECRET.search(name):
        return name
    return f"{name[: _NAME_LIMIT - 2 * _SECRET_BYTES - 1].rstrip()} {secrets.token_hex(_SECRET_BYTES)}"


def load_review(name: str) -> dict[str, Verdict]:
    """Key -> verdict, in the order they were first given; empty for a review that is not begun.

    Raises:
        InputError: the name cannot be used.
        StoreError: the file is damaged; it is left as it is.
    """
    return _read(reviews_folder() / f"{checked_name(name)}.json")


def save_verdicts(name: str, given: Mapping[str, Verdict | None]) -> dict[str, Verdict]:
    """Add, replace or (None) remove verdicts, in one atomic write; what others saved meanwhile stays.

    Args:
        name: of the review.
        given: key -> verdict.

    Returns:
        The review as it is now in the file.

    Raises:
        InputError: the name cannot be used, or the review would become too long.
        StoreError: the file is damaged or cannot be written; nothing was changed.
    """
    file = reviews_folder() / f"{checked_name(name)}.json"
    with _lock:
        kept = _read(file)
        for key, verdict in given.items():
            if verdict is None:
                kept.pop(key, None)
            else:
                kept[key] = verdict
        if len(kept) > ENTRY_LIMIT:
            raise InputError(
                f"A review holds at most {ENTRY_LIMIT} verdicts: begin another under a new name."
            )
        content = {"format": FORMAT, "name": file.stem, "verdicts": [_plain(one) for one in kept.values()]}
        write_atomically(file, json.dumps(content, allow_nan=False, ensure_ascii=False, indent=0).encode())
    return kept


def review_csv(verdicts: Mapping[str, Verdict]) -> bytes:
    """One row a verdict, in the order given; UTF-8 with a mark that spreadsheets understand."""
    out = io.StringIO()
    names = [field.name for field in fields(Verdict)]
    table = csv.writer(out)
    table.writerow(names)
    for one in verdicts.values():
        table.writerow(map(sheet_cell, {**_plain(one), "scale": SCALES[one.scale]}.values()))
    return out.getvalue().encode("utf-8-sig")


def _plain(verdict: Verdict) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in asdict(verdict).items()
    }


def _read(file: Path) -> dict[str, Verdict]:
    try:
        if file.stat().st_size > _FILE_LIMIT:
            raise ValueError("it is too large")
        content = json.loads(file.read_text("utf-8"))
        if content["format"] != FORMAT:
            raise ValueError("it is no review")
        found = [_verdict(record) for record in content["verdicts"]]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(
            f"The review {file.name} cannot be read ({str(error)[:120]}). It is left as it is: choose "
            "another name, or repair the file."
        ) from error
    return {one.key: one for one in found}


def _verdict(record: Mapping[str, Any]) -> Verdict:
    known: dict[str, Any] = {}
    for field in fields(Verdict):
        if field.name in ("scale", "level") and field.name not in record:
            continue  # a file from before levels were recorded
        value = record[field.name]
        if field.type == "float" and value is None:
            value = math.nan
        fine: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "str": (str,)}
        if not isinstance(value, fine[str(field.type)]) or isinstance(value, bool):
            raise TypeError(f"{field.name} is {type(value).__name__}")
        known[field.name] = value
    return Verdict(**known)
