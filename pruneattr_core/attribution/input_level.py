"""Controls of the papers that treat input values as if they were neurons, and the active subnet."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pruneattr_core.attribution.captum_methods import input_x_gradient, integrated_gradients
from pruneattr_core.attribution.prunepgd import ascend
from pruneattr_core.errors import InputError
from pruneattr_core.graph import Graph
from pruneattr_core.one_of import is_one_of
from pruneattr_core.pruning import pruned_gradient
from pruneattr_core.response import Asked


def input_mct(model: nn.Module, inputs: Tensor, target: Tensor) -> Tensor:
    """|x * d logit / d x|: NeuronMCT applied to the input (PAPERS: InputMCT), >= 0."""
    return input_x_gradient(model, inputs, target).abs()


def input_intgrad(model: nn.Module, inputs: Tensor, target: Tensor, steps: int = 50) -> Tensor:
    """|integrated gradients| with a zero baseline: NeuronIntGrad applied to the input, >= 0."""
    return integrated_gradients(model, inputs, target, steps, "gausslegendre", 0.0).abs()


def active_subnet(
    model: nn.Module,
    inputs: Tensor,
    target: Tensor | Asked,
    attribution: str = "pgd",
    steps: int = 20,
    step_size: float = 0.01,
    l2_bound: float = 0.1,
) -> Tensor:
    """PrunePGD, or the gradient, with only the dead neurons removed (PG2: "PrunePGD 50*").

    At x itself the active subnet is the network: for ReLU "gradient" equals the plain gradient, and only
    the ascent, which moves away from x, tells the two apart.

    Args:
        model: network in eval mode.
        inputs: checked batch (B, C, H, W).
        target: classes (B,) int64, or another response.
        attribution: "pgd" for the perturbation of PG2 eq. 4, "gradient" for d f_p / d x.
        steps: ascent steps, >= 1.
        step_size: l2 length of a step, > 0.
        l2_bound: radius of the ball, > 0.

    Raises:
        InputError: an argument out of range.
    """
    if not is_one_of(attribution, ("pgd", "gradient")):
        raise InputError(f'Expected attribution "pgd" or "gradient", got {attribution!r}.')
    with torch.no_grad():
        graph = Graph(model, inputs, target)
        masks = tuple(activation != 0 for activation in graph.record.activations)
    if attribution == "gradient":
        return pruned_gradient(model, inputs, graph.asked, masks, "zero")[0]
    return ascend(model, inputs, graph.asked, masks, steps, step_size, l2_bound)
