"""Whether an answer is its input's own: not chance's, and not the rest of the batch's.

Judged by what passes give, of networks and of responses alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Literal, NoReturn

import torch
from torch import Tensor, nn

from pruneattr_core.errors import InputError, ModelError, PruneAttrError
from pruneattr_core.fitness import left_alone
from pruneattr_core.heads import outputs_in
from pruneattr_core.leaving import answering, staying
from pruneattr_core.refusing import asked

#: In what a network computes: "coarse" is half precision, what is quantised, and what may be TF32.
Precision = Literal["double", "single", "coarse"]
#: Company may change outputs by this share of what doubling the input does, or of the largest output: above
#: what another order of summing does (3e-6 and 1e-14 of the largest in twenty networks of torchvision), and
#: coarsely above what TF32 does, and quantisation, which rounds by the largest value of the batch.
_COMPANY: dict[Precision, tuple[float, float]] = {
    "double": (1e-6, 1e-8),
    "single": (5e-4, 1e-4),
    "coarse": (0.05, 3e-4),
}
#: Rows of a pass, and passes, by which chance is seen.
_PASSES = 8
#: How far others are from an input where a network asks for values.
_SCALES = (0.0, 0.1, -0.1, 1.0, 10.0, -10.0, 100.0, -100.0)


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
    with left_alone(network):  # its buffers go from pass to pass, as without us, and back at the end
        try:
            with answering():
                before = outputs_in(asked(network, rows.clone()), len(rows))
        except Exception:  # anybody's code: it takes one row at a time
            rows = first
            before = outputs_in(asked(network, rows.clone()), 1)
        return all(
            torch.equal(before, outputs_in(asked(network, rows.clone()), len(rows)))
            for _ in range(_PASSES - 1)
        )


def in_company(first: Tensor) -> Tensor:
    """(1, ...) -> (4, ...): an input, twice it, which moves means and maxima, its values reversed, it again.

    A network that normalises each input sees no difference between the first two. The last row shows whether
    an answer hangs on the place in the batch, as where positions are added to the wrong dimension.
    """
    return torch.cat([first, 2 * first, 2 * first.flatten(1).flip(1).view_as(first), first])


def own_rows(outputs: Tensor) -> Tensor:
    """(2, ...) of the (R, ...) outputs for a company: those of the input itself, at both ends."""
    return outputs[:: len(outputs) - 1]


def companies(first: Tensor, asks: bool) -> list[Tensor]:
    """(1, ...) -> several (R, ...), an input and others: `in_company`, then means of the other sign.

    Args:
        first: the input.
        asks: whether the network goes ways that depend on values: then others far above and below, too.
    """
    turned = first.flatten(1).flip(1).view_as(first)
    others = [-4 * turned, *(scale * turned for scale in _SCALES if asks)]
    return [in_company(first), *(torch.cat([first, other, first]) for other in others)]


def refuse_companions(network: nn.Module, inputs: Tensor, outputs: Tensor) -> None:
    """For a network that asks for values: see that each of (B, ...) inputs has alone the outputs it has here.

    Raises:
        ModelError: one has not.
    """
    with torch.no_grad(), left_alone(network):
        rows = torch.cat([outputs_in(asked(network, one.clone()), 1) for one in inputs.split(1)])
    moved = (rows - outputs).abs().flatten(1).amax(1)
    room = torch.finfo(rows.dtype).eps ** 0.5 * rows.abs().max()
    # A large batch is summed in another order, and what is quantised rounds by its own largest value.
    if bool((moved > room + _COMPANY["coarse"][0] * (rows - rows[:1]).abs().max()).any()):
        refuse_company(network)


def mixes(alone: Tensor, together: Sequence[Tensor], precision: Precision) -> bool:
    """Whether an input's outputs are others with others beside it, but for rounding.

    Args:
        alone: (1, ...) outputs for it.
        precision: the least of the network.
        together: (R, ...) outputs for each of some `companies`; the first is the measure of what moves.
    """
    answers = [both for both in together if both.shape[1:] == alone.shape[1:]]
    if not answers or not alone.is_floating_point() or not alone.isfinite().all():
        return False
    moved = max((alone - own_rows(both)).abs().nan_to_num(torch.inf).max() for both in answers)
    others = (answers[0][1:] - alone).abs().nan_to_num(0, 0).max()
    share, of_largest = _COMPANY[precision]
    if precision == "coarse":
        of_largest = max(of_largest, torch.finfo(alone.dtype).eps ** 0.5)
    return bool(moved > of_largest * alone.abs().max() and moved > share * others)


def refuse_memory(network: nn.Module, first: Tensor) -> None:
    """See that passes of one input agree: one that counts them answers otherwise each time.

    Raises:
        ModelError: they do not.
    """
    if not _repeats(network, first):
        raise ModelError(
            f"{type(network).__name__} answers otherwise each time that it is run on the same input: it "
            "keeps something from pass to pass, or draws random numbers. Let it answer its input alone."
        )


def graded(given: Tensor) -> Tensor:
    """A copy that a network may work on in place, and through which gradients go where they are on."""
    return given.detach().requires_grad_(torch.is_grad_enabled()).clone()


def refuse_graded(network: nn.Module, first: Tensor, alone: Tensor, precision: Precision) -> None:
    """See that an input has with gradients on the outputs that it has `alone`, without.

    Raises:
        ModelError: it has not.
    """
    outputs = alone
    with suppress(Exception), torch.enable_grad(), left_alone(network):  # some cannot be run so
        outputs = outputs_in(network(graded(first)), 1).detach()
    if mixes(alone, [torch.cat([outputs, 2 * alone, outputs])], precision):
        raise ModelError(
            f"{type(network).__name__} answers otherwise while gradients are computed, so its gradient is "
            "not that of its answer. Let nothing hang on torch.is_grad_enabled or requires_grad."
        )


def refuse_company(network: nn.Module) -> NoReturn:
    """Refuse a network that mixes inputs.

    Raises:
        ModelError: always.
    """
    raise ModelError(
        f"{type(network).__name__} answers otherwise when another input is in the batch, so an answer "
        "depends on the rest of it or on its place there. Take means and norms over one input at a time, not "
        "over the first dimension, add no positions along that, and let no branch hang on values of the "
        "whole batch."
    )


def said_of(function: Callable[[Tensor], Tensor], outputs: Tensor, name: str) -> Any:
    """What a response of anybody's says of a copy of the outputs, which it may work on in place.

    Raises:
        InputError: it fails.
    """
    try:
        with staying():
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
