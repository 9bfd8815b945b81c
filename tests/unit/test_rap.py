"""RAP against its equations written out, one connection at a time (Nam et al. 2020, section 3)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import networks
from pruneattr_core.attribution import METHODS, completeness_gap, explain

Matrix = np.ndarray


def matrix_of(layer: nn.Module, shape: tuple[int, ...]) -> Matrix:
    """(outputs, inputs) of a layer without its bias, from what it makes of every unit vector."""
    units = torch.eye(int(np.prod(shape)), dtype=torch.float64).reshape(-1, *shape)
    with torch.no_grad():
        rows = layer(units) - layer(torch.zeros(1, *shape, dtype=torch.float64))
    return rows.flatten(1).T.numpy()


def first_rule(weights: Matrix, x: Matrix, relevance: Matrix) -> Matrix:
    """An output's relevance goes to every input by its absolute influence, uniformly where none has any."""
    received, lost = np.zeros(len(x)), 0.0
    for target in np.nonzero(relevance)[0]:
        influence = [abs(x[i] * weights[target, i]) for i in range(len(x))]
        if sum(influence) == 0:
            lost += relevance[target]
            continue
        received += np.array([share / sum(influence) * relevance[target] for share in influence])
    reached = np.nonzero(received)[0]
    received[reached] += lost / max(len(reached), 1)
    return received


def relative_rule(weights: Matrix, x: Matrix, relevance: Matrix) -> Matrix:
    """Positive contributions take R_j in full, negative ones by relative influence; then a uniform shift."""
    received = np.zeros(len(x))
    for j in range(len(relevance)):
        z = [x[i] * weights[j, i] for i in range(len(x))]
        above, below = sum(v for v in z if v > 0), -sum(v for v in z if v < 0)
        for i, value in enumerate(z):
            if value > 0:
                received[i] += value / above * relevance[j]
            elif value < 0:
                received[i] += -value / (above + below) * relevance[j]
    reached = [i for i in range(len(x)) if received[i] != 0]
    surplus = received.sum() - relevance.sum()
    for i in reached:
        received[i] -= surplus / len(reached)
    return received


def average_rule(weights: Matrix, x: Matrix, relevance: Matrix) -> Matrix:
    """Pooling hands relevance back by share."""
    out = weights @ x
    return np.array(
        [sum(x[i] * weights[j, i] / out[j] * relevance[j] for j in np.nonzero(out)[0]) for i in range(len(x))]
    )


def slow_rap(layers: list[nn.Module], x: Tensor, target: int) -> Matrix:
    """From the output down; ReLU and reshaping pass relevance on."""
    given: list[Tensor] = []
    value = x
    for layer in layers:
        given.append(value)
        with torch.no_grad():
            value = layer(value)
    relevance = np.zeros(value.shape[1])
    relevance[target] = float(value[0, target])
    rule = first_rule
    for layer, inside in zip(reversed(layers), reversed(given), strict=True):
        flat = inside.flatten().numpy()
        if isinstance(layer, nn.Conv2d | nn.Linear):
            relevance = rule(matrix_of(layer, tuple(inside.shape[1:])), flat, relevance)
            rule = relative_rule
        elif isinstance(layer, nn.AvgPool2d):
            relevance = average_rule(matrix_of(layer, tuple(inside.shape[1:])), flat, relevance)
        elif isinstance(layer, nn.MaxPool2d):
            with torch.no_grad():
                kept = nn.functional.max_pool2d(inside, layer.kernel_size, return_indices=True)[1]
            down = torch.zeros(inside[0].shape, dtype=torch.float64).flatten(1)
            down.scatter_(1, kept[0].flatten(1), torch.from_numpy(relevance).reshape(inside.shape[1], -1))
            relevance = down.flatten().numpy()
    return relevance.reshape(tuple(x.shape[1:]))


def chain(kind: str) -> list[nn.Module]:
    torch.manual_seed(3)
    if kind == "pooled":
        parts = [nn.Conv2d(3, 4, 3, 1, 1), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(4, 5, 3, 2), nn.ReLU()]
        return [*parts, nn.Flatten(), nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3)]
    parts = [nn.Conv2d(3, 4, 3, bias=False), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 7)]
    return [*parts, nn.ReLU(), nn.Linear(7, 3)]


