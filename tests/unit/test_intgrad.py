"""NeuronIntGrad and exact ablation against plain loops, theorems and the released networks' arrays."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from captum.attr import NoiseTunnel
from torch import Tensor, nn

import networks
import slow
from pruneattr_core import PruneGrad, contributions
from pruneattr_core.errors import Cancelled, InputError, ModelError
from pruneattr_core.paths.table import METHODS, Search
from pruneattr_core.response import asked_of
from pruneattr_core.scoring import settling
from pruneattr_core.scoring.ablation import exact_ablation
from pruneattr_core.scoring.branching import Brancher, _MixedBatches
from pruneattr_core.scoring.intgrad import _integrate, completeness, intgrad_signed, ranked
from pruneattr_core.scoring.quadrature import NODES, PREVIEW, nodes
from test_reference import PERCENT, Reference, tied_gradient


def slow_intgrad(net: nn.Module, x: Tensor, target: int, alphas: list[float]) -> list[np.ndarray]:
    """One pass per step and layer: mean gradient at alpha * a, times a."""
    seen: list[Tensor] = []
    with slow.patched(lambda _, a: (seen.append(a.detach().clone()), a)[1]):
        net(x)
    out = []
    for call, activation in enumerate(seen):
        total = torch.zeros_like(activation)
        for alpha in alphas:
            leaf = (alpha * activation).requires_grad_()
            with slow.patched(lambda i, a, call=call, leaf=leaf: leaf.clone() if i == call else a):
                logit = net(x)[0, target]
            total += torch.autograd.grad(logit, leaf, allow_unused=True)[0]
        out.append((total / len(alphas) * activation)[0].numpy())
    return out


@pytest.mark.parametrize("name", networks.NAMES)
def test_equals_one_pass_per_step(name: str) -> None:
    net, x = networks.network(name), networks.inputs()
    found = intgrad_signed(net, x, [1, 3], 5, "uniform")
    for image, target in enumerate((1, 3)):
        expected = slow_intgrad(net, x[image : image + 1], target, [0, 0.25, 0.5, 0.75, 1])
        for ours, theirs in zip(found.layers, expected, strict=True):
            np.testing.assert_allclose(ours[image], theirs, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", networks.NAMES)
def test_batch_equals_singles_and_leaves_no_trace(name: str) -> None:
    net, x = networks.network(name), networks.inputs(3)
    before, chance = networks.state(net), torch.get_rng_state()
    batch = contributions(net, x, method="intgrad")
    for image in range(3):
        alone = contributions(net, x[image : image + 1], method="intgrad")
        assert all(
            torch.equal(a[image : image + 1], b) for a, b in zip(batch.layers, alone.layers, strict=True)
        )
    assert networks.state(net) == before
    assert torch.equal(chance, torch.get_rng_state())


@pytest.mark.parametrize(("kind", "images"), [("vgg", (0, 1, 2, 3)), ("resnet8", (0,))])
def test_papers_rule_equals_the_corrected_reference(shared: Path, kind: str, images: tuple[int, ...]) -> None:
    cases = [Reference(shared / "reference", kind, image) for image in images]
    arrays = np.load(shared / "reference" / f"{kind}_scores_intgrad.npz")
    x = torch.cat([case.x for case in cases])
    seen: list[Tensor] = []
    with slow.patched(lambda _, a: (seen.append(a.detach().clone()), a)[1]):
        cases[0].net(x)
    found = intgrad_signed(cases[0].net, x, None, 51, "uniform")
    for k, layer in enumerate(found.layers):
        pictures = (arrays[f"x{case.image}/percall_uniform50_signed/{k}"] for case in cases)
        theirs = torch.from_numpy(np.stack(list(pictures))).reshape(layer.shape)
        if (kind, k) == ("vgg", 0):  # behind a layer at zero come a convolution and tied pools
            layer += seen[0] / 51 * tied_gradient(seen[0] / 51, theirs - layer)
        for ours, expected in zip(layer, theirs, strict=True):
            np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12 * expected.abs().max())
    scores = ranked(found, "intgrad_uniform")
    for percent, path in zip(PERCENT, scores.paths([p / 100 for p in PERCENT]), strict=True):
        for image, case in enumerate(cases):
            ours = np.concatenate([layer[image].numpy().ravel() for layer in path.layers])
            bits = case.get("masks", f"integrad_percall_uniform50/{percent}")
            np.testing.assert_array_equal(ours, np.unpackbits(bits)[: ours.size].astype(bool))
            if percent / 100 > float(scores.dead_fraction[image]):
                assert float(path.dead_share(scores.dead)[image]) == 0


def test_complete_in_every_layer() -> None:
    """GELU is smooth, so Gauss-Legendre converges to machine precision; kinks leave an error of order 1/n."""
    x = networks.inputs()
    assert float(completeness(networks.network("gelu"), x, steps=24, rule="gauss").relative.max()) < 1e-10
    for name in ("residual", "concatenating", "reused"):
        few, many = (completeness(networks.network(name), x, steps=s).relative.mean() for s in (2, 100))
        assert float(many) < 5e-3
        assert many < few


@pytest.mark.parametrize("name", networks.NAMES)
def test_midpoints_are_the_middles_and_a_layer_of_constant_gradient_takes_one(name: str) -> None:
    net, x = networks.network(name), networks.inputs(1)
    found = intgrad_signed(net, x, 3, rule="midpoint")
    expected = slow_intgrad(net, x, 3, [(j + 0.5) / 32 for j in range(32)])
    for ours, theirs in zip(found.layers, expected, strict=True):
        np.testing.assert_allclose(ours[0], theirs, rtol=1e-9, atol=1e-13)
    *early, last = found.nodes[:, 0].tolist()
    assert last == 1
    assert name == "in_place" or 32 in early
    assert found.agreement is None


def settled_slowly(net: nn.Module, x: Tensor, target: int, layer: int, nodes: int) -> np.ndarray:
    """The integral over alpha = u ** 1.5 by nodes (j + shift) / n and the first correction at its end."""
    shift = 2 / 3 if nodes // settling.FIRST in (2, 8, 32) else 1 / 3
    total = 1.5 * (0.5 - shift) * slow_intgrad(net, x, target, [1.0])[layer]
    for u in (np.arange(nodes) + shift) / nodes:
        total += 1.5 * u**0.5 * slow_intgrad(net, x, target, [u**1.5])[layer]
    return total / nodes


@pytest.mark.parametrize("name", ["residual", "concatenating", "gelu"])
def test_the_default_doubles_its_nodes_until_the_ranking_settles(name: str) -> None:
    net, x = networks.network(name), networks.inputs(1)
    found = intgrad_signed(net, x, 3)
    for layer, taken in enumerate(found.nodes[:, 0].tolist()):
        assert taken in {1, *(settling.FIRST << k for k in range(1, 6))}
        constant = slow_intgrad(net, x, 3, [0.5])[layer]
        wanted = constant if taken == 1 else settled_slowly(net, x, 3, layer, taken)
        np.testing.assert_allclose(found.layers[layer][0], wanted, rtol=1e-9, atol=1e-13)
    assert int(found.nodes.min()) == 1 < int(found.nodes.max())
    assert float(found.agreement) >= settling.GOAL or settling.MOST in found.nodes


def test_the_default_comes_as_near_a_fine_rule_as_it_says() -> None:
    said, true = [], []
    for name in ("residual", "concatenating"):
        net, x = networks.network(name), networks.inputs(2)
        scores = contributions(net, x, method="intgrad")
        assert scores[1].agreement.tolist() == [float(scores.agreement[1])]
        fine = contributions(net, x, method="intgrad", steps=300)
        both = (one.paths(settling.JUDGED) for one in (scores, fine))
        alike = torch.stack([path.jaccard(wanted) for path, wanted in zip(*both, strict=True)])
        said.append(float(scores.agreement.mean()))
        true.append(float(alike.mean()))
    assert min(said) >= settling.GOAL
    assert min(true) >= settling.GOAL
    assert all(one >= other - 0.005 for one, other in zip(true, said, strict=True))


def test_what_cannot_settle_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = networks.network("residual"), networks.inputs(1)
    monkeypatch.setattr(settling, "MOST", 12)
    monkeypatch.setattr(settling, "GOAL", 0.9999)
    found = METHODS["intgrad"].find(Search(net, x))
    assert 0.9 < float(found.ranked.agreement) < 0.9999
    assert found.note.endswith("not settled with 12")
    assert "has not settled with 12 nodes" in settling.caveat(found.ranked)
    monkeypatch.setattr(settling, "GOAL", 0.9)
    found = METHODS["intgrad"].find(Search(net, x))
    assert "not settled" not in found.note
    assert not settling.caveat(found.ranked)
    with torch.no_grad():
        next(net.parameters()).fill_(torch.nan)
    assert torch.isnan(intgrad_signed(net, x, 1).agreement).all()


def test_ranked_by_value_or_by_magnitude() -> None:
    net, x = networks.network("residual"), networks.inputs(2)
    signed = intgrad_signed(net, x)
    flat = torch.cat([layer.flatten(1) for layer in signed.layers], 1).numpy()
    for method, key in (("intgrad", np.abs(flat)), ("intgrad_value", flat)):
        found = contributions(net, x, method=method).path(0.9)
        for image in range(2):
            ours = torch.cat([layer[image].flatten() for layer in found.layers]).numpy()
            np.testing.assert_array_equal(ours, key[image] > np.percentile(key[image], 90))


def test_steps_are_nodes_of_the_rule() -> None:
    net, x = networks.network("plain"), networks.inputs(1)
    for method, rule, count in (
        ("intgrad_preview", "midpoint", PREVIEW),
        ("intgrad_midpoint", "midpoint", 32),
        ("intgrad_uniform", "uniform", 51),
        ("intgrad_gauss", "gauss", 16),
        ("intgrad_gauss8", "gauss", 8),
    ):
        assert method.endswith(("preview", "8")) or NODES[rule] == count
        for given in (None, 3):
            wanted = intgrad_signed(net, x, steps=given or count, rule=rule).layers
            found = contributions(net, x, method=method, steps=given).layers
            assert all(torch.equal(a, b.abs()) for a, b in zip(found, wanted, strict=True))


def test_the_callers_gradient_mode_does_not_matter() -> None:
    net, x = networks.network("residual"), networks.inputs(1)
    wanted = contributions(net, x, method="intgrad").layers
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            found = contributions(net, x.clone(), method="intgrad").layers
        assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
    smooth = NoiseTunnel(PruneGrad(net)).attribute(
        x, nt_samples=2, stdevs=0.1, target=1, sparsity=0.8, contribution="intgrad"
    )
    assert smooth.shape == x.shape


def test_one_layer_of_known_integral() -> None:
    """F = sum_j relu(w_j a_j + b_j): the integral of every neuron is known in closed form."""

    class Known(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            hidden = torch.nn.functional.gelu(torch.relu(x) * w)
            return torch.stack([hidden.sum(1), hidden.sum(1) * 0], 1)

    w = torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64)
    x = torch.tensor([[0.5, 0.3, -2.0]], dtype=torch.float64)
    found = intgrad_signed(Known().eval(), x, 0, 20, "gauss", layers=[0])
    expected = torch.nn.functional.gelu(torch.relu(x) * w)  # separable: c_j = g(a_j) - g(0)
    torch.testing.assert_close(found.layers[0], expected, rtol=1e-12, atol=1e-14)
    assert found.layers[0][0, 2] == 0


class Twins(nn.Module):
    """Two equal neurons, one the head ignores, one dead."""

    def forward(self, x: Tensor) -> Tensor:
        a = torch.relu(torch.stack([x[:, 0], x[:, 0], x[:, 1], -x[:, 0].abs()], 1))
        y = torch.relu(a[:, 0] + a[:, 1] - 0.7) + a[:, 3]
        return torch.stack([y, -y], 1)


def test_symmetry_null_player_and_dead_neurons() -> None:
    found = intgrad_signed(Twins().eval(), torch.tensor([[1.0, 2.0]], dtype=torch.float64), 0, layers=[0])
    c = found.layers[0][0]
    assert c[0] == c[1] != 0
    assert c[2] == 0
    assert c[3] == 0
    assert found.dead[0][0].tolist() == [False, False, False, True]


class Remembers(nn.Module):
    """Reshapes by the batch size of its input, so a layer's variants cannot branch from batch 1."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.head = networks.network("plain")[:2], nn.Linear(600, 5).double()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.net(x).reshape(len(x), -1))


