"""The table of ways to choose a path; a new one is one entry here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from pruneattr_core.checks import Target
from pruneattr_core.paths.control import random_paths
from pruneattr_core.paths.dgr import dgr_gates
from pruneattr_core.paths.greedy import greedy_paths
from pruneattr_core.scoring import contributions
from pruneattr_core.scoring.intgrad import intgrad_signed, ranked
from pruneattr_core.values import Path

Progress = Callable[[int, int], None]
#: (model, inputs, target, sparsities, seed, progress) -> one path per sparsity.
Finder = Callable[[nn.Module, Tensor, Target, Sequence[float], int, Progress | None], list[Path]]


@dataclass(frozen=True)
class PathMethod:
    """One way to choose a path.

    Attributes:
        title: as the papers call it.
        source: paper and equation.
        random: whether the seed matters.
        passes: what one image costs, in words.
        paths: finds the paths of several sparsities in one computation.
    """

    title: str
    source: str
    random: bool
    passes: str
    paths: Finder

    def path(
        self,
        model: nn.Module,
        inputs: Tensor,
        target: Target = None,
        sparsity: float = 0.9,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Path:
        """The path of one sparsity; see the functions of the table for arguments and errors."""
        return self.paths(model, inputs, target, [sparsity], seed, progress)[0]


def _taylor(
    model: nn.Module,
    inputs: Tensor,
    target: Target,
    sparsities: Sequence[float],
    seed: int,
    progress: Progress | None,
) -> list[Path]:
    return contributions(model, inputs, target, "taylor").paths(sparsities)


def _intgrad(
    model: nn.Module,
    inputs: Tensor,
    target: Target,
    sparsities: Sequence[float],
    seed: int,
    progress: Progress | None,
) -> list[Path]:
    return ranked(intgrad_signed(model, inputs, target, progress=progress)).paths(sparsities)


def _greedy(
    model: nn.Module,
    inputs: Tensor,
    target: Target,
    sparsities: Sequence[float],
    seed: int,
    progress: Progress | None,
) -> list[Path]:
    return greedy_paths(model, inputs, target, sparsities, progress=progress)


def _dgr_init1(
    model: nn.Module,
    inputs: Tensor,
    target: Target,
    sparsities: Sequence[float],
    seed: int,
    progress: Progress | None,
) -> list[Path]:
    return dgr_gates(model, inputs, "one", progress=progress).paths(sparsities)


def _dgr_random(
    model: nn.Module,
    inputs: Tensor,
    target: Target,
    sparsities: Sequence[float],
    seed: int,
    progress: Progress | None,
) -> list[Path]:
    return dgr_gates(model, inputs, "random", seed, progress=progress).paths(sparsities)


def _random(
    model: nn.Module,
    inputs: Tensor,
    target: Target,
    sparsities: Sequence[float],
    seed: int,
    progress: Progress | None,
) -> list[Path]:
    return random_paths(model, inputs, sparsities, seed)


METHODS: dict[str, PathMethod] = {
    "taylor": PathMethod("NeuronMCT", "PG2 eq. 3", False, "1 forward, 1 backward", _taylor),
    "intgrad": PathMethod("NeuronIntGrad", "SCP eq. 4", False, "32 part passes per layer", _intgrad),
    "greedy": PathMethod("GreedyPruning", "SCP algorithm 1", False, "1 pass per 1 % removed", _greedy),
    "dgr_init1": PathMethod("DGR(init=1)", "SCP eq. 3", False, "1000 passes", _dgr_init1),
    "dgr_random": PathMethod("DGR(init=r)", "SCP eq. 3", True, "1000 passes", _dgr_random),
    "random": PathMethod("Random", "control", True, "1 forward", _random),
}
