"""Which networks a method fits: each function returns None, or the sentence that says why not."""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
from torch import Tensor, nn

from pruneattr_core import tape
from pruneattr_core.activations import PIECEWISE_LINEAR
from pruneattr_core.attribution.calls import calls_of, functions
from pruneattr_core.attribution.deeplift import RESCALED
from pruneattr_core.attribution.listen import CASTS, Call
from pruneattr_core.errors import InputError, PruneAttrError

#: (model, inputs or None) -> None or a sentence.
Supports = Callable[[nn.Module, Tensor | None], str | None]
#: (calls the network made, size of the picture) -> None or a sentence.
Rule = Callable[[tuple[Call, ...], tuple[int, ...]], str | None]

_RECTIFIERS = {"relu", "relu6"}
#: Calls that hand values on as they are: derivatives and relevance follow by themselves.
_MOVES = CASTS | {
    *("cat", "concat", "concatenate", "hstack", "vstack", "stack", "unbind", "chunk", "split", "hsplit"),
    *("vsplit", "dsplit", "tensor_split", "indexing", "index_select", "select", "narrow", "pad", "roll"),
    *("flip", "fliplr", "flipud", "rot90", "expand", "expand_as", "repeat", "repeat_interleave", "tile"),
}
_LINEAR = _MOVES | {"conv2d", "linear", "batch_norm", "avg_pool2d", "adaptive_avg_pool2d", "mean", "add"}
#: Linear, but of relevance there is no rule for how it is shared out.
_SUMS = {"neg", "negative", "sum"}
_RELEVANCE = _LINEAR | _RECTIFIERS | {"max_pool2d"}


def _judge(rule: Rule) -> Supports:
    def supports(model: nn.Module, inputs: Tensor | None = None) -> str | None:
        try:
            shown = _probe(model) if inputs is None else inputs
            return rule(calls_of(model, shown), tuple(shown.shape[2:]))
        except PruneAttrError as error:
            return str(error)

    return supports


def _any(calls: tuple[Call, ...], size: tuple[int, ...]) -> None:
    return None


def _only_relu(calls: tuple[Call, ...], size: tuple[int, ...]) -> str | None:
    others = functions(calls, lambda call: call.activation and call.function not in _RECTIFIERS)
    if others:
        return (
            "It decides which gradients pass by where ReLU (or ReLU6) is on and off, and this network calls "
            f"{', '.join(others)}, for which on and off are not defined."
        )
    bends = functions(calls, lambda call: call.hidden == "bend")
    if bends:
        return (
            "It decides which gradients pass by where ReLU (or ReLU6) is on and off, and this network has "
            f"what is not seen as one: {', '.join(bends)}."
        )
    return None


def _covered(method: str, allowed: Collection[str], constants: bool) -> Rule:
    def rule(calls: tuple[Call, ...], size: tuple[int, ...]) -> str | None:
        unheard = functions(calls, lambda call: call.hidden == "operation")
        if unheard:
            more = f" and {len(unheard) - 4} others" if len(unheard) > 4 else ""
            return (
                f"{method} replaces what a network calls, and this one carries out {', '.join(unheard[:4])}"
                f"{more} where no call is seen, as in scripted code. Give its eager modules."
            )
        others = functions(
            calls,
            lambda call: (
                not call.hidden
                and call.function not in allowed
                and not (constants and (call.fixed or call.scaling))
            ),
        )
        if others:
            # What mixes activations first: it is the reason, the rest often only moves them.
            named = sorted(others, key=lambda name: (name not in {*_PRODUCTS, "mul", "div"}, name))
            more = f" and {len(named) - 4} others" if len(named) > 5 else ""
            listed = ", ".join(named[:4] if more else named) + more
            return f"{method} has no rule for {listed}, which this network calls."
        if not constants and any(call.constant for call in calls):
            return f"{method} has no rule for adding a constant or a smaller tensor, which this network does."
        return None

    return rule


def spatial_axes(shape: tuple[int, ...], size: tuple[int, ...]) -> tuple[int, int] | None:
    """Where H and W are in an activation (without batch) of a network that takes pictures of `size`.

    (1, 2) for (C, h, w), (0, 1) for (h, w, C), None where the aspect ratio of neither fits the picture's
    or the map is a single point.
    """
    if len(shape) != 3 or len(size) != 2:
        return None
    for axes in ((1, 2), (0, 1)):
        h, w = shape[axes[0]], shape[axes[1]]
        # Rounding in strided layers moves each side by less than one.
        fits = abs(h * size[1] - w * size[0]) <= max(size)
        if fits and 1 < h <= size[0] and 1 < w <= size[1]:
            return axes
    return None


def layers_on_the_picture(model: nn.Module, inputs: Tensor) -> dict[str, tuple[str, ...]]:
    """Method with an option `layer` -> names of the activation calls it can look at, in call order."""
    size = tuple(inputs.shape[2:])
    calls = [call for call in calls_of(model, inputs) if call.activation]
    maps = tuple(call.name for call in calls if _answers(call) and spatial_axes(call.shape, size) == (1, 2))
    return {
        # Class scores are not pruned, so there is no pruned gradient at them; Grad-CAM may weigh them.
        "prunegrad_mid": tuple(call.name for call in calls if _holds_neurons_in_rows(call, size)),
        "gradcam": maps,
        "guided_gradcam": maps,
        "layercam": maps,
    }


