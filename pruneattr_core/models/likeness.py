"""Which known architecture a file of weights looks like: ours, torchvision's, timm's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from torch import Tensor

from pruneattr_core.errors import ModelError
from pruneattr_core.models.catalogue import BUILDERS, CATALOGUE
from pruneattr_core.models.fetching import package
from pruneattr_core.models.fitting import Advice, children_of, hollow
from pruneattr_core.models.hub import timm_shapes
from pruneattr_core.models.hub_names import TIMM
from pruneattr_core.models.timm_known import timm_alike
from pruneattr_core.models.unwrapping import find_by_name_or_number, tables
from pruneattr_core.models.zoo import PREFIX, architectures, current_key, zoo_builder, zoo_card, zoo_facts

#: How many of torchvision's networks of about the same size are compared key by key.
_NEAR = 8
#: Share of keys and shapes that must be the same.
_ALIKE = 0.6
#: Values of a state dict that a head has: where no more differ, nothing is looked for any further.
_HEAD = 2
#: Architectures that are named where several have the very names and shapes of the file; else.
_MOST_EQUAL, _MOST = 6, 2


def advice(loaded: Mapping[Any, Any], chosen: str) -> Advice:
    """What to do with a file that does not fit.

    Args:
        loaded: as `read_checkpoint` returns it; nothing in it is read.
        chosen: name of the network that it does not fit.
    """
    names = looks_like(loaded)
    if chosen in names[:1]:
        return Advice(
            "Most of it is that network's, the rest is not: name a function that builds the one it was saved "
            "from, FILE.py:FUNCTION, as --model or in pruneattr.toml."
        )
    others = tuple(name for name in names if name != chosen)
    if not others:
        return _without_timm(loaded)
    which = "that" if len(others) == 1 else "the one that it was trained as"
    return Advice(f"It looks like {' or '.join(others)}: choose {which}.", others)


def looks_like(loaded: Mapping[Any, Any]) -> tuple[str, ...]:
    """Names of the architectures that have most keys and shapes in common with a file, best first.

    timm's are asked where neither ours nor torchvision's have all but the head. Several that have as much in
    common (timm has networks that differ in nothing but how they pad) are all named; else at most two.

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
    whole = False
    for name in (*ours, *(PREFIX + one for one in near)):
        scores[name], differing = _in_common(loaded, name)
        whole = whole or differing <= _HEAD
    if not whole and _has_timm():
        for name in timm_alike(_parts(loaded))[0]:
            scores[TIMM + name], _ = _in_common(loaded, TIMM + name)
    best = max(scores.values(), default=0.0)
    alike = [name for name, score in scores.items() if score >= max(_ALIKE, 0.98 * best)]
    equal = sum(scores[name] == best for name in alike)
    return tuple(sorted(alike, key=lambda name: -scores[name])[: max(_MOST, min(equal, _MOST_EQUAL))])


def _without_timm(loaded: Mapping[Any, Any]) -> Advice:
    """Where it looks like nothing that is here: what timm has of this very size, if timm is missing."""
    if _has_timm():
        return Advice()
    names, same = timm_alike(_parts(loaded))
    if not same:
        return Advice()
    told = " or ".join(TIMM + name for name in names[:_MOST_EQUAL])
    return Advice(
        f"It is as large as {told}: pip install 'pruneattr[hubs]', which brings timm, and choose that."
    )


def _has_timm() -> bool:
    try:
        return bool(package("timm"))
    except ModelError:
        return False


def _parts(loaded: Mapping[Any, Any]) -> Iterator[Mapping[Any, Any]]:
    """Every mapping with tensors in a file, and what stands in it under each first segment of a key."""
    for _, table in tables(loaded):
        if not any(isinstance(value, Tensor) for value in table.values()):
            continue
        yield table
        under: dict[str, dict[str, Any]] = {}
        for key, value in table.items():
            if isinstance(key, str):
                under.setdefault(key.partition(".")[0], {})[key] = value
        if len(under) > 1:
            yield from under.values()


def _in_common(loaded: Mapping[Any, Any], name: str) -> tuple[float, int]:
    """Share of keys and shapes that a file and an architecture have in common, and how many they have not."""
    try:
        wanted, children = _wanted(name)
    except ModelError:  # of a timm that is older or newer than the list of its networks
        return 0.0, _HEAD + 1
    found = find_by_name_or_number(loaded, wanted, children, current_key)
    same = sum(entry.shape == tuple(wanted[key].shape) for key, entry in found.entries.items())
    count = max(len(wanted), len(found.entries) + len(found.unused), 1)
    return same / count, count - same


@lru_cache(maxsize=128)
def _wanted(name: str) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Keys and shapes of an architecture, as tensors without values, and the names of its children."""
    if name.startswith(TIMM):
        network = timm_shapes(name.removeprefix(TIMM))
    else:
        network = hollow(BUILDERS[name] if name in BUILDERS else zoo_builder(zoo_card(name)))
    return dict(network.state_dict()), children_of(network)


def _parameters(name: str) -> int:
    return zoo_facts()[name].parameters
