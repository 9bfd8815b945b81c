"""One map per picture from a method's name and options, as the benchmarks need it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from pruneattr_core.attribution import METHODS, explain
from pruneattr_core.attribution.collapse import collapse
from pruneattr_core.attribution.options import checked
from pruneattr_core.attribution.table import meant
from pruneattr_core.benchmarks.outside import outside_method, outside_values
from pruneattr_core.errors import ArgumentTypeError, InputError


def method_from(text: str) -> dict[str, Any]:
    """`name` or `name:option=value,...` as {"id", "label", "options"} with every option filled in.

    `file.py:function` is a method of one's own, see `outside`.

    Raises:
        InputError: an unknown method, or an option that is none.
        ArgumentTypeError: no text.
        ModelError: code of one's own that cannot be run.
    """
    if not isinstance(text, str):
        raise ArgumentTypeError(
            f"Expected a method as text, such as 'prunegrad:sparsity=0.9,mode=freeze', got {text!r}."
        )
    name, _, rest = text.strip().partition(":")
    if name not in METHODS:
        own = outside_method(text)
        if own is not None:
            return own
        raise InputError(
            f"There is no method {name[:40]!r}.{meant(name)} Choose out of {', '.join(METHODS)}."
        )
    options = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals or not key.strip().isidentifier():
            raise InputError(f"Expected options as name=value, got {part[:40]!r} in {text[:80]!r}.")
        options[key.strip()] = _value(value.strip())
    named = ", ".join(f"{key} {_told(value)}" for key, value in options.items())
    title = METHODS[name].title
    return {
        "id": name,
        "label": f"{title} ({named})" if named else title,
        "options": checked(title, METHODS[name].options, options),
    }


def _told(value: Any) -> Any:
    """A value in a label: of a number that was computed, and not typed, six digits."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def supported(model: nn.Module, inputs: Tensor, methods: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Label -> the sentence that says why a method does not fit the network, for those that do not."""
    known = [m for m in methods if m["id"] in METHODS]
    reasons = {m["label"]: METHODS[m["id"]].supports(model, inputs) for m in known}
    return {label: reason for label, reason in reasons.items() if reason}


def values_of(model: nn.Module, inputs: Tensor, target: Tensor, method: Mapping[str, Any]) -> Tensor:
    """Attributions (B, C or 1, H, W) of the size of the inputs."""
    if method["id"] in METHODS:
        return explain(model, inputs, target=target, method=method["id"], **method["options"]).values
    return outside_values(model, inputs, target, method)


def collapsed(values: Tensor, how: str) -> Tensor:
    """Maps (B, H, W), float64, of attributions."""
    return collapse(values, how).double()


def maps_of(model: nn.Module, inputs: Tensor, target: Tensor, method: Mapping[str, Any], how: str) -> Tensor:
    """Maps (B, H, W), float64, of the size of the inputs."""
    return collapsed(values_of(model, inputs, target, method), how)


#: What the papers compare, and the controls.
STANDARD = (
    "prunegrad",
    "prunegrad:mode=freeze",
    "prunepgd",
    "neuron_intgrad",
    "saliency",
    "input_x_gradient",
    "integrated_gradients",
    "guided_backprop",
    "gradcam",
    "input_mct",
    "input_intgrad",
    "random",
    "edges",
)


#: What a new method is measured beside: the best of each family, and the controls.
SCORECARD = (
    "prunegrad",
    "prunegrad_x_input",
    "saliency",
    "input_x_gradient",
    "guided_backprop",
    "gradcam",
    "random",
    "edges",
)


def fitting(
    model: nn.Module, inputs: Tensor, names: Sequence[str] | None = None
) -> tuple[list[str], list[str]]:
    """Which of these methods (None: of all) fit the network, and the sentences about those that do not."""
    asked = list(METHODS) if names is None else list(names)
    reasons = supported(model, inputs, [method_from(name) for name in asked])
    kept = [name for name in asked if method_from(name)["label"] not in reasons]
    return kept, [f"{label}: {reason}" for label, reason in reasons.items()]
