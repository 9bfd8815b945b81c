"""Whatever mode the caller is under, and whatever shape inputs have, results are those of plain float32."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch
from torch import nn

import networks
from pruneattr_core import PruneGrad, PrunePGD, contributions, explain
from pruneattr_core.errors import InputError, ModelError

MODES: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
}


@pytest.mark.parametrize("mode", MODES)
def test_the_callers_mode_changes_nothing(mode: str) -> None:
    net, x = networks.network("residual", torch.float32), networks.inputs(2, dtype=torch.float32)
    net.requires_grad_(True)

    def results(given: torch.Tensor) -> list[torch.Tensor]:
        grad, pgd = PruneGrad(net), PrunePGD(net)
        maps = [grad.attribute(given, mode=kind, sparsity=0.6) for kind in ("zero", "freeze")]
        maps += [grad.attribute(given, contribution="intgrad"), pgd.attribute(given, steps=2)]
        maps += [grad.attribute(given, output_change=0.1)]
        names = ("prunegrad_mid", "saliency", "guided_backprop", "integrated_gradients", "gradcam", "lrp")
        maps += [explain(net, given, None, name).values for name in names]
        return [*(m.view(-1) for m in maps), *contributions(net, given).layers]

    expected = results(x)
    with MODES[mode]():
        under = results(x.clone())
    for a, b in zip(expected, under, strict=True):
        assert a.dtype == b.dtype == torch.float32
        assert torch.equal(a, b)
        assert not b.requires_grad
        assert not b.is_inference()


SHAPED: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "signal": (lambda: nn.Sequential(nn.Conv1d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(24, 3)), (2, 8)),
    "volume": (
        lambda: nn.Sequential(nn.Conv3d(1, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(81, 3)),
        (1, 4, 4, 4),
    ),
    "vector": (lambda: nn.Sequential(nn.Linear(7, 9), nn.ReLU(), nn.Linear(9, 3)), (7,)),
    "tokens": (
        lambda: nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.Flatten(), nn.Linear(30, 3)),
        (5, 4),
    ),
}


@pytest.mark.parametrize("name", SHAPED)
def test_inputs_of_any_shape_are_explained(name: str) -> None:
    build, shape = SHAPED[name]
    net, x = build().double().eval(), torch.randn(3, *shape, dtype=torch.float64)
    leaf = x.clone().requires_grad_()
    (plain,) = torch.autograd.grad(net(leaf).amax(1).sum(), leaf)
    assert torch.allclose(PruneGrad(net).attribute(x, sparsity=0.0), plain)
    assert torch.allclose(explain(net, x, None, "saliency").values, plain)
    for method in ("prunegrad", "prunepgd", "integrated_gradients", "guided_backprop", "noise_tunnel"):
        if method != "guided_backprop" or name != "tokens":
            assert explain(net, x, None, method).values.shape == x.shape
    for method in ("occlusion", "edges", "gradcam", "expected_gradients"):
        with pytest.raises((InputError, ModelError), match=r"needs pictures|does not fit this network"):
            explain(net, x, None, method)


def test_advice_fits_the_inputs() -> None:
    signal = SHAPED["signal"][0]().eval()
    with pytest.raises(InputError, match=r"batch \(B, C, L\).*inputs\[None\]"):
        PruneGrad(signal).attribute(torch.randn(2, 8))
    with pytest.raises(InputError, match=r"batch \(B, C, H, W\).*inputs\[None\]"):
        PruneGrad(networks.network("plain")).attribute(networks.inputs(1)[0])
    with pytest.raises(InputError, match="An empty batch has no map"):
        PruneGrad(networks.network("plain")).attribute(networks.inputs(1)[:0])
    packed = networks.network("plain", torch.float32)
    packed.register_parameter("scale", nn.Parameter(torch.ones(2, dtype=torch.int8), requires_grad=False))
    packed._parameters = {"scale": packed._parameters.pop("scale"), **packed._parameters}
    with pytest.raises(InputError, match=r"Use inputs\.to\('cpu', torch\.float32\)"):
        PruneGrad(packed).attribute(networks.inputs(1))
    PruneGrad(packed).attribute(networks.inputs(1, dtype=torch.float32))
    with torch.inference_mode():
        made = SHAPED["vector"][0]().eval()
    with pytest.raises(ModelError, match=r"made under torch\.inference_mode"):
        PruneGrad(made).attribute(torch.randn(2, 7))
