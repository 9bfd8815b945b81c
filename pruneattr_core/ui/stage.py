"""Pictures, curves and a slider that move together in the browser."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from pruneattr_core.share.component import stage
from pruneattr_core.share.framing import framed
from pruneattr_core.ui.component import register

Pixels = NDArray[np.unsignedinteger[Any]]


def component(name: str, painter: str) -> Callable[..., Any]:
    """Register a stage; `painter` names the folder in assets whose paint.js fills the canvases."""
    return register(name, stage(painter))


class Blocks:
    """Arrays on their way to the browser, each once, named by content."""

    def __init__(self) -> None:
        """Without any."""
        self.data: list[bytes] = []
        self.places: dict[str, dict[str, Any]] = {}

    def add(self, array: NDArray[Any]) -> dict[str, Any]:
        """Compress an array; returns where the browser finds it."""
        name = hashlib.sha256(f"{array.dtype}{array.shape}".encode() + array.tobytes()).hexdigest()[:16]
        if name not in self.places:
            packed = _packed(name, array)
            self.places[name] = {"id": name, "start": sum(map(len, self.data)), "length": len(packed)}
            self.data.append(packed)
        return self.places[name]

    def framed(self, header: Mapping[str, Any]) -> bytes:
        """The payload, with an identity over everything in it."""
        identity = hashlib.sha256(json.dumps(header).encode()).hexdigest()[:16]
        return framed({"id": identity, **header}, self.data)


@st.cache_resource(max_entries=48, show_spinner=False)
def _packed(name: str, _array: NDArray[Any]) -> bytes:
    """Compressed once, as a page draws the same arrays with every release of the slider."""
    return zlib.compress(np.ascontiguousarray(_array).tobytes(), 1)


def numbers(values: Sequence[float] | NDArray[Any]) -> list[float | None]:
    """As JSON holds them: None where undefined."""
    return [round(float(v), 6) if np.isfinite(v) else None for v in values]
