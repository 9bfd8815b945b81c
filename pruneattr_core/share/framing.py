"""Bytes for a component: a JSON header and compressed arrays in one piece, as assets/blocks.js reads it."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


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


def coded(shown: Array) -> tuple[NDArray[np.uint8], float]:
    """Codes 1..255 of a map and its largest magnitude.

    128 is zero; the square root of |value| / peak is rounded to 127 steps, so that reading a value back is
    off by at most 0.8 % of the peak, and by far less where values are small.
    """
    clean = np.nan_to_num(np.asarray(shown, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    peak = float(np.abs(clean).max())
    share = np.sqrt(np.abs(clean) / peak) if peak else np.zeros_like(clean)
    return np.asarray(np.rint(128 + 127 * np.sign(clean) * share), np.uint8), peak


def decoded(peak: float) -> Array:
    """The value of each of the 256 codes."""
    share = (np.arange(256) - 128) / 127
    return np.sign(share) * share**2 * peak
