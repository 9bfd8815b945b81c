"""Settings in words: for captions and for the foot of a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pruneattr_core.response import Asked

#: Classes that are all named.
_NAMED = 5


def in_words(name: str) -> str:
    """The name of a setting."""
    return name.replace("_", " ")


def said(value: Any) -> str:
    """A JSON value on one line; what is not set is left out."""
    if isinstance(value, Mapping):
        return ", ".join(
            f"{in_words(str(key))} {said(one)}" for key, one in value.items() if one not in (None, "")
        )
    if isinstance(value, (list, tuple)):
        if all(isinstance(one, (int, float)) for one in value):
            return " ".join(f"{one:g}" for one in value)
        return " / ".join(said(one) for one in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def several(classes: Sequence[str], members: Sequence[int]) -> str:
    """Classes by name; of many, such as all dogs, the first few."""
    names = [classes[member] for member in members]
    return ", ".join(names) if len(names) <= _NAMED else f"{', '.join(names[:3])} and {len(names) - 3} more"


def asked_in_words(asked: Asked, row: int, classes: Sequence[str]) -> str:
    """What is explained of one input of a batch."""
    if asked.response.kind == "group":
        return f"the mean of {several(classes, asked.response.target or ())}"
    target = classes[int(asked.target[row])]
    return target if asked.against is None else f"{target} instead of {classes[int(asked.against[row])]}"
