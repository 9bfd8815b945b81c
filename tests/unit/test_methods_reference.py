"""Comparison methods against the authors' arrays (../shared/reference)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pruneattr_core.attribution import explain
from pruneattr_core.attribution.collapse import collapse
from test_reference import CASES, reference_network, tied_gradient

_CAM_LAYER = {"vgg": "features.14", "resnet8": "layer3.0.relu#2"}
#: reference array -> method and options
_MAPS = {
    "gradient_rgb": ("saliency", {}),
    "input_x_gradient_rgb": ("input_x_gradient", {}),
    "gbp_rgb": ("guided_backprop", {}),
    "rectgrad_q80_rgb": ("rectgrad", {"percentile": 0.8}),
    "rectgrad_q98_rgb": ("rectgrad", {"percentile": 0.98}),
    "rectgradabs_q80_rgb": ("rectgrad", {"percentile": 0.8, "criterion": "absolute"}),
    "rectgradabs_q98_rgb": ("rectgrad", {"percentile": 0.98, "criterion": "absolute"}),
}


class Reference:
    def __init__(self, folder: Path, kind: str, image: int) -> None:
        self.net = reference_network(folder, kind)
        self.maps = np.load(folder / f"{kind}_baseline_maps.npz")
        self.x = torch.from_numpy(np.load(folder / f"{kind}_meta.npz")["inputs"][image : image + 1])
        self.kind, self.image = kind, image

    def check(self, values: Tensor, key: str) -> None:
        theirs = self.maps[f"x{self.image}/{key}"]
        np.testing.assert_allclose(values[0], theirs, rtol=0, atol=1e-6 * np.abs(theirs).max())


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-x{case[1]}")
def reference(request: pytest.FixtureRequest, shared: Path) -> Reference:
    return Reference(shared / "reference", *request.param)


def test_gradients_and_rectgrad(reference: Reference) -> None:
    for key, (method, options) in _MAPS.items():
        values = explain(reference.net, reference.x, None, method, **options).values
        reference.check(values, key)
        if f"x{reference.image}/{key.replace('_rgb', '_single')}" in reference.maps:
            reference.check(collapse(values), key.replace("_rgb", "_single"))


def test_gradcam(reference: Reference) -> None:
    layer = _CAM_LAYER[reference.kind]
    found = explain(reference.net, reference.x, None, "gradcam", layer=layer)
    reference.check(found.values, "gradcam_torchray_32")


@pytest.mark.parametrize(("kind", "images"), [("vgg", (0, 1, 2, 3)), ("resnet8", (0,))])
def test_integrated_gradients(shared: Path, kind: str, images: tuple[int, ...]) -> None:
    """The released rule adds 51 points and divides by 50: Captum's right sum of 50 and the point at 0."""
    cases = [Reference(shared / "reference", kind, image) for image in images]
    x = torch.cat([case.x for case in cases])
    net = cases[0].net
    right = explain(net, x, None, "integrated_gradients", steps=50, rule="riemann_right")
    at_zero = explain(net, torch.zeros_like(x), right.target, "saliency").values
    if kind == "vgg":
        assert len(right.target.unique()) == 1
        theirs = np.stack([case.maps[f"x{case.image}/ig50_rgb"] for case in cases])
        found = tied_gradient(x / 50, torch.from_numpy(theirs) - right.values)
        assert float(found.sum()) == pytest.approx(float(at_zero[0].sum()), rel=1e-5)
        at_zero = found
    for case, values in zip(cases, right.values + x * at_zero / 50, strict=True):
        case.check(values[None], "ig50_rgb")
