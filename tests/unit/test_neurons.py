"""What is a neuron: an activation of the picture on which something learned still acts."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import networks
import slow
from pruneattr_core import PruneGrad, PrunePGD, census, contributions, explain, tape
from pruneattr_core.errors import InputError, ModelError
from pruneattr_core.paths.control import random_paths
from pruneattr_core.paths.dgr import dgr_gates
from pruneattr_core.paths.greedy import greedy_paths
from pruneattr_core.scoring import METHODS
from pruneattr_core.selection import masks_at

Form = Callable[[Tensor], Tensor]
#: Neurons of "scored" without and with its class scores.
HIDDEN, EVERY = 2 * 600, 2 * 600 + 500


@pytest.mark.parametrize("method", METHODS)
def test_class_scores_are_no_neurons_unless_asked_for(method: str) -> None:
    net, x = networks.network("scored"), networks.inputs(2)
    steps = None if method == "taylor" else 8  # left to itself, the rule looks at the whole ranking
    without, every = (contributions(net, x, 1, method, steps, class_scores=kept) for kept in (False, True))
    assert (without.neurons, every.neurons) == (HIDDEN, EVERY)
    assert without.names == every.names[:2]
    for a, b in zip(without.layers, every.layers, strict=False):
        assert torch.equal(a, b)
    rivals = every.layers[-1][:, [0, 2, 3, 4]]
    assert not rivals.any()  # which is why pruning them is free, and leaves the target without rivals


@pytest.mark.parametrize("class_scores", [False, True])
def test_every_way_to_a_path_counts_the_same_neurons(class_scores: bool) -> None:
    net, x = networks.network("scored"), networks.inputs(1)
    wanted = EVERY if class_scores else HIDDEN
    scores = contributions(net, x, class_scores=class_scores)
    paths = [
        scores.path(0.5),
        *greedy_paths(net, x, None, [0.3], 0.3, class_scores=class_scores),
        *dgr_gates(net, x, iterations=1, class_scores=class_scores).paths([0.5]),
        *random_paths(net, x, [0.5], class_scores=class_scores),
    ]
    assert [sum(path.neurons) for path in paths] == [wanted] * 4
    assert paths[0].class_scores is class_scores


@pytest.mark.parametrize("mode", ["zero", "freeze"])
def test_maps_with_and_without_class_scores_equal_the_slow_twin(mode: str) -> None:
    net, x = networks.network("scored"), networks.inputs(1)
    scores = slow.taylor(net, x, 2)
    every = PruneGrad(net).sweep(x, 2, [0.8], mode, class_scores=True)  # type: ignore[arg-type]
    expected = slow.prunegrad(net, x, 2, slow.masks(scores, 0.8), mode)
    assert every.maps[0, 0].numpy() == pytest.approx(expected, rel=1e-10, abs=1e-14)
    own = [*slow.masks(scores[:2], 0.8), scores[2] >= 0]
    hidden = PruneGrad(net).sweep(x, 2, [0.8], mode)  # type: ignore[arg-type]
    expected = slow.prunegrad(net, x, 2, own, mode)
    assert hidden.maps[0, 0].numpy() == pytest.approx(expected, rel=1e-10, abs=1e-14)
    steps = PrunePGD(net).attribute(x, 2, sparsity=0.8, steps=1, step_size=1.0, l2_bound=2.0, mode=mode)  # type: ignore[arg-type]
    assert torch.allclose(steps, hidden.maps[0] / hidden.maps[0].norm())


def test_a_network_of_class_scores_alone_says_so() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(300, 5), nn.ReLU()).double().eval()
    with pytest.raises(ModelError, match="only activations of Sequential are its class scores"):
        contributions(net, networks.inputs(1))
    assert contributions(net, networks.inputs(1), class_scores=True).neurons == 5
    found = census(net, networks.inputs(2))
    assert (found.neurons, found.class_scores, found.contributing.tolist()) == (0, ("2",), [0, 0])


def test_a_temperature_makes_no_neurons_of_class_scores() -> None:
    class Tempered(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.temperature = networks.network("scored"), nn.Parameter(torch.tensor(2.0).double())

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x) / self.temperature

    assert contributions(Tempered().eval(), networks.inputs(1)).neurons == HIDDEN


def test_rectifiers_in_other_words_are_rectifiers() -> None:
    net, x = networks.network("spelled"), networks.inputs(2)
    plain = networks.Spelled(plainly=True).double().eval()
    plain.load_state_dict(net.state_dict())
    ours, theirs = PruneGrad(net).sweep(x, 1, [0, 0.6, 0.9]), PruneGrad(plain).sweep(x, 1, [0, 0.6, 0.9])
    assert torch.equal(ours.sparsity, theirs.sparsity)
    torch.testing.assert_close(ours.maps, theirs.maps, rtol=1e-10, atol=1e-14)
    assert census(net, x).unseen == ()


@pytest.mark.parametrize("used", [False, True])
def test_a_nonlinearity_counts_where_its_values_go_on_to_the_answer(used: bool) -> None:
    class Watching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.used, self.most = networks.network("plain"), used, 0.0

        def forward(self, x: Tensor) -> Tensor:
            most = F.softplus(x).amax((1, 2, 3), keepdim=True)
            self.most = most.detach()
            return self.net(x * most if self.used else x)

    net, x = Watching().eval(), networks.inputs(2)
    assert [one.what for one in census(net, x).unseen] == (["softplus"] if used else [])
    if used:
        with pytest.raises(ModelError, match="softplus"):
            explain(net, x, method="guided_backprop")
    else:
        assert explain(net, x, method="guided_backprop").values.isfinite().all()


def test_things_beside_the_road_are_told_apart() -> None:
    net, x = networks.network("aside"), networks.inputs(3)
    assert torch.equal(tape.run(net, x).logits, net(x)["logits"])  # the in-place ReLU reads its argument
    found = census(net, x)
    assert [call.role for call in found.calls] == ["neuron", "constant", "unused"]
    assert [(one.where, one.what) for one in found.unseen] == [("", "product with its own sigmoid")]
    assert found.neurons == 600
    (layer,) = contributions(net, x).layers
    assert torch.equal(found.contributing, (layer > 0).flatten(1).sum(1))
    assert found.words()[0] == "1 activation calls with 600 neurons."
    assert "product with its own sigmoid in the network itself" in found.words()[-1]


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (lambda h: (h > 0).float() * h, "choice by its own sign"),
        (lambda h: h.index_put((h < 0,), torch.zeros(())), "choice by its own sign"),
        (lambda h: h * (h.mean(1, keepdim=True) > 0), None),
        (F.softplus, "softplus"),
        (torch.abs, "abs"),
        (torch.vmap(F.relu), "relu"),
    ],
    ids=["float mask", "written zeros", "another's sign", "softplus", "abs", "under vmap"],
)
def test_nonlinearities_that_are_no_neurons_are_named(form: Form, said: str | None) -> None:
    net = nn.Sequential(nn.Linear(4, 6), _Formed(form), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3))
    found = census(net.eval(), torch.randn(2, 4, generator=torch.Generator().manual_seed(0)))
    assert found.neurons == 6
    assert [(one.where, one.what) for one in found.unseen] == ([] if said is None else [("1", said)])


class _Formed(nn.Module):
    def __init__(self, form: Form) -> None:
        super().__init__()
        self.form = form

    def forward(self, x: Tensor) -> Tensor:
        return self.form(x)


@pytest.mark.filterwarnings("ignore:.torch.jit")  # the scripted child is the case under test
def test_what_a_scripted_child_does_is_reported_as_unseen() -> None:
    net, x = networks.network("plain"), networks.inputs(1)
    half = nn.Sequential(net[:2], torch.jit.script(net[2:4]), net[4:])  # type: ignore[index]
    found = census(half.eval(), x)
    assert [call.role for call in found.calls] == ["neuron"]
    assert [one.what for one in found.unseen] == ["relu"]


def test_a_second_stem_has_contributions_though_weights_are_frozen() -> None:
    net, x = networks.network("stems"), networks.inputs(2)
    wanted = [slow.taylor(net, x[i : i + 1], 3) for i in range(2)]
    found = contributions(net.requires_grad_(False), x, 3)
    for image in range(2):
        for ours, theirs in zip(found.layers, wanted[image], strict=True):
            assert theirs.any()
            assert ours[image].numpy() == pytest.approx(theirs, rel=1e-10, abs=1e-16)


def test_targets_of_a_mixed_batch_stay_with_their_inputs() -> None:
    x = networks.inputs(4)
    net = networks.network("plain")
    predicted = net(x).argmax(1)
    assert predicted.tolist() != predicted.flip(0).tolist()
    found = contributions(net, x)
    assert torch.equal(found.target, predicted)
    assert torch.equal(found.logits, torch.cat([contributions(net, one[None]).logits for one in x]))
    torch.testing.assert_close(found.logits, net(x).detach())
    single = networks.network("plain", torch.float32)  # in float32 a batch runs as one
    together = PruneGrad(single).sweep(x.float(), None, [0.3, 0.6, 0.9])
    for image in range(4):
        alone = PruneGrad(single).sweep(x[image : image + 1].float(), None, [0.3, 0.6, 0.9])
        torch.testing.assert_close(together.maps[:, image], alone.maps[:, 0], rtol=1e-4, atol=1e-6)


class Forked(nn.Module):
    """Takes one of two ways, by a value that pruning changes."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.one(x))
        if h.sum() > 1:
            h = F.relu(self.two(h))
        return self.three(h)


