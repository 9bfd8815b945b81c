"""Networks that take a derivative in their own pass, as those do whose answer is a force."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from pruneattr_core.errors import ModelError
from pruneattr_core.nodes import node_of, reached, reaching

_MAKE, _TAKE = torch._VF._make_dual, torch._VF._unpack_dual
#: Calls by which one is taken; those of `torch.func` and `torch.autograd.functional` come down to them.
DERIVING = {torch.autograd.grad, torch.autograd.backward, Tensor.backward, _MAKE, _TAKE}


class Derivatives:
    """What a pass takes derivatives of."""

    def __init__(self) -> None:
        self._begun: dict[Any, int] = {}

    def through(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], seen: list[Tensor]) -> bool:
        """Whether this call of `DERIVING` takes one of what neurons made, by what went into them.

        Args:
            func: what is called.
            args: with these.
            kwargs: and these.
            seen: the neurons so far, as the network goes on with them.
        """
        if func in (_MAKE, _TAKE):
            level = kwargs.get("level", args[-1])
            if func == _MAKE:
                self._begun[level] = len(seen)
            return len(seen) > self._begun.get(level, 0)
        named = "outputs" if func is torch.autograd.grad else "tensors"
        made = args[0] if args else kwargs.get(named)
        given = args[1] if func is torch.autograd.grad and len(args) > 1 else kwargs.get("inputs")
        return _between(_nodes(made), _nodes(given), {node_of(one) for one in seen})


def _nodes(given: Any) -> set[Any]:
    several = given if isinstance(given, Sequence) else [given]
    return {node_of(one) for one in several if isinstance(one, Tensor)} - {None}


def _between(made: Collection[Any], given: Collection[Any], neurons: Collection[Any]) -> bool:
    """Whether neurons lie on the way; a graph that begins at them does not lead back to what is given."""
    nodes = reached(*made)
    ways = reaching(given, nodes) if nodes & set(given) else nodes
    return not (ways - set(given)).isdisjoint(neurons)


def refuse_derivative(where: str) -> None:
    """Raise ModelError where a derivative went through a neuron, for what asks for neurons.

    A rectifier acts on a derivative by the way that it opens or closes, and not by its value: a score would
    miss that, and a graph that begins at the neurons has nothing to differentiate.

    Args:
        where: it was taken, or "".
    """
    if where:
        raise ModelError(
            f"{where} takes a derivative on the way to the answer, on which neurons act otherwise than by "
            "their values, so what they contribute cannot be told. Explain the part of the network whose "
            "derivative it takes, or choose a method that asks for the input alone, such as saliency."
        )
