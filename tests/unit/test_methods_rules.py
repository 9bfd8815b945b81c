"""What single methods promise: twins, theorems, and where theirs and ours must be the same numbers."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from captum import attr
from torch import nn
from torchvision.models import VisionTransformer
from torchvision.models.convnext import CNBlockConfig, ConvNeXt

import networks
import slow
from pruneattr_core.attribution import METHODS, captum_methods, explain, relevance, theory_note
from pruneattr_core.attribution.controls import generator_for
from pruneattr_core.attribution.method import run
from pruneattr_core.attribution.options import DIAL, checked
from pruneattr_core.attribution.quiet import quiet
from pruneattr_core.attribution.support import layers_on_the_picture
from pruneattr_core.errors import InputError, ModelError
from pruneattr_core.graph import bytes_each
from pruneattr_core.paths.dial import DEFAULT
from pruneattr_core.runtime import MEMORY_BUDGET


def small_transformer() -> nn.Module:
    torch.manual_seed(1)
    net = VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=5)
    nn.init.normal_(net.heads.head.weight)
    return net.double().eval()


def small_convnext() -> nn.Module:
    torch.manual_seed(1)
    return ConvNeXt([CNBlockConfig(8, 16, 1), CNBlockConfig(16, None, 1)], 0.0, num_classes=5).double().eval()


def test_deconvolution_and_deeplift_equal_captum_where_captum_can() -> None:
    net, x = networks.network("plain"), networks.inputs(1)
    leaf = x.clone().requires_grad_()
    with pytest.warns(UserWarning, match="Setting"):
        theirs = [m(net).attribute(leaf, target=1).detach() for m in (attr.Deconvolution, attr.DeepLift)]
    for method, expected in zip(("deconvolution", "deeplift"), theirs, strict=True):
        torch.testing.assert_close(explain(net, x, 1, method).values, expected, rtol=1e-12, atol=1e-15)


def test_prunegrad_mid_equals_a_slow_twin() -> None:
    net, x = networks.network("residual"), networks.inputs(1)
    kept = slow.masks(slow.taylor(net, x, 1), 0.5)
    leaves = []

    def prune(i: int, a: torch.Tensor) -> torch.Tensor:
        leaves.append(a)
        return a * torch.from_numpy(kept[i])

    with slow.patched(prune):
        logit = net(x.clone().requires_grad_())[0, 1]
    small = torch.autograd.grad(logit, leaves[2])[0].abs().sum(1, keepdim=True)
    expected = F.interpolate(small, size=(10, 10), mode="bilinear", align_corners=False)
    found = explain(net, x, 1, "prunegrad_mid", layer="relu#3", sparsity=0.5).values
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-15)
    with pytest.raises(InputError, match="relu#1, relu#2"):
        explain(net, x, 1, "prunegrad_mid", layer="nowhere")


def test_padding_with_a_number_is_adding_a_constant() -> None:
    """RAP promised a sum that it did not have."""

    class Padded(nn.Module):
        def __init__(self, value: float) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.a, self.b, self.head, self.value = (
                nn.Conv2d(3, 4, 3),
                nn.Conv2d(4, 4, 3),
                nn.Linear(4, 3),
                value,
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = F.pad(self.a(x).relu().view(len(x), 4, 8, 8), (1, 1, 1, 1), value=self.value)
            return self.head(self.b(h).relu().mean((2, 3)))

    x = networks.inputs(2).float()
    for method in ("rap", "lrp"):
        assert explain(Padded(0.0).eval(), x, 1, method).values.isfinite().all()
        with pytest.raises(ModelError, match="adding a constant"):
            explain(Padded(2.0).eval(), x, 1, method)


def test_layers_that_are_offered_can_be_chosen() -> None:
    """Class scores are no layer of PruneGrad-Mid, which has neurons alone."""
    for name in ("scored", "residual"):
        net, x = networks.network(name), networks.inputs(1)
        for method, layers in layers_on_the_picture(net, x).items():
            for layer in layers:
                assert explain(net, x, 1, method, layer=layer).values.shape[2:] == (10, 10)
    assert len(layers_on_the_picture(networks.network("scored"), x)["prunegrad_mid"]) == 2
    points = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(256, 5), nn.ReLU(), nn.Linear(5, 2)
    )
    found = layers_on_the_picture(points.double().eval(), x)
    maps = dict.fromkeys(("gradcam", "guided_gradcam", "layercam"), ("1",))  # a row of neurons is no map
    assert {method: names for method, names in found.items() if method != "prunegrad_mid"} == maps


class Beside(nn.Module):
    """A network, and a head beside it whose answer nobody asks for and which no gradient leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.main, self.aside = networks.network("plain"), nn.Conv2d(3, 4, 3).double()

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": self.main(x), "aux": F.relu(self.aside(x.detach()))}


