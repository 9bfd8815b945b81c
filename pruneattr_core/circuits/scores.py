"""Contributions against a replacement: how the response would change if a neuron were replaced.

With a' the replacement, Taylor is attribution patching, (a - a') * df/da (Nanda 2023; Syed et al. 2023,
arXiv:2310.10348), and the integral runs from a' to a with all neurons of the layer moved together, as EAP-IG
on activations does (Hanna et al. 2024, arXiv:2403.17806). At a' = 0 both are the papers' contributions
(PG2 eq. 3, SCP eq. 4), so NeuronMCT is |attribution patching with a zero baseline|.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from pruneattr_core.checks import Target, check_inputs, check_target
from pruneattr_core.errors import InputError
from pruneattr_core.graph import Graph
from pruneattr_core.pruning import Replacement, check_replacement
from pruneattr_core.response import Asked
from pruneattr_core.runtime import own_modes, within_budget
from pruneattr_core.scoring.branching import Brancher


@own_modes()
def patching(
    model: nn.Module, inputs: Tensor, target: Target, replacement: Replacement, steps: int = 1
) -> tuple[Tensor, ...]:
    """Signed contributions, (B, *shape) per activation call, in units of the target logit.

    Args:
        model: classifier in eval mode; left untouched.
        inputs: normalised batch (B, C, H, W).
        target: None for the predicted class; int, list or tensor as in Captum.
        replacement: what a removed neuron becomes.
        steps: 1 for the gradient at the activation itself; more for that many midpoints from a' to a.

    Raises:
        InputError: fewer than one step, a replacement of others, or inputs that the model cannot take.

    Example:
        >>> from pruneattr_core.circuits.replacement import mean_of
        >>> from pruneattr_core.circuits.scores import patching
        >>> model = pruneattr_core.load_model("resnet8-cifar10")
        >>> mean = mean_of(model, [torch.rand(4, 3, 32, 32)])
        >>> patching(model, torch.rand(1, 3, 32, 32), None, mean)[0].shape
        torch.Size([1, 64, 32, 32])
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise InputError(f"Expected steps >= 1, got {steps!r}.")
    inputs = check_inputs(model, inputs)
    chosen = check_target(target, len(inputs))
    graph = Graph(model, inputs, chosen, to_input=False)
    activations = graph.record.activations
    layers = check_replacement(replacement, len(inputs), activations)
    if steps == 1:
        gradients = graph.activation_gradients()
        return tuple(
            gradient.mul(a.detach() - base)
            for gradient, a, base in zip(gradients, activations, layers, strict=True)
        )
    rows = []
    for image in range(len(inputs)):
        brancher = Brancher(model, inputs[image : image + 1])
        own = replacement[image : image + 1]
        rows.append(
            [along(brancher, call, graph.asked[image], base, steps) for call, base in enumerate(own.layers)]
        )
    return tuple(torch.cat(layer) for layer in zip(*rows, strict=True))


def along(brancher: Brancher, call: int, asked: Asked, base: Tensor, steps: int) -> Tensor:
    """(a - base) x mean gradient at `steps` midpoints from `base` to a; one step takes the gradient at a.

    Args:
        brancher: of one image.
        call: number of the activation call, from 0.
        asked: the response of that image.
        base: (1, *shape), or what broadcasts to it.
        steps: >= 1.
    """
    activation = brancher.activations[call]
    moved = activation - base
    alphas = np.ones(1) if steps == 1 else (np.arange(steps) + 0.5) / steps
    total = torch.zeros_like(activation)
    for part in within_budget(steps, brancher.bytes_each(call), activation.device):
        scale = torch.from_numpy(alphas[part]).to(activation).view(-1, *[1] * (activation.ndim - 1))
        points, logits = brancher.run(call, lambda _, s=scale: base + s * moved, len(scale), grad=True)  # type: ignore[misc]
        response = asked.repeat(len(scale)).of(logits)
        if not response.requires_grad:
            continue  # nothing after this layer depends on it
        (gradient,) = torch.autograd.grad(response.sum(), points, allow_unused=True)
        if gradient is not None:
            total += gradient.sum(0, keepdim=True) / steps
    return total.mul_(moved)
