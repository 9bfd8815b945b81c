"""Find a network's state dict in what training scripts save: wrappers, prefixes, masks, spare parts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from pruneattr_core.brief import brief

#: Wrappers and prefixes, best first, where a file holds several networks of one architecture; then others.
_PREFERRED = (
    *("state_dict", "model_state_dict", "model_state", "model", "net", "network", "module", "backbone"),
    *(
        "encoder",
        "weights",
        "params",
        "student",
        "ema",
        "model_ema",
        "state_dict_ema",
        "ema_model",
        "teacher",
    ),
)
#: How deep wrappers are opened, and how many are looked at.
_DEPTH, _TABLES = 4, 400
#: Segments that a prefix may have, and prefixes that are tried where several hold as much.
_PARTS, _TRIED = 32, 16
#: Characters of the way there that are told.
_WHERE = 120
#: Segments that compiling and sharding put anywhere into a key.
_INSERTED = {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
#: What only training uses, or tools leave behind.
_SPARE = re.compile(
    r"(?:^|\.)(?:total_ops|total_params|n_averaged|num_batches_tracked)$"
    r"|^(?:aux\w*|AuxLogits|criterion|loss\w*|queue\w*|momentum\w*|\w*metrics?|train_\w+|val_\w+|test_\w+)(?:\.|$)"
)


@dataclass(frozen=True)
class Found:
    """A state dict inside a file.

    Attributes:
        where: how to get there, such as "model, prefix module."; "" if the file is the state dict.
        entries: the network's key -> how the value is made: its parts' keys in the file and their values.
        unused: keys under the same prefix that the network does not name.
        outside: what stands beside that prefix.
        metadata: versions of layers by module, as torch saves them; None without.
    """

    where: str
    entries: dict[str, Entry]
    unused: dict[str, Any] = field(default_factory=dict)
    outside: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] | None = None


@dataclass(frozen=True)
class Entry:
    """One value of the network.

    Attributes:
        parts: key in the file -> value there.
        join: makes the value of the parts, as floats of 32 bits; None if there is one, to be taken as it is.
    """

    parts: dict[str, Any]
    join: Callable[..., Tensor] | None = None

    __repr__ = brief

    @property
    def belongs(self) -> bool:
        """Whether they fit: a mask of the same shape, a length for every slice along one dimension."""
        shapes = [tuple(part.shape) for part in self.parts.values() if isinstance(part, Tensor)]
        if self.join is _masked:
            return len(set(shapes)) == 1
        if self.join is _weight_norm:
            length, direction = shapes
            same = [a == b for a, b in zip(length, direction, strict=False)]
            return (
                len(length) == len(direction)
                and sum(side > 1 for side in length) <= 1
                and all(one or side == 1 for one, side in zip(same, length, strict=True))
            )
        return True

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Of the joined value; None where the first part is no tensor."""
        parts = list(self.parts.values())
        shaped = parts[-1] if self.join is _weight_norm else parts[0]
        return tuple(shaped.shape) if isinstance(shaped, Tensor) else None


def find_by_name_or_number(
    loaded: Mapping[Any, Any],
    wanted: Mapping[str, Tensor],
    children: Sequence[str],
    renamed: Callable[[str], str] = str,
) -> Found:
    """`find_state`, or what `nn.Sequential(*list(network.children())[:-1])` saved, where that holds more.

    Args:
        loaded: as `find_state` takes it.
        wanted: state dict of the network, its values may be on the meta device.
        children: names of the network's parts in their order, of which such a file has the numbers alone.
        renamed: from keys of older files to today's.
    """
    found = find_state(loaded, wanted, renamed)
    if len(found.entries) == len(wanted):
        return found
    numbers = {name: str(place) for place, name in enumerate(children)}
    own: dict[str, str] = {}
    for key in wanted:
        child, dot, rest = key.partition(".")
        own[numbers.get(child, child) + dot + rest] = key
    numbered = find_state(loaded, {number: wanted[key] for number, key in own.items()})
    if len(numbered.entries) <= len(found.entries):
        return found
    entries = {own[number]: entry for number, entry in numbered.entries.items()}
    where = ", ".join(part for part in (numbered.where, "children by number") if part)
    return replace(numbered, where=where, entries=entries, metadata=None)


def find_state(
    loaded: Mapping[Any, Any], wanted: Mapping[str, Tensor], renamed: Callable[[str], str] = str
) -> Found:
    """The state dict in `loaded` that fits `wanted` best: most keys, then most shapes, then the best name.

    Args:
        loaded: what `read_checkpoint` returns.
        wanted: state dict of the network, its values may be on the meta device.
        renamed: from keys of older files to today's.
    """
    best: tuple[tuple[int, int, int, int], Found] | None = None
    for path, table in tables(loaded):
        if not any(isinstance(value, Tensor) for value in table.values()):
            continue
        keys = {_cleaned(renamed(key)): key for key in table if isinstance(key, str)}
        for prefix in _prefixes(keys, wanted):
            found = _located(path, prefix, table, keys, wanted)
            shapes = sum(one.shape == tuple(wanted[key].shape) for key, one in found.entries.items())
            words = [*path, *prefix.split(".")]
            order = max((_rank(word) for word in words if word), default=0)
            quality = (len(found.entries), shapes, -order, -len(prefix))
            if best is None or quality > best[0]:
                best = quality, found
    if best is None:
        return Found("", {}, {key: value for key, value in loaded.items() if isinstance(key, str)})
    return best[1]