@pytest.mark.parametrize("method", ["guided_backprop", "gradcam", "layercam", "lrp", "excitation_backprop"])
def test_heads_beside_and_hooks_of_the_user_change_no_map(method: str) -> None:
    net, x = networks.network("plain"), networks.inputs(1)
    expected = explain(net, x, 1, method).values
    beside = Beside().eval().requires_grad_(False)
    if METHODS[method].supports(beside, x) is None:
        torch.testing.assert_close(explain(beside, x, 1, method).values, expected, rtol=1e-12, atol=1e-15)
    hooks = [one.register_full_backward_hook(lambda *given: None) for one in net.modules()]
    try:
        torch.testing.assert_close(explain(net, x, 1, method).values, expected, rtol=1e-12, atol=1e-15)
    finally:
        for hook in hooks:
            hook.remove()


@pytest.mark.parametrize("method", ["guided_backprop", "gradcam", "deeplift", "lrp", "excitation_backprop"])
def test_hooks_that_ask_for_gradients_change_no_map_or_are_told(method: str) -> None:
    """They call something only where gradients are on: what came after was carried out by the wrong layer."""
    net, x = networks.network("plain"), networks.inputs(1)
    expected = explain(net, x, 1, method).values

    def kept(module: nn.Module, given: object, result: torch.Tensor) -> None:
        if result.requires_grad:
            result.retain_grad()

    first = next(one for one in net.modules() if isinstance(one, nn.Conv2d))
    hook = first.register_forward_hook(kept)
    torch.testing.assert_close(explain(net, x, 1, method).values, expected, rtol=1e-12, atol=1e-15)
    hook.remove()
    for listen, said in ((lambda _: None, "differ from pass to pass"), (torch.relu, "changes gradients")):

        def heard(module: nn.Module, given: object, result: torch.Tensor, listen=listen) -> None:
            if result.requires_grad:
                result.register_hook(listen)

        hook = first.register_forward_hook(heard)
        with pytest.raises(ModelError, match=said):
            explain(net, x, 1, method)
        hook.remove()


class Switched(nn.Module):
    """Calls something else once a flag is set."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.linear = nn.Conv2d(3, 6, 3), nn.Linear(6, 4)
        self.smooth = self.scaled = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.body(x)
        h = F.gelu(h) if self.smooth else F.relu(h)
        return self.linear((h * h.tanh() if self.scaled else h).mean((2, 3)))


def test_a_network_that_calls_something_else_than_before_is_looked_at_again() -> None:
    net, x = Switched().double().eval(), networks.inputs(1)
    explain(net, x, 1, "lrp")
    net.scaled = True
    with pytest.raises(ModelError, match="no rule for mul, tanh"):
        explain(net, x, 1, "lrp")
    net.scaled, net.smooth = False, True
    with pytest.raises(ModelError, match="calls gelu"):
        explain(net, x, 1, "guided_backprop")


@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"padding": 1}, {"dilation": 2}])
def test_the_module_that_stands_for_a_call_gives_the_calls_values(options: dict[str, int]) -> None:
    """What is not said is the function's own default."""
    x = networks.inputs(2)
    weight, bias = torch.rand(4, 3, 3, 3).double(), torch.rand(4).double()
    for given in ((weight,), (weight, bias)):
        assert torch.equal(relevance._conv2d(x, *given, **options)(x), F.conv2d(x, *given, **options))
        if not options:
            v, w = torch.rand(2, 3).double(), torch.rand(4, 3).double()
            assert torch.equal(relevance._linear(v, w, *given[1:])(v), F.linear(v, w, *given[1:]))
    for more in ({}, {"ceil_mode": True}):
        ours = relevance.max_pool2d(x, 3, **options, **more)(x)
        assert torch.equal(ours, F.max_pool2d(x, 3, **options, **more))


@pytest.mark.parametrize("name", [k for k, m in METHODS.items() if m.pictures or not m.channels])
def test_what_is_laid_over_a_picture_needs_one(name: str) -> None:
    net, x = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).eval(), torch.rand(2, 6)
    with pytest.raises(InputError, match="needs pictures"):
        run(METHODS[name], net, x, torch.tensor([0, 1]), {})


