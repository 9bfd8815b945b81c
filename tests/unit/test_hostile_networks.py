"""Networks as strangers write them: every method right against autograd, or refused in a sentence of ours."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils import checkpoint

from pruneattr_core import PruneGrad, explain
from pruneattr_core.attribution import METHODS
from pruneattr_core.errors import PruneAttrError
from pruneattr_core.heads import outputs_in


class Body(nn.Module):
    """Two convolutions and a linear layer; `way` makes maps of the first one's."""

    def __init__(self, way: Callable[[Any, Tensor], Tensor] | None = None, **parts: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two = nn.Conv2d(3, 4, 3, 1, 1), nn.Conv2d(4, 4, 3, 1, 1)
        self.linear, self.way = nn.Linear(4, 6), way or (lambda self, h: F.relu(self.two(h)))
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Tensor) -> Any:
        h = self.way(self, F.relu(self.one(x)))
        return self.linear(h.mean((2, 3)) if h.ndim == 4 else h.mean(2))


class Ends(Body):
    """What comes out is wrapped by `end`."""

    def __init__(self, end: Callable[[Any, Tensor], Any]) -> None:
        super().__init__()
        self.end = end

    def forward(self, x: Tensor) -> Any:
        return self.end(self, super().forward(x))


@dataclass
class Answer:
    logits: Tensor


class Counts(Body):
    """A buffer that notes its passes."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        return super().forward(x)


def _changed(change: Callable[[Body], Any]) -> nn.Module:
    net = Body()
    change(net)
    return net


def _blocks(self: Any, h: Tensor) -> Tensor:
    """As einops' b c (h k) (w l) -> b (k l c) h w, and back to channels."""
    h = self.two(h).relu().reshape(len(h), 4, 4, 2, 4, 2).permute(0, 3, 5, 1, 2, 4)
    return h.reshape(len(h), 4, 4, 4, 4).mean(1)


def _attended(self: Any, h: Tensor) -> Tensor:
    tokens = h.flatten(2).transpose(1, 2)
    return F.relu(self.part(tokens, tokens, tokens)[0]).transpose(1, 2)


def _first(self: Any, h: Tensor) -> Tensor:
    tokens = h.flatten(2).permute(2, 0, 1)
    return self.part(tokens, tokens, tokens, need_weights=False)[0].permute(1, 2, 0)


def _half(self: Any, h: Tensor) -> Tensor:
    return torch.fft.ifft2(torch.fft.fft2(F.relu(self.two(h))) * 0.5).real


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "checkpoint": lambda: Body(lambda s, h: checkpoint.checkpoint(_two, s, h, use_reentrant=False)),
    "used twice": lambda: Body(lambda s, h: F.relu(s.two(F.relu(s.two(h))))),
    "blocks": lambda: Body(_blocks),
    "fourier": lambda: Body(_half),
    "magnitudes": lambda: Body(lambda s, h: torch.fft.fft2(s.two(h)).abs()),
    "functional_call": lambda: Body(lambda s, h: torch.func.functional_call(s.two, _doubled(s), (h,)).relu()),
    "weight_norm": lambda: _changed(lambda net: nn.utils.parametrizations.weight_norm(net.one)),
    "spectral_norm": lambda: _changed(lambda net: nn.utils.parametrizations.spectral_norm(net.two)),
    "attention": lambda: Body(_attended, part=nn.MultiheadAttention(4, 2, batch_first=True)),
    "sequence first": lambda: Body(_first, part=nn.MultiheadAttention(4, 2)),
    "compiled": lambda: torch.compile(Body(), backend="eager"),  # type: ignore[return-value]
    "parallel": lambda: nn.DataParallel(Body()),
    "scripted child": lambda: Body(lambda s, h: F.relu(s.part(h)), part=torch.jit.script(nn.Conv2d(4, 4, 3))),
    "buffer": Counts,
    "dict": lambda: Ends(lambda s, z: {"logits": z}),
    "dataclass": lambda: Ends(lambda s, z: Answer(z)),
    "float64 out": lambda: Ends(lambda s, z: z.double()),
    "every second": lambda: Ends(lambda s, z: z[:, ::2]),
    "flipped": lambda: Body(lambda s, h: F.relu(s.two(h.flip(3)))),
    "weights computed": lambda: Body(lambda s, h: F.relu(F.conv2d(h, s.two.weight.flip(2, 3), padding=1))),
    "einsum": lambda: Body(lambda s, h: torch.einsum("bchw,kc->bkhw", h, s.two.weight.mean((2, 3)))),
    "unfold": lambda: Body(lambda s, h: s.two(h).unfold(2, 2, 2).unfold(3, 2, 2).amax((4, 5))),
    "sorted": lambda: Body(lambda s, h: s.two(h).flatten(2).sort(2).values[..., -5:]),
    "topk": lambda: Body(lambda s, h: s.two(h).flatten(2).topk(3, 2).values),
    "cumsum": lambda: Body(lambda s, h: F.relu(s.two(h)).flatten(2).cumsum(2)),
    "vmap": lambda: Body(lambda s, h: torch.vmap(lambda one: F.relu(s.two(one[None]))[0])(h)),
    "copied": lambda: Body(lambda s, h: F.relu(copy.deepcopy(s.two)(h))),
    "hook": lambda: _changed(lambda net: net.two.register_forward_hook(lambda m, given, out: 2 * out)),
    "pre-hook": lambda: _changed(lambda net: net.register_forward_pre_hook(lambda m, given: (2 * given[0],))),
    "backward hook": lambda: _changed(lambda net: net.two.register_full_backward_hook(lambda m, a, b: None)),
    "sparse": lambda: Ends(lambda s, z: torch.sparse.mm(torch.eye(6).to_sparse(), z.T).T),
    "in place twice": lambda: Body(lambda s, h: (h + s.two(h).relu_()).mul_(2)),
}


