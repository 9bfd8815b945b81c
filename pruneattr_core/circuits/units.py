"""Paths over units that are more than one neuron: channels, attention heads, whole MLPs, blocks.

A unit's score is |sum over its neurons of signed contributions|: neurons that speak against each other
cancel as they do in the response, and where contributions are complete per layer (SCP eq. 4) the signed sums
of a layer's channels still add up to f(x) - f(layer := replacement). The sum of its neurons' own scores is an
upper bound of it. A unit is gated as one.

| unit      | what goes together                                                   | what is ranked |
|-----------|----------------------------------------------------------------------|----------------|
| "channel" | all positions of a channel, all tokens of a feature; of heads a head | every call     |
| "head"    | the output of one attention head, see `attention.with_heads`         | heads alone    |
| "mlp"     | one activation call: the MLP of a block, or a layer of convolutions  | all but heads  |
| "block"   | every call inside one block, heads included where they are seen      | every call     |

What is not ranked stays in every path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor, nn

from pruneattr_core.attention import WithHeads, is_heads
from pruneattr_core.checks import Target, check_inputs, fingerprints, network_fingerprint
from pruneattr_core.circuits.replacement import positions
from pruneattr_core.circuits.scores import patching
from pruneattr_core.critical_path import Path
from pruneattr_core.errors import InputError
from pruneattr_core.graph import Graph
from pruneattr_core.one_of import is_one_of
from pruneattr_core.pruning import Replacement
from pruneattr_core.response import asked_of
from pruneattr_core.runtime import own_modes
from pruneattr_core.scoring.intgrad import intgrad_signed
from pruneattr_core.selection import Of, Ties
from pruneattr_core.values import Contributions

UnitKind = Literal["channel", "head", "mlp", "block"]


@dataclass(frozen=True, eq=False)
class UnitContributions(Contributions):
    """How much each unit contributed; the API of `Contributions` with units for neurons.

    `layers` and `dead` have one entry per unit: (B, C, 1, 1) of channels, (B, 1) of a block, so sparsities,
    counts and shares are those of units, and `names` are those of the calls or blocks that are ranked. Paths
    come as neurons, all of a unit or none.

    Attributes:
        unit: what is one.
        calls: name of every activation call of the network.
        shapes: of the activations of one input, per call.
        source: per call, which of `layers` holds its units; None where the call is not ranked.
    """

    unit: UnitKind = "channel"
    calls: tuple[str, ...] = ()
    shapes: tuple[tuple[int, ...], ...] = ()
    source: tuple[int | None, ...] = ()

    def spread(self, masks: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Masks of neurons, (B, *shape) per activation call, from masks of units."""
        found = []
        for at, shape in zip(self.source, self.shapes, strict=True):
            if at is None:
                found.append(masks[0].new_ones((len(masks[0]), *shape)))
                continue
            mask = masks[at]
            if mask.ndim != 1 + len(shape):
                mask = mask.view(-1, *[1] * len(shape))
            found.append(mask.expand(len(mask), *shape).clone())
        return tuple(found)

    def paths(self, sparsities: Sequence[float], ties: Ties = "drop", of: Of = "all") -> list[Path]:
        """One path per sparsity; the fraction is one of the units."""
        return [
            Path(self.calls, self.spread(path.layers), {**path.meta, "unit": self.unit})
            for path in super().paths(sparsities, ties, of)
        ]


