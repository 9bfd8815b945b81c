"""`models`: the networks that can be named, and which of them are there."""

from __future__ import annotations

import argparse

from pruneattr_core.commands.arguments import add_json, show
from pruneattr_core.errors import ModelError
from pruneattr_core.models import list_models, model_card
from pruneattr_core.models.catalogue import CATALOGUE

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
    cards, refused = [], {}
    for name in dict.fromkeys([*list_models(), *CATALOGUE]):
        try:
            cards.append(model_card(name))
        except ModelError as error:  # of one's own
            refused[name] = str(error)
    shown = [card for card in cards if card.available_offline() or not arguments.here]
    records = [
        {
            "id": card.id,
            "title": card.title,
            "classes": len(card.classes),
            "size": list(card.size),
            "kind": card.kind,
            "here": card.available_offline(),
        }
        for card in shown
    ]
    width = max((len(card.id) for card in shown), default=0)
    lines = [
        f"{card.id:<{width}}  {'here' if card.available_offline() else _WAYS[card.kind]:<23}  "
        f"{len(card.classes):4d} classes  {card.title}"
        for card in shown
    ]
    lines += [f"{name} cannot be made: {reason}" for name, reason in refused.items()]
    show(arguments, "\n".join(lines), {"models": records, "refused": refused})
    return 0
