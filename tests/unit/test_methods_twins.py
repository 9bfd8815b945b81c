"""Comparison methods against their rules written out another way, on every shape of network."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import densenet121, inception_v3, resnet18, squeezenet1_1

import networks
import slow
from pruneattr_core.attribution import METHODS, completeness_gap, explain
from pruneattr_core.errors import InputError

_RECTIFIED = ["functional", "reused", "residual", "concatenating", "branching", "inverted"]
#: (before the activation, after it, gradient that comes back) -> gradient that goes on
Rule = Callable[[Tensor, Tensor, Tensor], Tensor]


def replaced(
    patch: pytest.MonkeyPatch, activation: Callable[..., Tensor], pool: Callable[..., Tensor] | None = None
) -> None:
    """Let `activation(original, x)` stand for every rectifier, `pool` for max pooling; one thread only."""
    for home, name in ((F, "relu"), (F, "relu6"), (F, "hardtanh"), (Tensor, "relu")):
        original = torch.relu if name == "relu" else getattr(F, name)

        def call(x: Tensor, *args, original=original, name=name, **kwargs) -> Tensor:
            plain = original if name == "relu" else lambda a: original(a.clone(), *args, **kwargs)
            return activation(plain, x)

        patch.setattr(home, name, call)
    if pool is not None:
        patch.setattr(F, "max_pool2d", pool)


def ruled_gradient(net: nn.Module, x: Tensor, target: int, rule: Rule) -> Tensor:
    """Input gradient where every rectifier passes back what the rule says."""

    class Ruled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, before, plain):
            after = plain(before)
            ctx.save_for_backward(before, after)
            return after

        @staticmethod
        def backward(ctx, gradient):
            return rule(*ctx.saved_tensors, gradient), None

    leaf = x.clone().requires_grad_()
    with pytest.MonkeyPatch.context() as patch:
        replaced(patch, lambda plain, a: Ruled.apply(a.clone(), plain))
        logit = net(leaf)[0, target]
    (gradient,) = torch.autograd.grad(logit, leaf)
    return gradient


def passes(before: Tensor, after: Tensor) -> Tensor:
    """Where a rectifier with or without a ceiling hands its input on."""
    return (after == before) & (before > 0)


def rectified(before: Tensor, after: Tensor, gradient: Tensor) -> Tensor:
    score = after * gradient
    return gradient * (score > np.percentile(score.numpy(), 80)) * passes(before, after)


@pytest.mark.parametrize("name", _RECTIFIED)
@pytest.mark.parametrize(
    ("method", "rule", "options"),
    [
        ("guided_backprop", lambda z, a, gradient: gradient.clamp(min=0) * passes(z, a), {}),
        ("deconvolution", lambda z, a, gradient: gradient.clamp(min=0), {}),
        ("rectgrad", rectified, {"percentile": 0.8}),
    ],
    ids=["guided_backprop", "deconvolution", "rectgrad"],
)
def test_backward_rules_equal_an_autograd_function(method: str, rule: Rule, options: dict, name: str) -> None:
    net, x = networks.network(name), networks.inputs(1)
    found = explain(net, x, 1, method, **options).values
    torch.testing.assert_close(found, ruled_gradient(net, x, 1, rule), rtol=1e-12, atol=1e-15)


def linearised(net: nn.Module, x: Tensor, reference: Tensor, target: int) -> Tensor:
    """DeepLift as the gradient of a linear network.

    Every activation is replaced by the line through what x and the reference make of it, pooling by two.
    """
    seen: list[list[Tensor]] = []
    pool = F.max_pool2d
    for given in (x, reference):
        own: list[Tensor] = []

        def note(a: Tensor, own: list[Tensor] = own) -> Tensor:
            own.append(a.detach().clone())
            return a

        with pytest.MonkeyPatch.context() as patch:
            replaced(
                patch, lambda plain, a: plain(note(a)), lambda a, *args, **kw: pool(note(a), *args, **kw)
            )
            net(given)
        seen.append(own)
    calls = zip(*seen, strict=True)

    def line(plain: Callable[[Tensor], Tensor], a: Tensor) -> Tensor:
        here, there = next(calls)
        slope = (plain(here) - plain(there)) / (here - there)
        same = here == there
        return torch.where(same, plain(a), plain(there) + torch.where(same, 0.0, slope) * (a - there))

    def lines(a: Tensor, kernel: int, stride: int, padding: int, *rest, **more) -> Tensor:
        def windows(values: Tensor) -> Tensor:
            padded = F.pad(values, (padding,) * 4, value=-1e9)
            return F.unfold(padded, kernel, stride=stride).view(*values.shape[:2], kernel**2, -1)

        here, there = (windows(values) for values in next(calls))
        steps, out, out_ref = windows(a) - there, here.amax(2), there.amax(2)
        result = out_ref
        for place, part in (
            (here.argmax(2, keepdim=True), torch.maximum(out, out_ref) - out_ref),
            (there.argmax(2, keepdim=True), out - torch.maximum(out, out_ref)),
        ):
            size = (here - there).gather(2, place).squeeze(2)
            result = result + part / size * steps.gather(2, place).squeeze(2)
        side = (a.shape[3] + 2 * padding - kernel) // stride + 1
        return result.view(*a.shape[:2], -1, side)

    leaf = x.clone().requires_grad_()
    with pytest.MonkeyPatch.context() as patch:
        replaced(patch, line, lines)
        logit = net(leaf)[0, target]
    assert float(logit.detach()) == pytest.approx(float(net(x)[0, target].detach()), rel=1e-10)
    (slope,) = torch.autograd.grad(logit, leaf)
    return slope * (x - reference)


@pytest.mark.parametrize("name", _RECTIFIED)
@pytest.mark.parametrize("baseline", [0.3, -2.0])  # with the second, many maxima are the baseline's
def test_deeplift_equals_the_network_made_linear(name: str, baseline: float) -> None:
    net, x = networks.network(name), networks.inputs(1)
    found = explain(net, x, 1, "deeplift", baseline=baseline).values
    expected = linearised(net, x, torch.full_like(x, baseline), 1)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("build", [resnet18, squeezenet1_1, densenet121, inception_v3])
def test_deeplift_keeps_its_promise_where_pooling_windows_overlap(build) -> None:
    torch.manual_seed(0)
    more = {"init_weights": False} if build is inception_v3 else {}
    net, side = build(num_classes=7, **more).double().eval(), 96 if more else 64
    x = torch.randn(1, 3, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = explain(net, x, None, "deeplift")
    gap = completeness_gap(net, x, found)
    assert gap is not None
    with torch.no_grad():
        moved = (net(x) - net(torch.zeros_like(x)))[0, found.target[0]]
    assert abs(float(gap[0] / moved)) < 1e-9


@pytest.mark.parametrize("name", ["residual", "concatenating", "branching"])
def test_lrp_epsilon_of_rectifiers_is_input_times_gradient(name: str) -> None:
    """The theorem of Ancona et al. 2018, on networks where a hook on a shared tensor would break it."""
    net, x = networks.network(name), networks.inputs(1)
    expected = explain(net, x, 1, "input_x_gradient").values
    torch.testing.assert_close(explain(net, x, 1, "lrp").values, expected, rtol=1e-5, atol=1e-7)


def test_relevance_passes_a_norm_as_part_of_the_convolution_before_it() -> None:
    torch.manual_seed(5)
    convolution, norm, x = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), networks.inputs(1)
    nn.init.normal_(norm.bias)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.2, 3)
    rest = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(384, 5))
    apart = nn.Sequential(convolution, norm, rest).double().eval()
    fused = nn.Sequential(fuse_conv_bn_eval(convolution, norm), rest)
    for method in ("lrp", "lrp_alpha1_beta0", "excitation_backprop", "rap"):
        found, expected = (explain(net, x, 1, method).values for net in (apart, fused))
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


class Unmerged(nn.Module):
    """BatchNorm after a concatenation (DenseNet), and after a layer whose result is used besides."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.inner = nn.Conv2d(3, 4, 3, 1, 1), nn.Conv2d(7, 4, 3, 1, 1)
        self.first, self.second, self.linear = nn.BatchNorm2d(7), nn.BatchNorm2d(4), nn.Linear(400, 5)
        for norm in (self.first, self.second):
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
            norm.running_mean.normal_()

    def forward(self, x: Tensor) -> Tensor:
        h = self.inner(torch.relu(self.first(torch.cat([self.stem(x), x], 1))))
        return self.linear(torch.relu(self.second(h) + h).flatten(1))


