"""A path as bytes: masks as bits in an `.npz` without pickle, and back from bytes of anybody."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pruneattr_core.archives import opened

_FORMAT = "pruneattr-path-1"
#: Bytes of the list of members: three members for each activation call.
_LISTED = 4 << 20


def packed(names: Sequence[str], layers: Sequence[Tensor], meta: Mapping[str, Any]) -> bytes:
    """Names of calls, a bool mask for each, and JSON values about the whole."""
    header: dict[str, Any] = {"format": _FORMAT, "names": names, "meta": dict(meta)}
    header["shapes"] = [list(layer.shape) for layer in layers]
    arrays: dict[str, Any] = {f"bits{i}": np.packbits(layer.cpu().numpy()) for i, layer in enumerate(layers)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)
    return buffer.getvalue()


def unpacked(data: bytes) -> tuple[tuple[str, ...], tuple[Tensor, ...], dict[str, Any]]:
    """What `packed` was given.

    Raises:
        Exception: damaged bytes; NumPy and zipfile raise anything.
    """
    opened(io.BytesIO(data), _LISTED)
    with np.load(
        io.BytesIO(data), allow_pickle=False
    ) as arrays:  # from memory: else a damaged file stays open
        header = json.loads(arrays["header"].tobytes())
        if header["format"] != _FORMAT:
            raise ValueError(header["format"])
        names, meta = header["names"], header["meta"]
        if not isinstance(meta, dict) or not all(isinstance(name, str) for name in names):
            raise ValueError("its names are no texts, or its meta is no record")
        layers = []
        for i, shape in enumerate(header["shapes"]):
            bits, size = arrays[f"bits{i}"], int(np.prod(shape))
            if bits.dtype != np.uint8 or bits.size != (size + 7) // 8:
                raise ValueError(f"bits{i}")
            layers.append(torch.from_numpy(np.unpackbits(bits, count=size).astype(bool)).view(*shape))
    return tuple(names), tuple(layers), meta