def test_warnings_are_as_before_when_the_last_one_has_left() -> None:
    before = list(warnings.filters)
    with quiet(), quiet():
        inside = list(warnings.filters)
    assert warnings.filters == before
    assert inside != before
    with quiet():
        with quiet():
            pass
        assert list(warnings.filters) == inside
    assert warnings.filters == before


@pytest.mark.parametrize(
    ("given", "sparsity", "of"),
    [
        ({}, DEFAULT, "contributing"),
        ({"output_change": 0.1}, None, "all"),
        ({"sparsity": 0.3}, 0.3, "all"),
        ({"sparsity": 0.3, "of": "contributing"}, 0.3, "contributing"),
    ],
)
def test_what_is_left_out_of_the_dial_is_said(given: dict[str, object], sparsity: object, of: str) -> None:
    found = checked("a method", DIAL, given)
    assert (found["sparsity"], found["of"]) == (sparsity, of)
    assert found["output_change"] == given.get("output_change")


def test_captum_takes_as_many_inputs_at_once_as_the_budget_holds_and_never_less_than_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = torch.zeros(3, 3, 8, 8)
    monkeypatch.setitem(MEMORY_BUDGET, "cpu", 10 * bytes_each(x))
    assert captum_methods._batch(x) == 10
    monkeypatch.setitem(MEMORY_BUDGET, "cpu", bytes_each(x))
    assert captum_methods._batch(x) == 3


