"""Grad-CAM, Guided Grad-CAM and LayerCAM, on any layer with feature maps of any network."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruneattr_core.attribution.calls import Substituted, calls_of, rectifiers
from pruneattr_core.attribution.listen import ADDITIONS
from pruneattr_core.attribution.quiet import quiet
from pruneattr_core.attribution.stand_ins import Generic
from pruneattr_core.attribution.support import cam_layer, spatial_axes
from pruneattr_core.errors import InputError, ModelError
from pruneattr_core.importing import one_at_a_time
from pruneattr_core.one_of import is_one_of

_RECTIFIERS = rectifiers()


def gradcam(model: nn.Module, inputs: Tensor, target: Tensor, layer: str | None) -> Tensor:
    """ReLU of the feature maps weighed by their mean gradients, upsampled bilinearly: (B, 1, H, W)."""
    with one_at_a_time:
        from captum import attr

    network, place = _with_layer(model, inputs, layer, {})
    raw = attr.LayerGradCam(network, network.module_at(place)).attribute(
        inputs.detach().clone().requires_grad_(), target, relu_attributions=True
    )
    return _enlarged(raw.detach(), inputs)


def layercam(model: nn.Module, inputs: Tensor, target: Tensor, layer: str | None) -> Tensor:
    """ReLU(sum_c ReLU(d logit / d A_c) A_c), upsampled bilinearly: (B, 1, H, W), >= 0 (Jiang et al. 2021).

    Each position weighs the maps by its own positive gradients, not by their mean over positions as Grad-CAM
    does, so that early layers with fine maps can be asked too.
    """
    network, place = _with_layer(model, inputs, layer, {})
    maps: list[Tensor] = []
    handle = network.module_at(place).register_forward_hook(lambda module, given, out: maps.append(out))
    with torch.enable_grad():
        logits = network(inputs.detach().clone().requires_grad_())
        handle.remove()
        (gradient,) = torch.autograd.grad(logits.gather(1, target.unsqueeze(1)).sum(), maps)
    weighed = (gradient.clamp(min=0) * maps[0].detach()).sum(1, keepdim=True)
    return _enlarged(weighed.clamp(min=0), inputs)


def _enlarged(maps: Tensor, inputs: Tensor) -> Tensor:
    return F.interpolate(maps, size=inputs.shape[2:], mode="bilinear", align_corners=False)


def guided_gradcam(model: nn.Module, inputs: Tensor, target: Tensor, layer: str | None) -> Tensor:
    """Guided backpropagation times Grad-CAM upsampled bilinearly."""
    with one_at_a_time:
        from captum import attr

    network, place = _with_layer(model, inputs, layer, _RECTIFIERS)
    with quiet():
        result: Tensor = attr.GuidedGradCam(network, network.module_at(place)).attribute(
            inputs.detach().clone().requires_grad_(), target, interpolate_mode="bilinear"
        )
    return result.detach()


def _with_layer(
    model: nn.Module, inputs: Tensor, layer: str | None, table: dict[Any, Any]
) -> tuple[Substituted, int]:
    """The network with one call, the layer of Grad-CAM, as a module besides those in `table`."""
    calls = tuple(call for call in calls_of(model, inputs) if not call.hidden)
    size = tuple(inputs.shape[2:])
    place = cam_layer(calls, size)
    if layer is not None:
        named = {call.name: i for i, call in enumerate(calls) if spatial_axes(call.shape, size) == (1, 2)}
        if not is_one_of(layer, named):
            raise InputError(
                f"Expected a layer with feature maps (C, h, w), got {layer!r}. This network has: "
                f"{', '.join(named) or 'none'}."
            )
        place = named[layer]
    if place is None:
        raise InputError("This network has no feature maps (C, h, w) to weigh.")

    def choose(index: int, func: Any) -> Any:
        make = table.get(func)
        if index != place:
            return make
        return lambda *args, **kwargs: (make and make(*args, **kwargs)) or _as_module(func, args, kwargs)

    network = Substituted(model, inputs, choose)
    if network.count != len(calls):
        raise ModelError(
            "The calls of this network depend on its values, so its layers cannot be told apart."
        )
    return network, place


def _as_module(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> nn.Module:
    if func in ADDITIONS:
        func, args = torch.add, args[:2]
    rectifier = _RECTIFIERS[func](*args, **kwargs) if func in _RECTIFIERS else None
    return rectifier or Generic(func, args, kwargs)
