"""Which activations are in the graph of an answer, and where a gradient ends whose values go on to it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from torch import Tensor

from pruneattr_core.fitness import Doubts
from pruneattr_core.nodes import reached

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
