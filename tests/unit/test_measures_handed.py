"""What may be handed to the measures, and that they ask a network as `explain` does."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pruneattr_core import calibrate, compare, contributions, explain, heads, wrong_class_control
from pruneattr_core.benchmarks import localisation, quality, surrogate
from pruneattr_core.benchmarks.pixels import RemovalCurve, insertion_curve, removal_curve
from pruneattr_core.errors import ArgumentTypeError, InputError, ModelError
from pruneattr_core.likeness import cosine
from pruneattr_core.paths.calibrate import output_curve

MASK = np.zeros((6, 8), bool)
MASK[3:, 4:] = True


def network(classes: int = 3) -> nn.Module:
    torch.manual_seed(0)
    body = [nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(2)]
    return nn.Sequential(*body, nn.Flatten(), nn.Linear(16, classes)).eval()


def inputs(count: int = 1) -> Tensor:
    return torch.randn(count, 3, 6, 8, generator=torch.Generator().manual_seed(1))


def _picked(_: object) -> Tensor:
    return inputs(2)


ONE, MAP = torch.tensor([1]), torch.rand(1, 6, 8, generator=torch.Generator().manual_seed(2))
#: What a measure asks of a network by itself, as numbers.
ASKED: dict[str, Callable[[nn.Module], list[float]]] = {
    "removal": lambda net: removal_curve(net, inputs(), MAP, ONE).probability.flatten().tolist(),
    "insertion": lambda net: insertion_curve(net, inputs(), MAP, ONE).probability.flatten().tolist(),
    "infidelity": lambda net: [quality.infidelity(net, inputs(), ONE, inputs(), 0)],
    "fidelity": lambda net: [*surrogate.fidelity(net, inputs(), ONE, MAP[0], (0.5,), 0.5, 0.1, 3, 0)],
    "sensitivity-n": lambda net: [quality.sensitivity_n(net, inputs(), ONE, MAP[0], 0)],
}


@pytest.mark.parametrize("name", [*ASKED, "surrogate"])
def test_a_network_in_training_mode_is_refused_and_stays(name: str) -> None:
    net = network().train()
    before = copy.deepcopy(net.state_dict())

    def learn(net: nn.Module) -> nn.Module:
        return surrogate.fine_tuned(net, _picked, 2, surrogate.Surrogate(steps=1), 0)

    with pytest.raises(ModelError, match="training mode"):
        (learn if name == "surrogate" else ASKED[name])(net)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


@pytest.mark.parametrize("name", ASKED)
def test_a_measure_is_the_same_whatever_the_caller_is_under(name: str) -> None:
    net = network()
    plain = ASKED[name](net)
    for around in (torch.autocast("cpu", torch.bfloat16), torch.inference_mode(), torch.no_grad()):
        with around:
            assert ASKED[name](net) == plain


class Maps(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.one(x).relu()


@pytest.mark.parametrize("name", ASKED)
def test_of_a_network_that_answers_maps_a_sentence(name: str) -> None:
    with pytest.raises(InputError, match="answers maps"):
        ASKED[name](Maps().eval())


def test_a_refusal_leaves_the_random_state() -> None:
    net = nn.Sequential(network(), nn.Dropout(0.5)).train()
    net[0].eval()
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    with pytest.raises(ModelError, match="training mode"):
        removal_curve(net, inputs(), MAP)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


@pytest.mark.parametrize("given", [[0.0, 0.5], np.array([0.0, 0.5]), torch.tensor([0.0, 0.5]), (0, 0.5)])
def test_fractions_are_any_numbers_one_after_the_other(given: object) -> None:
    assert removal_curve(network(), inputs(), MAP, fractions=given).fractions == (0.0, 0.5)


@pytest.mark.parametrize(
    "given",
    [
        {"fractions": ["0.1"]}, {"fractions": [math.nan]}, {"fractions": []}, {"fractions": [True]},
        {"fractions": 0.5}, {"fractions": [0.5, 0.1]}, {"seed": -1}, {"seed": "a"}, {"seed": 1.5},
        {"order": ["lerf"]}, {"ties": None}, {"fill": ["mean"]}, {"fill": None},
    ],
)  # fmt: skip
def test_what_is_no_choice_of_a_curve_is_refused_in_a_sentence(given: dict[str, object]) -> None:
    with pytest.raises((InputError, ArgumentTypeError), match="Expected"):
        removal_curve(network(), inputs(), MAP, **given)


@pytest.mark.parametrize("given", [MAP.numpy(), MAP.tolist(), MAP.to(torch.complex64)])
def test_maps_of_a_curve_are_a_tensor_of_real_numbers(given: object) -> None:
    with pytest.raises(ArgumentTypeError, match="Expected maps as a tensor"):
        removal_curve(network(), inputs(), given)


def test_where_nothing_was_answered_no_share_of_it_changes() -> None:
    zero, one = torch.zeros(1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    assert RemovalCurve((1.0,), one, zero, ONE).change.isnan().all()
    assert RemovalCurve((1.0,), one * 0, zero, ONE).change.isnan().all()


KINDS = [torch.bfloat16, torch.float16, torch.float32]


@pytest.mark.parametrize("kind", KINDS)
def test_maps_are_read_in_any_precision_and_out_of_a_graph(kind: torch.dtype) -> None:
    given = (16 * MAP[0]).round().to(kind).requires_grad_()
    told = (16 * MAP[0]).round().double().numpy()
    for measure in (quality.gini, quality.entropy):
        assert measure(given) == measure(told)
    for against in (quality.rank_accuracy, localisation.roc_auc, localisation.point_accuracy):
        assert against(given, torch.from_numpy(MASK)) == against(told, MASK)
    assert localisation.mass_inside(given, MASK) == localisation.mass_inside(told, MASK)


def test_a_map_that_is_no_number_has_no_rank() -> None:
    with pytest.raises(InputError, match="order"):
        quality.rank_accuracy(np.full((6, 8), np.nan), MASK)
    with pytest.raises(InputError, match="shape"):
        quality.rank_accuracy(np.ones((8, 6)), MASK)


def test_the_mass_inside_of_an_empty_or_full_mask_is_no_number() -> None:
    for mask in (MASK & False, MASK | True):
        assert math.isnan(localisation.mass_inside(np.ones((6, 8)), mask))
    assert localisation.mass_inside(np.ones((6, 8)), MASK) == 0.25
    with pytest.raises(InputError, match="0 x 2 cells"):
        localisation.grid_share(np.ones((6, 8)), 0, 2, 0)


@pytest.mark.parametrize("value", [0.1, 1 / 3, 7e-20])
def test_a_map_of_one_value_foretells_no_loss(value: float) -> None:
    linear = nn.Sequential(nn.Flatten(), nn.Linear(3 * 90 * 90, 2)).eval()
    x = torch.randn(1, 3, 90, 90)
    assert math.isnan(quality.sensitivity_n(linear, x, ONE, torch.full((90, 90), value), 0))


def test_the_cosine_of_tiny_and_huge_maps_is_theirs() -> None:
    for size in (1e-200, 1e200, 5e-324):
        assert cosine(np.full(4, size), np.ones(4)) == pytest.approx(1)


def test_a_comparison_takes_arrays_of_masks_and_says_what_is_none() -> None:
    asked, masks = (network(), inputs(2), ["saliency"]), np.stack([MASK, MASK])
    found = [
        compare(*asked, masks=given, curves=False).table()[0]["mass"]
        for given in (masks, torch.from_numpy(masks), [MASK, MASK])
    ]
    assert found[0] == found[1] == found[2]
    assert compare(*asked, masks=[MASK | True, None], curves=False).table()[0]["mass"] is None
    for wrong in ([MASK.T, None], [MASK.astype(int), None], ["a", None]):
        with pytest.raises(InputError, match="bool mask"):
            compare(*asked, masks=wrong)
    with pytest.raises(ArgumentTypeError, match="texts"):
        compare(*asked, titles=[1, 2])
    sound = nn.Sequential(nn.Conv1d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(24, 2)).eval()
    with pytest.raises(InputError, match="Expected pictures"):
        compare(sound, torch.randn(1, 3, 8), ["saliency"])


def test_networks_in_bfloat16_are_compared_and_kept() -> None:
    found = compare(network().bfloat16(), inputs().bfloat16(), ["prunegrad", "saliency"])
    assert found.npz()[:2] == b"PK"


def test_nothing_asked_is_said_and_nothing_known_is_no_number() -> None:
    net = network()
    with pytest.raises(InputError, match="at least one sparsity"):
        output_curve(net, inputs(), contributions(net, inputs(), 0), [])
    with pytest.raises(InputError, match="at least one sparsity"):
        wrong_class_control(net, inputs(), sparsities=[])
    for wrong in (math.nan, -0.1):
        with pytest.raises(InputError, match="0 or more"):
            calibrate(net, [inputs()], changes=[wrong])
    with torch.no_grad():
        net[-1].bias += 50
    heads.declare(net, "sigmoid")
    found = wrong_class_control(net, inputs(2), torch.tensor([2]), [0.5])
    assert found.already.all()
    assert found.share.isnan().all()
    with pytest.raises(InputError, match="from 0 to 1"):
        found.words(["a", "b", "c"], 2)
    with pytest.raises(InputError, match="name for every class"):
        found.words([])


def test_an_input_whose_response_is_0_takes_no_part_in_a_calibration() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(3, 1, bias=False))
    with torch.no_grad():
        net[0].weight.fill_(1)
        net[3].weight.copy_(torch.tensor([[1.0, 1.0, -2.0]]))
    heads.declare(net.eval(), "values")
    some, none = torch.tensor([[[[2.0, 1.0, 0.5]]]]), torch.ones(1, 1, 1, 3)  # answers of 2 and of 0
    alone = calibrate(net, [some], sparsities=[0, 0.4, 0.7])
    both = calibrate(net, [some, none], sparsities=[0, 0.4, 0.7])
    assert both.n == 1
    assert np.array_equal(both.mean, alone.mean)
    with pytest.raises(InputError, match="0 for every input"):
        calibrate(net, [none], sparsities=[0, 0.4, 0.7])


def test_fidelity_reads_outputs_as_their_head_does() -> None:
    class Sum(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([x.sum((1, 2, 3)), x.sum((1, 2, 3)) + 9], 1)

    x, map_ = torch.full((1, 1, 4, 10), 0.1), torch.zeros(4, 10)
    map_[:, :5] = 1.0
    plus, _ = surrogate.fidelity(Sum(), x, torch.tensor([0]), map_, (0.5,), 0.5, 0.1, 3, 0, "sigmoid")
    assert plus == pytest.approx(1 / (1 + math.exp(-4)) - 1 / (1 + math.exp(-3.6)), abs=1e-6)


def test_a_copy_learns_what_each_class_answers_by_itself() -> None:
    net = network()
    with torch.no_grad():
        net[-1].bias += torch.tensor([40.0, 40.0, -1.0])  # two answers at once: a softmax sees 1/2 and 1/2
    how = surrogate.Surrogate(steps=30, rate=0.05)
    learned = surrogate.fine_tuned(net, _picked, 2, how, 0, "sigmoid")
    told, found = net(inputs(2)).sigmoid(), learned(inputs(2)).sigmoid()
    assert float((told - found).detach().abs().max()) < 0.05


def test_noise_is_a_thread_s_own_and_leaves_the_random_state() -> None:
    net, x = network().double(), inputs(8).double()

    def asked(place: int) -> tuple[float, float]:
        one = x[place : place + 1]
        again = quality.max_sensitivity(lambda near: explain(net, near, 1, "saliency").values, one, place)
        return quality.infidelity(net, one, ONE, one, place), again

    alone, before = [asked(place) for place in range(8)], torch.get_rng_state()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(asked, [*range(8)] * 2)) == alone * 2
    assert torch.equal(torch.get_rng_state(), before)
