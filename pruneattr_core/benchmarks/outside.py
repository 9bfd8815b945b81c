"""Methods from outside the table: one function in a file of one's own, scored as the others are.

`path/to/file.py:function` (or `package.module:function`) names `function(model, inputs, target) -> maps`:
the network in eval mode, a normalised batch (B, C, H, W) and classes (B,) int64 go in; a map for every
picture comes out, (B, C, H, W), (B, 1, H, W) or (B, H, W), as a tensor or an array of NumPy, in any units.
Every call meets a network of its own and the same random numbers: whatever it changes, the measures and the
next call find the network as it was, and a run can be gone on with and computed again. Such code runs only
where a program of yours asks for it; a server for visitors runs none, see `models.declared`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.chance import drawn
from pruneattr_core.errors import InputError, PruneAttrError
from pruneattr_core.models.checkpoint import FLOATS
from pruneattr_core.models.declared import code_hash, declared_function, in_short, is_code
from pruneattr_core.runtime import own_modes

#: Kinds of whole numbers, truth values too: what counts or votes is a map as well.
_WHOLE = frozenset((torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64))

Outside = Callable[[nn.Module, Tensor, Tensor], Tensor | NDArray[Any]]


def outside_method(text: str) -> dict[str, Any] | None:
    """`file.py:function` as {"id", "label", "options"}, with the code's SHA-256; None for any other text.

    Raises:
        ModelError: the file cannot be read or run, or has no such function.
    """
    name = text.strip()
    if not is_code(name):
        return None
    declared_function(name)
    title = name.rpartition(":")[2].replace("_", " ")
    return {"id": name, "label": f"{title} (yours)", "options": {"sha256": code_hash(name)}}


def outside_values(model: nn.Module, inputs: Tensor, target: Tensor, method: Mapping[str, Any]) -> Tensor:
    """What the function answers, detached, (B, C or 1, H, W).

    Raises:
        ModelError: the file cannot be read or run, or has no such function.
        InputError: the file is another than the run was planned with; the function failed, or answered
            something that is no map for every picture.
    """
    name = method["id"]
    if code_hash(name) != method["options"].get("sha256"):
        raise InputError(f"{name} has changed since this run began: begin a new run with another --out.")
    function: Outside = declared_function(name)
    try:
        network = deepcopy(model)
    except Exception as error:  # locks, generators, tensors that were computed
        raise InputError(
            f"The network cannot be copied for {name} ({in_short(error)}): keep nothing in it but "
            "parameters, buffers and plain values."
        ) from error
    try:
        with own_modes(), drawn(0):
            values = function(network, inputs.clone(), target.clone())
    except PruneAttrError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"{name} failed ({in_short(error)}): run it by itself to see where.") from error
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiub":
        values = torch.from_numpy(np.ascontiguousarray(values, np.float64))
    if isinstance(values, Tensor) and values.dtype in _WHOLE:
        values = values.double()
    if not isinstance(values, Tensor) or values.dtype not in FLOATS:
        raise InputError(f"{name} answered {_told(values)}: expected a tensor or an array of numbers.")
    if values.layout is not torch.strided or values.is_meta:
        raise InputError(f"{name} answered a tensor that is sparse or has no values: expected a dense one.")
    values = values.detach()
    shaped = values[:, None] if values.ndim == inputs.ndim - 1 else values
    allowed = (inputs.shape, (len(inputs), 1, *inputs.shape[2:]))
    if shaped.shape not in map(torch.Size, allowed):
        raise InputError(
            f"{name} answered {tuple(values.shape)} for pictures {tuple(inputs.shape)}: expected a map for "
            "every picture, as large as it."
        )
    return shaped.to(inputs.device)


def _told(values: object) -> str:
    kind = getattr(values, "dtype", None)
    return type(values).__name__ if kind is None else f"{type(values).__name__} of {kind}"
