"""A path as bytes for download, and back from an upload that may come from anybody."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path as File
from typing import Any

from torch import Tensor

from pruneattr_core.archives import opened
from pruneattr_core.critical_path import Path
from pruneattr_core.errors import InputError, StoreError
from pruneattr_core.share.words import counted

#: Bytes beyond the bits themselves that an honest file may hold once unpacked (header, array headers).
_SLACK = 4 << 20


def path_bytes(path: Path, provenance: Mapping[str, Any]) -> bytes:
    """The `.npz` of a path, with `provenance` added to what it says about itself."""
    with tempfile.TemporaryDirectory() as folder:
        file = File(folder) / "path.npz"
        Path(path.names, path.layers, {**path.meta, **provenance}).save(file)
        return file.read_bytes()


def path_from_bytes(data: bytes, name: str, names: Sequence[str], like: Sequence[Tensor]) -> Path:
    """A path of one input that fits the network on screen.

    Args:
        data: content of the file.
        name: of the file, for messages.
        names: the network's activation calls.
        like: one tensor (1, *shape) per call.

    Raises:
        StoreError: not a path saved by PruneAttr, or one that unpacks to far more than this network needs.
        InputError: a path over another network or input size.
    """
    needed = sum(layer[0].numel() for layer in like) // 8 + _SLACK
    try:
        with opened(io.BytesIO(data), _SLACK) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except Exception:  # zipfile raises anything from BadZipFile to NotImplementedError
        raise StoreError(
            f"{_short(name)} is not a path saved by PruneAttr: choose an .npz downloaded here."
        ) from None
    if unpacked > needed:
        raise StoreError(
            f"{_short(name)} unpacks to {unpacked / 1e6:.0f} MB, more than a path over this network holds. "
            "Choose the model it was made with."
        )
    with tempfile.TemporaryDirectory() as folder:
        file = File(folder) / "path.npz"
        file.write_bytes(data)
        try:
            path = Path.load(file)
        except StoreError:
            raise StoreError(
                f"{_short(name)} is not a path saved by PruneAttr, or is damaged: "
                "choose an .npz downloaded here."
            ) from None
    shapes = [tuple(layer.shape) for layer in like]
    if list(path.names) != list(names) or [tuple(layer.shape) for layer in path.layers] != shapes:
        raise InputError(
            f"{_short(name)} holds a path over {counted(len(path.names), 'activation calls')} of "
            f"{path.meta.get('model', 'another network')!s:.60}, which does not fit the network chosen here "
            f"({counted(len(names), 'calls')}). Choose the model it was made with."
        )
    return path


def _short(name: str) -> str:
    return "".join(c if c.isalnum() or c in " ._-" else "?" for c in name[:60]) or "The file"
