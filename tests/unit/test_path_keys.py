"""A path's result is named by what it depends on, and computed from that name."""

from __future__ import annotations

import pytest
import torch

import networks
from pruneattr_core.heads import declare
from pruneattr_core.paths.table import METHODS, Search
from pruneattr_core.response import difference
from pruneattr_core.results.keys import Subject
from pruneattr_core.results.paths import LEVELS, found, on_cpu, path_key
from pruneattr_core.scoring import contributions

SUBJECT = Subject("scenes-net", "weights", "picture", 0, "cpu")


@pytest.mark.parametrize("method", METHODS)
def test_a_name_holds_the_sparsity_of_methods_without_a_ranking_and_the_seed_of_random_ones(
    method: str,
) -> None:
    here = path_key(SUBJECT, method, 0.5, 1)
    assert (here == path_key(SUBJECT, method, 0.6, 1)) is METHODS[method].ranks
    assert (here == path_key(SUBJECT, method, 0.5, 2)) is not METHODS[method].random
    first, *others = (path_key(SUBJECT, method, level, 1) for level in LEVELS)
    assert all(one == first for one in others), "the papers' sparsities share one computation"


@pytest.mark.parametrize("method", ["taylor", "random"])
@pytest.mark.parametrize("sparsity", [0.6, 0.9])
def test_what_a_name_is_computed_to_is_the_table_s_path(method: str, sparsity: float) -> None:
    model, inputs = networks.network("reused"), networks.inputs(1)
    timed = found(model, inputs, 0, path_key(SUBJECT, method, sparsity, 3), lambda *_: None)
    asked = LEVELS if sparsity in LEVELS else (sparsity,)
    expected = METHODS[method].find(Search(model, inputs, 0, asked, 3)).path(sparsity)
    for got, want in zip(timed.path(sparsity).layers, expected.layers, strict=True):
        assert torch.equal(got, want)


def test_scores_lose_nothing_on_their_way_to_the_cpu() -> None:
    """Without the head a page read several answers as one of many."""
    model, inputs = networks.network("reused"), networks.inputs(2)
    declare(model, "sigmoid")
    scores = contributions(model, inputs, difference(1, 0), "intgrad")
    assert scores.head == "sigmoid"
    assert on_cpu(scores) == scores
