"""Run and differentiate a network on a path.

The papers have two semantics, never interchangeable:
- zero (PG1, PG2): neurons outside the path are multiplied by 0 in the forward pass.
- freeze (SCP section 3.1): neurons outside the path keep their value as constants; the forward
  pass is unchanged and no gradient passes them.

Circuits are judged with others: a `Replacement` says what the neurons outside become, and passes no gradient.
Every method that runs a path takes one for its mode.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruneattr_core import tape
from pruneattr_core.activations import Activation
from pruneattr_core.brief import brief
from pruneattr_core.errors import ArgumentTypeError, InputError
from pruneattr_core.graph import Graph
from pruneattr_core.heads import Head
from pruneattr_core.one_of import is_one_of
from pruneattr_core.response import Asked, resolved
from pruneattr_core.same import same
from pruneattr_core.selection import Removal, masked
from pruneattr_core.values import Mode, Outputs


@dataclass(frozen=True, eq=False)
class Replacement:
    """Values for the neurons that a path leaves out; see `circuits.replacement` for how they are made.

    Attributes:
        name: "zero", "mean", "channel mean", "resample", "freeze" or a name of the caller's.
        layers: per activation call, detached, (1 or B, *shape) or smaller where it broadcasts.
    """

    name: str
    layers: tuple[Tensor, ...]

    __repr__ = brief
    __eq__ = same

    @property
    def nbytes(self) -> int:
        """Bytes of its layers."""
        return sum(layer.nbytes for layer in self.layers)

    def __getitem__(self, at: slice) -> Replacement:
        """That of a slice of the inputs."""
        return Replacement(self.name, tuple(a if len(a) == 1 else a[at] for a in self.layers))

    def repeat(self, times: int) -> Replacement:
        """That of the inputs, all of them `times` over."""
        layers = (a if len(a) == 1 else a.repeat(times, *[1] * (a.ndim - 1)) for a in self.layers)
        return Replacement(self.name, tuple(layers))


#: What the neurons outside a path become.
Instead = Mode | Replacement

#: What to do about NaN: where neurons were removed, and where none was.
AT_FEWER = "Remove fewer neurons, or take mode freeze."
AT_NONE = (
    "No neuron is removed there: the network's own gradient is none, as that of a square root at 0 or of "
    "something that a mask hides. Look for such a step in the network."
)


#: Functions that pass no gradient where they give 0, nor where they give their upper bound.
_RECTIFIERS = {F.relu, torch.relu, F.relu6, F.hardtanh}


class _Gated(torch.autograd.Function):
    """Activation times mask, of which the booleans are kept for the way back: a quarter of its numbers."""

    @staticmethod
    def forward(ctx: Any, activation: Tensor, mask: Tensor) -> Tensor:
        ctx.save_for_backward(mask)
        return masked(activation, mask)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (mask,) = ctx.saved_tensors
        return masked(gradients[0], mask), None


class _GatedRectifier(torch.autograd.Function):
    """A rectifier and its mask in one: what they leave says itself where a gradient passes.

    To the last bit `_Gated` of the rectifier, with one result kept for the way back, and two passes over the
    numbers less.
    """

    @staticmethod
    def forward(ctx: Any, before: Tensor, mask: Tensor, found: Activation) -> Tensor:
        ctx.kinks = found.kinks
        gated = masked(found.compute(), mask)
        ctx.save_for_backward(gated)
        return gated

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (gated,) = ctx.saved_tensors
        if len(ctx.kinks) == 1:
            return torch.ops.aten.threshold_backward(gradients[0], gated, 0), None, None
        return torch.ops.aten.hardtanh_backward(gradients[0], gated, *ctx.kinks), None, None


class _Zero(tape.Joined):
    def __init__(self, masks: Sequence[Tensor]) -> None:
        self._masks = masks

    def __call__(self, index: int, activation: Tensor) -> Tensor:
        gated: Tensor = _Gated.apply(activation, self._mask(index, activation))
        return gated

    def joined(self, index: int, found: Activation) -> Callable[[], Tensor] | None:
        """Where the function passes no gradient at 0: one between -1 and 1 does, and a clamp."""
        if found.plain not in _RECTIFIERS or found.kinks[0] != 0:
            return None
        mask = self._mask(index, found.before)
        return lambda: _GatedRectifier.apply(found.before, mask, found)

    def _mask(self, index: int, activation: Tensor) -> Tensor:
        if index >= len(self._masks) or self._masks[index].shape != activation.shape:
            raise InputError(
                f"The path does not fit: activation call {index + 1} has shape {tuple(activation.shape)}. "
                "It was made with another network or input size, or the network's calls depend on its values."
            )
        return self._masks[index]


def zero_gate(masks: Sequence[Tensor]) -> tape.Gate:
    """Multiply every activation by its mask (bool, True = kept)."""
    return _Zero(masks)


def freeze_gate(masks: Sequence[Tensor]) -> tape.Gate:
    """Make every activation whose mask is False a constant: it keeps its value and passes no gradient."""
    return lambda index, activation: torch.where(masks[index], activation, activation.detach())


def replace_gate(masks: Sequence[Tensor], replacement: Replacement) -> tape.Gate:
    """Keep activations where the bool masks are True and replace the others."""

    def gate(index: int, activation: Tensor) -> Tensor:
        if index >= len(masks) or index >= len(replacement.layers):
            raise InputError("The path and the replacement belong to another network: it has more calls.")
        try:
            return torch.where(masks[index], activation, replacement.layers[index])
        except RuntimeError as error:
            raise InputError(
                f"The path and the replacement do not fit activation call {index + 1} of shape "
                f"{tuple(activation.shape)}: they were made with another network, input or batch size."
            ) from error

    return gate


def gate_of(masks: Sequence[Tensor], mode: Instead) -> tape.Gate:
    """The gate of a mode, or of a replacement for it."""
    if isinstance(mode, Replacement):
        return replace_gate(masks, mode)
    return zero_gate(masks) if mode == "zero" else freeze_gate(masks)


def check_mode(mode: Instead, inputs: Tensor) -> None:
    """Raise InputError unless `mode` is "zero", "freeze" or a replacement for these inputs."""
    if isinstance(mode, Replacement):
        check_replacement(mode, len(inputs))
    elif not is_one_of(mode, ("zero", "freeze")):
        raise InputError(f'Expected mode "zero" or "freeze", or a replacement; got {mode!r}.')


def check_replacement(
    replacement: Any, rows: int, activations: Sequence[Tensor] | None = None
) -> tuple[Tensor, ...]:
    """The layers of a replacement for `rows` inputs.

    Args:
        replacement: what was handed in.
        rows: of the batch.
        activations: (B, *shape) per call, where they are known: what the layers stand for.

    Raises:
        ArgumentTypeError: it is none.
        InputError: it is one of another number of inputs, or of another network or input size.
    """
    if not isinstance(replacement, Replacement):
        raise ArgumentTypeError(
            "Expected a replacement, as zero, mean_of or activations_of of circuits.replacement make it; got "
            f"{replacement!r}."
        )
    layers = replacement.layers
    others = {len(layer) for layer in layers} - {1, rows}
    if others:
        raise InputError(f"Expected a replacement of one input or of {rows}, got one of {others.pop()}.")
    try:
        fits = activations is None or [a.shape for a in activations] == [
            torch.broadcast_shapes(base.shape, a.shape) for base, a in zip(layers, activations, strict=True)
        ]
    except (ValueError, RuntimeError):
        fits = False
    if not fits:
        raise InputError("The replacement was made with another network or input size.")
    return layers


def part_of(mode: Instead, at: slice) -> Instead:
    """The mode of a slice of the inputs."""
    return mode[at] if isinstance(mode, Replacement) else mode


def pruned_logits(
    model: nn.Module, inputs: Tensor, masks: Sequence[Tensor], class_scores: bool = False
) -> Tensor:
    """Logits (B, classes) of the zero-mode network f_p(x, M); masks bool (B, *shape) per call.

    `class_scores` says whether the masks cover class scores too.
    """
    with torch.no_grad():
        return tape.run(model, inputs.clone(), zero_gate(masks), class_scores=class_scores).logits


def pruned_gradient(
    model: nn.Module,
    inputs: Tensor,
    target: Tensor | Asked,
    masks: Sequence[Tensor],
    mode: Instead,
    class_scores: bool = False,
    finite: bool = True,
) -> tuple[Tensor, Tensor]:
    """Input gradient of the response of the pruned network, and the logits it answers.

    Args:
        model: network in eval mode.
        inputs: checked batch (B, ...).
        target: classes (B,) int64, or another response.
        masks: bool (B, *shape) per activation call, True = kept.
        mode: "zero", "freeze", or a replacement of one or B inputs.
        class_scores: whether the masks cover class scores too.
        finite: whether to refuse answers and gradients that are not.

    Returns:
        gradient of the shape of the inputs; logits (B, classes), detached.

    Raises:
        InputError: the pruned network answers, or has a gradient of, NaN or infinity.
    """
    if mode == "freeze":
        graph = Graph(model, inputs, target, class_scores=class_scores)
        gradient = graph.input_gradient(masks)
    else:
        gate = gate_of(masks, mode)
        graph = Graph(model, inputs, target, gate=gate, class_scores=class_scores, finite=False)
        gradient = graph.input_gradient()
    logits = graph.record.logits.detach()
    if finite and (broken := not_finite(gradient, logits)):
        raise InputError(f"{broken}. {advice_for(masks)}")
    return gradient, logits


def advice_for(masks: Sequence[Tensor]) -> str:
    """What to do about NaN in a network pruned by these masks."""
    return AT_NONE if all(bool(mask.all()) for mask in masks) else AT_FEWER


def not_finite(gradient: Tensor, logits: Tensor) -> str:
    """What of a pruned network is NaN or infinite, as half a sentence; "" if nothing is."""
    if not bool(torch.isfinite(logits).all()):
        return "The pruned network answers with NaN or infinite values"
    if not bool(torch.isfinite(gradient).all()):
        return "The gradient of the pruned network holds NaN or infinite values"
    return ""


def outputs_of(
    logits: Tensor, original: Tensor, target: Tensor | Asked, removal: Removal, head: Head = "softmax"
) -> Outputs:
    """Read a pruned network's answers.

    Args:
        logits: (K, B, ...) of the pruned networks.
        original: (B, ...) of the original network.
        target: what is explained: classes (B,) int64, or another response.
        removal: what went.
        head: how outputs are read.
    """
    asked = resolved(original, target)
    before, first = asked.probability(original, head), asked.of(original)
    probability = torch.stack([asked.probability(level, head) for level in logits])
    response = torch.stack([asked.of(level) for level in logits])
    return Outputs(
        sparsity=removal.sparsity,
        sparsity_of_contributing=removal.sparsity_of_contributing,
        silent_only=removal.silent_only,
        logit=response,
        probability=probability,
        output_change=_relative(response, first),
        probability_change=_relative(probability, before),
        prediction=torch.stack([asked.prediction(level, head) for level in logits]),
        changed=torch.stack([asked.changed(level, original, head) for level in logits]),
    )


def _relative(values: Tensor, before: Tensor) -> Tensor:
    """|values - before| / |before|, 0 where nothing changes."""
    change = (values - before).abs()
    return torch.where(change == 0, change, change / before.abs())
