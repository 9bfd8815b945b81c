"""What stands in JSON beside weights files: each edition of a file is read once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any


def record_of(file: Path) -> Mapping[str, Any]:
    """What a file says; a page asks for the titles of all networks at every turn.

    Raises:
        OSError: it cannot be read.
        ValueError: it holds no JSON object.
    """
    seen = file.stat()
    return _read(file, (seen.st_mtime_ns, seen.st_size))


@lru_cache(maxsize=256)
def _read(file: Path, _edition: tuple[int, int]) -> Mapping[str, Any]:
    record = json.loads(file.read_text("utf-8"))
    if not isinstance(record, dict):
        raise ValueError("it holds no JSON object")
    return MappingProxyType(record)