def tables(loaded: Mapping[Any, Any]) -> Iterator[tuple[tuple[str, ...], Mapping[Any, Any]]]:
    """(path of names, mapping) of `loaded` and of the mappings inside it, outermost first."""
    waiting: list[tuple[tuple[str, ...], Mapping[Any, Any]]] = [((), loaded)]
    for path, table in waiting:
        yield path, table
        if len(path) < _DEPTH:
            room = _TABLES - len(waiting)
            inside = [
                ((*path, str(key)), value)
                for key, value in table.items()
                if isinstance(value, Mapping) and isinstance(key, str)
            ]
            waiting += inside[: max(room, 0)]


def unknown(found: Found) -> str | None:
    """The first tensor that is left over and no spare part of training, or None."""
    return next(
        (key for key, value in found.unused.items() if isinstance(value, Tensor) and not _SPARE.search(key)),
        None,
    )


def _rank(word: str) -> int:
    return _PREFERRED.index(word) + 1 if word in _PREFERRED else len(_PREFERRED) + 1


def _likely(prefix: str) -> tuple[int, int]:
    """Likeliest first: the best name, then the shortest."""
    return max((_rank(word) for word in prefix.split(".") if word), default=0), len(prefix)


def _cleaned(key: str) -> str:
    return ".".join(part for part in key.split(".") if part not in _INSERTED)


def _prefixes(keys: Mapping[str, str], wanted: Mapping[str, Tensor]) -> list[str]:
    """The likeliest prefixes under which most of `wanted` stands; none where hardly anything does."""
    counts: Counter[str] = Counter()
    for key in keys:
        parts = key.split(".")
        for cut in range(min(len(parts), _PARTS)):
            rest = ".".join(parts[cut:])
            if rest in wanted or rest.removesuffix("_orig") in wanted:
                counts["".join(f"{part}." for part in parts[:cut])] += 1
    most = max(counts.values(), default=0)
    most_of_it = [prefix for prefix, count in counts.items() if count == most]
    return sorted(most_of_it, key=_likely)[:_TRIED]


def _located(
    path: tuple[str, ...],
    prefix: str,
    table: Mapping[Any, Any],
    keys: Mapping[str, str],
    wanted: Mapping[str, Tensor],
) -> Found:
    under = {key.removeprefix(prefix): full for key, full in keys.items() if key.startswith(prefix)}
    entries: dict[str, Entry] = {}
    used: set[str] = set()
    for key in wanted:
        for join, names in _makings(key):
            if all(name in under for name in names):
                entries[key] = Entry({under[name]: table[under[name]] for name in names}, join)
                used.update(names)
                break
    where = ", ".join([*path, *([f"prefix {prefix}"] if prefix else [])])[:_WHERE]
    unused = {key: table[full] for key, full in under.items() if key not in used}
    outside = {key: table[full] for key, full in keys.items() if not key.startswith(prefix)}
    return Found(where, entries, unused, outside, _metadata(table, prefix))


def _makings(key: str) -> tuple[tuple[Callable[..., Tensor] | None, tuple[str, ...]], ...]:
    """How a value may be saved: as it is, pruned with a mask, or as direction and length."""
    module, _, name = key.rpartition(".")
    parametrised = f"{module}.parametrizations.{name}" if module else f"parametrizations.{name}"
    return (
        (None, (key,)),
        (_masked, (f"{key}_orig", f"{key}_mask")),
        (_weight_norm, (f"{key}_g", f"{key}_v")),
        (_weight_norm, (f"{parametrised}.original0", f"{parametrised}.original1")),
    )


def _masked(original: Tensor, mask: Tensor) -> Tensor:
    """torch.nn.utils.prune: the weight times its mask."""
    return original.float() * mask.float()


def _weight_norm(length: Tensor, direction: Tensor) -> Tensor:
    """torch.nn.utils.weight_norm over all dimensions but the one along which `length` runs."""
    kept = next((d for d, size in enumerate(length.shape) if size > 1), 0)
    return torch._weight_norm(direction.float(), length.float(), kept)


def _metadata(table: Mapping[Any, Any], prefix: str) -> dict[str, Any] | None:
    given = getattr(table, "_metadata", None)
    if not isinstance(given, Mapping):
        return None
    cleaned = {
        _cleaned(name): {"version": said["version"]}
        for name, said in given.items()
        if isinstance(name, str) and isinstance(said, Mapping) and type(said.get("version")) is int
    }
    stem = prefix.rstrip(".")
    inside = {
        module.removeprefix(stem).lstrip("."): versions
        for module, versions in cleaned.items()
        if not stem or module == stem or module.startswith(prefix)
    }
    return inside or None
