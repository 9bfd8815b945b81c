"""NeuronMCT: the first-order Taylor term of removing one neuron."""

from __future__ import annotations

from torch import Tensor, nn

from pruneattr_core.graph import Graph
from pruneattr_core.response import Asked
from pruneattr_core.selection import is_zero
from pruneattr_core.values import Contributions


def taylor_scores(graph: Graph) -> tuple[Tensor, ...]:
    """Scores |a * d f / d a| (PG2 eq. 3, PG1 eq. 2, SCP section 2.3): (B, *shape) per call, detached."""
    gradients = graph.activation_gradients()[::-1]
    # One after the other, so that the memory of each gradient serves the next scores.
    return tuple(gradients.pop().mul(activation.detach()).abs_() for activation in graph.record.activations)


def taylor(
    model: nn.Module,
    inputs: Tensor,
    target: Tensor | Asked | None,
    steps: int | None = None,
    class_scores: bool = False,
) -> Contributions:
    """Taylor contributions of a checked batch: one forward and one backward pass."""
    graph = Graph(model, inputs, target, to_input=False, class_scores=class_scores)
    record = graph.record
    return Contributions(
        record.names,
        taylor_scores(graph),
        tuple(is_zero(a) for a in record.activations),
        graph.target,
        record.logits.detach(),
        "taylor",
        graph.asked,
        graph.head,
        class_scores,
    )
