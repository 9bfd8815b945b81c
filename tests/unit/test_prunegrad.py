"""PruneGrad against a slow twin, its theorems, and what it leaves behind."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from captum.attr import LayerGradientXActivation
from torch import Tensor, nn

import networks
import slow
from pruneattr_core import PruneGrad, PrunePGD, contributions
from pruneattr_core.errors import ArgumentTypeError, InputError, ModelError, TargetError
from pruneattr_core.pruning import pruned_gradient

LEVELS = (0.0, 0.3, 0.6, 0.8, 0.95, 1.0)


@pytest.mark.parametrize("name", networks.NAMES)
@pytest.mark.parametrize("mode", ["zero", "freeze"])
def test_maps_equal_the_slow_twin(name: str, mode: str) -> None:
    net, x = networks.network(name), networks.inputs(2)
    sweep = PruneGrad(net).sweep(x, [1, 3], LEVELS, mode)
    for image, target in enumerate((1, 3)):
        one = x[image : image + 1]
        scores = slow.taylor(net, one, target)
        ours = contributions(net, one, target).layers
        for mine, theirs in zip(ours, scores, strict=True):
            np.testing.assert_allclose(mine[0], theirs, rtol=1e-12, atol=1e-16)
        for k, level in enumerate(LEVELS):
            expected = slow.prunegrad(net, one, target, slow.masks(scores, level), mode)
            np.testing.assert_allclose(sweep.maps[k, image], expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", networks.NAMES)
@pytest.mark.parametrize("mode", ["zero", "freeze"])
def test_a_batch_equals_its_single_images_bit_for_bit(name: str, mode: str) -> None:
    net, x = networks.network(name), networks.inputs(3)
    method = PruneGrad(net)
    batch = method.sweep(x, None, LEVELS, mode)
    for image in range(3):
        alone = method.sweep(x[image : image + 1], None, LEVELS, mode)
        assert torch.equal(batch.maps[:, image], alone.maps[:, 0])
        assert torch.equal(batch.output_change[:, image], alone.output_change[:, 0])
    for k, level in enumerate(LEVELS):
        assert torch.equal(method.attribute(x, sparsity=level, mode=mode), batch.maps[k])


def test_several_images_in_one_pass_keep_their_own_thresholds() -> None:
    net, x = networks.network("residual", torch.float32), networks.inputs(4, dtype=torch.float32)
    together = PruneGrad(net).sweep(x, None, LEVELS)
    for image in range(4):
        alone = PruneGrad(net).sweep(x[image : image + 1], None, LEVELS)
        assert torch.equal(together.sparsity[:, image], alone.sparsity[:, 0])
        torch.testing.assert_close(together.maps[:, image], alone.maps[:, 0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", networks.NAMES)
def test_both_modes_start_at_the_plain_gradient_and_freeze_keeps_the_answer(name: str) -> None:
    net, x = networks.network(name), networks.inputs(1).requires_grad_()
    sweep = PruneGrad(net).sweep(x, 2, LEVELS, "freeze")
    logits = net(x)
    (gradient,) = torch.autograd.grad(logits[:, 2].sum(), x)
    assert torch.equal(sweep.logit, logits[:, 2].expand(len(LEVELS), -1))
    assert not sweep.output_change.any()
    torch.testing.assert_close(sweep.maps[0], gradient, rtol=1e-12, atol=1e-15)
    assert not sweep.maps[-1].any()
    for mode in ("zero", "freeze"):
        whole = PruneGrad(net).attribute(x, 2, sparsity=0, mode=mode)
        torch.testing.assert_close(whole, gradient, rtol=1e-12, atol=1e-15)


def test_answers_are_those_of_the_pruned_network() -> None:
    net, x = networks.network("residual"), networks.inputs(2)
    sweep = PruneGrad(net).sweep(x, 1, LEVELS)
    for k, level in enumerate(LEVELS):
        for image in range(2):
            one = x[image : image + 1]
            kept = slow.masks(slow.taylor(net, one, 1), level)
            with slow.patched(lambda i, a, kept=kept: a * torch.from_numpy(kept[i])), torch.no_grad():
                logits = net(one)
            p, q = net(one).softmax(1)[0, 1].item(), logits.softmax(1)[0, 1].item()
            assert sweep.logit[k, image].item() == pytest.approx(logits[0, 1].item(), rel=1e-12)
            before, after = net(one)[0, 1].item(), logits[0, 1].item()
            change = abs(after - before) / abs(before)
            assert sweep.output_change[k, image].item() == pytest.approx(change, rel=1e-9, abs=1e-15)
            change = abs(q - p) / p
            assert sweep.probability_change[k, image].item() == pytest.approx(change, rel=1e-9, abs=1e-15)
            assert sweep.prediction[k, image].item() == logits.argmax().item()
            removed = sum((~m).sum() for m in kept) / sum(m.size for m in kept)
            assert sweep.sparsity[k, image].item() == removed


@pytest.mark.parametrize("allowed", [0.05, 0.15, 0.3])
def test_output_change_stops_at_the_first_step_that_exceeds_it(allowed: float) -> None:
    net, x = networks.network("reused"), networks.inputs(3)
    method = PruneGrad(net)
    grid = [i / 100 for i in range(1, 100)] + [i / 1000 for i in range(991, 1000)]
    curve = method.sweep(x, None, grid)
    maps = method.attribute(x, output_change=allowed)
    frozen = method.attribute(x, output_change=allowed, mode="freeze")
    for image in range(3):
        over = (curve.output_change[:, image] > allowed).nonzero()
        first = int(over[0]) if len(over) else len(grid) - 1
        assert torch.equal(maps[image], curve.maps[first, image])
        one = x[image : image + 1]
        assert torch.equal(frozen[image], method.attribute(one, sparsity=grid[first], mode="freeze")[0])


def test_taylor_contributions_equal_captum() -> None:
    net, x = networks.network("plain"), networks.inputs(3)
    scores = contributions(net, x, 2)
    for name, layer in zip(scores.names, scores.layers, strict=True):
        captum = LayerGradientXActivation(net, net.get_submodule(name)).attribute(x, target=2)
        torch.testing.assert_close(layer, captum.detach().abs(), rtol=1e-12, atol=0)


def test_eight_threads_on_one_model_are_bit_identical_to_one() -> None:
    net = networks.network("residual", torch.float32)
    jobs = [(networks.inputs(1, seed, torch.float32), 0.3 + seed * 0.08) for seed in range(8)]
    method = PruneGrad(net)

    def work(x: torch.Tensor, level: float) -> list[torch.Tensor]:
        return [method.attribute(x, sparsity=level, mode=mode) for mode in ("zero", "freeze")]

    expected = [work(*job) for job in jobs]
    differing, barrier = [], threading.Barrier(len(jobs))

    def repeat(index: int) -> None:
        barrier.wait()
        for _ in range(25):
            found = work(*jobs[index])
            differing.extend(i for i, map_ in enumerate(found) if not torch.equal(map_, expected[index][i]))

    threads = [threading.Thread(target=repeat, args=(index,)) for index in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert differing == []


@pytest.mark.parametrize("name", networks.NAMES)
def test_the_model_and_the_inputs_are_left_as_they_were(name: str) -> None:
    net, x = networks.network(name), networks.inputs(2)
    before, kept, random = networks.state(net), x.clone(), torch.random.get_rng_state()
    PruneGrad(net).attribute(x, sparsity=0.8)
    PruneGrad(net).sweep(x, 1, LEVELS, "freeze")
    PruneGrad(net).attribute(x, output_change=0.1)
    PrunePGD(net).attribute(x, steps=2)
    with pytest.raises(TargetError):
        PruneGrad(net).attribute(x, 99)
    with pytest.raises(RuntimeError, match="stop"):
        PruneGrad(net).sweep(x, None, LEVELS, "freeze", progress=_stop)
    assert networks.state(net) == before
    assert torch.equal(x, kept)
    assert torch.equal(torch.random.get_rng_state(), random)


def _stop(done: int, total: int) -> None:
    raise RuntimeError("stop")


def test_progress_reaches_its_total_and_never_goes_back() -> None:
    seen: list[tuple[int, int]] = []
    net, x = networks.network("plain"), networks.inputs(2)
    PruneGrad(net).sweep(x, None, LEVELS, progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (len(LEVELS) * 2, len(LEVELS) * 2)


def test_targets_as_in_captum() -> None:
    net, x = networks.network("plain"), networks.inputs(2)
    method = PruneGrad(net)
    expected = method.attribute(x, 0)
    unsigned = np.uint64(0)  # PyTorch refuses it by itself
    for target in (
        [0, 0],
        torch.tensor([0, 0]),
        torch.tensor(0),
        np.int64(0),
        unsigned,
        [unsigned, np.int8(0)],
    ):
        assert torch.equal(method.attribute(x, target), expected)
    assert torch.equal(method.attribute(x), method.attribute(x, net(x).argmax(1)))
    assert isinstance(method.attribute((x,), 0), tuple)


def test_class_scores_are_counted_or_not() -> None:
    method, x = PruneGrad(networks.network("plain")), networks.inputs(1)
    for call in (method.attribute, method.sweep):
        with pytest.raises(ArgumentTypeError, match="class_scores as True or False, got 'no'"):
            call(x, class_scores="no")


@pytest.mark.parametrize(
    ("target", "error", "text"),
    [
        (5, TargetError, "Target 5 does not exist: this model has classes 0 to 4"),
        (-1, TargetError, "Target -1 does not exist"),
        ([1, 2, 3], TargetError, "one target or 2"),
        (1.5, ArgumentTypeError, "target as integers"),
        (True, ArgumentTypeError, "target as integers"),
        ("cat", ArgumentTypeError, "int, list of ints or tensor"),
        (2**70, ArgumentTypeError, "int, list of ints or tensor"),
        (np.uint64(2**64 - 1), ArgumentTypeError, "int, list of ints or tensor"),
    ],
)
def test_bad_targets_are_named(target: object, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        PruneGrad(networks.network("plain")).attribute(networks.inputs(2), target)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (torch.full((1, 3, 10, 10), torch.nan, dtype=torch.float64), "NaN"),
        (torch.zeros(3, 10, 10, dtype=torch.float64), r"Add the batch dimension"),
        (torch.zeros(1, 4, 10, 10, dtype=torch.float64), "refuses inputs of shape"),
        (torch.zeros(1, 3, 10, 10), "float64"),
        (torch.zeros(0, 3, 10, 10, dtype=torch.float64), "B >= 1"),
    ],
)
def test_bad_inputs_are_named(x: torch.Tensor, text: str) -> None:
    with pytest.raises(InputError, match=text):
        PruneGrad(networks.network("plain")).attribute(x)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"sparsity": 1.2}, "fraction of neurons removed"),
        ({"sparsity": float("nan")}, "fraction of neurons removed"),
        ({"mode": "drop"}, "zero"),
        ({"ties": "keep"}, "exact"),
        ({"contribution": "magic"}, "taylor"),
        ({"output_change": -0.1}, "output_change"),
    ],
)
def test_bad_options_are_named(options: dict[str, object], text: str) -> None:
    with pytest.raises(InputError, match=text):
        PruneGrad(networks.network("plain")).attribute(networks.inputs(1), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("contribution", ["taylor", "intgrad_preview"])
@pytest.mark.parametrize("mode", ["zero", "freeze"])
def test_a_sweep_is_its_maps_one_by_one_however_neurons_are_ranked(contribution: str, mode: str) -> None:
    net, x = networks.network("residual"), networks.inputs(2)
    scores = contributions(net, x, None, contribution)
    sweep = PruneGrad(net).sweep(x, None, [0.3, 0.7], contribution=contribution, mode=mode)
    for level, sparsity in zip(sweep.maps, (0.3, 0.7), strict=True):
        masks = scores.path(sparsity).layers
        torch.testing.assert_close(level, pruned_gradient(net, x, scores.question, masks, mode)[0])


def test_training_mode_is_refused_before_anything_changes() -> None:
    net = networks.network("residual").train()
    before = networks.state(net)
    with pytest.raises(ModelError, match=r"model\.eval\(\)"):
        PruneGrad(net).attribute(networks.inputs(2))
    assert networks.state(net) == before


def test_prunepgd_ascends_inside_its_ball() -> None:
    net, x = networks.network("residual"), networks.inputs(2)
    delta = PrunePGD(net).attribute(x, 1, sparsity=0.5, steps=20, step_size=0.01, l2_bound=0.1)
    norms = delta.flatten(1).norm(dim=1)
    assert ((norms > 0.05) & (norms <= 0.1 + 1e-12)).all()
    kept = [slow.masks(slow.taylor(net, x[i : i + 1], 1), 0.5) for i in range(2)]
    for image in range(2):
        change = lambda i, a, kept=kept[image]: a * torch.from_numpy(kept[i])  # noqa: E731
        with slow.patched(change), torch.no_grad():
            before = net(x[image : image + 1])[0, 1]
        with slow.patched(change), torch.no_grad():
            after = net((x + delta)[image : image + 1])[0, 1]
        assert after > before


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"step_size": 0.0}, {"l2_bound": 0.0}, {"l2_bound": -1.0}])
def test_a_ball_of_nothing_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="steps >= 1, step_size > 0 and l2_bound > 0"):
        PrunePGD(networks.network("plain")).attribute(networks.inputs(1), 1, **wrong)


def test_a_network_that_breaks_when_it_is_pruned_is_refused_not_followed() -> None:
    class Logarithm(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.relu().log().flatten(1)

    with pytest.raises(InputError, match="NaN or infinite"):
        PrunePGD(Logarithm()).attribute(torch.rand(1, 1, 2, 2) + 0.1, 0, sparsity=1.0, steps=1)


def test_one_step_of_prunepgd_is_the_unit_prunegrad_direction() -> None:
    net, x = networks.network("plain"), networks.inputs(1)
    gradient = PruneGrad(net).attribute(x, 1, sparsity=0.5)
    delta = PrunePGD(net).attribute(x, 1, sparsity=0.5, steps=1, step_size=0.01)
    torch.testing.assert_close(delta, 0.01 * gradient / gradient.norm(), rtol=1e-10, atol=0)
