"""The table of ways to choose a path; library, command line and pages read it, so a new one is one entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from torch import Tensor, nn

from pruneattr_core.brief import brief
from pruneattr_core.checks import Target
from pruneattr_core.critical_path import Path
from pruneattr_core.given import check_progress
from pruneattr_core.paths.control import random_paths
from pruneattr_core.paths.dgr import ITERATIONS, Gates, Init, dgr_gates
from pruneattr_core.paths.greedy import TITLES, Condition, greedy_paths
from pruneattr_core.response import Asked
from pruneattr_core.runtime import Tick
from pruneattr_core.scoring import contributions, settling
from pruneattr_core.scoring.intgrad import intgrad_signed, ranked
from pruneattr_core.values import Contributions


@dataclass(frozen=True, eq=False)
class Search:
    """What a method is asked.

    Attributes:
        model: classifier in eval mode; left untouched.
        inputs: normalised batch (B, C, H, W).
        target: None for the predicted class; int, list or tensor as in Captum.
        sparsities: fractions of neurons to remove, in [0, 1]; all are found in one computation.
        seed: of random methods.
        iterations: of DGR.
        progress: called with (parts done, parts), see `PathMethod.counts`; may raise to stop.
        class_scores: whether class scores count as neurons, see `contributions`.
    """

    model: nn.Module
    inputs: Tensor
    target: Target = None
    sparsities: Sequence[float] = (0.9,)
    seed: int = 0
    iterations: int = ITERATIONS
    progress: Tick | None = None
    class_scores: bool = False

    __repr__ = brief

    def __post_init__(self) -> None:
        """See that somebody can be told."""
        check_progress(self.progress)


@dataclass(frozen=True, eq=False)
class Found:
    """What a method found.

    Attributes:
        ranked: contributions or gates, which give a path of any sparsity; None for methods without a ranking.
        fixed: sparsity -> path of methods without one.
        note: what happened, a few words.
    """

    ranked: Contributions | Gates | None = None
    fixed: Mapping[float, Path] = field(default_factory=dict)
    note: str = ""

    def path(self, sparsity: float) -> Path:
        """The path of this sparsity; one of those asked for where there is no ranking."""
        return self.fixed[sparsity] if self.ranked is None else self.ranked.paths([sparsity])[0]

    @property
    def nbytes(self) -> int:
        """Bytes of scores and masks."""
        layers = [layer for path in self.fixed.values() for layer in path.layers]
        layers += self.ranked.layers if self.ranked is not None else ()
        layers += self.ranked.dead if isinstance(self.ranked, Contributions) else ()
        return sum(layer.nbytes for layer in layers)


@dataclass(frozen=True)
class PathMethod:
    """One way to choose a path.

    Attributes:
        title: as the papers call it.
        source: paper and equation.
        passes: what one image costs, in words.
        cost: the same in forward and backward passes, from (activation calls, sparsity).
        find: the computation.
        random: whether the seed matters.
        ranks: whether one computation serves every sparsity.
        counts: what progress counts.
    """

    title: str
    source: str
    passes: str
    cost: Callable[[int, float], float]
    find: Callable[[Search], Found]
    random: bool = False
    ranks: bool = True
    counts: str = "passes"

    @property
    def cheap(self) -> bool:
        """Whether it takes no more than the pass that scores an input."""
        return self.cost(1, 1.0) <= 1

    def paths(self, search: Search) -> list[Path]:
        """One path per sparsity; see the functions of the table for errors."""
        found = self.find(search)
        return [found.path(sparsity) for sparsity in search.sparsities]


def _taylor(search: Search) -> Found:
    return Found(
        contributions(search.model, search.inputs, search.target, "taylor", class_scores=search.class_scores)
    )


def _intgrad(search: Search) -> Found:
    signed = intgrad_signed(
        search.model, search.inputs, search.target, progress=search.progress, class_scores=search.class_scores
    )
    assert signed.nodes is not None
    assert signed.agreement is not None
    low, high, agreement = int(signed.nodes.min()), int(signed.nodes.max()), float(signed.agreement.min())
    note = f"{low} to {high} nodes a layer, overlap with a fine integral about {agreement:.3f}"
    note += "" if agreement >= settling.GOAL else f": not settled with {settling.MOST}"
    return Found(ranked(signed), note=note)


def _greedy(condition: Condition, search: Search) -> Found:
    paths = greedy_paths(
        search.model,
        search.inputs,
        search.target,
        search.sparsities,
        condition=condition,
        progress=search.progress,
        class_scores=search.class_scores,
    )
    reached = ", ".join(f"{float(path.sparsity.min()):.1%}" for path in paths)
    note = f"1 % of all neurons at a time, monotone; reached {reached}"
    return Found(fixed=dict(zip(search.sparsities, paths, strict=True)), note=note)


def _dgr(init: Init, search: Search) -> Found:
    gates = dgr_gates(
        search.model,
        search.inputs,
        init,
        search.seed,
        search.iterations,
        search.progress,
        search.class_scores,
        search.target.head if isinstance(search.target, Asked) else None,
    )
    kept = "kept the prediction" if bool(gates.kept_prediction.all()) else "no iterate kept the prediction"
    zero = sum(int((layer == 0).sum()) for layer in gates.layers)
    share = zero / sum(layer.numel() for layer in gates.layers)
    taken = ", ".join(str(at) for at in gates.iteration.tolist())
    note = f"iterate {taken} of {search.iterations}, {kept}; {share:.0%} of the gates are exactly 0"
    return Found(gates, note=note)


def _random(search: Search) -> Found:
    paths = random_paths(search.model, search.inputs, search.sparsities, search.seed, search.class_scores)
    return Found(fixed=dict(zip(search.sparsities, paths, strict=True)), note=f"seed {search.seed}")


def _greedy_entry(condition: Condition, source: str) -> PathMethod:
    return PathMethod(
        TITLES[condition],
        source,
        "1 pass per 1 % removed",
        lambda calls, sparsity: 100 * sparsity,
        partial(_greedy, condition),
        ranks=False,
        counts="percent",
    )


def _dgr_entry(title: str, init: Init) -> PathMethod:
    return PathMethod(
        title,
        "SCP eq. 3",
        f"{ITERATIONS} passes",
        lambda calls, sparsity: ITERATIONS,
        partial(_dgr, init),
        random=init == "random",
        counts="iterations",
    )


METHODS: dict[str, PathMethod] = {
    "taylor": PathMethod(
        "NeuronMCT", "PG2 eq. 3", "1 forward, 1 backward", lambda calls, sparsity: 1, _taylor
    ),
    "intgrad": PathMethod(
        "NeuronIntGrad",
        "SCP eq. 4",
        f"{2 * settling.FIRST} to {settling.MOST} part passes per layer",
        # A call's integral runs what follows it: half of the network on average, in batches of nodes.
        lambda calls, sparsity: calls * settling.USUAL / 2,
        _intgrad,
        counts="layers",
    ),
    "greedy": _greedy_entry("activation", "SCP algorithm 1, text"),
    "greedy_score": _greedy_entry("score", "SCP algorithm 1, printed"),
    "dgr_init1": _dgr_entry("DGR(init=1)", "one"),
    "dgr_random": _dgr_entry("DGR(init=r)", "random"),
    "random": PathMethod(
        "Random", "control", "1 forward", lambda calls, sparsity: 1, _random, random=True, ranks=False
    ),
}
