"""Whether an answer is its input's own: not chance's, and not the rest of the batch's.

Judged by what passes give, of networks and of responses alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pruneattr_core.errors import InputError, ModelError, PruneAttrError
from pruneattr_core.heads import outputs_in

#: Company may change outputs by this share of what doubling the input does: above what quantisation does.
_COMPANY = 0.05
#: Rows of a pass, and passes, by which chance is seen.
_PASSES = 8


def refuse_chance(network: nn.Module, first: Tensor, draws: Sequence[str]) -> None:
    """Where random numbers were drawn in eval mode: see by several passes whether the answer depends on them.

    Args:
        network: in eval mode.
        first: (1, ...) an input, of which several rows go in where the network takes them.
        draws: where it drew; empty where it did not.

    Raises:
        ModelError: it does.
    """
    if draws and not _repeats(network, first):
        raise ModelError(
            f"{draws[0]} draws random numbers in eval mode too, so the answer changes from run to run. Take "
            "them out, or make them once when the network is built."
        )


def _repeats(network: nn.Module, first: Tensor) -> bool:
    """Whether passes of the same rows agree: so many that one draw in ten would be seen."""
    rows = first.repeat(_PASSES, *[1] * (first.ndim - 1))
    try:
        before = outputs_in(network(rows.clone()), len(rows))
    except Exception:  # anybody's code: it takes one row at a time
        rows = first
        before = outputs_in(network(rows.clone()), 1)
    return all(torch.equal(before, outputs_in(network(rows.clone()), len(rows))) for _ in range(_PASSES - 1))


def in_company(first: Tensor) -> Tensor:
    """(1, ...) -> (3, ...): an input, twice the input, which moves means and maxima, and its values reversed.

    A network that normalises each input sees no difference between the first two.
    """
    return torch.cat([first, 2 * first, 2 * first.flatten(1).flip(1).view_as(first)])


def refuse_company(network: nn.Module, first: Tensor, alone: Tensor, three: Tensor) -> None:
    """See that an input's outputs are the same with others beside it, but for rounding.

    Args:
        network: in eval mode.
        first: (1, ...) the input.
        alone: (1, ...) outputs for it.
        three: (3, ...) outputs for what `in_company` gives.

    Raises:
        ModelError: they are not the same.
    """
    if not alone.is_floating_point() or three.shape != (3, *alone.shape[1:]):
        return
    moved, others = (alone[0] - three[0]).abs().max(), (three[1:] - three[0]).abs().max()
    rounding = torch.finfo(alone.dtype).eps ** 0.5 * alone.abs().max()
    if moved > rounding and moved > _COMPANY * others:
        name = type(network).__name__
        refuse_chance(network, first, [name])
        raise ModelError(
            f"{name} answers otherwise when another input is in the batch, so an answer depends on the "
            "rest of it. Take means and norms over one input at a time, not over the first dimension."
        )


def said_of(function: Callable[[Tensor], Tensor], outputs: Tensor, name: str) -> Any:
    """What a response of anybody's says of a copy of the outputs, which it may work on in place.

    Raises:
        InputError: it fails.
    """
    try:
        return function(outputs.clone())
    except Exception as error:
        if isinstance(error, (PruneAttrError, MemoryError, torch.OutOfMemoryError)):
            raise
        raise InputError(
            f"The response {name!r} fails on outputs {tuple(outputs.shape)}: {type(error).__name__}: {error}"
        ) from error


def row_by_row(function: Callable[[Tensor], Tensor], outputs: Tensor, values: Tensor, name: str) -> None:
    """See that a response reads the first of (R, ...) outputs as it does beside the others: (R,) `values`.

    Raises:
        InputError: it does not.
    """
    here = values.detach().flatten()
    with torch.no_grad():
        alone = said_of(function, outputs[:1].detach(), name).reshape(-1)[:1]
    room = torch.finfo(here.dtype).eps ** 0.5 * here.abs().nan_to_num(0, 0).amax()
    if not torch.allclose(alone, here[:1], rtol=1e-4, atol=float(room), equal_nan=True):
        raise InputError(
            f"The response {name!r} gives an input another number when others are in the batch. Let it read "
            "every row of the outputs by itself."
        )
