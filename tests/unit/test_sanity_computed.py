"""Weights that are computed from others are randomised as all others are, in a copy that shares nothing."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize
from torch.nn.utils import spectral_norm as hooked_spectral_norm
from torch.nn.utils import weight_norm as hooked_weight_norm

from pruneattr_core.benchmarks import sanity

WAYS = {
    "weight_norm": parametrizations.weight_norm,
    "spectral_norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "weight_norm by hook": hooked_weight_norm,
    "spectral_norm by hook": hooked_spectral_norm,
}


class Twice(nn.Module):
    """A way of an author's own, which stays."""

    def forward(self, bias: torch.Tensor) -> torch.Tensor:
        return 2 * bias


def network(way: str, own: bool) -> nn.Module:
    torch.manual_seed(0)
    middle = WAYS[way](nn.Conv2d(8, 8, 3, padding=1))
    if own:
        parametrize.register_parametrization(middle, "bias", Twice())
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), middle, nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4))
    net(torch.randn(2, 3, 8, 8))
    return net.eval()


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning")
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sd", sanity.VARIANTS.values())
def test_weights_have_the_spread_that_is_asked_for(way: str, own: bool, sd: float) -> None:
    net, x = network(way, own), torch.randn(1, 3, 8, 8)
    before, first = copy.deepcopy(net.state_dict()), net(x).detach()
    for name, changed in sanity.cascade(net, sd):
        told = changed(x)
        if name == "original":
            assert torch.allclose(told, first, atol=1e-6)
        if name.startswith("2"):
            assert 0.9 < float(changed[2].weight.detach().std()) / sd < 1.1
            assert parametrize.is_parametrized(changed[2], "bias") == own
    assert torch.equal(net(x).detach(), first)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert [name for name, _ in sanity.cascade(net, sd)][1:] == [one.name for one in sanity.units(net)][::-1]
