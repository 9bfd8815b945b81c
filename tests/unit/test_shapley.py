"""Shapley values: their axioms, every order written out, and the sample against the whole."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from torch import nn

import networks
from pruneattr_core.circuits import shapley
from pruneattr_core.circuits.replacement import activations_of, mean_of, replaced_logits, zero
from pruneattr_core.circuits.shapley import Game, cheaper_scores, exact_shapley, sampled_shapley
from pruneattr_core.errors import InputError
from pruneattr_core.runtime import MEMORY_BUDGET


def game_of(name: str = "residual", call: int = 1) -> Game:
    model, inputs = networks.network(name), networks.inputs(2)
    return Game(model, inputs[:1], None, call, activations_of(model, inputs[1:]))


def test_exact_values_are_the_mean_over_all_orders() -> None:
    """Against 720 orders of 6 channels, each coalition run alone through the gate of all layers."""
    model, inputs = networks.network("residual"), networks.inputs(2)
    x, base = inputs[:1], activations_of(model, inputs[1:])
    target = int(model(x).argmax())
    whole = [torch.ones_like(layer, dtype=torch.bool) for layer in base.layers]
    known: dict[frozenset[int], float] = {}

    def worth(kept: frozenset[int]) -> float:
        if kept not in known:
            mask = torch.zeros_like(whole[1])
            mask[:, sorted(kept)] = True
            logits = replaced_logits(model, x, [mask if k == 1 else m for k, m in enumerate(whole)], base)
            known[kept] = float(logits[0, target])
        return known[kept]

    slow = torch.zeros(6, dtype=torch.float64)
    for order in permutations(range(6)):
        for place, unit in enumerate(order):
            slow[unit] += worth(frozenset(order[: place + 1])) - worth(frozenset(order[:place]))
    found = exact_shapley(Game(model, x, None, 1, base))
    torch.testing.assert_close(found.values, slow / 720, rtol=1e-10, atol=1e-12)
    assert found.coalitions == 64


def test_the_axioms() -> None:
    """Efficiency, null player and symmetry, of exact and sampled values, in a layer made for it."""
    first, last = nn.Linear(4, 6), nn.Linear(6, 2)
    with torch.no_grad():
        first.weight[3], first.bias[3] = first.weight[2], first.bias[2]  # twins
        last.weight[:, 3] = last.weight[:, 2]
        last.weight[:, 4] = 0  # nobody listens
        first.weight[5], first.bias[5] = 0, -1  # dead
        first.bias[:4] += 2
    model = nn.Sequential(first, nn.ReLU(), last, nn.Softplus(), nn.Linear(2, 2)).double().eval()
    inputs = torch.rand(1, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    game = Game(model, inputs, None, 0, zero(model, inputs), "neuron")
    for found in (exact_shapley(game), sampled_shapley(game, orders=4)):
        assert float(found.values.sum()) == pytest.approx(found.full - found.empty, abs=1e-12)
        assert found.full == pytest.approx(float(model(inputs).detach().max()))
        assert found.values[4:].abs().max() < 1e-12
    exact = exact_shapley(game).values
    assert float(exact[2]) == pytest.approx(float(exact[3]), abs=1e-12)
    assert exact[:4].abs().min() > 1e-6


def test_the_sample_is_the_mean_over_the_orders_drawn_and_their_reverses() -> None:
    game, generator = game_of(), torch.Generator().manual_seed(7)
    slow = torch.zeros(6, dtype=torch.float64)
    for order in [torch.randperm(6, generator=generator) for _ in range(3)]:
        for way in (order, order.flip(0)):
            kept = torch.zeros(6, dtype=torch.bool)
            before = game(kept[None])[0]
            for unit in way:
                kept[unit] = True
                after = game(kept[None])[0]
                slow[unit] += after - before
                before = after
    found = sampled_shapley(game, 3, seed=7)
    torch.testing.assert_close(found.values, slow / 6, rtol=1e-10, atol=1e-12)
    assert (found.coalitions, found.orders) == (2 + 3 * 2 * 5, 3)
    assert sampled_shapley(game, 2).orders == 2
    with pytest.raises(InputError, match="an interval needs two"):
        sampled_shapley(game, 1)


def test_the_sample_is_as_sure_as_it_says() -> None:
    """Over 60 seeds the 95 % interval holds the exact value about as often, and its width falls as 1/sqrt."""
    game = game_of()
    exact = exact_shapley(game).values
    found = [sampled_shapley(game, orders=24, seed=seed) for seed in range(60)]
    inside = torch.stack([(one.values - exact).abs() <= one.half_width for one in found]).double().mean()
    assert 0.90 <= float(inside) <= 0.99
    wide, narrow = found[0].half_width.mean(), sampled_shapley(game, orders=384).half_width.mean()
    assert 2.5 < float(wide / narrow) < 6
    assert torch.equal(sampled_shapley(game, 24, 3).values, found[3].values)


def test_batches_do_not_change_the_values(monkeypatch: pytest.MonkeyPatch) -> None:
    game = game_of("concatenating", 2)
    together = sampled_shapley(game, orders=7)
    monkeypatch.setitem(MEMORY_BUDGET, "cpu", 1)
    torch.testing.assert_close(sampled_shapley(game, orders=7).values, together.values)
    runs, done = 2 * (game.units - 1), []
    monkeypatch.setattr(shapley, "LAID_OUT", 2 * runs)  # two orders and their reverses at a time
    parts = sampled_shapley(game, orders=7, progress=lambda *at: done.append(at))
    torch.testing.assert_close(parts.values, together.values)
    torch.testing.assert_close(parts.half_width, together.half_width)
    assert done == sorted(done)
    assert done[-1] == (7 * runs, 7 * runs)


def test_scores_beside_are_those_of_a_linear_layer() -> None:
    """After the last activation the network is linear: all four scores agree; ablation does by hand."""
    model, inputs = networks.network("residual"), networks.inputs(3)
    game = Game(model, inputs[:1], None, 3, mean_of(model, [inputs]))
    exact = exact_shapley(game).values
    for values in cheaper_scores(game).values():
        torch.testing.assert_close(values, exact, rtol=1e-9, atol=1e-12)
    bent = game_of(call=0)
    scores = cheaper_scores(bent, steps=400)
    span = exact_shapley(bent)
    assert float(scores["integrated"].sum()) == pytest.approx(span.full - span.empty, rel=0.02)
    assert (scores["taylor"] - span.values).abs().max() > 1e-6


def test_what_cannot_be_played_is_said() -> None:
    model, inputs = networks.network("residual"), networks.inputs(2)
    base = zero(model, inputs)
    for wrong, said in (
        ({"call": 9}, "call from 0 to 3"),
        ({"unit": "head"}, "Expected unit"),
        ({"inputs": inputs}, "Expected one input"),
    ):
        given: dict[str, object] = {"inputs": inputs[:1], "call": 0, "unit": "channel", **wrong}
        with pytest.raises(InputError, match=said):
            Game(model, given["inputs"], None, given["call"], base, given["unit"])  # type: ignore[arg-type]
    neurons = Game(model, inputs[:1], None, 0, base, "neuron")
    with pytest.raises(InputError, match="Sample orders"):
        exact_shapley(neurons)
    with pytest.raises(InputError, match="orders >= 2"):
        sampled_shapley(neurons, orders=1)