class Spelled(nn.Module):
    """ReLU, and ReLU6 at last, by other calls, or as modules."""

    def __init__(self, plainly: bool) -> None:
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(3, 4, 3), *(nn.Conv2d(4, 4, 3, 1, 1) for _ in range(5))])
        self.linear = nn.Linear(4 * 8 * 8, 5)
        self.calls = [nn.ReLU()] * 5 + [nn.ReLU6()]
        if not plainly:
            self.calls = [
                lambda a: a.clamp(min=0),
                lambda a: torch.maximum(torch.zeros_like(a), a),
                lambda a: torch.where(a > 0, a, torch.zeros_like(a)),
                lambda a: (a > 0) * a,
                lambda a: F.threshold(a, 0.0, 0.0),
                lambda a: a.clamp_(0, 6),
            ]

    def forward(self, x: Tensor) -> Tensor:
        for convolution, call in zip(self.convs, self.calls, strict=True):
            x = call(convolution(x))
        return self.linear(x.flatten(1))


_BACKWARD = ("guided_backprop", "deconvolution", "rectgrad", "deeplift", "guided_gradcam", "layercam")
_BACKWARD += ("lrp", "lrp_alpha1_beta0", "excitation_backprop", "rap")


@pytest.mark.parametrize("method", _BACKWARD)
def test_a_rectifier_is_one_however_it_is_spelled(method: str) -> None:
    torch.manual_seed(6)
    net, x = Spelled(plainly=True).double().eval(), networks.inputs(1)
    with torch.no_grad():
        for convolution in net.convs:
            convolution.weight *= 3
    spelled = Spelled(plainly=False).double().eval()
    spelled.load_state_dict(net.state_dict())
    expected = explain(net, x, 1, method).values
    assert bool(expected.any())
    torch.testing.assert_close(explain(spelled, x, 1, method).values, expected, rtol=1e-9, atol=1e-12)


