"""Path decoding: ascent, restriction to the path, seeds, streaming."""

from __future__ import annotations

import pytest
import torch

import networks
from pruneattr_core import contributions, tape
from pruneattr_core.analysis.decoding import Decoded, Neuron, Recipe, decode, top_neuron
from pruneattr_core.errors import InputError, TargetError
from pruneattr_core.pruning import pruned_logits

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
QUICK = {"steps": 24, "jitter": 1}


def run(net: torch.nn.Module, objective: int | Neuron, recipe: Recipe, **more: object) -> list[Decoded]:
    return list(decode(net, objective, networks.SHAPE, MEAN, STD, recipe=recipe, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize("parametrisation", ["pixel", "fourier"])
@pytest.mark.parametrize("decorrelate", [True, False])
def test_the_response_rises(parametrisation: str, decorrelate: bool) -> None:
    net, x = networks.network("residual"), networks.inputs(1)
    path = contributions(net, x, 2).path(0.8)
    before, chance = networks.state(net), torch.get_rng_state()
    steps = run(net, 2, Recipe(parametrisation, decorrelate, **QUICK), path=path, every=8)  # type: ignore[arg-type]
    assert [one.step for one in steps] == [0, 8, 16, 24]
    assert steps[-1].response > steps[0].response
    for one in steps:
        assert one.image.shape == networks.SHAPE
        assert 0 <= float(one.image.min()) <= float(one.image.max()) <= 1
    assert networks.state(net) == before
    assert torch.equal(chance, torch.get_rng_state())


def test_the_response_is_the_pruned_networks() -> None:
    net, x = networks.network("concatenating"), networks.inputs(1)
    path = contributions(net, x, 2).path(0.9)
    last = run(net, 2, Recipe(**QUICK), path=path)[-1]  # type: ignore[arg-type]
    given = ((last.image.double() - 0.5) / 0.25)[None]
    assert last.response == pytest.approx(float(pruned_logits(net, given, path.layers)[0, 2]), abs=1e-6)
    free = run(net, 2, Recipe(**QUICK))[-1]  # type: ignore[arg-type]
    assert not torch.equal(free.image, last.image)


def test_seeds_decide() -> None:
    net = networks.network("plain")
    one, same, other = (run(net, 1, Recipe(seed=s, **QUICK))[-1] for s in (0, 0, 1))  # type: ignore[arg-type]
    assert torch.equal(one.image, same.image)
    assert not torch.equal(one.image, other.image)


def test_top_neuron_of_the_path() -> None:
    net, x = networks.network("residual"), networks.inputs(2)
    scores = contributions(net, x)
    path = scores.path(0.9)
    found = top_neuron(scores, path, image=1)
    assert float(scores.layers[found.call][1].flatten()[found.place]) == max(
        float(layer[1].max()) for layer in scores.layers
    )
    steps = run(net, found, Recipe(**QUICK), path=path[1])  # type: ignore[arg-type]
    assert steps[-1].response > steps[0].response
    with pytest.raises(InputError, match="no neuron"):
        top_neuron(scores, scores.path(1.0))


@pytest.mark.parametrize("parametrisation", ["pixel", "fourier"])
@pytest.mark.parametrize("name", ["plain", "residual", "concatenating", "reused"])
def test_a_silent_neuron_wakes(name: str, parametrisation: str) -> None:
    """Every neuron that is silent on the start, but not in every picture, is found one that it answers to."""
    net = networks.network(name)
    recipe = Recipe(parametrisation, steps=48, jitter=0, scale=0, rotate=0)  # type: ignore[arg-type]
    start = run(net, 0, recipe, every=48)[0].image.double()
    with torch.no_grad():
        silent = tape.run(net, (start[None] - 0.5) / 0.25).activations[1].flatten() == 0
        alive = tape.run(net, 4 * networks.inputs(64)).activations[1].flatten(1).gt(0).any(0)
    places = (silent & alive).nonzero().flatten().tolist()[:3]
    assert places
    for place in places:
        before, after = run(net, Neuron(1, place), recipe, every=48)
        assert before.response == 0
        assert after.response > 0


def test_nothing_runs_before_the_first_step_and_closing_stops() -> None:
    calls = 0

    class Counting(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = networks.network("plain")

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            nonlocal calls
            calls += 1
            return self.inner(x)

    steps = decode(Counting().eval(), 1, networks.SHAPE, MEAN, STD, recipe=Recipe(**QUICK), every=8)  # type: ignore[arg-type]
    assert calls == 0
    next(steps)
    # The first passes of a network find out what its activations are, and whether it looks at its company.
    learned = calls
    assert learned <= 5
    next(steps)
    assert calls == learned + 9
    steps.close()


def test_refuses_what_does_not_exist() -> None:
    net, x = networks.network("plain"), networks.inputs(2)
    with pytest.raises(TargetError, match="Target 5"):
        run(net, 5, Recipe(**QUICK))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="activation calls"):
        run(net, Neuron(9, 0), Recipe(**QUICK))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="path of one input"):
        run(net, 1, Recipe(), path=contributions(net, x).path(0.5))
    with pytest.raises(InputError, match="parametrisation"):
        Recipe("wavelet")  # type: ignore[arg-type]