def _answers(call: Call) -> bool:
    """Whether an activation stands between input and answer; those of an auxiliary head do not."""
    return call.role in ("neuron", "class score")


def cam_layer(calls: tuple[Call, ...], size: tuple[int, ...]) -> int | None:
    """Place of the last activation with feature maps that the answer hangs on, else of the last addition."""
    for wanted in (_answers, lambda call: call.function == "add"):
        places = [i for i, c in enumerate(calls) if wanted(c) and spatial_axes(c.shape, size) == (1, 2)]
        if places:
            return places[-1]
    return None


def _has_maps(calls: tuple[Call, ...], size: tuple[int, ...]) -> str | None:
    if cam_layer(calls, size) is None:
        return (
            "It weighs feature maps (C, h, w), and no activation or addition of this network has that "
            "layout with more than one position (a transformer's are tokens)."
        )
    return None


def _has_maps_and_only_relu(calls: tuple[Call, ...], size: tuple[int, ...]) -> str | None:
    return _only_relu(calls, size) or _has_maps(calls, size)


def _has_spatial_activation(calls: tuple[Call, ...], size: tuple[int, ...]) -> str | None:
    if any(_holds_neurons_in_rows(call, size) for call in calls):
        return None
    return (
        "It maps an activation back onto the picture, and no activation of this network has rows and columns "
        "(a transformer's are tokens)."
    )


def _holds_neurons_in_rows(call: Call, size: tuple[int, ...]) -> bool:
    return call.role == "neuron" and spatial_axes(call.shape, size) is not None


any_network = _judge(_any)
only_relu = _judge(_only_relu)
feature_maps = _judge(_has_maps)
feature_maps_and_relu = _judge(_has_maps_and_only_relu)
spatial_activation = _judge(_has_spatial_activation)
deeplift = _judge(_covered("DeepLift", _LINEAR | _SUMS | RESCALED, constants=True))
relevance = _judge(_covered("LRP", _RELEVANCE, constants=False))
relative = _judge(_covered("RAP", _RELEVANCE, constants=False))


def theory_note(model: nn.Module, inputs: Tensor | None = None) -> str | None:
    """What the papers' theory no longer guarantees for this network, in one or two sentences.

    SCP's local linearity (Prop. 4, 5) and "a dead neuron contributes nothing" (Lemma 1) are stated for
    networks of linear layers and rectifiers.

    Args:
        model: network in eval mode.
        inputs: (B, C, H, W); None probes with a zero picture.

    Returns:
        None where everything holds.

    Raises:
        InputError: the model refuses the inputs.
        ModelError: training mode, or no activations.
    """
    shown = _probe(model) if inputs is None else inputs
    calls = calls_of(model, shown)
    smooth = sorted({c.function for c in calls if c.activation} - _PIECEWISE_LINEAR)
    products = functions(calls, lambda c: c.function in _PRODUCTS)
    notes = []
    if smooth:
        notes.append(
            f"{', '.join(smooth)} {'is' if len(smooth) == 1 else 'are'} smooth: hardly any neuron is exactly "
            "0, so there are no dead neurons to drop for free, and the network kept by freeze is not locally "
            "linear (SCP Prop. 4, 5)."
        )
    if products:
        does = "multiplies or divides" if len(products) == 1 else "multiply or divide"
        notes.append(
            f"{', '.join(products)} {does} activations by each other, so even with fixed gates the answer is "
            "not linear in the input, and neurons interact beyond what a contribution per neuron says."
        )
    return " ".join(notes) or None


_PIECEWISE_LINEAR = {func.__name__ for func in PIECEWISE_LINEAR}
_PRODUCTS = {
    *(
        "layer_norm",
        "group_norm",
        "instance_norm",
        "multi_head_attention_forward",
        "softmax",
        "matmul",
        "bmm",
    ),
    *(
        "scaled_dot_product_attention",
        "sigmoid",
        "hardsigmoid",
        "tanh",
        "einsum",
        "normalize",
        "rms_norm",
    ),
}


def _probe(model: nn.Module) -> Tensor:
    """A zero picture that the model takes, for questions asked before there are inputs.

    Raises:
        InputError: none of the usual sizes fits; give inputs then.
    """
    network = tape.unwrap(model)
    first = next(network.parameters(), torch.zeros(()))
    convolution = next((m for m in network.modules() if isinstance(m, nn.Conv2d)), None)
    channels = 3 if convolution is None else convolution.in_channels
    for side in (32, 64, 224, 10, 299):
        picture = torch.zeros(1, channels, side, side, dtype=first.dtype, device=first.device)
        try:
            with torch.no_grad():
                network(picture)
        except (RuntimeError, ValueError, AssertionError):
            continue
        return picture
    raise InputError("No usual picture size fits this network. Ask again with inputs.")