@own_modes()
def unit_contributions(
    model: nn.Module,
    inputs: Tensor,
    target: Target = None,
    unit: UnitKind = "channel",
    method: str = "taylor",
    replacement: Replacement | None = None,
    class_scores: bool = False,
) -> UnitContributions:
    """Contribution of every unit to the response of every input.

    Args:
        model: classifier in eval mode; left untouched. Heads are seen in what `attention.with_heads` returns.
        inputs: normalised batch (B, C, H, W).
        target: None for the predicted class; int, list or tensor as in Captum; or another response.
        unit: see the table above.
        method: of the signed contributions: "taylor" (PG2 eq. 3), "intgrad" (SCP eq. 4) or "patching",
            which is Taylor against `replacement`.
        replacement: of method "patching", which takes classes alone.
        class_scores: whether class scores count as neurons, see `contributions`; not with "patching".

    Raises:
        InputError: an unknown unit or method, a replacement where the method takes none, or heads of a
            network that shows none.
    """
    if not is_one_of(unit, get_args(UnitKind)):
        raise InputError(f"Expected a unit out of {', '.join(get_args(UnitKind))}; got {unit!r}.")
    if unit == "head" and not isinstance(model, WithHeads):
        raise InputError("Heads are units of with_heads(model, inputs): rank and prune what that returns.")
    inputs = check_inputs(model, inputs)
    asked = asked_of(target, len(inputs))
    if not is_one_of(method, ("taylor", "intgrad", "patching")):
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
    groups, source = _groups(model, graph.record.names, unit)
    living = [(a != 0).to(a.dtype) for a in activations]
    return UnitContributions(
        tuple(groups),
        tuple(layer.abs() for layer in _sums(signed, groups, source, unit)),
        tuple(alive == 0 for alive in _sums(living, groups, source, unit)),
        graph.target,
        graph.record.logits.detach(),
        method,
        graph.asked,
        graph.head,
        class_scores,
        fingerprints=fingerprints(inputs),
        network=network_fingerprint(model),
        unit=unit,
        calls=graph.record.names,
        shapes=tuple(tuple(a.shape[1:]) for a in activations),
        source=source,
    )


def channel_sums(layers: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Signed contributions (B, *shape) summed over the positions of each channel, kept as dimensions of 1."""
    return tuple(layer.sum(at, keepdim=True) if (at := positions(layer)) else layer for layer in layers)


def _head_sums(layer: Tensor) -> Tensor:
    """Of outputs of attention (B, heads, ...), summed over each head."""
    return layer.sum(tuple(range(2, layer.ndim)), keepdim=True)


def _groups(
    model: nn.Module, calls: Sequence[str], unit: UnitKind
) -> tuple[list[str], tuple[int | None, ...]]:
    """Names of what is ranked, and per call its place among them."""
    if unit == "block":
        blocks = [block_of(model, name) for name in calls]
        groups = list(dict.fromkeys(blocks))
        return groups, tuple(groups.index(block) for block in blocks)
    ranked = [unit == "channel" or is_heads(name) == (unit == "head") for name in calls]
    groups = [name for name, wanted in zip(calls, ranked, strict=True) if wanted]
    places = iter(range(len(groups)))
    return groups, tuple(next(places) if wanted else None for wanted in ranked)


def _sums(
    layers: Sequence[Tensor], groups: Sequence[str], source: Sequence[int | None], unit: UnitKind
) -> tuple[Tensor, ...]:
    """Sums (B, ...) over each unit, one entry per group."""
    kept = [(at, layer) for at, layer in zip(source, layers, strict=True) if at is not None]
    if unit in ("channel", "head"):
        return tuple(
            _head_sums(layer) if is_heads(groups[at]) else channel_sums([layer])[0] for at, layer in kept
        )
    totals: dict[int, Tensor] = {}
    for at, layer in kept:
        own = layer.flatten(1).sum(1, keepdim=True)
        totals[at] = totals[at] + own if at in totals else own
    return tuple(totals[at] for at in sorted(totals))


def block_of(model: nn.Module, call: str) -> str:
    """The block of an activation call: the innermost module around it that stands in a list and has parts.

    A call outside of all is a block of its own.
    """
    modules = dict(model.named_modules())
    parts = call.partition("#")[0].split(".")
    for end in range(len(parts), 0, -1):
        name, above = ".".join(parts[:end]), ".".join(parts[: end - 1])
        module = modules.get(name)
        if module is None or isinstance(module, _LISTS) or next(module.children(), None) is None:
            continue
        if isinstance(modules.get(above), _LISTS):
            return name
    return call


_LISTS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