def test_networks_that_do_not_broadcast_run_as_full_copies() -> None:
    net, x = Remembers().eval(), networks.inputs(1)
    brancher = Brancher(net, x)
    variants, logits = brancher.run(0, lambda a: torch.cat([a, 0 * a]), 2, grad=False)
    assert len(variants) == len(logits) == 2
    torch.testing.assert_close(logits[:1], brancher.logits)
    expected = slow_intgrad(net, x, 2, [0, 0.5, 1])
    np.testing.assert_allclose(intgrad_signed(net, x, 2, 3, "uniform").layers[0][0], expected[0], atol=1e-14)


@pytest.mark.parametrize("name", ["residual", "concatenating", "silu"])
def test_ablation_equals_one_neuron_at_a_time(name: str) -> None:
    net, x = networks.network(name), networks.inputs(1)
    layer = 1
    found = exact_ablation(net, x, 2, layers=[layer]).layers[0].flatten()
    base = float(net(x)[0, 2].detach())
    for j in range(0, len(found), max(1, len(found) // 25)):

        def without(i: int, a: Tensor, j: int = j) -> Tensor:
            a = a.clone()
            if i == layer:
                a.view(-1)[j] = 0
            return a

        with slow.patched(without), torch.no_grad():
            assert float(found[j]) == pytest.approx(base - float(net(x)[0, 2]), abs=1e-13)


def test_the_gap_is_told_as_a_share_of_the_change() -> None:
    found = completeness(networks.network("residual"), networks.inputs(2), steps=3)
    gap = (found.total - found.change).abs()
    assert bool((gap > 0).any())
    torch.testing.assert_close(found.relative, gap / found.change.abs())


def test_the_head_is_the_callers_or_the_networks_own() -> None:
    net, x = networks.network("plain"), networks.inputs(2)
    assert intgrad_signed(net, x, steps=2).head == "softmax"
    assert intgrad_signed(net, x, asked_of(None, 2, "sigmoid"), steps=2).head == "sigmoid"


def test_contributions_computed_before_are_taken_with_or_without_what_was_asked() -> None:
    net, x = networks.network("residual"), networks.inputs(3)
    signed = intgrad_signed(net, x, [2, 0, 1], steps=3)
    whole = completeness(net, x, [2, 0, 1], steps=3)
    for given in (signed, dataclasses.replace(signed, asked=None)):
        assert torch.equal(completeness(net, x, signed=given).change, whole.change)


def test_a_layer_on_which_nothing_depends_takes_one_node() -> None:
    class Apart:
        activations = (torch.ones(1, 3),)

        def bytes_each(self, index: int) -> int:
            return 1

        def run(self, index: int, vary, rows: int, grad: bool) -> tuple[Tensor, Tensor]:
            return vary(self.activations[0]), torch.zeros(rows, 2)

    alphas, weights = nodes(8, "midpoint")
    found, taken = _integrate(Apart(), 0, asked_of([0], 1), alphas, weights, True)  # type: ignore[arg-type]
    assert (found.tolist(), taken) == ([[0, 0, 0]], 1)


def test_branches_that_do_not_depend_on_the_layer_join_those_that_do() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two, self.head = nn.Linear(4, 3), nn.Linear(4, 2), nn.Linear(5, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(torch.cat([self.one(x).relu(), self.two(x).relu()], 1))

    torch.manual_seed(0)
    net, x = Two().double().eval(), torch.rand(1, 4, dtype=torch.float64)
    target = int(net(x).argmax())
    first = net.one(x).relu().detach()
    found = exact_ablation(net, x).layers[0]
    torch.testing.assert_close(found, first * net.head.weight[target, :3].detach())  # linear from here on


@pytest.mark.parametrize("join", [torch.cat, torch.stack])
def test_one_picture_joins_many_variants_of_itself(join) -> None:
    one, many = torch.rand(1, 2), torch.rand(3, 2)
    with _MixedBatches():
        found = [join([one, many], 1), join([many, one], dim=-1), join([many, many], 1)]
        rows = torch.cat([one, many])
    alike = one.expand(3, 2)
    for got, parts in zip(found, ([alike, many], [many, alike], [many, many]), strict=True):
        torch.testing.assert_close(got, join(parts, -1 if got is found[1] else 1))
    assert torch.equal(rows, torch.cat([one, many]))


def test_last_linear_layer_is_exact_for_all_three() -> None:
    """Where only linear maps follow, Taylor, IntGrad and ablation agree."""
    net, x = networks.network("residual"), networks.inputs(2)
    last = len(contributions(net, x).names) - 1
    truth = exact_ablation(net, x, layers=[last]).layers[0]
    torch.testing.assert_close(intgrad_signed(net, x, steps=1, layers=[last]).layers[0], truth)
    scores, ablated = contributions(net, x), exact_ablation(net, x, layers=[last])
    torch.testing.assert_close(scores.layers[last], truth.abs())
    assert ablated.head == scores.head
    torch.testing.assert_close(ablated.logits, scores.logits)


def test_progress_may_stop_and_arguments_are_checked() -> None:
    net, x = networks.network("reused"), networks.inputs(2)
    seen: list[tuple[int, int]] = []
    intgrad_signed(net, x, progress=lambda *at: seen.append(at))
    assert seen == sorted(seen)
    assert {at[1] for at in seen} == {seen[-1][0]} == {6}

    def stop(done: int, total: int) -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        intgrad_signed(net, x, progress=stop)
    with pytest.raises(InputError, match="steps >= 1"):
        intgrad_signed(net, x, steps=0)
    with pytest.raises(InputError, match="rule"):
        nodes(3, "simpson")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="layers"):
        intgrad_signed(net, x, layers=[7])
    with pytest.raises(ModelError):
        intgrad_signed(nn.Sequential(nn.Flatten(), nn.Linear(300, 2)).double().eval(), x)


def test_prunegrad_takes_it() -> None:
    net, x = networks.network("residual"), networks.inputs(1)
    assert PruneGrad(net).attribute(x, sparsity=0.8, contribution="intgrad").shape == x.shape