def _two(net: Any, h: Tensor) -> Tensor:
    return F.relu(net.two(h))


def _doubled(net: Any) -> dict[str, Tensor]:
    return {"weight": 2 * net.two.weight}


_WARNING = pytest.mark.filterwarnings(
    *(f"ignore:.*:{kind}" for kind in ("DeprecationWarning", "FutureWarning", "UserWarning"))
)
X = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
_TWINS = ("prunegrad", "saliency", "gradcam", "lrp", "rap", "deeplift")


def _made(name: str) -> nn.Module:
    torch.manual_seed(2)
    return NETWORKS[name]().eval()


def _gradient(net: nn.Module, x: Tensor) -> Tensor:
    leaf = x.detach().clone().requires_grad_()
    (found,) = torch.autograd.grad(outputs_in(net(leaf), len(x))[:, 1].sum(), leaf)
    return found


@pytest.mark.filterwarnings(
    "ignore:.*:DeprecationWarning", "ignore:.*:FutureWarning", "ignore:.*:UserWarning"
)
@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_right(name: str) -> None:
    net = _made(name)
    expected = _gradient(net, X)
    for mode in ("zero", "freeze"):
        found = PruneGrad(net).attribute(X, 1, sparsity=0.0, mode=mode)
        assert torch.allclose(found, expected, rtol=1e-3, atol=1e-6)
    assert torch.allclose(explain(net, X, 1, "saliency").values, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.filterwarnings(
    "ignore:.*:DeprecationWarning", "ignore:.*:FutureWarning", "ignore:.*:UserWarning"
)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_method_gives_what_it_gives_alone_or_refuses(name: str) -> None:
    net = _made(name)
    for method in METHODS:
        try:
            found = explain(net, X, 1, method).values
        except PruneAttrError:
            continue
        assert found.isfinite().all(), method
        if method in _TWINS:
            alone = torch.cat([explain(net, one, 1, method).values for one in X.split(1)])
            assert torch.allclose(found, alone, rtol=1e-2, atol=1e-3 * float(alone.abs().max())), method


INPUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "a leaf": lambda x: x.clone().requires_grad_(),
    "a parameter": nn.Parameter,
    "strided": lambda x: x.repeat_interleave(2, 3)[..., ::2],
    "expanded": lambda x: x[:1].expand(2, -1, -1, -1),
    "one pixel": lambda x: x[..., :1, :1],
    "one row": lambda x: x[..., :1, :],
}


@pytest.mark.parametrize("name", INPUTS)
def test_inputs_of_any_kind_give_what_plain_ones_do(name: str) -> None:
    net, x = Body().eval(), INPUTS[name](X)
    plain = x.detach().clone(memory_format=torch.contiguous_format)
    for method in ("prunegrad", "saliency", "integrated_gradients", "lrp", "rap"):
        assert torch.allclose(
            explain(net, x, 1, method).values, explain(net, plain, 1, method).values, rtol=1e-4, atol=1e-7
        )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_near_single_precision(dtype: torch.dtype) -> None:
    net = Body().eval()
    exact = PruneGrad(net).attribute(X, 1, sparsity=0.0)
    found = PruneGrad(net.to(dtype)).attribute(X.to(dtype), 1, sparsity=0.0)
    assert found.dtype == dtype
    assert (found.float() - exact).abs().mean() < 0.1 * exact.abs().mean()


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "counted passes": (
        lambda: Ends(_counted),
        "answers otherwise each time that it is run",
    ),
    "tuple": (lambda: Ends(lambda s, z: (z, z)), "got tuple"),
    "dict without logits": (lambda: Ends(lambda s, z: {"y": z}), "got a dict with y"),
    "reentrant": (
        lambda: Body(lambda s, h: checkpoint.checkpoint(_two, s, h, use_reentrant=True)),
        "gradient checkpointing with use_reentrant=True",
    ),
}


def _counted(net: Any, z: Tensor) -> Tensor:
    net.passes = getattr(net, "passes", 0) + 1
    return z * math.sqrt(net.passes)


@_WARNING
@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_for_its_own_reason(name: str) -> None:
    build, said = REFUSED[name]
    net = build().eval()
    for method in ("prunegrad", "saliency", "integrated_gradients"):
        with pytest.raises(PruneAttrError, match=said):
            explain(net, X, 1, method)


@pytest.mark.parametrize(
    "method", ["prunegrad", "saliency", "integrated_gradients", "lrp", "rap", "deeplift"]
)
def test_a_network_that_treats_two_channels_alike_gives_them_equal_maps(method: str) -> None:
    net, x = Body().eval(), X.clone()
    x[:, 1] = x[:, 0]
    with torch.no_grad():
        net.one.weight[:, 1] = net.one.weight[:, 0]
    found = explain(net, x, 1, method).values
    assert torch.allclose(found[:, 0], found[:, 1], rtol=1e-4, atol=1e-7)
