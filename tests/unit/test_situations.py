"""Every situation from the issue trackers is right, or refused in one sentence, and leaves no trace."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

import networks
import situations_callers as callers
import situations_ends as ends
import situations_networks as nets
from pruneattr_core import PruneGrad, contributions, explain
from pruneattr_core.attribution import METHODS
from pruneattr_core.circuits.replacement import mean_of
from pruneattr_core.circuits.shapley import Game
from pruneattr_core.circuits.units import unit_contributions
from pruneattr_core.errors import PruneAttrError
from pruneattr_core.paths.dgr import dgr_gates
from situations import SHAPE, Situation, built

RIGHT = (*nets.RIGHT, *callers.RIGHT, *ends.RIGHT)
REFUSED = (*nets.REFUSED, *callers.REFUSED, *ends.REFUSED)
#: Where a gradient goes through part of the network, in as many ways as there are.
PARTLY = tuple(
    one
    for one in REFUSED
    if one.source
    in (
        *("one branch under no_grad", "one branch detached", "rounded activations"),
        *("a side branch of the detached input", "a side branch that ends in numpy"),
        *("a layer on the detached input", "a layer under no_grad"),
    )
)


def _inputs() -> Tensor:
    return torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(1))


@pytest.mark.filterwarnings("ignore:.torch.(jit|nn.utils.spectral_norm)")
@pytest.mark.parametrize("situation", RIGHT, ids=lambda one: one.source)
def test_it_is_right(situation: Situation) -> None:
    network, x = built(situation), situation.given(_inputs())
    before, random = networks.state(network), torch.get_rng_state()
    leaf = x.detach().clone().requires_grad_()
    response = situation.read(network(leaf)).sum()
    (expected,) = torch.autograd.grad(response, leaf)
    with situation.under():
        if situation.call is not None:
            found = [situation.call(network, x)]
        else:
            method = PruneGrad(network)
            found = [method.attribute(x, situation.target, sparsity=0.0, mode=m) for m in ("zero", "freeze")]
            pruned = method.attribute(x, situation.target, sparsity=0.6)
            assert torch.isfinite(pruned).all()
    for one in found:
        assert one.dtype == x.dtype
        assert torch.allclose(one, expected, rtol=1e-4, atol=1e-6)
        assert one.view(len(x), -1).shape[0] == len(x)
    assert networks.state(network) == before
    assert situation.call is not None or torch.equal(torch.get_rng_state(), random)  # Captum draws


@pytest.mark.filterwarnings("ignore:.torch.(jit|nn.utils.spectral_norm)")
@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
@pytest.mark.parametrize("situation", REFUSED, ids=lambda one: one.source)
def test_it_is_refused_in_one_sentence(situation: Situation) -> None:
    network, x = built(situation), situation.given(_inputs())
    values = {} if isinstance(network, torch.jit.ScriptModule) else network.state_dict()
    plain = {
        name: value for name, value in values.items() if isinstance(value, Tensor) and not is_lazy(value)
    }
    values = {name: value.detach().clone() for name, value in plain.items()}
    ask = situation.call or (
        lambda net, given: PruneGrad(net).attribute(given, situation.target, sparsity=0.99)
    )
    with pytest.raises(PruneAttrError, match=situation.says):
        ask(network, x)
    for name, value in values.items():
        torch.testing.assert_close(network.state_dict()[name], value, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("situation", PARTLY, ids=lambda one: one.source)
def test_no_method_gives_a_map_of_what_hangs_on_a_part_that_it_does_not_see(situation: Situation) -> None:
    network = built(situation)
    for name, method in METHODS.items():
        if method.backward and method.passes:
            with pytest.raises(PruneAttrError, match=r"gradient ends at|it ends at|has no rule for"):
                explain(network, _inputs(), 1, name)


@pytest.mark.parametrize("situation", PARTLY, ids=lambda one: one.source)
def test_no_ranking_is_given_of_neurons_that_a_gradient_does_not_see(situation: Situation) -> None:
    """By whatever gradients it is made, a layer at a time or of gates, it is refused where Taylor's is."""
    network, x = built(situation), _inputs()
    rankings = {
        "integral": lambda: contributions(network, x, 1, "intgrad"),
        "preview": lambda: contributions(network, x, 1, "intgrad_preview"),
        "channels": lambda: unit_contributions(network, x, 1, method="intgrad"),
        "gates": lambda: dgr_gates(network, x, iterations=1),
        "patching": lambda: Game(network, x[:1], 1, 0, mean_of(network, [x])).along(2),
    }
    try:
        contributions(network, x, 1)
    except PruneAttrError:
        for ask in rankings.values():
            with pytest.raises(PruneAttrError, match=r"gradient ends at|it ends at"):
                ask()


def test_there_are_sixty_and_each_is_told_once() -> None:
    sources = [one.source for one in (*RIGHT, *REFUSED)]
    assert len(set(sources)) == len(sources) >= 60
