"""Values that hold arrays are equal when all their numbers are, and never an error of PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
import torch

import networks
from pruneattr_core import CriticalPath, PruneGrad, census, contributions, explain
from pruneattr_core.benchmarks.pixels import removal_curve
from pruneattr_core.circuits.curve import circuit_curve
from pruneattr_core.circuits.replacement import zero
from pruneattr_core.circuits.units import unit_contributions
from pruneattr_core.scoring.intgrad import completeness, intgrad_signed

MODEL, X = networks.network("residual"), networks.inputs(2)


def _curve() -> Any:
    scores = contributions(MODEL, X)
    return circuit_curve(MODEL, X, scores.target, scores.layers, zero(MODEL, X), (0.5, 1.0))


MADE: dict[str, Callable[[], Any]] = {
    "path": lambda: contributions(MODEL, X).path(0.5),
    "contributions": lambda: contributions(MODEL, X),
    "attribution": lambda: explain(MODEL, X),
    "sweep": lambda: PruneGrad(MODEL).sweep(X, sparsities=[0.0, 0.5]),
    "census": lambda: census(MODEL, X),
    "units": lambda: unit_contributions(MODEL, X),
    "signed": lambda: intgrad_signed(MODEL, X, steps=2),
    "completeness": lambda: completeness(MODEL, X, steps=2),
    "replacement": lambda: zero(MODEL, X),
    "circuit": _curve,
    "removal": lambda: removal_curve(MODEL, X, X.sum(1), 0, fractions=[0.1, 0.5]),
}


@pytest.mark.parametrize("name", MADE)
def test_the_same_computation_is_the_same_value_and_one_changed_number_another(name: str) -> None:
    one, other = MADE[name](), MADE[name]()
    assert one == other
    assert one != "text"
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)
    changed = 0
    for each in fields(one):
        value = getattr(one, each.name)
        if isinstance(value, torch.Tensor) and value.numel():
            moved = ~value if value.dtype == torch.bool else value + 1
            assert replace(one, **{each.name: moved}) != one, each.name
            changed += 1
        elif isinstance(value, tuple) and value and isinstance(value[0], torch.Tensor):
            moved = tuple(~part if part.dtype == torch.bool else part + 1 for part in value[:1])
            assert replace(one, **{each.name: (*moved, *value[1:])}) != one, each.name
            changed += 1
    assert is_dataclass(one)
    assert changed or name in ("circuit", "census")


def test_nan_is_nan_and_other_kinds_are_others() -> None:
    one = PruneGrad(MODEL).sweep(X, sparsities=[0.0])
    broken = replace(one, maps=one.maps * torch.nan)
    assert broken == replace(one, maps=one.maps * torch.nan)
    assert broken != one
    rounded = one.maps.float()
    assert replace(one, maps=rounded.double()) != replace(one, maps=rounded)
    assert one != replace(one, maps=one.maps[:, :1])
    path = CriticalPath(("relu",), (torch.tensor([[True, False]]),))
    assert path == CriticalPath(("relu",), (torch.tensor([[True, False]]),))
    assert path != CriticalPath(("other",), path.layers)
    assert path != CriticalPath(("relu",), path.layers, {"method": "mine"})
