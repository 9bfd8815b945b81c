"""Networks of half precision: what they cast themselves, and gradients too small for float16."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruneattr_core import PruneGrad, census, contributions, explain
from pruneattr_core.attribution import METHODS
from pruneattr_core.errors import InputError
from pruneattr_core.results.sweeps import answer

X = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
HALVES = (torch.float16, torch.bfloat16)
_CHEAP = {"samples": 2, "steps": 2, "window": 4, "contribution": "taylor"}


class Net(nn.Module):
    """Two convolutions and a head, whose answer is scaled."""

    def __init__(self, scale: float = 1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two = nn.Conv2d(3, 4, 3, 1, 1), nn.Conv2d(4, 4, 3, 1, 1)
        self.linear, self.scale = nn.Linear(4, 6), scale

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.two(F.relu(self.one(x))))
        z = self.linear(h.mean((2, 3)))
        return z if self.scale == 1 else z * self.scale


class Casting(nn.Module):
    def __init__(self, dtype: torch.dtype, scale: float = 1) -> None:
        super().__init__()
        self.inner, self.dtype = Net(scale).to(dtype), dtype

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x.to(self.dtype))


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("method", METHODS)
def test_a_network_that_casts_to_half_takes_single_precision(method: str, dtype: torch.dtype) -> None:
    options = {name: value for name, value in _CHEAP.items() if name in METHODS[method].options}
    if method in ("rap", "random", "neuron_intgrad"):
        options.pop("contribution", None)
    net, given = Casting(dtype).eval(), X.to(dtype).float()
    found = explain(net, given, 1, method, **options).values
    assert found.dtype == torch.float32
    assert found.isfinite().all()
    if method in ("prunegrad", "saliency", "input_x_gradient", "lrp"):
        exact = explain(Net().eval(), given, 1, method, **options).values
        assert (found - exact).abs().mean() < 0.15 * exact.abs().mean()


@pytest.mark.parametrize("dtype", HALVES)
def test_the_explorer_takes_it_too(dtype: torch.dtype) -> None:
    net = Casting(dtype).eval()
    assert answer(net, X[:1], "").unseen == ""
    assert census(net, X).neurons == 512


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-5])
@pytest.mark.parametrize("casts", [True, False])
def test_small_gradients_do_not_vanish_in_float16(scale: float, casts: bool) -> None:
    exact = contributions(Net(scale).eval(), X, 1)
    net = (Casting(torch.float16, scale) if casts else Net(scale).half()).eval()
    given = X if casts else X.half()
    found = contributions(net, given, 1)
    for one, other in zip(found.layers, exact.layers, strict=True):
        assert ((one != 0) == (other != 0)).float().mean() > 0.98
    a, b = (one.path(0.8, of="contributing") for one in (found, exact))
    both = sum(int((i & j).sum()) for i, j in zip(a.layers, b.layers, strict=True))
    either = sum(int((i | j).sum()) for i, j in zip(a.layers, b.layers, strict=True))
    assert both / either > 0.95
    if casts:
        for mode in ("zero", "freeze"):
            maps = [PruneGrad(n).attribute(X, 1, sparsity=0.0, mode=mode) for n in (net, Net(scale).eval())]
            assert (maps[0] - maps[1]).abs().max() < 0.01 * maps[1].abs().max()


def test_large_gradients_do_not_overflow_in_float16() -> None:
    net, exact = Net(1e4).half().eval(), Net(1e4).eval()
    found, expected = (PruneGrad(n).attribute(x, 1, sparsity=0.0) for n, x in ((net, X.half()), (exact, X)))
    assert (found.float() - expected).abs().max() < 0.01 * expected.abs().max()


@pytest.mark.parametrize("casts", [True, False])
@pytest.mark.parametrize("method", ["saliency", "gradcam", "integrated_gradients", "guided_backprop"])
def test_gradients_too_large_for_float16_are_not_said_to_be_too_small(method: str, casts: bool) -> None:
    exact = Net(1e4)
    with torch.no_grad():
        exact.linear.weight.mul_(80)
    half = Casting(torch.float16, 1e4) if casts else copy.deepcopy(exact).half()
    if isinstance(half, Casting):
        half.inner = copy.deepcopy(exact).half()
    with pytest.raises(InputError, match="too large for float16"):
        explain(half.eval(), X if casts else X.half(), 1, method)


def _shifted(dtype: torch.dtype, by: float, scale: float, casts: bool) -> tuple[nn.Module, nn.Module]:
    """A network whose answers lie around `by`, and the same in half precision."""
    exact = Net(scale).eval()
    with torch.no_grad():
        exact.linear.bias.add_(by)
    half = Casting(dtype, scale).eval() if casts else copy.deepcopy(exact).to(dtype)
    if isinstance(half, Casting):
        half.inner = copy.deepcopy(exact).to(dtype)
    return exact, half


@pytest.mark.parametrize("casts", [True, False])
@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize(("by", "scale"), [(0, 1), (10, 1), (10, 1e-3), (100, 1), (0, 1e-5)])
def test_occlusion_in_half_is_that_of_single_precision_or_refused(
    dtype: torch.dtype, by: float, scale: float, casts: bool
) -> None:
    """Logits around 10 lie 0.008 apart in float16: falls of 0.004 were drawn as 0 or twice as large."""
    exact, half = _shifted(dtype, by, scale, casts)
    given = X.to(dtype)
    given = given.float() if casts else given
    expected = explain(exact, given.float(), 1, "occlusion", window=4).values
    if by:
        with pytest.raises(
            InputError, match=r"Hidden windows .* by no more than .*float16, .* rounds it\. Give"
        ):
            explain(half, given, 1, "occlusion", window=4)
        return
    try:
        found = explain(half, given, 1, "occlusion", window=4).values
    except InputError as error:
        assert "have no room in float16" in str(error) or "rounds it" in str(error)  # noqa: PT017
        assert scale < 1
        return
    assert torch.corrcoef(torch.stack([found.flatten().float(), expected.flatten()]))[0, 1] > 0.85


@pytest.mark.parametrize("casts", [True, False])
@pytest.mark.parametrize(
    "method", sorted({n for n, one in METHODS.items() if one.backward} - {"random", "edges"})
)
def test_what_float16_has_no_room_for_is_told_and_not_drawn_as_nothing(method: str, casts: bool) -> None:
    options = {name: value for name, value in _CHEAP.items() if name in METHODS[method].options}
    if method == "neuron_intgrad":
        options["contribution"] = "intgrad_midpoint"
    exact = Net().eval()
    with torch.no_grad():
        exact.linear.weight.mul_(1e-5)
        exact.linear.bias.mul_(1e-5)
    half = Casting(torch.float16).eval() if casts else copy.deepcopy(exact).half()
    if isinstance(half, Casting):
        half.inner = copy.deepcopy(exact).half()
    given = X.half().float() if casts else X.half()
    if METHODS[method].paths and casts and method != "neuron_intgrad":
        found, expected = (explain(n, x, 1, method, **options).values for n, x in ((half, given), (exact, X)))
        alike = torch.corrcoef(torch.stack([found.flatten().float(), expected.flatten()]))[0, 1]
        assert alike > 0.8
    else:
        with pytest.raises(InputError, match=r"too small for float16|have no room in float16"):
            explain(half, given, 1, method, **options)
