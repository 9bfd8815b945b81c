"""What happens where nothing is said: the same everywhere, and what the texts promise."""

from __future__ import annotations

import ast
import inspect
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import torch
from torch import nn

from pruneattr_core import PruneGrad, explain
from pruneattr_core.analysis import wrong_class
from pruneattr_core.benchmarks.protocols.circuits import GRIDS
from pruneattr_core.circuits import curve
from pruneattr_core.paths.calibrate import calibrate
from pruneattr_core.paths.greedy import greedy_paths

CORE = Path(__file__).resolve().parents[2] / "pruneattr_core"
#: Arguments that mean one thing wherever they stand, and what they are where nothing is said.
EVERYWHERE = {
    "again": "False", "args": "()", "change_of": "'response'", "class_scores": "False", "kwargs": "None",
    "masks": "None", "output_change": "None", "per_layer": "False", "progress": "None", "target": "None",
}  # fmt: skip
#: (argument, file) that differ, each with a reason.
APART = {("masks", "compression/matching.py")}  # there: how activations are dropped, a word


def defaults() -> Iterator[tuple[str, str, str]]:
    """(file, argument, default as it is written) of every function of the library."""
    for file in CORE.rglob("*.py"):
        for one in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(one, ast.FunctionDef):
                named = [*one.args.posonlyargs, *one.args.args]
                given = zip(named[len(named) - len(one.args.defaults) :], one.args.defaults, strict=True)
                for argument, value in (*given, *zip(one.args.kwonlyargs, one.args.kw_defaults, strict=True)):
                    if value is not None:
                        yield file.relative_to(CORE).as_posix(), argument.arg, ast.unparse(value)


def test_an_argument_of_one_name_has_one_default() -> None:
    found: dict[str, set[str]] = defaultdict(set)
    for file, argument, value in defaults():
        if argument in EVERYWHERE and (argument, file) not in APART:
            found[argument].add(value)
    assert found == {argument: {value} for argument, value in EVERYWHERE.items()}


def shares(values: Sequence[float]) -> None:
    assert list(values) == sorted(set(values))
    assert 0 <= values[0] <= values[-1] <= 1


@pytest.mark.parametrize("grid", [curve.SIZES, *GRIDS.values(), wrong_class.LEVELS])
def test_grids_are_shares_in_order(grid: Sequence[float]) -> None:
    shares(grid)


@pytest.mark.parametrize("function", [greedy_paths, calibrate, wrong_class.wrong_class_control])
def test_so_are_sparsities_where_none_are_named(function: Callable[..., object]) -> None:
    shares(inspect.signature(function).parameters["sparsities"].default)


def test_class_scores_count_only_where_it_is_said() -> None:
    """A network whose answer passes a ReLU: without class scores nothing behind the first one is pruned."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3), nn.ReLU()).double().eval()
    x = torch.randn(4, 6, dtype=torch.float64)
    usual, without, within = (
        PruneGrad(net).sweep(x, 1, sparsities=[0.5, 0.9], **said)
        for said in ({}, {"class_scores": False}, {"class_scores": True})
    )
    assert torch.equal(usual.sparsity, without.sparsity)
    assert (usual.neurons, within.neurons) == (8, 11)


def test_occlusion_moves_by_half_a_window_of_an_eighth() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 2)
    )
    net, x = net.double().eval(), torch.rand(1, 1, 24, 24, dtype=torch.float64)
    usual = explain(net, x, 1, "occlusion").values
    assert torch.equal(usual, explain(net, x, 1, "occlusion", window=3, stride=1).values)
    assert not torch.equal(usual, explain(net, x, 1, "occlusion", window=3, stride=2).values)
