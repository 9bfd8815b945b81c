"""Masks in records: short where they are in one piece, and plain JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def runs(mask: Tensor) -> dict[str, Any]:
    """A mask in JSON values: its shape, and the lengths of its runs of False, True, False and so on."""
    flat = torch.cat([torch.zeros(1, dtype=torch.bool), mask.flatten().cpu()])
    lengths = torch.unique_consecutive(flat, return_counts=True)[1].tolist()
    return {"shape": list(mask.shape), "runs": [lengths[0] - 1, *lengths[1:]]}


def mask_of(record: Mapping[str, Any]) -> Tensor:
    """The mask that `runs` wrote.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: it is none.
    """
    lengths = torch.tensor(record["runs"])
    return (torch.arange(len(lengths)) % 2 == 1).repeat_interleave(lengths).view(*record["shape"])