def test_another_way_through_the_network_is_noticed() -> None:
    net = Forked().double().eval()
    x = torch.randn(1, 4, generator=torch.Generator().manual_seed(1)).double()
    strong, weak = 9 * x, 1e-3 * x
    for given, calls in ((strong, 2), (weak, 1), (strong, 2)):
        assert len(contributions(net, given).layers) == calls
    with pytest.raises(InputError, match="took another way"):
        PruneGrad(net).attribute(strong, 1, sparsity=1.0)
    results: list[int] = []

    def work(given: Tensor) -> None:
        results.extend(len(contributions(net, given, 1).layers) for _ in range(20))

    threads = [threading.Thread(target=work, args=(given,)) for given in (strong, weak) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [1] * 40 + [2] * 40


def test_a_changed_network_is_looked_at_again() -> None:
    net, x = networks.network("plain"), networks.inputs(1)
    before = contributions(net, x).neurons
    net[3] = nn.Tanh()  # type: ignore[index]
    assert contributions(net, x).neurons < before


def test_scores_that_are_not_finite_are_named_and_nothing_goes_at_sparsity_0() -> None:
    layers = [torch.ones(1, 3), torch.tensor([[1.0, torch.nan]])]
    (kept,) = masks_at(layers, [0.0])
    assert all(bool(mask.all()) for mask in kept)
    with pytest.raises(InputError, match="contributions of second hold NaN"):
        next(masks_at(layers, [0.5], names=("first", "second")))


class Root(nn.Module):
    """The root of what a rectifier lets through: its derivative is infinite where that is nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.linear = nn.Conv2d(1, 2, 1, bias=False), nn.Linear(2, 2)
        nn.init.ones_(self.one.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.one(x).relu().sum((2, 3)).sqrt())


@pytest.mark.parametrize("mode", ["zero", "freeze"])
def test_a_sweep_keeps_what_can_be_ranked_and_names_what_cannot(mode: str) -> None:
    torch.manual_seed(0)
    method = PruneGrad(Root().double().eval())
    good, bad = torch.rand(1, 1, 2, 2).double() + 0.1, -torch.ones(1, 1, 2, 2).double()
    both, alone = (method.sweep(x, 1, [0.0, 0.125, 0.25], mode=mode) for x in (torch.cat([good, bad]), good))
    torch.testing.assert_close(both.maps[:, :1], alone.maps, rtol=0, atol=0)
    torch.testing.assert_close(both.sparsity[:, :1], alone.sparsity, rtol=0, atol=0)
    assert both.sparsity[:, 1].tolist() == [0, 0, 0]
    assert "relu hold NaN" in both.problems[1]
    assert "relu hold NaN" in both.problems[2]
    assert alone.problems == ("", "", "")
    with pytest.raises(InputError, match="relu hold NaN"):
        method.attribute(bad, 1, sparsity=0.5, mode=mode)
