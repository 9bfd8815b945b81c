"""Which nodes of the autograd graph a gradient reaches, and whose values go on where it does not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from pruneattr_core.fitness import Doubts, is_end

#: What a change by its own size may change an answer by, of the answer, and count as nothing: rounding.
_NOTHING = 1e-4
#: (node of the autograd graph, place among its inputs) to which its backward gives nothing.
Silent = Collection[tuple[Any, int]]


def _before(node: Any, silent: Silent) -> list[Any]:
    """Nodes to which a node hands a gradient on."""
    following = () if is_end(node) else enumerate(node.next_functions)
    return [one for place, (one, _) in following if one is not None and (node, place) not in silent]


def reached(*starts: Any, silent: Silent = ()) -> set[Any]:
    """Every node of the autograd graph that a gradient from these nodes reaches."""
    found, waiting = set(), [start for start in starts if start is not None]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(_before(node, silent))
    return found


def reaching(end: Any, nodes: Collection[Any], silent: Silent = ()) -> set[Any]:
    """Those of these nodes of the autograd graph from which a gradient reaches `end`."""
    after: dict[Any, list[Any]] = {}
    for node in nodes:
        for before in _before(node, silent):
            after.setdefault(before, []).append(node)
    found, waiting = set(), [end]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(after.get(node, ()))
    return found


def without_effect(answer: Tensor, leaves: Mapping[int, Tensor]) -> set[int]:
    """Places of leaves by which an answer has no derivative, as a softmax has none by what shifts it."""
    if not leaves or not answer.requires_grad:
        return set()
    weights = torch.linspace(1, 2, answer.numel(), dtype=answer.dtype, device=answer.device)
    weighed = answer.flatten() * weights  # or the classes of a softmax at the end would add up to 1
    found = torch.autograd.grad(weighed.sum(), list(leaves.values()), retain_graph=True, allow_unused=True)
    bound = _NOTHING * float(weighed.detach().abs().sum())
    return {
        place
        for (place, leaf), gradient in zip(leaves.items(), found, strict=True)
        if gradient is not None and float((gradient * leaf).detach().abs().sum()) <= bound
    }


def ends_in(answer: Tensor, start: Any, doubts: Doubts, idle: Collection[int] = ()) -> tuple[str, ...]:
    """Calls at which a gradient ends that goes on to the input, and whose values go on to the answer.

    What goes by way of numpy, lists or integers is not followed.

    Args:
        answer: what a pass with gradients on gave.
        start: node of what went in.
        doubts: of the pass.
        idle: places of ends that the answer has nothing by, see `without_effect`.
    """
    ends, _ = doubts.trail.of(answer)
    behind = (
        end.where
        for place, end in enumerate(doubts.ends)
        if ends >> place & 1 and place not in idle and start in reached(*end.nodes)
    )
    return tuple(dict.fromkeys(behind))
