"""BatchNorm on its quick way back: PyTorch's own bits, and nothing served that it would get wrong."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.utils.checkpoint import checkpoint

import networks
from pruneattr_core import explain, norms


@pytest.fixture(autouse=True)
def served(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small inputs, too."""
    monkeypatch.setattr(norms, "LARGE", 1)


KINDS = {2: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}


def norm_of(shape: tuple[int, ...], dtype: torch.dtype, affine: bool = True, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    norm = KINDS[len(shape)](shape[1], affine=affine, eps=1e-3 if seed % 2 else 1e-5).to(dtype).eval()
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.001, 3)
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    return norm.requires_grad_(False)


def both(norm: nn.Module, x: Tensor, wanted: list[Tensor]) -> list[tuple[Tensor, ...]]:
    """Value and gradients by `wanted` of PyTorch and of the quick way."""
    found = []
    back = torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(1)).to(x)
    for mode in (torch.enable_grad(), norms.CheapWayBack()):
        with mode:
            value = norm(x)
        found.append(
            (value.detach(), *torch.autograd.grad(value, wanted, back.as_strided_(x.size(), x.stride())))
        )
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1, 96, 28, 28), (3, 40, 7, 7), (2, 24), (1, 8, 5, 5, 5), (2, 17, 3, 3)])
def test_the_quick_way_back_has_pytorchs_bits(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    for seed in range(6):
        norm = norm_of(shape, dtype, affine=seed > 1, seed=seed)
        x = torch.randn(shape, dtype=dtype)
        if len(shape) == 4 and seed % 3:
            x = x.contiguous(memory_format=torch.channels_last)
        plain, quick = both(norm, x.requires_grad_(), [x])
        assert all(torch.equal(*pair) for pair in zip(plain, quick, strict=True))


def test_parameters_that_want_a_gradient_get_theirs() -> None:
    norm = norm_of((2, 3, 4, 4), torch.float32).requires_grad_(True)
    x = torch.randn(2, 3, 4, 4, requires_grad=True)
    plain, quick = both(norm, x, [x, *norm.parameters()])
    assert all(torch.equal(*pair) for pair in zip(plain, quick, strict=True))


def test_statistics_of_the_batch_and_transforms_of_functions_are_left_to_pytorch() -> None:
    norm, x = norm_of((2, 3, 4, 4), torch.float32), torch.randn(2, 3, 4, 4, requires_grad=True)
    with norms.CheapWayBack():
        each = torch.func.vmap(lambda one: norm(one[None])[0])(x)
        norm.track_running_stats, norm.running_mean, norm.running_var = False, None, None
        ours = norm(x)
    theirs = norm(x)
    assert torch.equal(ours, theirs)
    assert each.shape == x.shape
    back = torch.randn_like(x)
    assert torch.equal(*(torch.autograd.grad(value, x, back)[0] for value in (ours, theirs)))


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of torch.jit, which this loads
def test_a_derivative_forward_is_left_to_pytorch() -> None:
    norm, x = norm_of((2, 3, 4, 4), torch.float32), torch.randn(2, 3, 4, 4, requires_grad=True)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, torch.ones_like(x))
        with norms.CheapWayBack():
            ours = forward_ad.unpack_dual(norm(dual)).tangent
        assert torch.equal(ours, forward_ad.unpack_dual(norm(dual)).tangent)


class Checkpointed(nn.Module):
    """A norm that is computed again on the way back, outside of whatever watched the way there."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = (
            nn.Conv2d(3, 4, 3),
            norm_of((1, 4, 2, 2), torch.float32),
            nn.Linear(4, 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        block = checkpoint(lambda given: torch.relu(self.norm(self.conv(given))), x, use_reentrant=False)
        return self.head(block.mean((2, 3)))


@pytest.mark.parametrize("method", ["prunegrad", "saliency", "integrated_gradients", "guided_backprop"])
def test_gradient_checkpointing_computes_the_same_again(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model, x = Checkpointed().eval().requires_grad_(False), networks.inputs(2, dtype=torch.float32)
    ours = explain(model, x, method=method).values
    monkeypatch.setattr(norms, "LARGE", 1 << 60)
    assert torch.equal(ours, explain(model, x, method=method).values)


@pytest.mark.parametrize("mode", ["zero", "freeze"])
def test_maps_are_those_without_it(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = networks.network("residual").requires_grad_(False), networks.inputs(2)
    served: list[int] = []
    quick = norms._Normed.apply
    monkeypatch.setattr(norms._Normed, "apply", lambda *given: served.append(1) or quick(*given))
    ours = explain(model, x, method="prunegrad", mode=mode).values
    assert served
    monkeypatch.setattr(
        norms, "batch_norm", lambda args, kwargs: torch.nn.functional.batch_norm(*args, **kwargs)
    )
    monkeypatch.setattr("pruneattr_core.recording.batch_norm", norms.batch_norm)
    served.clear()
    theirs = explain(model, x, method="prunegrad", mode=mode).values
    assert not served
    assert torch.equal(ours, theirs)


def test_it_can_be_differentiated_twice() -> None:
    norm = norm_of((1, 3, 4, 4), torch.float64)
    x = torch.randn(1, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    with norms.CheapWayBack():
        assert torch.autograd.gradgradcheck(lambda given: norm(given) ** 2, x)


@pytest.mark.parametrize(
    "method", ["saliency", "input_x_gradient", "integrated_gradients", "gradient_shap", "noise_tunnel"]
)
def test_methods_of_captum_go_the_quick_way_with_pytorchs_bits(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        *(nn.Conv2d(3, 8, 3), norm_of((1, 8, 1, 1), torch.float32), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)),
    ).eval()
    model.requires_grad_(False)
    x, normed = torch.randn(2, 3, 12, 12), []
    forward = norms._Normed.forward
    counted = staticmethod(lambda *given: (normed.append(1), forward(*given))[1])
    monkeypatch.setattr(norms._Normed, "forward", counted)
    quick = explain(model, x, None, method).values
    assert normed
    normed.clear()
    monkeypatch.setattr(norms, "LARGE", 1 << 40)
    assert torch.equal(quick, explain(model, x, None, method).values)
    assert not normed


def test_a_network_without_batchnorm_pays_nothing() -> None:
    assert isinstance(norms.cheap_way_back(nn.ReLU()), nullcontext)
