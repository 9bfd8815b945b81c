"""What is known of timm's networks without timm: names, and how large their bodies are, see `index`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from torch import Tensor

from pruneattr_core.assets import ASSETS
from pruneattr_core.models.hub_names import TIMM

#: A counter that inference never reads, and older files lack.
_COUNTER = "num_batches_tracked"
#: Share by which a file may differ in size from a network it is compared with key by key, and how many are.
_NEARLY, _NEAREST = 0.02, 4


@lru_cache(maxsize=1)
def timm_records() -> Mapping[str, Any]:
    """What assets/networks.json knows of timm's networks, by architecture; {} without it (see `index`)."""
    file = ASSETS / "networks.json"
    return dict(json.loads(file.read_text("utf-8"))["timm"]) if file.is_file() else {}


def values_without(table: Mapping[Any, Any], heads: Sequence[str]) -> int:
    """Numbers in the tensors of a state dict that belong to no layer of these names, under any prefix.

    Args:
        table: key -> tensor, whose values may be on the meta device; what is no tensor counts nothing.
        heads: names of layers, such as "head.fc".
    """
    ends = tuple(f"{head}.{kept}" for head in heads for kept in ("weight", "bias"))
    return sum(
        value.numel()
        for key, value in table.items()
        if isinstance(key, str) and isinstance(value, Tensor)
        if not key.endswith(_COUNTER) and not any(key == end or key.endswith(f".{end}") for end in ends)
    )


def timm_alike(tables: Iterable[Mapping[Any, Any]]) -> tuple[tuple[str, ...], bool]:
    """Architectures of timm whose body has about as many values as a state dict, and whether just as many.

    Their heads are left out, which differ from file to file. Nothing is made for it and timm not asked.

    Args:
        tables: what a file holds, each as `values_without` takes it.

    Returns:
        those with just as many, else at most a few of nearly as many, nearest first.
    """
    counted: dict[tuple[str, ...], set[int]] = {}
    held = list(tables)
    off: dict[str, float] = {}
    for name, record in timm_records().items():
        heads, body = tuple(record["heads"]), record["body"]
        if heads not in counted:
            counted[heads] = {values_without(table, heads) for table in held}
        off[name] = min((abs(count - body) / max(body, 1) for count in counted[heads]), default=1.0)
    same = tuple(name for name, far in off.items() if far == 0)
    near = sorted((name for name, far in off.items() if far <= _NEARLY), key=lambda name: off[name])
    return (same, True) if same else (tuple(near[:_NEAREST]), False)


def timm_twins(name: str) -> tuple[str, ...]:
    """Other networks of timm whose body has as many values as that of timm/NAME: files look the same."""
    architecture = name.removeprefix(TIMM).partition(".")[0]
    known = timm_records()
    own = known.get(architecture)
    if own is None:
        return ()
    same = (name for name, one in known.items() if all(one[key] == own[key] for key in ("body", "heads")))
    return tuple(TIMM + name for name in same if name != architecture)
