"""Nothing waits for Python's search for circles: what a computation held is free when it is done."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest
import torch

import networks
from pruneattr_core import PruneGrad, contributions, explain
from pruneattr_core.attribution import METHODS


def tensors_left(work: Callable[[], object]) -> int:
    """How many tensors more there are after `work`, its result dropped, without a collection."""
    work()  # what is remembered per network is remembered now
    gc.freeze()  # what thousands of other tests hold is not gone through
    gc.disable()
    try:
        before = count()
        work()
        return count() - before
    finally:
        gc.enable()
        gc.unfreeze()


def count() -> int:
    return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())


@pytest.mark.parametrize("method", ["taylor", "intgrad", "intgrad_preview"])
def test_contributions_keep_nothing(method: str) -> None:
    model, inputs = networks.network("residual"), networks.inputs(2)
    assert tensors_left(lambda: contributions(model, inputs, method=method)) <= 0


@pytest.mark.parametrize("mode", ["zero", "freeze"])
def test_sweeps_keep_nothing(mode: str) -> None:
    model, inputs = networks.network("residual"), networks.inputs(2)
    assert tensors_left(lambda: PruneGrad(model).sweep(inputs, sparsities=[0.2, 0.6], mode=mode)) <= 0


@pytest.mark.parametrize("name", METHODS)
def test_methods_keep_nothing(name: str) -> None:
    model, inputs = networks.network("residual"), networks.inputs(1)
    if METHODS[name].supports(model, inputs) is not None:
        pytest.skip(f"{name} does not fit this network")
    quick = {option: 2 for option in ("steps", "samples") if option in METHODS[name].options}
    assert tensors_left(lambda: explain(model, inputs, method=name, **quick)) <= 0
