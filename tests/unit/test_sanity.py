"""Cascading randomisation: what is randomised, in which order, and that nobody else's network is touched."""

from __future__ import annotations

import copy
import itertools
import warnings

import numpy as np
import pytest
import torch
import torchvision
from torch.nn.utils import prune

from networks import NAMES, inputs, network
from pruneattr_core.benchmarks import similarity
from pruneattr_core.benchmarks.sanity import VARIANTS, cascade, units
from pruneattr_core.errors import InputError
from pruneattr_core.models.architectures import ResNet8


def test_a_resnet50_has_the_nineteen_points_of_the_released_code(shared):
    import json

    published = json.loads((shared / "published_numbers.json").read_text("utf-8"))
    points = published["critical_paths/sanity_ready_data_resnet50_1000imgs"]["x"]
    with torch.device("meta"):
        found = units(torchvision.models.resnet50())
    assert len(found) + 1 == len(points) == 19
    assert [found[0].name, found[-1].name] == ["conv1", "fc"]


def test_every_parameter_belongs_to_exactly_one_step():
    model = ResNet8()
    owned = [id(model.get_parameter(name)) for unit in units(model) for name in unit.parameters]
    assert len(owned) == len(set(owned))
    assert set(owned) == {id(p) for p in model.parameters()}


@pytest.mark.parametrize("name", NAMES)
def test_the_model_stays_and_the_last_copy_has_nothing_of_it_left(name):
    model = network(name)
    before = copy.deepcopy(model.state_dict())
    names, last = zip(*cascade(model, VARIANTS["released"], seed=3), strict=True)
    assert names[0] == "original"
    assert len(names) == len(units(model)) + 1
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])
    for parameter, old in zip(last[-1].parameters(), model.parameters(), strict=True):
        assert not torch.equal(parameter, old)


def test_it_goes_from_last_to_first_and_running_statistics_stay():
    model = ResNet8().eval()
    for step, (_, changing) in enumerate(cascade(model, 0.1)):
        changed = [
            unit.name
            for unit in units(model)
            if not all(
                torch.equal(changing.get_parameter(name), model.get_parameter(name))
                for name in unit.parameters
            )
        ]
        assert changed == [unit.name for unit in units(model)][len(units(model)) - step :]
    for (_, a), (_, b) in zip(changing.named_buffers(), model.named_buffers(), strict=True):
        assert torch.equal(a, b)


def test_new_weights_have_the_wanted_spread_and_depend_on_seed_and_step_alone():
    one, other = ResNet8(), ResNet8()
    a, b, c = (list(cascade(model, 0.01, seed))[-1][1] for model, seed in [(one, 5), (other, 5), (one, 6)])
    weight = a.layer3[0].conv2.weight.detach()
    assert float(weight.std()) == pytest.approx(0.01, rel=0.02)
    assert abs(float(weight.mean())) < 2e-4
    assert torch.equal(weight, b.layer3[0].conv2.weight)
    assert not torch.equal(weight, c.layer3[0].conv2.weight)


def test_steps_have_numbers_of_their_own():
    """A slow twin: each step draws from a generator of its seed and place, layers of one shape differ."""
    net = network("reused")
    *_, (_, last) = cascade(net, 0.5, seed=7)
    found = [last.convs[k].weight.detach() for k in (1, 2)]
    for place, weight in enumerate(found, 1):
        random = torch.Generator().manual_seed(1_000_003 * 7 + place)
        assert torch.equal(weight, torch.randn(6, 6, 3, 3, generator=random, dtype=torch.float64) * 0.5)
    assert not torch.equal(*found)


class Wrapped(torch.nn.Module):
    """A network behind its preprocessing, as people publish them."""

    def __init__(self, net):
        super().__init__()
        self.backbone = net
        self.register_buffer("mean", torch.zeros(1, 3, 1, 1))

    def forward(self, x):
        return self.backbone(x - self.mean)


@pytest.mark.parametrize("wrap", [torch.nn.DataParallel, Wrapped, lambda net: Wrapped(Wrapped(net))])
def test_wrappers_are_looked_into(wrap):
    net = ResNet8()
    plain, wrapped = units(net), units(wrap(net))
    assert len(plain) == 5
    assert [unit.name.split("backbone.")[-1].removeprefix("module.") for unit in wrapped] == [
        unit.name for unit in plain
    ]
    inner = [
        next(m for m in list(cascade(one, 0.1, 3))[-1][1].modules() if isinstance(m, ResNet8))
        for one in (net, wrap(net))
    ]
    for a, b in zip(*(one.parameters() for one in inner), strict=True):
        assert torch.equal(a, b)


def test_a_backbone_under_its_head_is_no_single_step_and_loose_parameters_are_not_forgotten():
    with torch.device("meta"):
        net = torchvision.models.vit_b_16()
    found = units(net)
    names = [name for unit in found for name in unit.parameters]
    assert sorted(names) == sorted(name for name, _ in net.named_parameters())
    assert len(found) == 16  # token, patches, position, 12 blocks with the last norm, head
    assert {"class_token", "encoder.pos_embedding"} <= {unit.name for unit in found}


def _pruned(net):
    prune.l1_unstructured(net.convs[1], "weight", 0.5)


def _weight_norm(net):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.nn.utils.weight_norm(net.convs[1])


@pytest.mark.parametrize(
    "change",
    [
        _weight_norm,
        lambda net: torch.nn.utils.spectral_norm(net.convs[1]),
        lambda net: torch.nn.utils.parametrizations.weight_norm(net.convs[1]),
        lambda net: torch.nn.utils.parametrizations.spectral_norm(net.convs[1]),
        _pruned,
    ],
)
def test_weights_that_are_computed_are_randomised_too(change):
    net = network("reused")
    change(net)
    net.eval()
    x = inputs(1)
    before, state = net(x).detach(), copy.deepcopy(net.state_dict())
    steps = [(name, changed(x).detach()) for name, changed in cascade(net, 0.5)]
    assert [name for name, _ in steps] == ["original", "head", "convs.2", "convs.1", "convs.0"]
    torch.testing.assert_close(steps[0][1], before)
    for (_, one), (_, other) in itertools.pairwise(steps):
        assert not torch.allclose(one, other)
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    assert torch.equal(net(x), before)


def test_nonsense_is_refused_in_a_sentence():
    with pytest.raises(InputError, match="standard deviation > 0"):
        next(cascade(ResNet8(), 0.0))
    with pytest.raises(InputError, match="no parameters"):
        units(torch.nn.ReLU())


def test_the_metrics_are_those_of_the_released_code(shared):
    kept = np.load(shared / "reference" / "sanity_metrics.npz")
    maps = kept["map_a"], kept["map_b"]
    for measure, name in [
        ("spearman", "spearman"),
        ("spearman_abs", "spearman_abs"),
        ("ssim", "ssim_win5_range2"),
    ]:
        assert similarity.MEASURES[measure](*maps) == pytest.approx(float(kept[name]), abs=1e-9)
