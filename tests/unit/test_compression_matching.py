"""Attribution matching and distillation losses: the released code's values and gradients, and slow twins."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from pruneattr_core.compression import matching
from pruneattr_core.compression.pool import Pool
from pruneattr_core.compression.teacher import Answers, answers
from pruneattr_core.compression.train import Matching, prune_iteratively, student_loss
from pruneattr_core.errors import InputError, ModelError

_VGG16_8 = (8, 8, 0, 16, 16, 0, 32, 32, 32, 0, 64, 64, 64, 0, 64, 64, 64, 0)


class _ReleasedVGG(nn.Module):
    """VGG16 with 1/8 of the channels, as the reference was made with; matched after the last pooling."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for width in _VGG16_8:
            if width:
                layers += [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
                before = width
            else:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(64 * 49, 20))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))


@pytest.fixture(scope="module")
def pair(shared: Path) -> tuple[nn.Module, nn.Module, Tensor, dict[str, np.ndarray]]:
    """Teacher and student of the reference arrays with their input; skips where ../shared is absent."""
    models = []
    for name in ("teacher", "student"):
        model = _ReleasedVGG().double()
        model.load_state_dict(load_file(shared / f"reference/ap_{name}_vgg16_voc_x8_f64.safetensors"))
        models.append(model.eval())
    inputs = torch.randn(2, 3, 227, 227, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    with np.load(shared / "reference/attr_preserve_losses.npz") as arrays:
        return models[0].requires_grad_(False), models[1], inputs, dict(arrays)


def _close(found: Tensor, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(found.detach().numpy(), wanted, rtol=1e-9, atol=1e-9 * np.abs(wanted).max())


@pytest.mark.parametrize("kind", ["ewa", "swa", "sswa"])
def test_values_and_gradients_of_the_released_code(pair, kind):
    teacher, student, inputs, wanted = pair
    told, theirs = matching.seen(teacher, inputs, "features.43", leaf=True)
    logits, ours = matching.seen(student, inputs, "features.43")
    _close(told, wanted[f"{kind}/teacher_out"])
    _close(logits, wanted[f"{kind}/student_out"])
    if kind == "ewa":
        teacher_map, student_map = matching.ewa_map(theirs.detach()), matching.ewa_map(ours)
        _close(theirs, wanted["ewa/attr_t"])
    else:
        target = told.argmax(1)
        np.testing.assert_array_equal(target, wanted[f"{kind}/grad_out"].argmax(1))
        weights = matching.channel_weights(told, theirs, target)
        if kind == "sswa":
            weights = weights.index_fill(1, torch.from_numpy(wanted["erase_channels"]), 0.0)
        teacher_map = matching.swa_map(theirs.detach(), weights)
        student_map = matching.swa_map(
            ours, matching.channel_weights(logits, ours, target, create_graph=True)
        )
        _close(teacher_map[:, None], wanted[f"{kind}/attr_t"])
        _close(student_map[:, None], wanted[f"{kind}/attr_s"])
    extra = matching.matching_loss(teacher_map, student_map)
    task = matching.task_loss(logits, torch.from_numpy(wanted["targets"]), multi_label=True)
    total = task + matching.BETA[kind] * extra
    for value, name in ((extra, "aux"), (task, "ce"), (total, "total")):
        _close(value, wanted[f"{kind}/{name}"])
    places = {"features0": student.features[0], "features40": student.features[40]}
    places["classifier"] = student.classifier[1]
    gradients = torch.autograd.grad(total, [one.weight for one in places.values()])
    for name, gradient in zip(places, gradients, strict=True):
        _close(gradient, wanted[f"{kind}/student_grad_{name}_weight"])


def test_distillation_of_the_released_code(pair):
    teacher, student, inputs, wanted = pair
    with torch.no_grad():
        value = matching.distillation_loss(
            student(inputs), teacher(inputs), torch.from_numpy(wanted["targets"]), True, 4.0, 0.9
        )
    _close(value, wanted["logit_kd_T4_a0.9"])


class _Tiny(nn.Module):
    def __init__(self, channels: int, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.features = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.classifier = nn.Linear(channels * 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))


@pytest.fixture
def tiny() -> tuple[nn.Module, nn.Module, Tensor]:
    inputs = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return _Tiny(4, 1).double().requires_grad_(False), _Tiny(2, 2).double(), inputs


def _slow_swa(
    model: nn.Module, picture: Tensor, target: int, dropped: tuple[int, ...] = (), layer: int = 1
) -> np.ndarray:
    """Loops over channels and positions; the gradient by central differences of the rest of the network."""
    with torch.no_grad():
        activation = model.features[: layer + 1](picture[None])[0]

        def logit(one: Tensor) -> float:
            return float(model.classifier(model.features[layer + 1 :](one[None]).flatten(1))[0, target])

        channels, height, width = activation.shape
        total = np.zeros((height, width))
        for c in range(channels):
            if c in dropped:
                continue
            weight, step = 0.0, 1e-7
            for i in range(height):
                for j in range(width):
                    up, down = activation.clone(), activation.clone()
                    up[c, i, j] += step
                    down[c, i, j] -= step
                    weight += (logit(up) - logit(down)) / (2 * step)
            for i in range(height):
                for j in range(width):
                    total[i, j] += weight * float(activation[c, i, j])
    return np.maximum(total, 0)


def _slow_loss(teacher_map: np.ndarray, student_map: np.ndarray) -> float:
    total, count = 0.0, 0
    for one, other in zip(teacher_map, student_map, strict=True):
        norms = [max(math.sqrt(float((m**2).sum())), 1e-12) for m in (one, other)]
        for a, b in zip(one.ravel(), other.ravel(), strict=True):
            total, count = total + (a / norms[0] - b / norms[1]) ** 2, count + 1
    return total / count


@pytest.mark.parametrize("dropped", [(), (0, 3)])
def test_swa_against_loops(tiny, dropped):
    teacher, student, inputs = tiny
    told, theirs = matching.seen(teacher, inputs, "features.1", leaf=True)
    target = told.argmax(1)
    weights = matching.channel_weights(told, theirs, target).index_fill(1, torch.tensor(dropped).long(), 0.0)
    logits, ours = matching.seen(student, inputs, "features.1")
    fast_t = matching.swa_map(theirs, weights)
    fast_s = matching.swa_map(ours, matching.channel_weights(logits, ours, target))
    slow_t = np.array([_slow_swa(teacher, x, int(t), dropped) for x, t in zip(inputs, target, strict=True)])
    slow_s = np.array([_slow_swa(student, x, int(t)) for x, t in zip(inputs, target, strict=True)])
    np.testing.assert_allclose(fast_t.detach(), slow_t, atol=1e-7)
    np.testing.assert_allclose(fast_s.detach(), slow_s, atol=1e-7)
    assert matching.matching_loss(fast_t, fast_s).item() == pytest.approx(
        _slow_loss(slow_t, slow_s), abs=1e-8
    )


def test_gradient_goes_through_the_students_weights_a_second_time(tiny):
    """The derivative of the loss by the classifier, through which only the channel weights depend on it."""
    teacher, student, inputs = tiny
    told, theirs = matching.seen(teacher, inputs, "features.1", leaf=True)
    target = told.argmax(1)
    wanted = matching.swa_map(theirs, matching.channel_weights(told, theirs, target)).detach()

    def loss() -> Tensor:
        logits, ours = matching.seen(student, inputs, "features.1")
        weights = matching.channel_weights(logits, ours, target, create_graph=True)
        return matching.matching_loss(wanted, matching.swa_map(ours, weights))

    (gradient,) = torch.autograd.grad(loss(), student.classifier.weight)
    assert gradient.abs().max() > 0
    entry = divmod(int(gradient.abs().argmax()), gradient.shape[1])
    step = 1e-6
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            student.classifier.weight[entry] += sign * step
        values.append(loss().item())
        with torch.no_grad():
            student.classifier.weight[entry] -= sign * step
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(float(gradient[entry]), rel=1e-5)


@pytest.mark.parametrize("multi_label", [True, False])
def test_distillation_against_loops(multi_label):
    generator = torch.Generator().manual_seed(3)
    student, teacher = (torch.randn(2, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    labels = torch.tensor([[0.0, 1, 0], [0, 0, 1]], dtype=torch.float64)
    temperature, alpha, soft, hard = 4.0, 0.9, 0.0, 0.0
    for b in range(2):
        if multi_label:
            for c in range(3):
                p, q = (1 / (1 + math.exp(-float(z[b, c]) / temperature)) for z in (student, teacher))
                soft += (q * math.log(q / (p + 1e-7)) + (1 - q) * math.log((1 - q) / (1 - p + 1e-7))) / 6
                probability = 1 / (1 + math.exp(-float(student[b, c])))
                hard -= math.log(probability if labels[b, c] else 1 - probability) / 6
        else:
            p_all = [math.exp(float(z) / temperature) for z in student[b]]
            q_all = [math.exp(float(z) / temperature) for z in teacher[b]]
            for p, q in zip(p_all, q_all, strict=True):
                soft += q / sum(q_all) * math.log(q / sum(q_all) / (p / sum(p_all))) / 2
            plain = [math.exp(float(z)) for z in student[b]]
            hard -= math.log(plain[int(labels[b].argmax())] / sum(plain)) / 2
    wanted = alpha * temperature**2 * soft + (1 - alpha) * hard
    found = matching.distillation_loss(student, teacher, labels, multi_label, temperature, alpha)
    assert found.item() == pytest.approx(wanted, rel=1e-9)


def test_dropped_channels_are_a_fixed_number():
    rng = np.random.default_rng(0)
    for _ in range(5):
        dropped = matching.dropped_channels(64, 0.3, rng)
        assert len(set(dropped.tolist())) == 19


def test_papers_defaults():
    assert matching.BETA == {"none": 0.0, "ewa": 100.0, "swa": 50.0, "sswa": 50.0}
    given = Matching("sswa")
    assert (given.weight, given.temperature, given.alpha, given.drop) == (50.0, 4.0, 0.9, 0.3)
    assert Matching("ewa", beta=7.0).weight == 7.0
    with pytest.raises(InputError, match="Expected a matching out of none, ewa, swa, sswa"):
        Matching("cam")


@pytest.mark.parametrize(
    "wrong", [{"temperature": 0.0}, {"alpha": -0.1}, {"alpha": 1.1}, {"drop": -0.1}, {"drop": 1.0}]
)
def test_shares_and_temperatures_that_are_none_are_refused(wrong):
    assert Matching("sswa", temperature=1e-3, alpha=1.0, drop=0.0).alpha == 1
    assert Matching("sswa", alpha=0.0, drop=0.999).alpha == 0
    with pytest.raises(InputError, match="temperature above 0, alpha and drop"):
        Matching("sswa", **wrong)


@pytest.mark.parametrize(("rate", "rounds"), [(0.0, 1), (1.0, 1), (-0.2, 1), (0.2, 0)])
def test_a_round_of_pruning_leaves_and_takes_something(rate, rounds):
    with pytest.raises(InputError, match=r"rate in \(0, 1\) and 1 or more rounds"):
        prune_iteratively(_Tiny(2, 2), None, rounds, rate)


def test_rounds_of_pruning_take_the_seconds_of_their_trainings():
    class Setting:
        pictures = SimpleNamespace(device="cpu")
        log = staticmethod(lambda line: None)
        identity = file = staticmethod(lambda *what: None)
        fit = staticmethod(lambda student, kind, rate, number: float(number))

    student, seconds, record = prune_iteratively(_Tiny(2, 2), Setting(), 3, 0.5)
    assert seconds == 1 + 2 + 3
    assert len(record) == 3
    assert not student.training


def test_layers_are_found_or_asked_for(tiny):
    teacher, _, inputs = tiny
    assert matching.matched_layer(teacher, inputs) == "features.1"
    points = nn.Sequential(
        nn.Conv2d(3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.ReLU(), nn.Flatten(), nn.ReLU()
    )
    assert (
        matching.matched_layer(points.double(), inputs) == "1"
    )  # neither a map of one place nor a row is one
    assert not teacher.features[1]._forward_hooks
    with pytest.raises(ModelError, match=r"There is no layer 'features\.9'"):
        matching.seen(teacher, inputs, "features.9")
    with pytest.raises(ModelError, match="name the layer to match"):
        matching.matched_layer(nn.Sequential(nn.Flatten(), nn.Linear(48, 3)).double(), inputs)


class _Double(nn.Module):
    """A network that takes float32 pictures and computes in float64, so that differences can be trusted."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net.double()

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x.double())


def _slow_ewa(activation: Tensor) -> np.ndarray:
    values = activation.numpy()
    return sum(values[c] ** 2 for c in range(len(values))) / len(values)


@pytest.mark.parametrize(
    ("kind", "masks"),
    [("none", "fixed"), ("ewa", "fixed"), ("swa", "fixed"), ("sswa", "fixed"), ("sswa", "bernoulli")],
)
def test_the_training_loss_and_its_gradient_against_loops(kind, masks):
    """Two layers (not the ReLU, whose zeros tie in the pooling); no option at its default."""
    rng = np.random.default_rng(0)
    pictures = Pool(
        rng.integers(0, 256, (6, 4, 4, 3)).astype(np.uint8),
        np.eye(3, dtype=np.float32)[rng.integers(0, 3, 6)],
        True,
        "noise",
        (0.5,) * 3,
        (0.25,) * 3,
    )
    teacher, student = _Tiny(8, 1).double().requires_grad_(False), _Double(_Tiny(2, 2))
    asked = Matching(kind, ("net.features.0", "net.features.2"), 10.0, 3.0, 0.8, 0.5, masks)

    class Wide(Pool):
        def batch(self, chosen, mirrored=None):
            return Pool.batch(self, chosen, mirrored).double()

    wide = Wide(pictures.images, pictures.labels, True, "", pictures.mean, pictures.std)
    told = [answers(teacher, wide, layer) for layer in ("features.0", "features.2")]
    chosen = np.array([1, 4, 5, 2])
    loss = student_loss(student, pictures, told, asked)

    chance = np.random.default_rng(9)
    mirrored = chance.random(4) < 0.5
    assert 0 < mirrored.sum() < 4
    inputs = wide.batch(chosen, mirrored)
    with torch.no_grad():
        logits, wanted = student.net(inputs), teacher(inputs)
        expected = matching.distillation_loss(
            logits, wanted, pictures.targets(chosen), True, temperature=3.0, alpha=0.8
        ).item()
    for layer in (0, 2) if kind != "none" else ():
        dropped = ()
        if kind == "sswa" and masks == "fixed":
            dropped = tuple(chance.choice(8, 4, replace=False))
        elif kind == "sswa":
            dropped = tuple(c for c, draw in enumerate(chance.random(8)) if draw < 0.5)
        pairs = []
        for x, target in zip(inputs, wanted.argmax(1).tolist(), strict=True):
            if kind == "ewa":
                with torch.no_grad():
                    nets = (teacher, student.net)
                    pairs.append([_slow_ewa(net.features[: layer + 1](x[None])[0]) for net in nets])
            else:
                theirs = _slow_swa(teacher, x, target, dropped, layer)
                pairs.append([theirs, _slow_swa(student.net, x, target, layer=layer)])
        expected += 10 * _slow_loss(*np.array(pairs).swapaxes(0, 1))
    found = loss(chosen, np.random.default_rng(9))
    assert found.item() == pytest.approx(expected, abs=2e-5)

    weight = student.net.classifier.weight
    (gradient,) = torch.autograd.grad(found, weight)
    entry = divmod(int(gradient.abs().argmax()), gradient.shape[1])
    values = []
    for step in (1e-6, -1e-6):
        with torch.no_grad():
            weight[entry] += step
        values.append(loss(chosen, np.random.default_rng(9)).item())
        with torch.no_grad():
            weight[entry] -= step
    assert (values[0] - values[1]) / 2e-6 == pytest.approx(float(gradient[entry]), rel=1e-4)


def test_as_many_layers_as_the_teacher_answers_for():
    told = Answers(torch.zeros(2, 1, 3), torch.zeros(2, 1, 4), torch.zeros(2, 1, 4, 4, 4), "features.1")
    with pytest.raises(InputError, match="Expected 1 layers to match"):
        student_loss(_Tiny(2, 2), None, [told], Matching("ewa", ("features.0", "features.1")))
    with pytest.raises(InputError, match="Expected masks fixed or bernoulli"):
        Matching("sswa", masks="some")


def test_bernoulli_masks_leave_out_each_channel_by_chance():
    rng = np.random.default_rng(0)
    counts = [len(matching.dropped_channels(64, 0.3, rng, "bernoulli")) for _ in range(400)]
    assert np.mean(counts) == pytest.approx(19.2, abs=0.6)
    assert np.std(counts) == pytest.approx(math.sqrt(64 * 0.3 * 0.7), rel=0.15)