class Shuffled(nn.Module):
    """Chunks that go separate ways, padding and slices (ShuffleNet, TensorFlow's padding)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.inner, self.linear = nn.Conv2d(3, 6, 3, 2), nn.Conv2d(3, 3, 3, 2), nn.Linear(36, 5)

    def forward(self, x: Tensor) -> Tensor:
        left, right = torch.relu(self.stem(F.pad(x, (0, 1, 0, 1)))).chunk(2, 1)
        right = torch.relu(self.inner(F.pad(right, (1, 1, 1, 1))))
        return self.linear(
            torch.cat([left[:, :, 1:4, 1:4], right[:, :, :3, :3]], 1)[:, [3, 0, 1, 2]].flatten(1)
        )


@pytest.mark.parametrize("build", [Unmerged, Shuffled])
def test_relevance_finds_its_way_through_norms_of_their_own_and_moved_values(build) -> None:
    torch.manual_seed(4)
    net, x = build().double().eval(), networks.inputs(1)
    expected = explain(net, x, 1, "input_x_gradient").values
    torch.testing.assert_close(explain(net, x, 1, "lrp").values, expected, rtol=1e-5, atol=1e-7)
    for method in ("deeplift", "rap"):
        gap = completeness_gap(net, x, explain(net, x, 1, method))
        assert abs(float(gap)) < 1e-9


@pytest.mark.parametrize(
    ("name", "layer"), [("residual", "relu#2"), ("inverted", "clip#1"), ("branching", None)]
)
def test_layercam_equals_its_equation(name: str, layer: str | None) -> None:
    net, x = networks.network(name), networks.inputs(1)
    calls: list[tuple[Tensor, Tensor]] = []

    def add_leaf(_: int, a: Tensor) -> Tensor:
        leaf = torch.zeros_like(a, requires_grad=True)
        calls.append((a.detach().clone(), leaf))
        return a + leaf

    with slow.patched(add_leaf):
        logit = net(x)[0, 1]
    activation, leaf = calls[-1 if layer is None else 1]
    (gradient,) = torch.autograd.grad(logit, leaf)
    small = np.zeros(activation.shape[2:])
    for channel, slopes in zip(activation[0].numpy(), gradient[0].numpy(), strict=True):
        small += np.maximum(slopes, 0) * channel
    expected = torch.from_numpy(np.maximum(small, 0))[None, None]
    expected = F.interpolate(expected, size=(10, 10), mode="bilinear", align_corners=False)
    found = explain(net, x, 1, "layercam", layer=layer).values
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-15)
    assert bool(found.any())


def slow_generator(picture: Tensor, seed: int) -> torch.Generator:
    """What fixes the noise: the bytes of the picture followed by the seed's digits, hashed."""
    digest = hashlib.sha256(picture.numpy().tobytes() + str(seed).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") // 2)


def gradient_at(net: nn.Module, point: Tensor) -> Tensor:
    leaf = point.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(net(leaf[None])[0, 1], leaf)
    return gradient


def test_smoothgrad_averages_over_noise_of_every_pictures_own() -> None:
    net, x, samples, stdev, seed = networks.network("functional"), networks.inputs(2), 3, 0.25, 7
    # Not by `explain`, which gives one picture at a time in float64.
    found = METHODS["noise_tunnel"].compute(
        net, x, torch.tensor([1, 1]), of="saliency", samples=samples, stdev=stdev, seed=seed
    )
    for picture, value in zip(x, found, strict=True):
        generator = slow_generator(picture, seed)
        noise = [
            torch.randn(1, *picture.shape, generator=generator, dtype=torch.float64)[0]
            for _ in range(samples)
        ]
        expected = sum(gradient_at(net, picture + stdev * one) for one in noise) / samples
        torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-14)


