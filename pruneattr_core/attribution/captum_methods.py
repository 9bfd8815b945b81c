"""Captum's methods as they are, on networks as they come.

Gradients, integrals and occlusion only call the model. Those that set hooks run on a `Substituted`
network, which gives every ReLU call a module of its own, so functional, in-place and reused ReLU work.
Each function takes a checked batch (B, C, H, W) and targets (B,) int64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from captum import attr
from torch import Tensor, nn

from pruneattr_core import tape
from pruneattr_core.attribution.calls import (
    ADDITIONS,
    Generic,
    Substituted,
    calls_of,
    rectifiers,
)
from pruneattr_core.attribution.quiet import quiet
from pruneattr_core.attribution.support import cam_layer, spatial_axes
from pruneattr_core.errors import InputError
from pruneattr_core.graph import bytes_each
from pruneattr_core.runtime import MEMORY_BUDGET

_RECTIFIERS = rectifiers()


def logits_of(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """The model as a function inputs -> logits that leaves its inputs alone."""
    network = tape.unwrap(model)

    def forward(inputs: Tensor) -> Tensor:
        output = network(inputs.clone())
        logits: Tensor = getattr(output, "logits", output)
        return logits

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
    result: Tensor = attr.Saliency(logits_of(model)).attribute(_leaf(inputs), target, abs=absolute)
    return result


def input_x_gradient(model: nn.Module, inputs: Tensor, target: Tensor) -> Tensor:
    """X * d logit / d x."""
    result: Tensor = attr.InputXGradient(logits_of(model)).attribute(_leaf(inputs), target)
    return result


def integrated_gradients(
    model: nn.Module, inputs: Tensor, target: Tensor, steps: int, rule: str, baseline: float
) -> Tensor:
    """(x - b) * mean over the straight path from b to x of d logit / d x."""
    result: Tensor = attr.IntegratedGradients(logits_of(model)).attribute(
        _leaf(inputs), baseline, target, n_steps=steps, method=rule, internal_batch_size=_batch(inputs)
    )
    return result


def occlusion(
    model: nn.Module, inputs: Tensor, target: Tensor, window: int | None, stride: int | None, baseline: float
) -> Tensor:
    """Fall of the logit when a window over all channels is set to the baseline, averaged over windows."""
    height, width = inputs.shape[2:]
    side = min(window or max(1, min(height, width) // 8), height, width)
    step = min(stride or max(1, side // 2), side)
    with torch.no_grad():
        result: Tensor = attr.Occlusion(logits_of(model)).attribute(
            inputs,
            (inputs.shape[1], side, side),
            strides=(inputs.shape[1], step, step),
            baselines=baseline,
            target=target,
            perturbations_per_eval=min(16, max(1, _batch(inputs) // len(inputs))),
        )
    return result.to(inputs.dtype)  # Captum sums in float32


def guided_backprop(model: nn.Module, inputs: Tensor, target: Tensor) -> Tensor:
    """Gradient with only its positive part passed back by every ReLU."""
    return _hooked(attr.GuidedBackprop, model, inputs, target)


def deconvolution(model: nn.Module, inputs: Tensor, target: Tensor) -> Tensor:
    """Gradient for which every ReLU is applied to what comes back instead of to what went forward."""
    return _hooked(attr.Deconvolution, model, inputs, target)


def _hooked(method: Any, model: nn.Module, inputs: Tensor, target: Tensor) -> Tensor:
    network = Substituted(model, inputs, lambda index, func: _RECTIFIERS.get(func))
    with quiet():
        result: Tensor = method(network).attribute(_leaf(inputs), target)
    return result


def max_pool2d(
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> nn.Module:
    """The module that does what one call of `F.max_pool2d` does."""
    return nn.MaxPool2d(kernel_size, stride, padding, dilation, return_indices, ceil_mode)


_DEEPLIFT = {
    **_RECTIFIERS,
    F.max_pool2d: max_pool2d,
    torch.max_pool2d: max_pool2d,
    F.elu: lambda x, alpha=1.0, inplace=False: nn.ELU(alpha),
    F.leaky_relu: lambda x, negative_slope=0.01, inplace=False: nn.LeakyReLU(negative_slope),
}


def deeplift(model: nn.Module, inputs: Tensor, target: Tensor, baseline: float) -> Tensor:
    """Difference of the logit from that of the baseline, by the rescale rule."""
    network = Substituted(model, inputs, lambda index, func: _DEEPLIFT.get(func))
    with quiet():
        result: Tensor = attr.DeepLift(network).attribute(_leaf(inputs), baseline, target)
    return result.detach()


def gradcam(model: nn.Module, inputs: Tensor, target: Tensor, layer: str | None) -> Tensor:
    """ReLU of the feature maps weighed by their mean gradients, upsampled bilinearly: (B, 1, H, W)."""
    network, place = _with_layer(model, inputs, layer, {})
    raw = attr.LayerGradCam(network, network.module_at(place)).attribute(
        _leaf(inputs), target, relu_attributions=True
    )
    size = inputs.shape[2:]
    return F.interpolate(raw.detach(), size=size, mode="bilinear", align_corners=False)


def guided_gradcam(model: nn.Module, inputs: Tensor, target: Tensor, layer: str | None) -> Tensor:
    """Guided backpropagation times Grad-CAM upsampled bilinearly."""
    network, place = _with_layer(model, inputs, layer, _RECTIFIERS)
    with quiet():
        result: Tensor = attr.GuidedGradCam(network, network.module_at(place)).attribute(
            _leaf(inputs), target, interpolate_mode="bilinear"
        )
    return result.detach()


def _with_layer(
    model: nn.Module, inputs: Tensor, layer: str | None, table: dict[Any, Any]
) -> tuple[Substituted, int]:
    """The network with one call, the layer of Grad-CAM, as a module besides those in `table`."""
    calls, size = calls_of(model, inputs), tuple(inputs.shape[2:])
    place = cam_layer(calls, size)
    if layer is not None:
        named = {call.name: i for i, call in enumerate(calls) if spatial_axes(call.shape, size) == (1, 2)}
        if layer not in named:
            raise InputError(
                f"Expected a layer with feature maps (C, h, w), got {layer!r}. This network has: "
                f"{', '.join(named) or 'none'}."
            )
        place = named[layer]
    if place is None:
        raise InputError("This network has no feature maps (C, h, w) for Grad-CAM.")

    def choose(index: int, func: Any) -> Any:
        if index == place and func not in table:
            plain = tape.ACTIVATIONS.get(func, func)
            return lambda *args, **kwargs: _as_module(plain, args, kwargs)
        return table.get(func)

    return Substituted(model, inputs, choose), place


def _as_module(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> nn.Module:
    if func in (F.relu, torch.relu):
        return nn.ReLU()
    if func in ADDITIONS:
        func, args, kwargs = torch.add, (*args[:1], *args[1:2]), kwargs
    kwargs = {key: value for key, value in kwargs.items() if key != "inplace"}
    return Generic(func, args, kwargs)
