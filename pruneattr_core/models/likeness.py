"""Which known architecture a file of weights looks like."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from torch import Tensor

from pruneattr_core.models.catalogue import BUILDERS, CATALOGUE
from pruneattr_core.models.fitting import PLAIN_ADVICE, children_of, hollow
from pruneattr_core.models.unwrapping import find_by_name_or_number, tables
from pruneattr_core.models.zoo import PREFIX, architectures, current_key, zoo_builder, zoo_card, zoo_facts

#: How many of torchvision's networks of about the same size are compared key by key.
_NEAR = 8
#: Share of keys and shapes that must be the same.
_ALIKE = 0.6


def advice(loaded: Mapping[Any, Any], chosen: str) -> str:
    """What to do with a file that does not fit, in one sentence.

    Args:
        loaded: as `read_checkpoint` returns it; nothing in it is read.
        chosen: name of the network that it does not fit.
    """
    names = looks_like(loaded)
    if chosen in names[:1]:
        return (
            "Most of it is that network's, the rest is not: name a function that builds the one it was saved "
            "from, FILE.py:FUNCTION, as --model or in pruneattr.toml."
        )
    others = " or ".join(name for name in names if name != chosen)
    return f"It looks like {others}: choose that." if others else PLAIN_ADVICE


def looks_like(loaded: Mapping[Any, Any]) -> tuple[str, ...]:
    """Names of at most two architectures that have most keys and shapes in common with a file, best first.

    Args:
        loaded: as `read_checkpoint` returns it; nothing in it is read.
    """
    sizes = [
        sum(value.numel() for value in table.values() if isinstance(value, Tensor))
        for _, table in tables(loaded)
    ]
    size = max(sizes, default=0)
    near = sorted(architectures(), key=lambda name: abs(_parameters(name) - size))[:_NEAR]
    ours = [name for name in BUILDERS if CATALOGUE[name].kind != "bundled"]
    scores: dict[str, float] = {}
    for name in (*ours, *(PREFIX + one for one in near)):
        wanted, children = _wanted(name)
        found = find_by_name_or_number(loaded, wanted, children, current_key)
        same = sum(entry.shape == tuple(wanted[key].shape) for key, entry in found.entries.items())
        scores[name] = same / max(len(wanted), len(found.entries) + len(found.unused), 1)
    best = max(scores.values(), default=0.0)
    alike = [name for name, score in scores.items() if score >= max(_ALIKE, 0.98 * best)]
    return tuple(sorted(alike, key=lambda name: -scores[name])[:2])


@lru_cache(maxsize=128)
def _wanted(name: str) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Keys and shapes of an architecture, as tensors without values, and the names of its children."""
    network = hollow(BUILDERS[name] if name in BUILDERS else zoo_builder(zoo_card(name)))
    return dict(network.state_dict()), children_of(network)


def _parameters(name: str) -> int:
    return zoo_facts()[name].parameters
