"""Structured and unstructured pruning: the right channels and weights, really gone, nothing else changed."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torchvision import models as torchvision_models

from pruneattr_core.compression.cut import channels, cut, kept_by_l1, masked, narrowed_copy
from pruneattr_core.errors import InputError
from pruneattr_core.models.architectures import SceneNet
from pruneattr_core.models.vgg import SceneVGG, narrowed


def _lively(model: nn.Module) -> nn.Module:
    """Random BatchNorm statistics, so that nothing is 0 or 1 by accident."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.2)
    return model.double().eval().requires_grad_(False)


@pytest.fixture
def vgg() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    inputs = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    return _lively(SceneVGG(5, (4, 6, 8, 8, 10, 10), side=32)), inputs


def test_l1_keeps_the_largest_filters(vgg):
    model, inputs = vgg
    kept = kept_by_l1(model, inputs, 0.7)
    for name, count in channels(model).items():
        weights = dict(model.named_modules())[name].weight
        norms = [sum(abs(float(w)) for w in one.flatten()) for one in weights]
        best = sorted(range(count), key=lambda c: -norms[c])[: int(count * 0.3 + 1e-9)]
        assert kept[name] == sorted(best)


def test_parameters_are_what_the_masks_promise(vgg):
    """A convolution keeps out x in x 9 weights, a BatchNorm 2 x out, the last layer 4 inputs a channel."""
    model, inputs = vgg
    kept = kept_by_l1(model, inputs, 0.7)
    small = cut(model, kept, inputs)
    before, promised = 3, 0
    for name in channels(model):
        after = len(kept[name])
        promised += after * before * 9 + 2 * after
        before = after
    promised += before * 4 * 5 + 5
    assert sum(p.numel() for p in small.parameters()) == promised
    assert channels(small) == {name: len(one) for name, one in kept.items()}


@pytest.mark.parametrize("rate", [0.3, 0.7, 0.9])
def test_same_answers_before_and_after_the_cut(vgg, rate):
    model, inputs = vgg
    state = copy.deepcopy(model.state_dict())
    kept = kept_by_l1(model, inputs, rate)
    before, after = masked(model, kept, inputs)(inputs), cut(model, kept, inputs)(inputs)
    assert not torch.allclose(before, model(inputs), atol=1e-3)
    torch.testing.assert_close(after, before, rtol=0, atol=1e-6)
    assert all(torch.equal(state[key], value) for key, value in model.state_dict().items())


def test_single_precision_too():
    torch.manual_seed(0)
    inputs = torch.randn(4, 3, 64, 64)
    model = _lively(SceneVGG()).float()
    kept = kept_by_l1(model, inputs, 0.7)
    before, after = masked(model, kept, inputs)(inputs), cut(model, kept, inputs)(inputs)
    torch.testing.assert_close(after, before, rtol=0, atol=1e-6 * float(before.abs().max()))


def test_added_branches_lose_the_same_channels():
    torch.manual_seed(0)
    inputs = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    model = _lively(SceneNet(5))
    kept = kept_by_l1(model, inputs, 0.5)
    assert kept["stage2.1.0"] == kept["stage2.2.conv2"]
    before, after = masked(model, kept, inputs)(inputs), cut(model, kept, inputs)(inputs)
    torch.testing.assert_close(after, before, rtol=0, atol=1e-6)
    with pytest.raises(InputError, match="must keep the same channels"):
        cut(model, {**kept, "stage2.1.0": [0]}, inputs)


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "mobilenet_v2"])
def test_torchvisions_networks_are_cut_too(name):
    torch.manual_seed(0)
    model = torchvision_models.get_model(name, weights=None, num_classes=7)
    inputs = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    _lively(model)
    kept = kept_by_l1(model, inputs, 0.5)
    before, after = masked(model, kept, inputs)(inputs), cut(model, kept, inputs)(inputs)
    torch.testing.assert_close(after, before, rtol=1e-6, atol=1e-6)
    assert not torch.allclose(before, model(inputs), rtol=1e-3)


def test_only_the_named_layers_are_cut(vgg):
    model, inputs = vgg
    kept = kept_by_l1(model, inputs, 0.5, ("features.0",))
    assert list(kept) == ["features.0"]
    small = cut(model, kept, inputs)
    assert list(channels(small).values()) == [2, 6, 8, 8, 10, 10]
    with pytest.raises(InputError, match="'classifier' is no convolution"):
        kept_by_l1(model, inputs, 0.5, ("classifier",))
    with pytest.raises(InputError, match="rate of channels"):
        kept_by_l1(model, inputs, 1.0)


def test_narrowed_copies_are_the_narrow_architecture():
    teacher, inputs = SceneVGG().eval(), torch.randn(1, 3, 64, 64)
    with pytest.raises(InputError, match="divisor of 1 or more"):
        narrowed_copy(teacher, 0, inputs, seed=3)
    for divisor in (1, 2, 4, 8):
        student = narrowed_copy(teacher, divisor, inputs, seed=3)
        assert tuple(channels(student).values()) == narrowed(divisor)
        torch.manual_seed(3)
        twin = SceneVGG(widths=narrowed(divisor))
        for key, value in twin.state_dict().items():
            assert torch.equal(value, student.state_dict()[key]), key


def test_logits_made_by_a_convolution_stay():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).eval()
    assert list(kept_by_l1(model, torch.zeros(1, 3, 8, 8), 0.5)) == ["0"]
