"""GreedyPruning against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import networks
import slow
from pruneattr_core import contributions
from pruneattr_core.errors import InputError
from pruneattr_core.paths.greedy import greedy_paths
from pruneattr_core.paths.table import METHODS, Search


def slow_greedy(
    net: nn.Module, x: Tensor, target: int, sparsity: float, step: float, condition: str
) -> list[np.ndarray]:
    """Algorithm 1, neuron by neuron, with the condition of its text or the printed one."""
    kept = [np.ones_like(s, dtype=bool) for s in slow.taylor(net, x, target)]
    total = sum(k.size for k in kept)
    while (left := round(sparsity * total) - sum(int((~k).sum()) for k in kept)) > 0:
        record: list[tuple[Tensor, Tensor]] = []

        def prune(i: int, a: Tensor, record: list[tuple[Tensor, Tensor]] = record) -> Tensor:
            leaf = torch.zeros_like(a, requires_grad=True)
            gated = a * torch.from_numpy(kept[i])[None]
            record.append((gated.detach(), leaf))
            return gated + leaf

        with slow.patched(prune):
            net(x)[0, target].backward()
        scored = [
            (abs(float(v)), call, place)
            for call, (a, leaf) in enumerate(record)
            for place, v in enumerate((a * leaf.grad).flatten().tolist())
            if (a.flatten()[place] if condition == "activation" else v) != 0
        ]
        if not scored:
            break
        for _, call, place in sorted(scored)[: min(left, round(step * total))]:
            kept[call].reshape(-1)[place] = False
    net.zero_grad()
    return kept


@pytest.mark.parametrize("condition", ["activation", "score"])
@pytest.mark.parametrize("name", ["plain", "residual", "concatenating"])
def test_equals_the_algorithm_step_by_step(name: str, condition: str) -> None:
    net, x = networks.network(name), networks.inputs(1)
    (path,) = greedy_paths(net, x, 2, [0.6], step=0.05, condition=condition)  # type: ignore[arg-type]
    expected = slow_greedy(net, x, 2, 0.6, 0.05, condition)
    for ours, theirs in zip(path.layers, expected, strict=True):
        np.testing.assert_array_equal(ours[0].numpy(), theirs)


def test_reports_what_it_reached_and_drifts_to_dead_neurons() -> None:
    net, x = networks.network("residual"), networks.inputs(2)
    scores = contributions(net, x)
    before = networks.state(net)
    some, more, most = greedy_paths(net, x, None, [0.3, 0.6, 0.99])
    assert networks.state(net) == before
    assert all(not bool((b & ~a).any()) for a, b in zip(some.layers, more.layers, strict=True))
    assert some.sparsity.tolist() == pytest.approx([0.3, 0.3], abs=1e-3)
    assert float(most.sparsity.max()) < 0.99  # dead neurons are never removed
    assert bool((most.dead_share(scores.dead) > scores.dead_fraction).all())
    assert most.meta["sparsity"] == 0.99
    assert len(most.meta["iterations"]) == 2
    assert most.meta["reached"] == most.sparsity.tolist()


def test_the_two_conditions_differ_and_both_are_in_the_table() -> None:
    """The printed rule also spares living neurons that the answer does not depend on, so it ends earlier."""
    net, x = networks.network("residual"), networks.inputs(1)
    text, printed = (
        METHODS[key].paths(Search(net, x, None, (0.99,)))[0] for key in ("greedy", "greedy_score")
    )
    assert float(printed.sparsity) < float(text.sparsity)
    assert (text.meta["condition"], printed.meta["condition"]) == ("activation", "score")


def test_progress_is_told_step_by_step_over_all_images() -> None:
    seen: list[tuple[int, int]] = []
    greedy_paths(
        networks.network("plain"),
        networks.inputs(2),
        None,
        [0.3, 0.6],
        0.1,
        progress=lambda *at: seen.append(at),
    )
    assert seen == sorted(seen)
    assert {total for _, total in seen} == {100}
    assert len({done for done, _ in seen if done < 50}) >= 3  # of the first image
    assert len({done for done, _ in seen if 50 < done < 100}) >= 3


def test_batch_equals_singles() -> None:
    net, x = networks.network("reused"), networks.inputs(3)
    (batch,) = greedy_paths(net, x, None, [0.5])
    for image in range(3):
        (alone,) = greedy_paths(net, x[image : image + 1], None, [0.5])
        assert float(alone.jaccard(batch[image])) == 1


def test_refuses_what_it_cannot_use() -> None:
    net, x = networks.network("plain"), networks.inputs(1)
    with pytest.raises(InputError, match="step"):
        greedy_paths(net, x, None, [0.5], step=0)
    with pytest.raises(InputError, match="condition"):
        greedy_paths(net, x, None, [0.5], condition="dead")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="condition"):
        greedy_paths(net, x, None, [0.5], condition=["score"])  # type: ignore[arg-type]
    for wrong in ([1.5], [True], ["0.5"], [], None, 0.5, [float("nan")]):
        with pytest.raises(InputError, match=r"sparsit|Sparsity"):
            greedy_paths(net, x, None, wrong)  # type: ignore[arg-type]
    given = greedy_paths(net, x, None, torch.tensor([0.5, 0.25, 0.5]))  # type: ignore[arg-type]
    expected = greedy_paths(net, x, None, [0.5, 0.25, 0.5])
    assert [float(one.jaccard(other)) for one, other in zip(given, expected, strict=True)] == [1, 1, 1]
