"""Captum's methods as they are, on networks as they come.

Gradients, integrals and occlusion only call the model. Those that set hooks run on a `Substituted`
network, which gives every ReLU call a module of its own, so functional, in-place and reused ReLU work.
Captum is imported where it is called: it brings matplotlib, which nothing of ours needs.
Each function takes a checked batch (B, C, H, W) and targets (B,) int64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pruneattr_core import tape
from pruneattr_core.attribution.calls import Substituted, rectifiers
from pruneattr_core.attribution.quiet import quiet
from pruneattr_core.errors import InputError
from pruneattr_core.graph import as_given, bytes_each
from pruneattr_core.heads import outputs_in
from pruneattr_core.importing import one_at_a_time
from pruneattr_core.norms import cheap_way_back
from pruneattr_core.refusing import refusing
from pruneattr_core.runtime import MEMORY_BUDGET

_RECTIFIERS = rectifiers()
_HALVES = {torch.float16, torch.bfloat16}
#: Share of a map's largest value that the rounding of a logit may be.
_ROUNDED = 0.5


def logits_of(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """The model as a function inputs -> logits that leaves its inputs alone."""
    network = tape.unwrap(model)

    def forward(inputs: Tensor) -> Tensor:
        with refusing(inputs), cheap_way_back(network):
            output = network(inputs.clone())
        return outputs_in(output, len(inputs))

    return forward


def _leaf(inputs: Tensor) -> Tensor:
    """Captum warns about inputs that do not require gradients yet."""
    return inputs.detach().clone().requires_grad_()


def _batch(inputs: Tensor) -> int:
    """How many inputs a pass may hold."""
    budget = MEMORY_BUDGET.get(inputs.device.type, 1 << 30)
    return max(len(inputs), budget // bytes_each(inputs))


def saliency(model: nn.Module, inputs: Tensor, target: Tensor, absolute: bool) -> Tensor:
    """D logit / d x, or its absolute value."""
    with one_at_a_time:
        from captum.attr import Saliency

    result: Tensor = Saliency(logits_of(model)).attribute(_leaf(inputs), target, abs=absolute)
    return result


def input_x_gradient(model: nn.Module, inputs: Tensor, target: Tensor) -> Tensor:
    """X * d logit / d x."""
    with one_at_a_time:
        from captum.attr import InputXGradient

    result: Tensor = InputXGradient(logits_of(model)).attribute(_leaf(inputs), target)
    return result


def integrated_gradients(
    model: nn.Module, inputs: Tensor, target: Tensor, steps: int, rule: str, baseline: float
) -> Tensor:
    """(x - b) * mean over the straight path from b to x of d logit / d x."""
    with one_at_a_time:
        from captum.attr import IntegratedGradients

    class Exact(IntegratedGradients):
        """Its step sizes are Python's numbers, which torch's default dtype would round."""

        def _attribute(self, *given: Any, step_sizes_and_alphas: Any, **more: Any) -> Any:
            sizes, alphas = step_sizes_and_alphas
            return super()._attribute(*given, step_sizes_and_alphas=(np.array(sizes), alphas), **more)

    result: Tensor = Exact(logits_of(model)).attribute(
        _leaf(inputs), baseline, target, n_steps=steps, method=rule, internal_batch_size=_batch(inputs)
    )
    return result


def occlusion(
    model: nn.Module, inputs: Tensor, target: Tensor, window: int | None, stride: int | None, baseline: float
) -> Tensor:
    """Fall of the logit when a window over all channels is set to the baseline, averaged over windows.

    Raises:
        InputError: the network computes in half precision, which rounds away how far logits fall.
    """
    with one_at_a_time:
        from captum.attr import Occlusion

    height, width = inputs.shape[2:]
    side = min(window or max(1, min(height, width) // 8), height, width)
    step = min(stride or max(1, side // 2), side)
    logits = logits_of(model)
    seen: list[Tensor] = []

    def forward(given: Tensor) -> Tensor:
        found = logits(given)
        seen.append(found) if not seen else None  # Captum's first pass is that of the inputs as they are
        return found.float() if found.dtype in _HALVES else found

    with torch.no_grad():
        result: Tensor = Occlusion(forward).attribute(
            inputs,
            (inputs.shape[1], side, side),
            strides=(inputs.shape[1], step, step),
            baselines=baseline,
            target=target,
            perturbations_per_eval=min(16, max(1, _batch(inputs) // len(inputs))),
        )
    _told_apart(model, seen[0].gather(1, target[:, None])[:, 0], result)
    return as_given(result, inputs.dtype)  # Captum sums in float32


def _told_apart(model: nn.Module, logits: Tensor, differences: Tensor) -> None:
    """See that half precision, where a network computes in it, tells logits of these differences apart."""
    kinds = {logits.dtype, *(one.dtype for one in model.parameters())} & _HALVES
    largest = differences.flatten(1).abs().amax(1)
    for dtype in kinds:
        rounding = torch.finfo(dtype).eps / 2 * logits.abs().to(largest.dtype)
        if bool((rounding > _ROUNDED * largest).any()):
            raise InputError(
                f"Hidden windows move this response by no more than {str(dtype).removeprefix('torch.')}, in "
                "which the network computes, rounds it. Give the network and the inputs in float32, as "
                "model.float()."
            )


def guided_backprop(model: nn.Module, inputs: Tensor, target: Tensor) -> Tensor:
    """Gradient with only its positive part passed back by every ReLU.

    ReLU6 and hard tanh from 0 keep their own derivative, 0 above the ceiling, as ReLU keeps its own. Captum's
    numbers but where the tensor before a ReLU also goes another way (`h + conv(relu(h))`): there Captum's
    rule overwrites the gradient of the other way too.
    """
    with one_at_a_time:
        from captum.attr import GuidedBackprop

    return _hooked(GuidedBackprop, model, inputs, target)


def deconvolution(model: nn.Module, inputs: Tensor, target: Tensor) -> Tensor:
    """Gradient for which every ReLU is applied to what comes back instead of to what went forward.

    ReLU6 and hard tanh from 0 do as ReLU: a ceiling in units of the activation means nothing to a gradient.
    Where ours differs from Captum's is said at `guided_backprop`.
    """
    with one_at_a_time:
        from captum.attr import Deconvolution

    return _hooked(Deconvolution, model, inputs, target)


def _hooked(method: Any, model: nn.Module, inputs: Tensor, target: Tensor) -> Tensor:
    network = Substituted(model, inputs, lambda index, func: _RECTIFIERS.get(func))
    with quiet():
        result: Tensor = method(network).attribute(_leaf(inputs), target)
    return result
