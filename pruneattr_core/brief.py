"""How a value is written on one line of a notebook: arrays as type and shape, texts and lists cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

#: Characters of a value, and of all of them.
_VALUE, _ALL = 60, 400


def brief(self: Any) -> str:
    """For `__repr__` of a dataclass or named tuple that holds arrays."""
    names = getattr(self, "_fields", None) or [one.name for one in fields(self) if one.repr]
    inside = ", ".join(f"{name}={_written(getattr(self, name))}" for name in names)
    return f"{type(self).__name__}({inside if len(inside) <= _ALL else inside[:_ALL] + '...'})"


def _written(value: Any) -> str:
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        dtype = str(value.dtype).removeprefix("torch.")
        return f"{dtype}{tuple(value.shape)}" if value.ndim else f"{value.item():.6g}"
    if isinstance(value, list | tuple | Mapping) and any(map(_large, _items(value))):
        return f"<{len(value)} arrays>"
    text = repr(value) if not isinstance(value, bytes) else f"<{len(value)} bytes>"
    return text if len(text) <= _VALUE else f"{text[:_VALUE]}..."


def _items(value: Any) -> list[Any]:
    return list(value.values() if isinstance(value, Mapping) else value)


def _large(value: Any) -> bool:
    return hasattr(value, "shape")


def some(texts: Sequence[str], most: int = 4) -> str:
    """The first of several texts, for one line."""
    return ", ".join(texts if len(texts) <= most else [*texts[:most], "..."])
