"""Whatever mode the caller is under, and whatever shape inputs have, results are those of plain float32."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.utils.checkpoint import checkpoint

import networks
from pruneattr_core import PruneGrad, PrunePGD, contributions, explain, load_model, model_card
from pruneattr_core.datasets import load_dataset
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
    for shape, says in (
        ((2, 3, 0, 8), r"got shape \(2, 3, 0, 8\)\. Dimension 2 \(H\) is 0,"),
        ((2, 0, 8, 0), r"Dimensions 1 \(C\) and 3 \(W\) are 0,"),
        ((2, 3, 8, 8, 0), "Dimension 4 is 0,"),
    ):
        with pytest.raises(InputError, match=says) as told:
            PruneGrad(networks.network("plain")).attribute(torch.zeros(shape))
        assert "empty batch" not in str(told.value)
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


class Dividing(nn.Module):
    """Its answer is 0 / 0 when no neuron of the last layer is left."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.one(x).relu()
        return self.two(h / h.sum(1, keepdim=True))


class Noisy(nn.Module):
    """Draws in eval mode, and ends the gradient."""

    def __init__(self, cut: bool) -> None:
        super().__init__()
        self.cut = cut

    def forward(self, x: Tensor) -> Tensor:
        return x.detach() if self.cut else F.dropout(x, 0.5, training=True)


@pytest.mark.parametrize(
    ("cut", "says"), [(False, r"^2 \(dropout\) draws"), (True, r"the gradient ends at 2 \(detach\)")]
)
def test_what_is_refused_is_named_as_the_network_names_it(cut: bool, says: str) -> None:
    net = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), Noisy(cut), nn.Linear(6, 3)).eval()
    with pytest.raises(ModelError, match=says):
        contributions(net, torch.rand(1, 4))


@pytest.mark.parametrize("method", ["saliency", "guided_backprop", "deeplift", "lrp", "noise_tunnel"])
def test_no_method_explains_what_is_not_connected(method: str) -> None:
    class Blind(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                h = self.body(x).relu()
            return self.head(h.mean((2, 3)))

    with pytest.raises(ModelError, match="the gradient ends at"):
        explain(Blind().double().eval(), networks.inputs(1), None, method)


@pytest.mark.parametrize("batch", [1, 3])
def test_one_broken_level_is_named_and_the_rest_stands(batch: int) -> None:
    net, x = Dividing().double().eval(), torch.randn(batch, 6, dtype=torch.float64)
    sweep = PruneGrad(net).sweep(x, 1, [0.0, 1.0, 0.5])
    whole = PruneGrad(net).sweep(x, 1, [0.0, 0.5])
    assert torch.equal(sweep.maps[[0, 2]], whole.maps)
    assert torch.equal(sweep.logit[[0, 2]], whole.logit)
    assert sweep.problems[0] == sweep.problems[2] == ""
    assert "at sparsity 1" in sweep.problems[1]
    for ask in (PruneGrad(net), PrunePGD(net)):
        with pytest.raises(InputError, match=r"NaN or infinite values.*Remove fewer neurons"):
            ask.attribute(x, 1, sparsity=1.0)
    assert PruneGrad(net).sweep(x, 1, [1.0], mode="freeze").problems == ("",)


def test_layers_of_several_precisions_are_ranked_together() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(6, 16), nn.Linear(16, 3)
            self.late = nn.Linear(16, 16)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                h = self.one(x).relu()
            return self.two(self.late(h.float()).relu())

    net, x = Mixed().eval(), torch.randn(2, 6)
    scores = contributions(net, x)
    assert {layer.dtype for layer in scores.layers} == {torch.bfloat16, torch.float32}
    kept = scores.path(0.75, ties="exact").layers
    flat = torch.cat([layer.float().flatten(1) for layer in scores.layers], 1)
    masks = torch.cat([layer.flatten(1) for layer in kept], 1)
    for row in range(2):
        assert flat[row][masks[row]].min() >= flat[row][~masks[row]].max()
    assert torch.isfinite(PruneGrad(net).attribute(x)).all()


def checkpointed(net: nn.Module, reentrant: bool) -> nn.Module:
    """A copy whose blocks compute anew in the backward pass."""
    made = copy.deepcopy(net)
    for block in (block for stage in (made.layer1, made.layer2, made.layer3) for block in stage):  # type: ignore[union-attr]
        block.forward = partial(checkpoint, block.forward, use_reentrant=reentrant)
    return made


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
def test_a_trained_network_is_explained_alike_under_every_mode_and_with_checkpoints() -> None:
    net, card = load_model("resnet8-cifar10"), model_card("resnet8-cifar10")
    x = torch.cat([card.preprocess(load_dataset("scenes")[place].image) for place in (0, 3)])

    def maps(network: nn.Module) -> list[Tensor]:
        return [PruneGrad(network).attribute(x, mode=mode) for mode in ("zero", "freeze")]  # type: ignore[arg-type]

    expected = maps(net)
    for mode in MODES.values():
        with mode():
            assert all(torch.equal(a, b) for a, b in zip(expected, maps(net), strict=True))
    found = maps(checkpointed(net, False))
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))
    with pytest.raises(ModelError, match="use_reentrant=False"):
        maps(checkpointed(net, True))


class _Rooted(nn.Module):
    """A square root of negative values that a mask hides: its derivative there is NaN times 0."""

    def __init__(self) -> None:
        super().__init__()
        self.net = networks.network("plain", torch.float32)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(torch.where(x > 0, x.sqrt(), torch.zeros_like(x)))


@pytest.mark.parametrize("mode", ["zero", "freeze"])
def test_nan_where_nothing_is_removed_is_told_of_the_network_itself(mode: str) -> None:
    net, x = _Rooted().eval(), networks.inputs(1, dtype=torch.float32)
    with pytest.raises(InputError, match="No neuron is removed there: the network's own gradient"):
        PruneGrad(net).attribute(x, 0, sparsity=0.0, mode=mode)


def test_a_mode_in_which_nothing_is_computed_is_named() -> None:
    net, x = networks.network("plain", torch.float32), networks.inputs(1, dtype=torch.float32)
    with FakeTensorMode(allow_non_fake_inputs=True), pytest.raises(InputError, match="a FakeTensorMode"):
        explain(net, x, 0, "saliency")
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        fake = mode.from_tensor(x)
    with pytest.raises(InputError, match="a tensor of a FakeTensorMode, which holds none"):
        explain(net, fake, 0, "saliency")
