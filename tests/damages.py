"""What may happen to a sealed file on a disk; used by tests and by perf/kills.py."""

from __future__ import annotations

import io
from collections.abc import Callable

import torch

from pruneattr_core.descent import packed
from pruneattr_core.store import sealed, unsealed

Damage = Callable[[bytes], bytes]


def _torch_list() -> bytes:
    out = io.BytesIO()
    torch.save([1, 2], out)
    return out.getvalue()


def _flipped(share: float) -> Damage:
    def damage(data: bytes) -> bytes:
        place = min(int(share * len(data)), len(data) - 1)
        return data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]

    return damage


#: Fifteen kinds, of every kind of file: checkpoints (in torch's format) and cells (JSON).
DAMAGES: dict[str, Damage] = {
    "first byte": _flipped(0),
    "in the seal": _flipped(0.001),
    "a third in": _flipped(0.33),
    "in the middle": _flipped(0.5),
    "near the end": _flipped(0.9),
    "last byte": _flipped(1),
    "cut to nothing": lambda data: b"",
    "cut in the seal": lambda data: data[:40],
    "cut in half": lambda data: data[: len(data) // 2],
    "cut by one": lambda data: data[:-1],
    "longer": lambda data: data + b"\0",
    "hello": lambda data: b"hello",
    "not sealed": unsealed,
    "a list": lambda data: sealed(_torch_list() if b"PK" in data else b"[1, 2]"),
    "nothing inside": lambda data: sealed(packed({}) if b"PK" in data else b"{}"),
}
