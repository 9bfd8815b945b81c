"""How many numbers the body of a network has: what files of one architecture share, whatever their head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

#: A counter that inference never reads, and older files lack.
_COUNTER = "num_batches_tracked"


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
