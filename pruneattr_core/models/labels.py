"""Names of classes from a training script's checkpoint, or from a text or JSON file beside the weights."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pruneattr_core.errors import WeightsError
from pruneattr_core.models.checkpoint import texts
from pruneattr_core.models.unwrapping import tables
from pruneattr_core.render.plain import inert

_KEYS = (
    *("classes", "class_names", "classnames", "labels", "label_names", "categories", "idx_to_class"),
    *("class_to_idx", "id2label", "label2id", "CLASSES", "names"),
)
_BESIDE = (
    *("labels", "classes", "class_names", "categories", "class_to_idx", "idx_to_class", "id2label"),
    *("label2id", "idx2label", "label_map", "class_index", "config"),
)
_MAX_BYTES, _LONGEST, _LARGEST = 4 << 20, 120, 1 << 63


def names_in(loaded: Mapping[Any, Any], count: int) -> tuple[str, ...] | None:
    """Names of `count` classes that the checkpoint carries, wherever in it, or None; outermost first.

    Args:
        loaded: as `read_checkpoint` returns it.
        count: number of logits.
    """
    for _, table in tables(loaded):
        for place in (table, *(vars(value) for value in table.values() if isinstance(value, Namespace))):
            for key in _KEYS:
                if key in place and (names := _listed(place[key], count)):
                    return names
    return None


def names_with(file: Path, loaded: Mapping[Any, Any], count: int) -> tuple[str, ...] | None:
    """Names of `count` classes from a weights file, else from one in its folder, or None.

    Args:
        file: the weights file.
        loaded: as `read_checkpoint` returns it.
        count: number of logits.

    Raises:
        WeightsError: see `names_beside`.
    """
    return names_in(loaded, count) or names_in(texts(file), count) or names_beside(file, count)


def names_beside(file: Path, count: int) -> tuple[str, ...] | None:
    """Names of `count` classes from a file in the folder of `file`, or None.

    Taken are the file's own name with .txt or .json, or with _labels or _classes before it, then those of
    `_BESIDE` (of config, Hugging Face's id2label) with either ending.

    Raises:
        WeightsError: the file of the same name has another number of names, or cannot be read.
    """
    stems = [file.stem + more for more in ("", "_labels", "_classes")]
    own = [file.with_name(stem + ending) for stem in stems for ending in (".txt", ".json")]
    for candidate in (*own, *(file.with_name(f"{stem}{e}") for stem in _BESIDE for e in (".txt", ".json"))):
        if candidate == file or not candidate.is_file():
            continue
        try:
            return read_names(candidate, count)
        except WeightsError:
            if candidate in own:
                raise
    return None


def read_names(file: str | os.PathLike[str], count: int) -> tuple[str, ...]:
    """Names of `count` classes: a text file has one a line, a JSON file a list, an object or a `config`.

    Raises:
        WeightsError: it has another number of names, or cannot be read.
    """
    path = Path(file)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise WeightsError(f"{path.name!r} is too large for names of classes: one a line, at most 4 MB.")
        text = path.read_text("utf-8-sig")
        found: Any = json.loads(text) if path.suffix.lower() == ".json" else _lines(text)
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(
            f"{path.name!r} cannot be read as names of classes: give a text file with one a line, or JSON."
        ) from error
    if names := _listed(found, count) or (names_in(found, count) if isinstance(found, Mapping) else None):
        return names
    have = f"{len(found)} entries" if isinstance(found, list | dict) else "no list"
    raise WeightsError(
        f"{path.name!r} has {have}, but the network tells {count} classes apart: one name for each, in order."
    )


def numbered(count: int) -> tuple[str, ...]:
    """Names where nobody gave any."""
    return tuple(f"class {index}" for index in range(count))


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _listed(given: Any, count: int) -> tuple[str, ...] | None:
    """A list of texts, {index: text} or {text: index}, of exactly `count`; or None."""
    if isinstance(given, Mapping) and len(given) == count:
        pairs = list(given.items())
        if all(isinstance(value, int) for _, value in pairs):
            pairs = [(value, key) for key, value in pairs]
        try:
            order = {
                _index(index): name[-1] if isinstance(name, list) and name else name for index, name in pairs
            }
        except ValueError:
            return None
        given = [order.get(index) for index in range(count)]
    if isinstance(given, str) or not isinstance(given, Sequence) or len(given) != count:
        return None
    names = tuple(class_name(name) for name in given if isinstance(name, str) or _small(name))
    return names if count and len(names) == count else None


def _index(given: Any) -> int:
    """The place that a key names.

    Raises:
        ValueError: none.
    """
    if isinstance(given, str) or _small(given):
        return int(given)
    raise ValueError("no whole number")


def _small(value: Any) -> bool:
    """Whether it is a number that can be written out: a pickle holds ones of a million digits."""
    return isinstance(value, int) and abs(value) < _LARGEST


def class_name(name: str | int) -> str:
    """A name of a stranger's file as it may stand anywhere: short, on one line, no markup."""
    shown = "".join(c if c.isprintable() else " " for c in str(name)).strip()[:_LONGEST]
    return inert(shown) or "(no name)"
