"""How a measure asks a network: as `explain` does, whatever the caller is under, leaving no trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from pruneattr_core import tape
from pruneattr_core.chance import tell_moved
from pruneattr_core.errors import InputError
from pruneattr_core.fitness import left_alone
from pruneattr_core.heads import outputs_in
from pruneattr_core.runtime import own_modes


@contextmanager
def undisturbed(model: nn.Module, inputs: Tensor) -> Iterator[None]:
    """Around passes of a network that a measure makes by itself, beside those of a map.

    In the precision of the inputs, outside of autocast and inference mode; what the network writes into its
    buffers, and the random state, is put back.

    Args:
        model: network in eval mode.
        inputs: (B, ...); the first one is run, once per network, to see what it does.

    Raises:
        ModelError: training mode, or an answer that depends on chance.
        InputError: the network refuses these inputs.
    """
    with own_modes(), left_alone(tape.unwrap(model)):
        if any(way.moves for way in tape.roles_of(model, inputs)):
            tell_moved()
        yield


def scores_in(output: object, rows: int) -> Tensor:
    """The (B, classes) that a network answered.

    Raises:
        InputError: it answers maps, of which no class is one number.
        ArgumentTypeError: no logits came out.
    """
    logits = outputs_in(output, rows)
    if logits.ndim != 2:
        raise InputError(
            f"This measure reads one number per class, and this network answers maps, {tuple(logits.shape)}. "
            "Wrap it in a module that makes one number of each, such as their mean over a region."
        )
    return logits
