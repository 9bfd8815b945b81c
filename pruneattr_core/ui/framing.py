"""Bytes for a component: a JSON header and compressed arrays in one piece, as assets/blocks.js reads it."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def framed(header: Mapping[str, Any], blocks: Iterable[bytes]) -> bytes:
    """[uint32 length of the header, little endian][header as JSON][blocks, one after the other].

    Raises:
        ValueError: the header holds nan or infinity, which JSON has no word for.
    """
    head = json.dumps(header, allow_nan=False).encode()
    return b"".join([struct.pack("<I", len(head)), head, *blocks])


def header_of(payload: bytes) -> dict[str, Any]:
    """The header of `framed`."""
    (length,) = struct.unpack_from("<I", payload)
    header: dict[str, Any] = json.loads(payload[4 : 4 + length])
    return header


def level_deltas(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Levels (K, ...) as the first and the steps to each next one; they wrap around, which makes it exact."""
    delta = levels.copy()
    delta[1:] = levels[1:] - levels[:-1]
    return delta