def slow_path_average(net: nn.Module, picture: Tensor, seed: int, samples: int, draw) -> Tensor:
    generator, total = slow_generator(picture, seed), torch.zeros_like(picture)
    for _ in range(samples):
        alpha = float(torch.rand((), generator=generator, dtype=torch.float64))
        start, end = draw(picture, generator)
        total += (end - start) * gradient_at(net, start + alpha * (end - start)) / samples
    return total


def coloured(picture: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    colour = torch.randn(len(picture), generator=generator, dtype=torch.float64)
    return torch.stack(
        [torch.full_like(channel, c) for channel, c in zip(picture, colour, strict=True)]
    ), picture


def noisy(picture: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    noise = torch.randn(picture.shape, generator=generator, dtype=torch.float64)
    return torch.full_like(picture, 0.1), picture + 0.2 * noise


@pytest.mark.parametrize(
    ("method", "draw", "options"),
    [("expected_gradients", coloured, {}), ("gradient_shap", noisy, {"stdev": 0.2, "baseline": 0.1})],
    ids=["expected_gradients", "gradient_shap"],
)
def test_random_paths_are_every_pictures_own(method: str, draw, options: dict) -> None:
    net, x = networks.network("functional"), networks.inputs(2)
    found = METHODS[method].compute(net, x, torch.tensor([1, 1]), samples=4, seed=5, **options)
    for picture, value in zip(x, found, strict=True):
        expected = slow_path_average(net, picture, 5, 4, draw)
        torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-14)


def test_expected_gradients_draws_from_the_pictures_it_is_given(tmp_path: Path) -> None:
    net, x, others = networks.network("functional"), networks.inputs(2), networks.inputs(6, seed=3)

    def draw(picture: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return others[int(torch.randint(6, (), generator=generator))], picture

    np.save(tmp_path / "others.npy", others.numpy())
    found = explain(net, x, 1, "expected_gradients", samples=5, baselines=str(tmp_path / "others.npy")).values
    for picture, value in zip(x, found, strict=True):
        torch.testing.assert_close(value, slow_path_average(net, picture, 0, 5, draw), rtol=1e-10, atol=1e-14)
    np.save(tmp_path / "small.npy", others[:, :, :5].numpy())
    for name in ("small.npy", "missing.npy"):
        with pytest.raises(InputError, match="Expected baselines"):
            explain(net, x, 1, "expected_gradients", baselines=str(tmp_path / name))


class Scored(nn.Module):
    """Ends in a ReLU of class scores, as SqueezeNet does."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.two(F.relu(self.one(x)))).mean((2, 3))


def test_rectgrad_counts_class_scores_as_its_authors_do() -> None:
    torch.manual_seed(8)
    net, x = Scored().double().eval(), networks.inputs(1)
    nn.init.ones_(net.two.bias)
    found = explain(net, x, 1, "rectgrad", percentile=0.9).values
    expected = ruled_gradient(
        net, x, 1, lambda z, a, g: g * (a * g > np.percentile((a * g).numpy(), 90)) * passes(z, a)
    )
    assert bool(expected.any())
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-15)
