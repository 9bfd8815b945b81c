"""`models`: the networks that can be named, and which of them are there."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from typing import Any

from pruneattr_core.commands.arguments import add_json, show
from pruneattr_core.errors import ModelError
from pruneattr_core.models import list_models, model_card, model_title
from pruneattr_core.models.catalogue import CATALOGUE
from pruneattr_core.models.zoo import CLASSES, zoo_facts_of, zoo_here

_WAYS = {
    "bundled": "comes along",
    "package": "in a Python package",
    "torchvision": "downloaded on first use",
    "local": "needs --weights FILE",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `models`."""
    parser.add_argument("--here", action="store_true", help="only those that work without a network now")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one line a model."""
    here, found, refused = {*zoo_here()}, [], {}
    for name in dict.fromkeys([*list_models(), *CATALOGUE]):
        try:
            found.append(_record(name, here))
        except ModelError as error:  # of one's own
            refused[name] = str(error)
    records = [one for one in found if one["here"] or not arguments.here]
    width = max((len(one["id"]) for one in records), default=0)
    lines = [
        f"{one['id']:<{width}}  {'here' if one['here'] else _WAYS[one['kind']]:<23}  "
        f"{one['classes']:4d} classes  {one['title']}"
        for one in records
    ]
    lines += [f"{name} cannot be made: {reason}" for name, reason in refused.items()]
    show(arguments, "\n".join(lines), {"models": records, "refused": refused})
    return 0


def _record(name: str, here: Collection[str]) -> dict[str, Any]:
    """What the list says of a network; `here` names those of torchvision's, which are not made for it."""
    facts = zoo_facts_of(name)
    if facts is not None:
        size, there = [facts.side, facts.side], name in here
        return _said(name, model_title(name), CLASSES, size, "torchvision", there)
    card = model_card(name)
    return _said(card.id, card.title, len(card.classes), list(card.size), card.kind, card.available_offline())


def _said(name: str, title: str, classes: int, size: list[int], kind: str, here: bool) -> dict[str, Any]:
    return {"id": name, "title": title, "classes": classes, "size": size, "kind": kind, "here": here}
