"""What flows between the channels of a circuit: each channel's score split over what feeds it.

With every activation cut from those before it, the contribution through the edge from channel i to channel j
is

    e_ij = sum over positions of a_i * d(g_j . a_j) / da_i,        g_j = df/da_j held constant

along ways that pass no other activation, so that skip connections are edges of their own. Where activations
are piecewise linear, the edges into j, the input's included, and what the biases add make up its signed
Taylor score g_j . a_j (PG2 eq. 3 before its absolute value). One batched backward pass per layer. This is
edge attribution patching (Syed et al. 2023, arXiv:2310.10348) with a zero baseline; with another one, a' and
x', a - a' stands for a and x - x' for the picture everywhere, and what is left over says how far the network
bends between the two.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

import torch
from torch import Tensor, nn

from pruneattr_core import tape
from pruneattr_core.checks import check_inputs
from pruneattr_core.circuits.replacement import positions
from pruneattr_core.circuits.units import channel_sums
from pruneattr_core.errors import InputError
from pruneattr_core.graph import Graph
from pruneattr_core.pruning import Replacement, check_replacement
from pruneattr_core.response import Target, asked_of
from pruneattr_core.runtime import own_modes

#: Names of the two ends that are no channels.
INPUT, ANSWER = "input", "answer"


@dataclass(frozen=True)
class Node:
    """A channel of a circuit.

    Attributes:
        call: number of its activation call.
        layer: name of that call.
        channel: its number there.
        score: signed Taylor contribution against the baseline, in units of the response.
        rest: of that, what comes from channels outside the circuit and from biases.
    """

    call: int
    layer: str
    channel: int
    score: float
    rest: float

    @property
    def id(self) -> str:
        """Unique in a circuit."""
        return f"{self.layer}/{self.channel}"


@dataclass(frozen=True)
class Circuit:
    """Channels and what flows between them, for one input.

    Attributes:
        nodes: in order of call and channel.
        edges: (source, target, contribution): ids of nodes, `INPUT` or `ANSWER`; in units of the response.
        answer: the response.
    """

    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str, float], ...]
    answer: float

    def json(self) -> str:
        """Nodes and links as D3, networkx (`node_link_graph(edges="links")`) and others read them."""
        nodes = [
            {
                "id": node.id,
                "layer": node.layer,
                "channel": node.channel,
                "score": node.score,
                "rest": node.rest,
            }
            for node in self.nodes
        ]
        ends = [{"id": INPUT}, {"id": ANSWER, "score": self.answer}]
        links = [{"source": a, "target": b, "contribution": weight} for a, b, weight in self.edges]
        found = {"directed": True, "multigraph": False, "graph": {}, "nodes": nodes + ends, "links": links}
        return json.dumps(found, indent=1)

    def graphml(self) -> str:
        """The same as GraphML, for Gephi, Cytoscape and yEd."""
        root = ElementTree.Element("graphml", xmlns="http://graphml.graphdrawing.org/xmlns")
        keys = (("layer", "node", "string"), ("channel", "node", "int"), ("score", "node", "double"))
        for name, owner, kind in (*keys, ("rest", "node", "double"), ("contribution", "edge", "double")):
            ElementTree.SubElement(
                root, "key", {"id": name, "for": owner, "attr.name": name, "attr.type": kind}
            )
        graph = ElementTree.SubElement(root, "graph", id="circuit", edgedefault="directed")
        for node in self.nodes:
            element = ElementTree.SubElement(graph, "node", id=node.id)
            for name in ("layer", "channel", "score", "rest"):
                ElementTree.SubElement(element, "data", key=name).text = str(getattr(node, name))
        for name in (INPUT, ANSWER):
            ElementTree.SubElement(graph, "node", id=name)
        for a, b, weight in self.edges:
            element = ElementTree.SubElement(graph, "edge", source=a, target=b)
            ElementTree.SubElement(element, "data", key="contribution").text = repr(weight)
        return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


@own_modes()
def circuit_edges(
    model: nn.Module,
    inputs: Tensor,
    target: Target = None,
    most: int = 8,
    class_scores: bool = False,
    replacement: Replacement | None = None,
    picture: Tensor | None = None,
) -> Circuit:
    """The strongest channels of every layer and what flows between them.

    Args:
        model: classifier in eval mode; left untouched.
        inputs: normalised, (1, C, H, W).
        target: None for the predicted class; int, list or tensor as in Captum; or another response.
        most: channels per layer, those of the largest |score|; fewer where fewer score.
        class_scores: whether class scores count as neurons, see `contributions`.
        replacement: the baseline of the activations, of one input; None for zero.
        picture: the baseline of the input, (1, C, H, W); None for zero.

    Raises:
        InputError: not one input, fewer than one channel, or a baseline of another network or size.
    """
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise InputError(f"Expected at least one channel per layer, got {most!r}.")
    inputs = check_inputs(model, inputs)
    if len(inputs) != 1:
        raise InputError(f"Expected one input, got {len(inputs)}: a circuit is that of one.")
    graph = Graph(model, inputs, asked_of(target, 1), to_input=False, class_scores=class_scores)
    names, gradients = graph.record.names, graph.activation_gradients()
    activations = [a.detach() for a in graph.record.activations]
    bases = _bases(activations, replacement, inputs, picture)
    moved = [a - base for a, base in zip(activations, bases[1:], strict=True)]
    sums = channel_sums([g * a for g, a in zip(gradients, moved, strict=True)])
    scores = [layer.flatten() for layer in sums]
    chosen = [_strongest(score, most) for score in scores]

    copies = inputs.expand(max(1, *(len(own) for own in chosen)), *inputs.shape[1:])
    image = copies.detach().clone().requires_grad_()
    made: dict[int, Tensor] = {}
    leaves: dict[int, Tensor] = {}

    def cut(call: int, activation: Tensor) -> Tensor:
        made[call] = activation
        leaves[call] = activation.detach().clone().requires_grad_()
        return leaves[call]

    logits = tape.run(model, image.clone(), cut, class_scores=class_scores).logits
    response = graph.asked.repeat(len(copies)).of(logits)

    nodes: list[Node] = []
    edges: list[tuple[str, str, float]] = []
    for call, own in enumerate(chosen):
        if len(own) == 0:
            continue
        one = torch.zeros_like(made[call])
        spread = gradients[call].movedim(_channel_dim(gradients[call]), 1)
        rows = one.movedim(_channel_dim(one), 1)
        for row, channel in enumerate(own):
            rows[row, channel] = spread[0, channel]
        flows = _flows(made[call], one, [image, *(leaves[k] for k in range(call))], bases)
        for row, channel in enumerate(own):
            into: list[tuple[str, float]] = [(INPUT, float(flows[0][row].sum()))]
            for source in range(call):
                into += [(f"{names[source]}/{i}", float(flows[1 + source][row, i])) for i in chosen[source]]
            score = float(scores[call][channel])
            rest = score - sum(weight for _, weight in into)
            nodes.append(Node(call, names[call], channel, score, rest))
            edges += [(a, nodes[-1].id, weight) for a, weight in into if weight != 0]
    first = torch.zeros_like(response)
    first[0] = 1
    flows = _flows(response, first, [image, *(leaves[k] for k in range(len(chosen)))], bases)
    for source, own in enumerate(chosen):
        weights = [(f"{names[source]}/{i}", float(flows[1 + source][0, i])) for i in own]
        edges += [(a, ANSWER, weight) for a, weight in weights if weight != 0]
    return Circuit(tuple(nodes), tuple(edges), float(response[0].detach()))


@own_modes()
def strongest_inputs(
    model: nn.Module,
    inputs: Tensor,
    call: int,
    channel: int,
    target: Target = None,
    most: int = 6,
) -> tuple[Node, tuple[tuple[int, int, float], ...]]:
    """One channel and what flows into it from all channels before it, the strongest first: one backward pass.

    Args:
        model: classifier in eval mode; left untouched.
        inputs: normalised, (1, C, H, W).
        call: number of the activation call, from 0.
        channel: its number there.
        target: as in `circuit_edges`.
        most: how many inputs are named.

    Returns:
        The node, its rest being what is not named; and (call, channel, contribution) of the inputs, the
        picture's channels as call -1.

    Raises:
        InputError: not one input, or no such call or channel.
    """
    inputs = check_inputs(model, inputs)
    if len(inputs) != 1:
        raise InputError(f"Expected one input, got {len(inputs)}: a circuit is that of one.")
    graph = Graph(model, inputs, asked_of(target, 1), to_input=False)
    names, gradients = graph.record.names, graph.activation_gradients()
    if not 0 <= call < len(names):
        raise InputError(f"Expected a call from 0 to {len(names) - 1}, got {call}.")
    channels = gradients[call].shape[_channel_dim(gradients[call])]
    if not 0 <= channel < channels:
        raise InputError(f"Expected a channel from 0 to {channels - 1} of {names[call]}, got {channel}.")
    activation = graph.record.activations[call].detach()
    score = float(channel_sums([gradients[call] * activation])[0].flatten()[channel])
    image = inputs.detach().clone().requires_grad_()
    made: dict[int, Tensor] = {}
    leaves: dict[int, Tensor] = {}

    def cut(at: int, given: Tensor) -> Tensor:
        made[at] = given
        leaves[at] = given.detach().clone().requires_grad_()
        return leaves[at]

    tape.run(model, image.clone(), cut)
    weights = torch.zeros_like(made[call])
    dim = _channel_dim(weights)
    weights.select(dim, channel).copy_(gradients[call].select(dim, channel))
    sources = [image, *(leaves[k] for k in range(call))]
    flows = _flows(made[call], weights, sources, [inputs.new_zeros(())] * len(sources))
    found = [
        (at - 1, k, value)
        for at, flow in enumerate(flows)
        for k, value in enumerate(flow[0].tolist())
        if value
    ]
    found = sorted(found, key=lambda one: -abs(one[2]))[:most]
    return Node(call, names[call], channel, score, score - sum(one[2] for one in found)), tuple(found)


def _strongest(scores: Tensor, most: int) -> list[int]:
    """Channels of the largest |score| above 0, in order of channel."""
    order = scores.abs().argsort(descending=True, stable=True)[:most]
    return sorted(int(k) for k in order if scores[k] != 0)


def _channel_dim(layer: Tensor) -> int:
    return next(dim for dim in range(1, layer.ndim) if dim not in positions(layer))


def _bases(
    activations: Sequence[Tensor], replacement: Replacement | None, inputs: Tensor, picture: Tensor | None
) -> list[Tensor]:
    """What stands for the picture, then for every activation, each broadcasting to it."""
    if picture is not None and picture.shape != inputs.shape:
        raise InputError(f"Expected a picture {tuple(inputs.shape)}, got {tuple(picture.shape)}.")
    layers: Sequence[Tensor] = [a.new_zeros(()) for a in activations]
    if replacement is not None:
        layers = check_replacement(replacement, len(inputs), activations)
    return [inputs.new_zeros(()) if picture is None else picture.to(inputs), *layers]


def _flows(
    values: Tensor, weights: Tensor, sources: Sequence[Tensor], bases: Sequence[Tensor]
) -> list[Tensor]:
    """(source - base) x gradient of (values . weights), per copy: (n, channels) of each source."""
    found: Sequence[Tensor | None] = [None] * len(sources)
    if values.requires_grad:
        found = torch.autograd.grad(values, sources, weights, retain_graph=True, allow_unused=True)
    flows = [
        torch.zeros_like(a) if g is None else g * (a.detach() - base)
        for a, g, base in zip(sources, found, bases, strict=False)  # a call sees those before it alone
    ]
    return [flow.flatten(1) for flow in channel_sums(flows)]
