"""Masks and maps of the authors' released code (../shared/reference)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models.vgg import VGG, make_layers

from pruneattr_core import PruneGrad, contributions
from pruneattr_core.attribution.collapse import collapse
from pruneattr_core.models.architectures import ResNet8
from pruneattr_core.paths.calibrate import output_curve

PERCENT = (50, 70, 80, 90, 95, 99)
CASES = [("vgg", 0), ("vgg", 1), ("vgg", 2), ("vgg", 3), ("resnet8", 0)]


def small_vgg() -> nn.Module:
    features = make_layers([8, 8, "M", 16, 16, "M", 32, 32, "M"])  # type: ignore[list-item]
    with torch.device("meta"):  # the head of 120 million numbers goes anyway
        net = VGG(features, 10, init_weights=False)
    net.avgpool = nn.AdaptiveAvgPool2d(2)
    net.classifier = nn.Sequential(
        *(nn.Linear(128, 64), nn.ReLU(True), nn.Dropout()),
        *(nn.Linear(64, 64), nn.ReLU(True), nn.Dropout(), nn.Linear(64, 10)),
    )
    return net


def reference_network(folder: Path, kind: str) -> nn.Module:
    """The network, "vgg" or "resnet8", from which the arrays of a folder were computed."""
    net = (small_vgg() if kind == "vgg" else ResNet8()).double()
    net.load_state_dict(load_file(folder / f"{kind}_weights_f64.safetensors"))
    return net.eval()


class Reference:
    """One network of the reference with its arrays."""

    def __init__(self, folder: Path, kind: str, image: int) -> None:
        self.net = reference_network(folder, kind)
        self.arrays = {
            part: np.load(folder / f"{kind}_{part}.npz")
            for part in ("meta", "scores_mct", "masks", "prunegrad_maps")
        }
        self.image = image
        self.x = torch.from_numpy(self.arrays["meta"]["inputs"][image : image + 1])

    def get(self, part: str, key: str) -> np.ndarray:
        return self.arrays[part][f"x{self.image}/{key}"]


def tied_gradient(weights: Tensor, left: Tensor) -> Tensor:
    """The one gradient g with left = weights * g for all pictures (dim 0), by least squares.

    The released rules of integrated gradients take a point at zero. There nearly all windows of the VGG's
    pools are tied, so the last bit of a convolution, another one in each torch, says where the gradient
    goes; but at zero all pictures of one class have the same. Their callers compare what it leaves.
    """
    return (weights * left).sum(0) / weights.square().sum(0).clamp_min(torch.finfo(left.dtype).tiny)


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-x{case[1]}")
def reference(request: pytest.FixtureRequest, shared: Path) -> Reference:
    return Reference(shared / "reference", *request.param)


def test_taylor_scores_and_masks(reference: Reference) -> None:
    found = contributions(reference.net, reference.x)
    np.testing.assert_allclose(found.logits[0], reference.get("meta", "logits").ravel(), rtol=1e-12)
    for k, layer in enumerate(found.layers):
        expected = reference.get("scores_mct", f"mct/{k}")
        np.testing.assert_allclose(layer[0], expected.reshape(layer[0].shape), rtol=1e-9, atol=1e-18)
    for percent, path in zip(PERCENT, found.paths([p / 100 for p in PERCENT]), strict=True):
        ours = np.concatenate([layer.numpy().ravel() for layer in path.layers])
        theirs = np.unpackbits(reference.get("masks", f"mct/{percent}"))[: ours.size].astype(bool)
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("mode", "key"), [("zero", "mct_zero"), ("freeze", "mct_const")])
def test_maps(reference: Reference, mode: str, key: str) -> None:
    sweep = PruneGrad(reference.net).sweep(reference.x, None, [p / 100 for p in PERCENT], mode)  # type: ignore[arg-type]
    for percent, ours in zip(PERCENT, sweep.maps, strict=True):
        for array, name in ((ours, f"{key}_rgb"), (collapse(ours), f"{key}_single")):
            theirs = reference.get("prunegrad_maps", f"{name}/{percent}")
            np.testing.assert_allclose(array[0], theirs, rtol=0, atol=1e-9 * np.abs(theirs).max())


def test_output_change(reference: Reference) -> None:
    found = contributions(reference.net, reference.x)
    curve = output_curve(reference.net, reference.x, found, [p / 100 for p in PERCENT])
    for k, percent in enumerate(PERCENT):
        theirs = reference.get("meta", f"mct_softmax_rel_change/{percent}")
        np.testing.assert_allclose(curve.probability_change[k], theirs, rtol=1e-9, atol=1e-14)
