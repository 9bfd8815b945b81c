"""A `torch.autograd.Function` of the author's: served where its gradient goes on, and named by the census."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bending import Bent
from pruneattr_core import PruneGrad, census, explain
from pruneattr_core.attribution import METHODS
from pruneattr_core.errors import ModelError


class Rectify(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> Tensor:
        return above * (ctx.saved_tensors[0] > 0)


class Newer(torch.autograd.Function):
    """With `setup_context`, whose `forward` gets no context."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return F.silu(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        gate = torch.sigmoid(x)
        return above * gate * (1 + x * (1 - gate))


class InPlace(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.mark_dirty(x)
        ctx.save_for_backward(x.relu_())
        return x

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> Tensor:
        return above * (ctx.saved_tensors[0] > 0)


class Convolve(torch.autograd.Function):
    """Convolution and rectifier in one."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        y = F.relu(F.conv2d(x, weight, padding=1))
        ctx.save_for_backward(weight, y)
        ctx.shape = x.shape
        return y

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor, None]:
        weight, y = ctx.saved_tensors
        return nn.grad.conv2d_input(ctx.shape, weight, above * (y > 0), padding=1), None


class Turned(torch.autograd.Function):
    """Gradient reversal: nothing but calls that move values."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> Tensor:
        return -above


class Straight(torch.autograd.Function):
    """Rounding whose gradient goes straight through."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.round(4 * x) / 4

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> Tensor:
        return above


class Nothing(torch.autograd.Function):
    """Says that it has no derivative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return 2 * x

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> None:
        return None


class Second(torch.autograd.Function):
    """Has a derivative by one of its arguments only."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        return 2 * x + y

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> tuple[None, Tensor]:
        return None, above


class Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        on = (x > 0).to(x)
        ctx.mark_non_differentiable(on)
        return on

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> None:
        return None


#: What is done with the first convolution -> the function that the census names, if any.
SERVED: dict[str, tuple[Callable[[Any, Tensor], Tensor], str | None]] = {
    "rectifier": (lambda net, h: Rectify.apply(h), "Rectify"),
    "setup_context": (lambda net, h: Newer.apply(h), "Newer"),
    "in place": (lambda net, h: InPlace.apply(h + 0), "InPlace"),
    "convolution": (lambda net, h: Convolve.apply(h, net.two.weight), "Convolve"),
    "reversal": (lambda net, h: Turned.apply(F.relu(h)), None),
    "straight through": (lambda net, h: Straight.apply(F.relu(h)), None),
    "beside what is cut off": (lambda net, h: F.relu(h) + Rectify.apply(h.detach()), "Rectify"),
    "nothing, beside": (lambda net, h: F.relu(h) + Nothing.apply(h), None),
    "mask": (lambda net, h: F.relu(h) * Step.apply(h), None),
}
X = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("name", SERVED)
def test_it_is_served_and_named(name: str) -> None:
    act, said = SERVED[name]
    net, leaf = Bent(act), X.clone().requires_grad_()
    (expected,) = torch.autograd.grad(net(leaf)[:, 1].sum(), leaf)
    for mode in ("zero", "freeze"):
        found = PruneGrad(net).attribute(X, 1, sparsity=0.0, mode=mode)
        assert torch.allclose(found, expected, rtol=1e-4, atol=1e-7)
        assert PruneGrad(net).attribute(X, 1, sparsity=0.6, mode=mode).isfinite().all()
    unseen = [one.what for one in census(net, X).unseen]
    assert [what for what in unseen if "own derivative" in what] == (
        [] if said is None else [f"{said} (a function with its own derivative)"]
    )


#: Without derivatives, or with such after the function only.
_LATE = ("occlusion", "prunegrad_mid")
LOST: dict[str, tuple[Callable[[Any, Tensor], Tensor], str]] = {
    "all": (lambda net, h: Step.apply(F.relu(h)), r"ends at Bent \(Step\)"),
    "part": (lambda net, h: h + net.two(Step.apply(F.relu(h))), "no gradient goes|ends at Bent"),
    "before": (lambda net, h: F.relu(h) + net.two(Rectify.apply(h.detach())), r"ends at Bent \(detach\)"),
    "says none": (lambda net, h: Nothing.apply(F.relu(h)), r"part .* ends at Bent \(Nothing\)"),
    "says none beside": (
        lambda net, h: F.relu(h) + Nothing.apply(net.two(F.relu(h))),
        r"ends at Bent \(Nothing\)",
    ),
    "says none of one": (
        lambda net, h: Second.apply(net.two(F.relu(h)), h),
        r"ends at Bent \(Second\)",
    ),
    "says none late": (
        lambda net, h: Second.apply(net.two(h), F.relu(h)),
        r"ends at Bent \(Second\)",
    ),
}


@pytest.mark.parametrize("name", LOST)
def test_where_its_gradient_does_end_it_is_refused(name: str) -> None:
    act, said = LOST[name]
    with pytest.raises(ModelError, match=said):
        PruneGrad(Bent(act)).attribute(X, 1)


@pytest.mark.parametrize("method", [name for name in METHODS if METHODS[name].passes and name not in _LATE])
def test_no_method_gives_a_map_of_the_rest_where_a_backward_gives_none(method: str) -> None:
    net = Bent(LOST["says none late"][0])
    with pytest.raises(ModelError, match="Second"):
        explain(net, X, 1, method)


def test_alone_it_is_named_as_what_there_is_instead_of_neurons() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 5), Module(), nn.Linear(5, 3)).eval()
    with pytest.raises(ModelError, match=r"not seen as one: Rectify \(a function .* in 2"):
        PruneGrad(net).attribute(X, 1)


class Module(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Rectify.apply(x)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["rectifier", "reversal", "straight through"])
def test_every_method_serves_it_or_says_that_it_has_no_rule(name: str, method: str) -> None:
    net = Bent(SERVED[name][0])
    reason = METHODS[method].supports(net, X)
    ruled = method in ("deeplift", "lrp", "lrp_alpha1_beta0", "excitation_backprop", "rap")
    assert ruled == (reason is not None and "has no rule for" in reason)
    if not ruled:
        assert explain(net, X, 1, method).values.isfinite().all()


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients"])
def test_other_libraries_methods_see_the_author_s_derivative(method: str) -> None:
    straight, turned = (explain(Bent(act), X, 1, method, **_OPTIONS.get(method, {})).values for act in _SIGNS)
    assert torch.allclose(straight, -turned, atol=1e-7)


_OPTIONS: dict[str, dict[str, Any]] = {"integrated_gradients": {"steps": 4}}
_SIGNS = (lambda net, h: F.relu(h), lambda net, h: Turned.apply(F.relu(h)))
