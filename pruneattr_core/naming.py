"""Names of calls: that of the module in whose `forward` they are made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from types import FrameType

from torch import nn


def module_name(frame: FrameType | None, names: dict[int, str], func: str) -> str:
    """Name of the innermost module of this model on the call stack; functional calls add `.func`."""
    name, owner = owner_of(frame, names)
    functional = owner is None or next(owner.children(), None) is not None or not name
    return ".".join(filter(None, (name, func))) if functional else name


def owner_of(frame: FrameType | None, names: dict[int, str]) -> tuple[str, nn.Module | None]:
    """The innermost module of this model on the call stack and its name; ("", None) outside of all."""
    while frame is not None:
        if frame.f_code.co_name == "forward":
            owner = frame.f_locals.get("self")
            if isinstance(owner, nn.Module) and id(owner) in names:
                return names[id(owner)], owner
        frame = frame.f_back
    return "", None


def numbered(names: Sequence[str]) -> tuple[str, ...]:
    """Names that occur more than once get their ordinal: `relu#1`, `relu#2`."""
    total, so_far = Counter(names), Counter[str]()
    out = []
    for name in names:
        so_far[name] += 1
        out.append(f"{name}#{so_far[name]}" if total[name] > 1 else name)
    return tuple(out)
