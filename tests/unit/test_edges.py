"""Edges between channels: the split is complete, and an edge is what a derivative by hand says."""

from __future__ import annotations

import dataclasses
import json
from xml.etree import ElementTree

import pytest
import torch
from torch import nn

import networks
from pruneattr_core.circuits.edges import ANSWER, INPUT, circuit_edges, strongest_inputs
from pruneattr_core.circuits.replacement import activations_of, zero
from pruneattr_core.errors import InputError


def without_biases(name: str) -> nn.Module:
    model = networks.network(name)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.zero_()  # type: ignore[union-attr]
        if getattr(module, "bias", None) is not None:
            module.bias.data.zero_()  # type: ignore[union-attr]
    return model


@pytest.mark.parametrize("name", ["residual", "concatenating", "reused"])
def test_edges_into_a_channel_sum_to_its_score(name: str) -> None:
    """With every channel in the circuit and no biases nothing is left over, the answer included."""
    model, x = without_biases(name), networks.inputs(1)
    found = circuit_edges(model, x, most=100)
    assert len({node.call for node in found.nodes}) > 1
    for node in found.nodes:
        into = sum(weight for _, target, weight in found.edges if target == node.id)
        assert into == pytest.approx(node.score, rel=1e-9, abs=1e-14)
        assert node.rest == pytest.approx(0, abs=1e-12)
    last = sum(weight for _, target, weight in found.edges if target == ANSWER)
    assert last == pytest.approx(found.answer)
    assert found.answer == pytest.approx(float(model(x).detach().max()))


def test_an_edge_is_weight_times_activation_times_gradient() -> None:
    """Linear -> ReLU -> Linear -> ReLU -> Linear: e_ij = a_i W_ji [z_j > 0] g_j; the rest is the bias."""
    torch.manual_seed(0)
    one, two, three = nn.Linear(5, 9), nn.Linear(9, 6), nn.Linear(6, 2)
    model = nn.Sequential(one, nn.ReLU(), two, nn.ReLU(), three).double().eval()
    x = torch.rand(1, 5, dtype=torch.float64) * 4
    with torch.no_grad():
        a = one(x).relu()[0]
        z, gradient = two(a), three.weight[model(x).argmax()]
    found = circuit_edges(model, x, most=100)
    edges = {(source, target): weight for source, target, weight in found.edges}
    seen = 0
    for node in (node for node in found.nodes if node.call == 1):
        j = node.channel
        for i in range(9):
            by_hand = float((a[i] * two.weight[j, i] * (z[j] > 0) * gradient[j]).detach())
            assert edges.get((f"1/{i}", node.id), 0.0) == pytest.approx(by_hand)
            seen += by_hand != 0
        assert node.rest == pytest.approx(float((two.bias[j] * gradient[j]).detach()))
        assert (INPUT, node.id) not in edges
    assert seen > 2


def test_files_hold_the_circuit() -> None:
    model, x = networks.network("residual"), networks.inputs(1)
    before = networks.state(model)
    found = circuit_edges(model, x, most=3)
    assert networks.state(model) == before
    per_call = [sum(node.call == call for node in found.nodes) for call in range(4)]
    assert max(per_call) <= 3
    record = json.loads(found.json())
    assert (record["directed"], record["multigraph"], record["graph"]) == (True, False, {})
    root = ElementTree.fromstring(found.graphml())
    space = "{http://graphml.graphdrawing.org/xmlns}"
    declared = {(key.get("id"), key.get("for")) for key in root.iter(f"{space}key")}
    for owner in ("node", "edge"):  # other programs read what is declared, and nothing else
        used = {(data.get("key"), owner) for one in root.iter(f"{space}{owner}") for data in one}
        assert used == {key for key in declared if key[1] == owner} != set()
    ids = {node.get("id") for node in root.iter(f"{space}node")}
    assert ids == {node["id"] for node in record["nodes"]}
    links = [
        (edge.get("source"), edge.get("target"), float(edge[0].text or "nan"))
        for edge in root.iter(f"{space}edge")
    ]
    assert links == list(found.edges)
    assert links == [(link["source"], link["target"], link["contribution"]) for link in record["links"]]
    assert {end for a, b, _ in links for end in (a, b)} <= ids


@pytest.mark.parametrize("name", ["residual", "concatenating"])
def test_edges_against_another_picture(name: str) -> None:
    """Zero is the default; where nothing switches between the two pictures the split is complete again."""
    model, x = networks.network(name), networks.inputs(1)
    plain = circuit_edges(model, x, most=100)
    assert circuit_edges(model, x, most=100, replacement=zero(model, x), picture=0 * x) == plain
    near = x + 1e-7 * networks.inputs(1, seed=4)
    found = circuit_edges(model, x, most=100, replacement=activations_of(model, near), picture=near)
    for node in found.nodes:
        into = sum(weight for _, target, weight in found.edges if target == node.id)
        assert node.score == pytest.approx(into, rel=1e-4, abs=1e-16)
    last = sum(weight for _, target, weight in found.edges if target == ANSWER)
    target = int(model(x).argmax())
    assert last == pytest.approx(float((model(x) - model(near))[0, target].detach()), rel=1e-4)
    with pytest.raises(InputError, match="another network"):
        circuit_edges(model, x, replacement=activations_of(networks.network("plain"), x))
    few = dataclasses.replace(zero(model, x), layers=zero(model, x).layers[:-1])
    with pytest.raises(InputError, match="another network"):
        circuit_edges(model, x, replacement=few)


def test_the_strongest_inputs_of_a_channel_are_its_edges() -> None:
    model, x = networks.network("residual"), networks.inputs(1)
    whole = circuit_edges(model, x, most=100)
    node = max(whole.nodes, key=lambda one: (one.call, abs(one.score)))
    found, inputs = strongest_inputs(model, x, node.call, node.channel, most=5)
    assert (found.id, found.score) == (node.id, pytest.approx(node.score))
    names = {other.call: other.layer for other in whole.nodes}
    edges = {a: weight for a, b, weight in whole.edges if b == node.id and a != INPUT}
    ranked = sorted(edges.values(), key=abs, reverse=True)
    own = [(f"{names[call]}/{channel}", weight) for call, channel, weight in inputs if call >= 0]
    assert len(inputs) == 5
    assert own
    for (name, weight), expected in zip(own, ranked, strict=False):
        assert weight == pytest.approx(edges[name]) == pytest.approx(expected)
    assert found.rest == pytest.approx(node.score - sum(weight for *_, weight in inputs))
    with pytest.raises(InputError, match="channel from 0"):
        strongest_inputs(model, x, node.call, 999)