def test_relevance_goes_through_means_over_rows_and_columns_only() -> None:
    """In any spelling; a mean over one of them, over channels or over everything has no rule."""

    class Mean(nn.Module):
        def __init__(self, *dims: object) -> None:
            super().__init__()
            self.dims, self.body, self.linear = dims, nn.Conv2d(3, 4, 3), nn.LazyLinear(3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.linear(self.body(x).relu().mean(*self.dims).reshape(1, -1))

    x = networks.inputs(1)
    for dims in ((), (1,), (3,), ((1, 2),), ((-1, 1),)):
        net = Mean(*dims).double().eval()
        net(x)
        with pytest.raises(ModelError, match="means over rows and columns only"):
            explain(net, x, 1, "lrp")
    found = []
    for dims in (((2, 3),), ((-1, -2),), ([-2, 3], True)):
        torch.manual_seed(0)
        net = Mean(*dims).double().eval()
        net(x)
        found.append(explain(net, x, 1, "lrp").values)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_the_active_subnet_of_relu_has_the_plain_gradient() -> None:
    net, x = networks.network("residual"), networks.inputs(1)
    active = explain(net, x, 1, "active_subnet", attribution="gradient").values
    torch.testing.assert_close(active, explain(net, x, 1, "saliency").values, rtol=1e-12, atol=1e-15)


def test_gradient_shap_of_many_points_approaches_integrated_gradients() -> None:
    net, x = networks.network("plain"), networks.inputs(1)
    exact = explain(net, x, 1, "integrated_gradients", steps=200).values
    close = explain(net, x, 1, "gradient_shap", samples=300).values
    assert (close - exact).norm() < 0.2 * exact.norm()


@pytest.mark.parametrize("name", networks.NAMES)
@pytest.mark.parametrize("stdev", [0.0, 0.25])  # Captum keeps it in float32, where 0.25 is exact
def test_gradient_shap_is_captums_for_the_same_draws(
    name: str, stdev: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, x, samples, baseline = networks.network(name), networks.inputs(1), 4, -0.2
    generator = generator_for(x[0], 3)
    alphas, noise = [], []
    for _ in range(samples):
        alphas.append(torch.rand((), generator=generator, dtype=torch.float64).item())
        noise.append(torch.randn(x.shape, generator=generator, dtype=torch.float64))
    found = explain(net, x, 1, "gradient_shap", samples=samples, stdev=stdev, baseline=baseline, seed=3)

    monkeypatch.setattr(np.random, "uniform", lambda low, high, size: np.array(alphas))
    monkeypatch.setattr(torch, "normal", lambda mean, std: mean + std * torch.cat(noise))
    theirs = attr.GradientShap(lambda given: net(given.clone())).attribute(
        x, torch.full_like(x, baseline), n_samples=samples, stdevs=stdev, target=1
    )
    torch.testing.assert_close(found.values, theirs, rtol=1e-12, atol=1e-15)


def ceilinged() -> nn.Module:
    """The plain network with ReLU6, half of whose first activations are at the ceiling."""
    plain = networks.network("plain")
    with torch.no_grad():
        plain[0].weight *= 40
    return nn.Sequential(*(nn.ReLU6() if isinstance(part, nn.ReLU) else part for part in plain))


@pytest.mark.parametrize("build", [lambda: networks.network("plain"), ceilinged])
@pytest.mark.parametrize("method", ["lrp", "lrp_alpha1_beta0", "excitation_backprop"])
def test_relevance_is_conserved_without_biases(method: str, build) -> None:
    net, x = build(), networks.inputs(2)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.bias.zero_()
    found = explain(net, x, None, method)
    top = net(x).detach().amax(1)
    expected = torch.ones_like(top) if method == "excitation_backprop" else top
    torch.testing.assert_close(found.values.flatten(1).sum(1), expected, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("build", [small_transformer, small_convnext])
def test_transformer_and_convnext_work_with_ours(build) -> None:
    net = build()
    x = torch.randn(1, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    note = theory_note(net, x)
    assert note is not None
    assert "gelu is smooth" in note
    assert "layer_norm" in note
    for method in ("prunegrad", "prunepgd", "input_mct", "integrated_gradients", "noise_tunnel", "occlusion"):
        options = {name: 2 for name in ("steps", "samples") if name in METHODS[method].options}
        values = explain(net, x, None, method, **options).values
        assert values.shape == x.shape
        assert bool(values.any())
    for method in ("guided_backprop", "lrp", "rap"):
        assert "gelu" in str(METHODS[method].supports(net, x))
    assert "layer_norm" in str(METHODS["deeplift"].supports(net, x))
    for method in ("gradcam", "prunegrad_mid"):
        reason = METHODS[method].supports(net, x)
        if build is small_transformer:
            assert "a transformer's are tokens" in str(reason)
        else:
            assert reason is None
            assert explain(net, x, 1, method).values.shape == (1, 1, 32, 32)


@pytest.mark.parametrize(("window", "stride"), [(4, 2), (3, 3), (None, None), (10, 5)])
def test_occlusion_takes_the_passes_that_are_foretold(window: int | None, stride: int | None) -> None:
    net, x, rows = networks.network("plain"), networks.inputs(1), []
    handle = net.register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    explain(net, x, 1, "occlusion", window=window, stride=stride)  # looked at before, with its hook
    rows.clear()
    explain(net, x, 1, "occlusion", window=window, stride=stride)
    handle.remove()
    windows = METHODS["occlusion"].forwards(x.shape[-1], window=window, stride=stride)
    assert windows <= sum(rows) <= windows + 4  # the picture itself, a few times


def test_theory_holds_for_rectifiers() -> None:
    assert theory_note(networks.network("residual"), networks.inputs(1)) is None


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ([nn.LayerNorm(6), nn.ReLU()], "layer_norm multiplies or divides"),
        ([nn.LayerNorm(6), nn.ReLU(), nn.Sigmoid()], "layer_norm, sigmoid multiply or divide"),
        ([nn.GELU()], "gelu is smooth"),
        ([nn.GELU(), nn.Linear(6, 6), nn.SiLU()], "gelu, silu are smooth"),
    ],
)
def test_theory_speaks_of_one_and_of_several(layers: list[nn.Module], says: str) -> None:
    net = nn.Sequential(nn.Linear(4, 6), *layers, nn.Linear(6, 3)).eval()
    assert says in str(theory_note(net, torch.rand(1, 4)))


def test_two_slopes_are_not_on_and_off() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LeakyReLU(), nn.Flatten(), nn.Linear(256, 5)).double().eval()
    for method in ("guided_backprop", "guided_gradcam", "rectgrad", "lrp", "rap"):
        assert "leaky_relu" in str(METHODS[method].supports(net, networks.inputs(1)))


def test_prunegrad_x_input_weighs_the_picture_by_the_gradient_of_what_stays() -> None:
    net, x = networks.network("residual"), networks.inputs(2)
    dial = {"sparsity": 0.6, "of": "contributing", "mode": "freeze"}
    product = explain(net, x, 1, "prunegrad_x_input", **dial).values
    torch.testing.assert_close(product, x * explain(net, x, 1, "prunegrad", **dial).values)
    whole = explain(net, x, 1, "prunegrad_x_input", sparsity=0.0, of="all").values
    torch.testing.assert_close(whole, explain(net, x, 1, "input_x_gradient").values)
    assert not torch.allclose(product, whole)
