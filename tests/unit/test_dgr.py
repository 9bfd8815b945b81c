"""DGR against the released code's gates, and as a batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import networks
import slow
from pruneattr_core.errors import Cancelled, InputError
from pruneattr_core.heads import Head
from pruneattr_core.paths import dgr
from pruneattr_core.paths.dgr import GAMMA, dgr_gates
from test_reference import Reference


@pytest.mark.parametrize(("image", "init", "key"), [(0, "one", "init1"), (1, "random", "initr")])
def test_gates_equal_the_released_code(shared: Path, image: int, init: str, key: str) -> None:
    reference = Reference(shared / "reference", "vgg", image)
    arrays = np.load(shared / "reference" / "vgg_dgr.npz")
    gates = dgr_gates(reference.net, reference.x, init, seed=1234 + image)  # type: ignore[arg-type]
    ours = np.concatenate([layer.numpy().ravel() for layer in gates.layers])
    np.testing.assert_allclose(ours, arrays[f"x{image}/{key}/gates"], rtol=0, atol=1e-6)
    trace = arrays[f"x{image}/{key}/best_trace_iter_loss_prob"]
    assert gates.iteration.tolist() == [trace[-1, 0]]
    assert float(gates.loss) == pytest.approx(trace[-1, 1], abs=1e-6)
    for percent, path in zip((80, 90, 99), gates.paths([0.8, 0.9, 0.99]), strict=True):
        theirs = np.unpackbits(arrays[f"x{image}/{key}/mask{percent}"])[: ours.size].astype(bool)
        np.testing.assert_array_equal(np.concatenate([m.numpy().ravel() for m in path.layers]), theirs)


def slow_dgr(net: nn.Module, x: Tensor, start: list[np.ndarray], iterations: int) -> list[tuple[float, bool]]:
    """Loss, and whether the prediction stays, of every iterate of one image."""
    wanted, label = net(x).softmax(1)[0].detach(), int(net(x).argmax())
    gates, speed, seen = start, [0.0 * gate for gate in start], []
    for _ in range(iterations):
        leaves = [torch.tensor(gate, requires_grad=True) for gate in gates]
        with slow.patched(lambda i, a: a * leaves[i]):  # noqa: B023
            logits = net(x)[0]
        loss = -sum(wanted[c] * logits.log_softmax(0)[c] for c in range(len(wanted)))
        loss = loss + 0.01 * sum(leaf.abs().sum() for leaf in leaves)
        gradients = torch.autograd.grad(loss, leaves)
        seen.append((loss.item(), int(logits.argmax()) == label))
        speed = [0.9 * v + g.numpy() for v, g in zip(speed, gradients, strict=True)]
        gates = [np.maximum(gate - 0.01 * v, 0) for gate, v in zip(gates, speed, strict=True)]
    return seen


class Narrow(nn.Module):
    """Answers 0 by a small margin that goes as gates shrink, or 1."""

    def forward(self, x: Tensor) -> Tensor:
        mean = F.relu(x.flatten(1)).mean(1)
        return torch.stack([mean, 0 * mean + 0.39], 1)


def test_takes_the_smallest_loss_of_those_that_keep_the_prediction() -> None:
    net, x, iterations = Narrow().eval(), networks.inputs(6), 100
    assert net(x).argmax(1).unique().tolist() == [0, 1]
    found = dgr_gates(net, x, "one", iterations=iterations)
    better_but_wrong = 0
    for image in range(len(x)):
        ones = [np.ones((1, *layer.shape[1:])) for layer in found.layers]
        seen = slow_dgr(net, x[image : image + 1], ones, iterations)
        keeping = [k for k, (_, keeps) in enumerate(seen) if keeps]
        best = min(keeping, key=lambda k: seen[k][0])
        assert int(found.iteration[image]) == best
        assert float(found.loss[image]) == pytest.approx(seen[best][0], rel=1e-9)
        better_but_wrong += min(loss for loss, _ in seen) < seen[best][0]
    assert better_but_wrong  # the condition decided something here


def test_the_first_iterate_stays_where_no_later_one_keeps_the_prediction(monkeypatch) -> None:
    net, x = Narrow().eval(), networks.inputs(6)
    monkeypatch.setattr(dgr, "LEARNING_RATE", 1e6)  # closes every gate at once
    found, hold = dgr_gates(net, x, "one", iterations=3), net(x).argmax(1) == 0
    assert 0 < int(hold.sum()) < len(x)
    assert not found.iteration[hold].any()
    assert bool((found.layers[0][hold] == 1).all())


@pytest.mark.parametrize("name", ["plain", "one_output", "multi_label", "softmax_inside", "sigmoid_inside"])
def test_what_is_distilled_is_what_the_head_reads(name: str) -> None:
    net, x = networks.network(name), networks.inputs(2)
    head: Head | None = "sigmoid" if name == "multi_label" else None
    gates = dgr_gates(net, x, "random", seed=3, iterations=1, head=head)
    start = gates.layers  # of the only iterate
    with torch.no_grad(), slow.patched(lambda i, a: a * start[i]):
        answered = net(x)
    z, size = net(x).detach(), sum(gate.flatten(1).sum(1) for gate in start)
    if name == "plain":
        loss = F.cross_entropy(answered, z.softmax(1), reduction="none")
    elif name == "softmax_inside":
        loss = -(z * answered.log()).sum(1)
    elif name == "sigmoid_inside":
        loss = F.binary_cross_entropy(answered, z, reduction="none").sum(1)
    else:
        loss = F.binary_cross_entropy_with_logits(answered, z.sigmoid(), reduction="none").sum(1)
    torch.testing.assert_close(gates.loss, loss + GAMMA * size)
    alike = z.argmax(1) == answered.argmax(1)
    if name in ("one_output", "multi_label"):
        alike = ((z > 0) == (answered > 0)).all(1)
    elif name == "sigmoid_inside":
        alike = ((z > 0.5) == (answered > 0.5)).all(1)
    assert torch.equal(gates.kept_prediction, alike)


@pytest.mark.parametrize("init", ["one", "random"])
@pytest.mark.parametrize("name", ["residual", "gelu"])
def test_images_are_independent(name: str, init: str) -> None:
    """In float32 a batch trains together, in float64 alone; both give what each image gives."""
    net, x = networks.network(name), networks.inputs(3)
    batch = dgr_gates(net, x, init, seed=5, iterations=30)  # type: ignore[arg-type]
    together = dgr_gates(net.float(), x.float(), init, seed=5, iterations=30)  # type: ignore[arg-type]
    net.double()
    for image in range(3):
        alone = dgr_gates(net, x[image : image + 1], init, seed=5, iterations=30)  # type: ignore[arg-type]
        for a, b, c in zip(batch.layers, alone.layers, together.layers, strict=True):
            assert torch.equal(a[image : image + 1], b)
            torch.testing.assert_close(c[image : image + 1].double(), b, rtol=0, atol=1e-4)
            assert bool((a >= 0).all())


def test_leaves_no_trace_and_may_be_stopped() -> None:
    net, x = networks.network("residual"), networks.inputs(2)
    before, chance = networks.state(net), torch.get_rng_state()
    seen: list[tuple[int, int]] = []
    dgr_gates(net, x, "random", iterations=3, progress=lambda *at: seen.append(at))
    assert seen == [(k, 6) for k in range(1, 7)]
    assert networks.state(net) == before
    assert torch.equal(chance, torch.get_rng_state())

    def stop(done: int, total: int) -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        dgr_gates(net, x, progress=stop)


def test_without_an_iterate_that_keeps_the_prediction_says_so() -> None:
    net, x = networks.network("plain"), networks.inputs(8)
    gates = dgr_gates(net, x, "random", seed=3, iterations=1)
    label = net(x).argmax(1)
    start = dgr_gates(net, x, "random", seed=3, iterations=2)
    assert gates.kept_prediction.dtype == torch.bool
    assert len(label) == len(gates.kept_prediction) == len(start.loss)
    assert bool(torch.isfinite(gates.loss).all())
    assert gates.iteration.tolist() == [0] * 8


@pytest.mark.parametrize(("init", "named"), [("one", "dgr_init1"), ("random", "dgr_random")])
def test_gates_name_the_method_that_made_them(init: str, named: str) -> None:
    settings = dgr_gates(networks.network("plain"), networks.inputs(1), init, 5, 1).settings  # type: ignore[arg-type]
    assert settings["method"] == named
    assert settings.get("seed") == (5 if init == "random" else None)
    assert settings["iterations"] == 1


def test_refuses_what_it_cannot_use() -> None:
    net, x = networks.network("plain"), networks.inputs(1)
    with pytest.raises(InputError, match="init"):
        dgr_gates(net, x, "ones")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="iterations"):
        dgr_gates(net, x, iterations=0)