@pytest.mark.parametrize("kind", ["pooled", "largest"])
@pytest.mark.parametrize("target", [0, 1, 2])
def test_equals_the_equations_connection_by_connection(kind: str, target: int) -> None:
    layers = [layer.double() for layer in chain(kind)]
    x = torch.randn(1, 3, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = explain(nn.Sequential(*layers).eval(), x, target, "rap").values
    np.testing.assert_allclose(found[0], slow_rap(layers, x, target), rtol=1e-9, atol=1e-12)


class Block(nn.Module):
    """A residual addition, then a concatenation with what went into it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.inner = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 1, 1)
        self.linear = nn.Linear(8 * 3 * 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.stem(x))
        joined = torch.relu(h + self.inner(h))
        return self.linear(torch.cat([joined, h], 1).flatten(1))


def test_additions_split_by_share_and_concatenations_by_part() -> None:
    torch.manual_seed(2)
    net = Block().double().eval()
    x = torch.randn(1, 3, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        h = torch.relu(net.stem(x))
        z = net.inner(h)
        joined = torch.relu(h + z)
        flat = torch.cat([joined, h], 1).flatten()
        start = np.zeros(3)
        start[1] = float(net(x)[0, 1])
    relevance = first_rule(matrix_of(net.linear, (72,)), flat.numpy(), start)
    of_joined, of_h = relevance[:36], relevance[36:].copy()
    of_z = np.zeros(36)
    for i in range(36):
        a, b = float(h.flatten()[i]), float(z.flatten()[i])
        if a + b > 0:  # else the ReLU was off, and no relevance arrived
            of_h[i] += a / (a + b) * of_joined[i]
            of_z[i] = b / (a + b) * of_joined[i]
    of_h += relative_rule(matrix_of(net.inner, (4, 3, 3)), h.flatten().numpy(), of_z)
    expected = relative_rule(matrix_of(net.stem, (3, 6, 6)), x.flatten().numpy(), of_h)
    found = explain(net, x, 1, "rap").values
    np.testing.assert_allclose(found.flatten(), expected, rtol=1e-9, atol=1e-12)
    assert expected.sum() == pytest.approx(start[1], rel=1e-9)


def convolutional(kind: str, signs: int) -> list[nn.Module]:
    """A 1x1 convolution as the last layer, its weights of these signs (0: both), then a mean."""
    torch.manual_seed(4)
    first, last = nn.Conv2d(3, 4, 1).double(), nn.Conv2d(4, 3, 1).double()
    with torch.no_grad():
        last.weight.copy_(signs * last.weight.abs() if signs else last.weight)
        first.bias.fill_(-1.0 if kind == "some dead" else 9.0)
    return [first, nn.ReLU(), last, nn.AvgPool2d(6), nn.Flatten()]


@pytest.mark.parametrize("kind", ["some dead", "none dead"])
@pytest.mark.parametrize("signs", [-1, 0, 1])
def test_outputs_to_which_nothing_contributes_and_those_of_one_sign_keep_the_logit(
    kind: str, signs: int
) -> None:
    layers = convolutional(kind, signs)
    x = torch.randn(2, 3, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    dead = (layers[1](layers[0](x)) == 0).all(1)  # positions that are their bias alone
    assert bool(dead.any()) == (kind == "some dead")
    net = nn.Sequential(*layers).eval()
    for target in range(3):
        found = explain(net, x, target, "rap")
        for row in range(2):
            expected = slow_rap(layers, x[row : row + 1], target)
            np.testing.assert_allclose(found.values[row], expected, rtol=1e-9, atol=1e-12)
        gap = completeness_gap(net, x, found)
        assert gap is not None
        torch.testing.assert_close(gap, torch.zeros_like(gap), rtol=0, atol=1e-12)


def test_a_logit_that_is_its_bias_has_an_empty_map() -> None:
    layers = convolutional("some dead", 0)
    with torch.no_grad():
        layers[0].bias.fill_(-100.0)
    found = explain(nn.Sequential(*layers).eval(), torch.rand(1, 3, 6, 6, dtype=torch.float64), 1, "rap")
    assert not found.values.any()


@pytest.mark.parametrize(
    "name", ["plain", "functional", "reused", "residual", "concatenating", "branching", "inverted"]
)
def test_conserves_the_logit(name: str) -> None:
    net, x = networks.network(name), networks.inputs(2)
    found = explain(net, x, None, "rap")
    gap = completeness_gap(net, x, found)
    assert gap is not None
    torch.testing.assert_close(gap, torch.zeros(2, dtype=gap.dtype), rtol=0, atol=1e-9)
    assert bool((found.values < 0).any())
    assert bool((found.values > 0).any())


def test_says_which_call_it_has_no_rule_for() -> None:
    reason = METHODS["rap"].supports(networks.network("silu"), networks.inputs(1))
    assert reason == "RAP has no rule for silu, which this network calls."
