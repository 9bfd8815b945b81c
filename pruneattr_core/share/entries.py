"""What stands in the grid: a method, as often as wanted, each time with options of its own.

An entry is a text, for links and keys: the method, then the options that differ from what the grid says,
`prunegrad~sparsity=0.5~mode=freeze`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.attribution import METHODS
from pruneattr_core.attribution.options import Option
from pruneattr_core.errors import PruneAttrError, Unknown, missing
from pruneattr_core.models import ModelCard
from pruneattr_core.response import Target
from pruneattr_core.share.way_back import PICTURES, WayBack, asked_of_one, carried

_SEPARATOR = "~"
#: Entries of one grid, at most.
MOST = 48
#: Options that are a place of the dial.
_PLACE = ("sparsity", "output_change")


def method_of(entry: str) -> str:
    """The method's key in `METHODS`."""
    return entry.split(_SEPARATOR, 1)[0]


def entry_of(method: str, options: Mapping[str, Any]) -> str:
    """The entry of a method with these options, in the order of its table."""
    known = METHODS[method].options
    return _SEPARATOR.join([method, *(f"{name}={_text(options[name])}" for name in known if name in options)])


def options_of(entry: str) -> dict[str, Any]:
    """The options that an entry of `parse_entries` brings."""
    method, *parts = entry.split(_SEPARATOR)
    pairs = (part.split("=", 1) for part in parts)
    return {name: _value(METHODS[method].options[name], text) for name, text in pairs}


def follows(entry: str) -> bool:
    """Whether the grid's dial moves it: it has one, and the entry does not fix its place."""
    options = options_of(entry)
    return "output_change" in METHODS[method_of(entry)].options and not any(
        name in options for name in _PLACE
    )


def words_of(method: str, options: Mapping[str, Any]) -> str:
    """Options in a few words, "" for none."""
    share = " of contributing" if options.get("of") == "contributing" else ""

    def said(name: str, value: Any) -> str:
        if name == "of" and method == "noise_tunnel":
            return METHODS[value].title
        if name == "sparsity":
            return f"sparsity {value:g}{share}"
        kind = METHODS[method].options[name].kind
        if kind in ("choice", "text"):
            return str(value)
        return f"{name.replace('_', ' ')} {_text(value)}"

    dropped = () if method == "noise_tunnel" else ("of",)
    return ", ".join(said(name, value) for name, value in options.items() if name not in dropped)


def parse_entries(text: str) -> tuple[str, ...]:
    """Comma-separated entries, each once, in the order of the table of methods and as given within it.

    Raises:
        Unknown: a method, an option or a value that does not exist; or there are too many.
    """
    asked: dict[str, str] = {}
    unknown = []
    for part in text.split(","):
        try:
            asked[_parsed(part)] = part
        except Unknown:
            unknown.append(part)
    if unknown:
        named = [*filter(None, unknown)]
        raise Unknown(",".join(named) or text, missing(named), ",".join(asked.values()))
    if len(asked) > MOST:
        raise Unknown(text)
    return in_order(asked)


def in_order(entries: Iterable[str]) -> tuple[str, ...]:
    """By the table of methods; entries of one method stay as they are."""
    places = list(METHODS)
    return tuple(sorted(entries, key=lambda entry: places.index(method_of(entry))))


def _parsed(text: str) -> str:
    method, *parts = text.split(_SEPARATOR)
    if method not in METHODS:
        raise Unknown(text)
    options: dict[str, Any] = {}
    for part in parts:
        name, _, value = part.partition("=")
        try:
            option = METHODS[method].options[name]
            options[name] = option.check(name, _value(option, value))
        except (KeyError, ValueError, PruneAttrError):
            raise Unknown(text) from None
    return entry_of(method, options)


def _value(option: Option, text: str) -> Any:
    if text in option.choices:
        return text
    if option.kind == "bool":
        return {"1": True, "0": False}[text]
    return {"int": int, "float": float, "choice": str, "text": str}[option.kind](text)


def _text(value: Any) -> str:
    return (
        str(int(value))
        if isinstance(value, bool)
        else f"{value:.6g}"
        if isinstance(value, float)
        else str(value)
    )


def way_back(
    card: ModelCard,
    photos: Sequence[NDArray[np.uint8]],
    target: Target,
    given: Sequence[str],
    plans: Sequence[Mapping[str, Any]],
    titles: Sequence[str],
    reference: str,
    answered: int,
) -> WayBack | str:
    """What brings the page to the same methods, pictures and class, as far as it has them.

    Returns the key of why in `WHY_NOT` where none of the methods is the app's.

    Args:
        card: of the network.
        photos: (H, W, 3) each, what the network saw.
        target: what is explained.
        given: methods as the caller wrote them.
        plans: the same, read.
        titles: of the pictures.
        reference: method that the others are compared with.
        answered: the class that was explained on the first picture.
    """
    asked, lost = asked_of_one(target, answered=answered)
    known = [(text, plan) for text, plan in zip(given, plans, strict=True) if plan["id"] in METHODS]
    if not known:
        return "methods"
    most = 1 if "each" in lost else PICTURES
    if len(known) < len(plans):
        lost = (*lost, "methods")
    if len(photos) > most == PICTURES:
        lost = (*lost, "pictures")
    entries = [
        entry_of(plan["id"], {name: plan["options"][name] for name in options_given(text)})
        for text, plan in known
    ]
    texts = {"model": card.id, **asked, "methods": ",".join(entries), "reference": reference}
    pictures = zip(photos[:most], titles[:most], strict=True)
    return WayBack("compare", texts, tuple(carried(photo, card, title) for photo, title in pictures), lost)


def options_given(text: str) -> set[str]:
    """Names of the options that a method was given."""
    return {part.partition("=")[0].strip() for part in text.partition(":")[2].split(",") if part}
