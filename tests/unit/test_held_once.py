"""What pages hold for one input lies once in memory, and paths at a bit a neuron."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

import networks
from pruneattr_core.paths.table import METHODS, Search
from pruneattr_core.results.keys import ScoresKey, Subject, held_once
from pruneattr_core.results.paths import found, ground_of, path_key
from pruneattr_core.results.sweeps import score
from pruneattr_core.scoring import contributions

SUBJECT = Subject("scenes-net", "weights", "picture", 0, "cpu")


def places(layers: Sequence[Tensor]) -> list[int]:
    """Where they lie."""
    return [layer.data_ptr() for layer in layers]


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_the_ground_of_a_path_lies_where_the_explorer_s_scores_do(order: torch.memory_format) -> None:
    model, inputs = networks.network("reused"), networks.inputs(1).contiguous(memory_format=order)
    scored = score(model, inputs, ScoresKey(SUBJECT, "taylor")).scores
    apart, ground = (ground_of(model, inputs, 0, held).scores for held in (None, scored))
    for one, other in zip((*apart.layers, *apart.dead), (*ground.layers, *ground.dead), strict=True):
        assert torch.equal(one, other)
    assert places(ground.layers) == places(scored.layers)
    assert places(ground.dead) == places(scored.dead)
    integral = found(model, inputs, 0, path_key(SUBJECT, "intgrad", 0.9, 0), lambda *_: None, ground)
    assert places(integral.found.ranked.dead) == places(ground.dead)
    assert places(integral.found.ranked.layers) != places(ground.layers)


def test_other_scores_stay_what_they_are() -> None:
    model, inputs = networks.network("reused"), networks.inputs(2)
    own, other = contributions(model, inputs[:1]), contributions(model, inputs[1:])
    kept = held_once(own, other)
    assert all(torch.equal(a, b) for a, b in zip(kept.layers, own.layers, strict=True))
    assert places(kept.layers) == places(own.layers)


@pytest.mark.parametrize("method", ["greedy", "random"])
def test_a_fixed_path_is_kept_at_a_bit_a_neuron_and_comes_back_the_same(method: str) -> None:
    model, inputs = networks.network("reused"), networks.inputs(1)
    timed = found(model, inputs, 0, path_key(SUBJECT, method, 0.6, 3), lambda *_: None)
    expected = METHODS[method].find(Search(model, inputs, 0, (0.6,), 3)).path(0.6)
    assert timed.path(0.6) == expected
    assert timed.nbytes <= sum(expected.neurons) / 8 + len(expected.layers)
