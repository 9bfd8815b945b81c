"""Cascading randomisation: what is randomised, in which order, and that nobody else's network is touched."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torchvision

from networks import NAMES, network
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
    modules = [name for unit in units(model) for name in unit.modules]
    owned = [id(p) for name in modules for p in model.get_submodule(name).parameters()]
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
                torch.equal(a, b)
                for part in unit.modules
                for a, b in zip(
                    changing.get_submodule(part).parameters(),
                    model.get_submodule(part).parameters(),
                    strict=True,
                )
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
