"""What is computed is the same whatever a caller has switched: gradients off, inference mode, autocast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pruneattr_core import PruneGrad, PrunePGD, contributions, explain
from pruneattr_core.analysis.linearity import affine_error, linear_radius
from pruneattr_core.attribution.prunegrad_mid import prunegrad_mid
from pruneattr_core.benchmarks.pixels import insertion_curve, removal_curve
from pruneattr_core.circuits.curve import circuit_curve
from pruneattr_core.circuits.edges import circuit_edges
from pruneattr_core.circuits.replacement import activations_of, mean_of, replaced_logits, zero
from pruneattr_core.circuits.scores import patching
from pruneattr_core.circuits.shapley import Game, cheaper_scores, exact_shapley
from pruneattr_core.circuits.units import unit_contributions
from pruneattr_core.paths.calibrate import output_curve
from pruneattr_core.paths.dgr import dgr_gates
from pruneattr_core.paths.greedy import greedy_paths
from situations import Body

torch.manual_seed(3)
NET = Body().eval()
X = torch.randn(2, 2, 6, 6)
SCORES = contributions(NET, X, 1)
PATH = SCORES.path(0.5)
MAPS = explain(NET, X, 1, "saliency").values.abs().sum(1)


def _game() -> Game:
    return Game(NET, X[:1], 1, 0, mean_of(NET, [X]))


CALLS: dict[str, Callable[[], Any]] = {
    "attribute": lambda: PruneGrad(NET).attribute(X, 1),
    "sweep": lambda: PruneGrad(NET).sweep(X, 1, [0, 0.5], mode="freeze"),
    "perturbation": lambda: PrunePGD(NET).attribute(X, 1, steps=2),
    "contributions": lambda: contributions(NET, X, 1, "intgrad_gauss"),
    "mid": lambda: prunegrad_mid(NET, X, torch.tensor([1, 1])),
    "zero": lambda: zero(NET, X),
    "mean": lambda: mean_of(NET, [X]),
    "activations": lambda: activations_of(NET, X),
    "replaced": lambda: replaced_logits(NET, X, PATH.layers, mean_of(NET, [X])),
    "patching": lambda: patching(NET, X, 1, mean_of(NET, [X])),
    "patching in steps": lambda: patching(NET, X, 1, mean_of(NET, [X]), steps=3),
    "curve": lambda: circuit_curve(NET, X, 1, SCORES.layers, mean_of(NET, [X]), [0.1, 0.5]),
    "channels": lambda: unit_contributions(NET, X, 1, method="intgrad"),
    "Shapley": lambda: exact_shapley(_game()),
    "beside Shapley": lambda: cheaper_scores(_game(), 3),
    "edges": lambda: circuit_edges(NET, X[:1], 1).json(),
    "greedy": lambda: greedy_paths(NET, X, 1, [0.2], step=0.1),
    "gates": lambda: dgr_gates(NET, X, iterations=2),
    "answers": lambda: output_curve(NET, X, SCORES, [0.5]),
    "radius": lambda: linear_radius(NET, X[:1], PATH[0], passes=16, probes=4),
    "affine": lambda: affine_error(NET, X[:1], PATH[0], torch.tensor([0.1])),
    "removal": lambda: removal_curve(NET, X, MAPS, 1),
    "insertion": lambda: insertion_curve(NET, X, MAPS, 1),
}
MODES: dict[str, Callable[[], Any]] = {
    "no gradients": torch.no_grad,
    "inference mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
}


def _plain(found: Any) -> Any:
    """Values of all that a result holds, in lists."""
    if is_dataclass(found):
        return [_plain(getattr(found, one.name)) for one in fields(found)]
    if isinstance(found, Tensor | np.ndarray):
        return found.tolist()
    if isinstance(found, dict):
        return _plain(list(found.values()))
    return [_plain(one) for one in found] if isinstance(found, list | tuple) else found


@pytest.mark.parametrize("mode", list(MODES))
@pytest.mark.parametrize("call", list(CALLS))
def test_a_result_does_not_hang_on_the_modes_of_its_caller(call: str, mode: str) -> None:
    """Patching in steps was 0 everywhere without gradients, and half as precise under autocast."""
    wanted = repr(_plain(CALLS[call]()))
    with MODES[mode]():
        found = CALLS[call]()
    assert repr(_plain(found)) == wanted
    assert all(isinstance(one, nn.Parameter) and one.grad is None for one in NET.parameters())
