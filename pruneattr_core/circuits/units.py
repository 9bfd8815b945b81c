"""Paths over channels: the same ranking with a channel as the unit, broadcast to its neurons.

A channel's score is |sum over its positions of signed contributions|: positions that speak against each other
cancel as they do in the response, and where contributions are complete per layer (SCP eq. 4) the signed sums
of a layer's channels still add up to f(x) - f(layer := replacement). The sum of its neurons' own scores is an
upper bound of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from pruneattr_core.checks import Target, check_inputs
from pruneattr_core.circuits.replacement import Replacement, positions
from pruneattr_core.circuits.scores import patching
from pruneattr_core.errors import InputError
from pruneattr_core.graph import Graph
from pruneattr_core.response import asked_of
from pruneattr_core.runtime import own_modes
from pruneattr_core.scoring.intgrad import intgrad_signed
from pruneattr_core.selection import Of, Ties
from pruneattr_core.values import Contributions, Path


@dataclass(frozen=True)
class ChannelContributions(Contributions):
    """How much each channel contributed; the API of `Contributions` with channels for neurons.

    `layers` and `dead` have one entry per channel, (B, C, 1, 1), so sparsities, counts and shares are those
    of channels; paths come as neurons, all of a channel or none.

    Attributes:
        shapes: of the activations of one input, per call.
    """

    shapes: tuple[tuple[int, ...], ...] = ()

    def __getitem__(self, index: int | slice) -> ChannelContributions:
        """Those of one input (still a batch, of one) or of a slice of inputs."""
        own = super().__getitem__(index)
        return ChannelContributions(**vars(own), shapes=self.shapes)

    def paths(self, sparsities: Sequence[float], ties: Ties = "drop", of: Of = "all") -> list[Path]:
        """One path per sparsity; the fraction is one of the channels."""
        return [
            Path(
                path.names,
                tuple(
                    mask.expand(len(mask), *shape).clone()
                    for mask, shape in zip(path.layers, self.shapes, strict=True)
                ),
                {**path.meta, "unit": "channel"},
            )
            for path in super().paths(sparsities, ties, of)
        ]


@own_modes()
def channel_contributions(
    model: nn.Module,
    inputs: Tensor,
    target: Target = None,
    method: str = "taylor",
    replacement: Replacement | None = None,
    class_scores: bool = False,
) -> ChannelContributions:
    """Contribution of every channel to the response of every input.

    Args:
        model: classifier in eval mode; left untouched.
        inputs: normalised batch (B, C, H, W).
        target: None for the predicted class; int, list or tensor as in Captum; or another response.
        method: of the signed contributions: "taylor" (PG2 eq. 3), "intgrad" (SCP eq. 4) or "patching",
            which is Taylor against `replacement`.
        replacement: of method "patching", which takes classes alone.
        class_scores: whether class scores count as neurons, see `contributions`; not with "patching".

    Raises:
        InputError: an unknown method, or a replacement where the method takes none.
    """
    inputs = check_inputs(model, inputs)
    asked = asked_of(target, len(inputs))
    if method not in ("taylor", "intgrad", "patching"):
        raise InputError(f'Expected method "taylor", "intgrad" or "patching", got {method!r}.')
    if (method == "patching") != (replacement is not None):
        raise InputError('A replacement goes with method "patching", and with no other.')
    graph = Graph(model, inputs, asked, to_input=False, class_scores=class_scores)
    activations = [a.detach() for a in graph.record.activations]
    if replacement is not None:
        signed: Sequence[Tensor] = patching(model, inputs, target, replacement)
    elif method == "intgrad":
        signed = intgrad_signed(model, inputs, target, class_scores=class_scores).layers
    else:
        signed = [gradient * a for gradient, a in zip(graph.activation_gradients(), activations, strict=True)]
    return ChannelContributions(
        graph.record.names,
        tuple(layer.abs() for layer in channel_sums(signed)),
        tuple(channel == 0 for channel in channel_sums([(a != 0).to(a.dtype) for a in activations])),
        graph.target,
        graph.record.logits.detach(),
        method,
        graph.asked,
        graph.head,
        class_scores,
        shapes=tuple(tuple(a.shape[1:]) for a in activations),
    )


def channel_sums(layers: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Signed contributions (B, *shape) summed over the positions of each channel, kept as dimensions of 1."""
    return tuple(layer.sum(at, keepdim=True) if (at := positions(layer)) else layer for layer in layers)
