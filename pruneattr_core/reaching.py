"""Which nodes of the autograd graph a gradient reaches, and whose values go on where it does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

from torch import Tensor

from pruneattr_core.fitness import Doubts
from pruneattr_core.nodes import is_end

#: (node of the autograd graph, place among its inputs) to which its backward gives nothing.
Silent = Collection[tuple[Any, int]]

#: Nodes of the autograd graph that activations make -> the activation.
_BENDS = {
    f"{name}Backward{i}": said
    for name, said in {
        **{one: one.lower() for one in ("Relu", "Gelu", "Silu", "Elu", "Hardtanh", "Hardswish", "Mish")},
        "LeakyRelu": "leaky_relu",
        "PreluKernel": "prelu",
        "Softplus": "softplus",
        "Glu": "glu",
    }.items()
    for i in (0, 1)
}


def bend_of(node: Any) -> str:
    """The activation that made a node of the autograd graph, such as `relu`, or ""."""
    return "" if node is None else _BENDS.get(node.name(), "")


def bends_in(answer: Tensor) -> Counter[str]:
    """How often an answer's graph holds each activation."""
    return Counter(bend for bend in map(bend_of, reached(answer.grad_fn)) if bend)


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


def reaching(ends: Collection[Any], nodes: Collection[Any], silent: Silent = ()) -> set[Any]:
    """Those of these nodes of the autograd graph from which a gradient reaches one of `ends`; these, too."""
    after: dict[Any, list[Any]] = {}
    for node in nodes:
        for before in _before(node, silent):
            after.setdefault(before, []).append(node)
    found, waiting = set(), list(ends)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(after.get(node, ()))
    return found


def places_in(answer: Tensor, start: Any, doubts: Doubts) -> dict[int, str]:
    """Place among the ends of a pass -> call, of those that `ends_in` names."""
    ends, _ = doubts.trail.of(answer)
    return {
        place: end.where
        for place, end in enumerate(doubts.ends)
        if ends >> place & 1 and not end.choice and start in reached(*end.nodes)
    }


def ends_in(answer: Tensor, start: Any, doubts: Doubts) -> tuple[str, ...]:
    """Calls at which a gradient ends that goes on to the input, and whose values go on to the answer.

    What is only chosen by its values is none of theirs: truth values and places.

    Args:
        answer: what a pass with gradients on gave.
        start: node of what went in.
        doubts: of the pass.
    """
    return tuple(dict.fromkeys(places_in(answer, start, doubts).values()))
