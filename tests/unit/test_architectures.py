"""The networks we train: the papers' ResNet-8 to the bit of its logits, and the small one for scenes."""

from __future__ import annotations

import numpy as np
import torch
from safetensors.torch import load_file

import networks
from pruneattr_core.models.architectures import ResNet8, SceneNet


def test_resnet8_is_the_papers(shared):
    reference = shared / "reference"
    model = ResNet8().double().eval()
    model.load_state_dict(load_file(reference / "resnet8_weights_f64.safetensors"), strict=True)
    meta = np.load(reference / "resnet8_meta.npz")
    inputs = torch.from_numpy(meta["inputs"])
    with torch.no_grad():
        logits = model(inputs)
    for index in range(len(inputs)):
        key = f"x{index}/logits"
        if key in meta:
            np.testing.assert_allclose(logits[index], meta[key].ravel(), rtol=1e-9)
    shapes = networks.activation_shapes(model, inputs)
    assert [int(np.prod(shape)) for shape in shapes.values()] == meta["neurons_per_call"].tolist()


def test_resnet8_counts():
    model = ResNet8().eval()
    assert sum(p.numel() for p in model.parameters()) == 1_227_594
    shapes = networks.activation_shapes(model, torch.zeros(1, 3, 32, 32))
    assert len(shapes) == 7
    assert sum(np.prod(shape) for shape in shapes.values()) == 294_912


def test_scene_net_counts():
    model = SceneNet().eval()
    assert sum(p.numel() * p.element_size() for p in model.state_dict().values()) < 1.5e6
    shapes = networks.activation_shapes(model, torch.zeros(1, 3, 128, 128))
    assert len(shapes) == 9
    assert sum(np.prod(shape) for shape in shapes.values()) == 577_536
    assert model(torch.zeros(2, 3, 50, 40)).shape == (2, 10)
