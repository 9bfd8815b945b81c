"""Settings in words: for captions and for the foot of a page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pruneattr_core.heads import NOT_IT
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


def counted(number: int, things: str, thing: str = "") -> str:
    """A number of things: 1 picture, 2 pictures.

    Args:
        number: how many.
        things: what they are called, with -s.
        thing: what one is called, where that is not without the -s.
    """
    return f"{number:,} {(thing or things.removesuffix('s')) if number == 1 else things}"


def percent(share: float, places: int = 0) -> str:
    """A share as assets/browser/numbers.js says it, so that a page says it alike everywhere.

    Args:
        share: 0 to 1, or more.
        places: after the point; above 99 % there is always one.
    """
    value = 100 * share
    digits = max(places, 1 if 99 < value < 100 else 0)
    shown = signed(value, f".{digits}f")
    nearly = value < 100 and shown.startswith("100")
    return f"{'>99.9' if nearly else shown}\u202f%"


def changed(change: float) -> str:
    """An output change as the explorer says it, from 0 to infinity."""
    return percent(change) if change <= 10 else ">1,000\u202f%" if math.isfinite(change) else "infinite"


def chance(probability: float) -> str:
    """A probability as assets/browser/numbers.js says it."""
    if 0.995 <= probability < 1:
        return ">0.99"
    return "<0.01" if 0 < probability < 0.005 else f"{probability:.2f}"


def signed(number: float, form: str) -> str:
    """A number that may be below 0, in a form as f-strings take it, with the minus sign of a text."""
    text = f"{float(number):{form}}"
    if not text.strip("-0."):  # what is rounded to 0 has no sign
        return text.removeprefix("-")
    return text.replace("-", "\N{MINUS SIGN}", int(number < 0))


def likelihood(valued: bool) -> str:
    """What the number beside an answer is: of a network that answers values it is no probability."""
    return "Value" if valued else "Probability"


def likely(number: float, valued: bool) -> str:
    """That number, as the explorer says it."""
    if not valued:
        return chance(number)
    sign = "\N{MINUS SIGN}" if number < 0 else ""
    size = abs(number)
    if size == 0:
        return "0"
    return (
        f"{sign}{size:#.3g}"
        if 1e-3 <= size < 1000
        else f"{sign}{size:.1e}".replace("e-0", "e-").replace("e+0", "e+")
    )


def sized(number: float, digits: int) -> str:
    """A number as assets/browser/numbers.js says it: from a thousand on by its size, which can be read."""
    return f"{number:.{digits}f}" if abs(number) < 1000 else likely(number, True)


def several(classes: Sequence[str], members: Sequence[int]) -> str:
    """Classes by name; of many, such as all dogs, the first few."""
    names = [classes[member] for member in members]
    return ", ".join(names) if len(names) <= _NAMED else f"{', '.join(names[:3])} and {len(names) - 3} more"


def asked_in_words(asked: Asked, row: int, classes: Sequence[str]) -> str:
    """What is explained of one input of a batch."""
    if asked.response.kind == "group":
        return f"the mean of {several(classes, asked.response.target or ())}"
    if asked.response.kind == "custom":
        return f"{asked.response.name}, a function of the outputs"
    target = classes[int(asked.target[row])]
    return target if asked.against is None else f"{target} instead of {classes[int(asked.against[row])]}"


def named(classes: Sequence[str], target: int, answer: int) -> str:
    """An answer about a target in words, where `NOT_IT` is one."""
    return f"not {classes[target]}" if answer == NOT_IT else classes[answer]
