"""The table of path methods as the pages use it: what each costs here, and its result for any sparsity."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace

from torch import Tensor, nn

from pruneattr_core.paths.control import random_paths
from pruneattr_core.paths.dgr import ITERATIONS, Gates, dgr_gates
from pruneattr_core.paths.greedy import greedy_paths
from pruneattr_core.paths.table import METHODS
from pruneattr_core.scoring.intgrad import intgrad_signed, ranked
from pruneattr_core.scoring.quadrature import NODES
from pruneattr_core.ui.cache import Engine
from pruneattr_core.ui.paths.results import Ground, ground_of, on_cpu
from pruneattr_core.ui.shell import Selection
from pruneattr_core.ui.subject import Subject
from pruneattr_core.ui.worker import Job
from pruneattr_core.values import Contributions, Path

#: Sparsities that one greedy run serves.
GREEDY_LEVELS = (0.8, 0.9, 0.99)
#: A computation predicted to be shorter than this starts without being asked for, in seconds.
AT_ONCE = 12.0

Tick = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Found:
    """What one method found for one input.

    Attributes:
        ranked: contributions or gates, thresholded at any sparsity; None for methods without a ranking.
        fixed: sparsity -> path of methods without one.
        seconds: time it took, without waiting.
        note: what happened, a few words.
    """

    ranked: Contributions | Gates | None
    fixed: Mapping[float, Path]
    seconds: float
    note: str = ""

    def path(self, sparsity: float) -> Path:
        """The path of this sparsity."""
        return self.fixed[sparsity] if self.ranked is None else self.ranked.paths([sparsity])[0]

    @property
    def nbytes(self) -> int:
        """Bytes of scores and masks."""
        layers = [layer for path in self.fixed.values() for layer in path.layers]
        layers += self.ranked.layers if self.ranked is not None else ()
        return sum(layer.nbytes for layer in layers)


#: (model, inputs (1, C, H, W), target, sparsity, seed, tick) -> Found
Work = Callable[[nn.Module, Tensor, int, float, int, Tick], Found]


@dataclass(frozen=True)
class Route:
    """A path method on the page.

    Attributes:
        title: as the papers call it.
        source: paper and equation.
        seeded: whether the seed matters.
        passes: cost in forward and backward passes, from (number of calls, sparsity).
        steps: what the progress bar counts.
        find: the computation.
    """

    title: str
    source: str
    seeded: bool
    passes: Callable[[int, float], float]
    steps: str
    find: Work

    @property
    def cheap(self) -> bool:
        """Whether a page may wait for it."""
        return self.passes(1, 1.0) <= 1


def _intgrad(model: nn.Module, inputs: Tensor, target: int, sparsity: float, seed: int, tick: Tick) -> Found:
    start = time.perf_counter()
    signed = intgrad_signed(model, inputs, target, progress=tick)
    scores = on_cpu(ranked(signed))
    return Found(scores, {}, time.perf_counter() - start, f"{NODES['midpoint']} midpoints a layer")


def _greedy(model: nn.Module, inputs: Tensor, target: int, sparsity: float, seed: int, tick: Tick) -> Found:
    start, levels = time.perf_counter(), greedy_levels(sparsity)
    paths = greedy_paths(model, inputs, target, levels, progress=tick)
    fixed = {level: path.to("cpu") for level, path in zip(levels, paths, strict=True)}
    return Found(None, fixed, time.perf_counter() - start, "1 % of all neurons at a time, monotone")


def _dgr(model: nn.Module, inputs: Tensor, init: str, seed: int, tick: Tick) -> Found:
    start = time.perf_counter()
    gates = dgr_gates(model, inputs, init, seed, progress=tick)  # type: ignore[arg-type]  # "one" or "random"
    kept = "kept the prediction" if bool(gates.kept_prediction[0]) else "no iterate kept the prediction"
    zero = sum(int((layer == 0).sum()) for layer in gates.layers) / sum(
        layer.numel() for layer in gates.layers
    )
    note = f"iterate {int(gates.iteration[0])} of {ITERATIONS}, {kept}; {zero:.0%} of the gates are exactly 0"
    layers = tuple(layer.cpu().contiguous() for layer in gates.layers)
    return Found(replace(gates, layers=layers), {}, time.perf_counter() - start, note)


def _random(model: nn.Module, inputs: Tensor, target: int, sparsity: float, seed: int, tick: Tick) -> Found:
    start = time.perf_counter()
    path = random_paths(model, inputs, [sparsity], seed)[0].to("cpu")
    return Found(None, {sparsity: path}, time.perf_counter() - start, f"seed {seed}")


def _taylor(model: nn.Module, inputs: Tensor, target: int, sparsity: float, seed: int, tick: Tick) -> Found:
    ground = ground_of(model, inputs, target)
    return Found(ground.scores, {}, ground.seconds)


def greedy_levels(sparsity: float) -> tuple[float, ...]:
    """The sparsities one greedy run is asked for, so that the papers' levels share a run."""
    return GREEDY_LEVELS if sparsity in GREEDY_LEVELS else (sparsity,)


_HOW: dict[str, tuple[Callable[[int, float], float], str, Work]] = {
    "taylor": (lambda calls, sparsity: 1, "passes", _taylor),
    # A call's integral runs what follows it: half of the network on average, in batches of nodes.
    "intgrad": (lambda calls, sparsity: calls * NODES["midpoint"] / 2, "layers", _intgrad),
    "greedy": (lambda calls, sparsity: 100 * max(greedy_levels(sparsity)), "percent", _greedy),
    "dgr_init1": (
        lambda calls, sparsity: ITERATIONS,
        "iterations",
        lambda m, x, t, k, s, tick: _dgr(m, x, "one", s, tick),
    ),
    "dgr_random": (
        lambda calls, sparsity: ITERATIONS,
        "iterations",
        lambda m, x, t, k, s, tick: _dgr(m, x, "random", s, tick),
    ),
    "random": (lambda calls, sparsity: 1, "passes", _random),
}
ROUTES = {
    key: Route(method.title, method.source, method.random, *_HOW[key])
    for key, method in METHODS.items()
    if key in _HOW
}


def find_ground(
    engine: Engine, subject: Subject, chosen: Selection, show: Callable[[Job, int], None]
) -> Ground:
    """Taylor scores and dead neurons of the input, from the shelf or in one pass."""

    def work(job: Job) -> Ground:
        model, _ = engine.model(subject.model, job)
        job.note = "Scoring neurons"
        return ground_of(model, chosen.card.preprocess(chosen.picture.image).to(engine.device), chosen.target)

    found: Ground = engine.worker.run(("ground", subject), work, show)
    return found


def key_of(subject: Subject, method: str, sparsity: float, seed: int) -> Hashable:
    """What names a method's result: no more than what it depends on."""
    level: float | tuple[float, ...] | None = None
    if method == "greedy":
        level = greedy_levels(sparsity)
    elif method == "random":
        level = sparsity
    return ("path", subject, method, level, seed if ROUTES[method].seeded else None)


def work_of(
    engine: Engine,
    subject: Subject,
    chosen: Selection,
    ground: Ground,
    method: str,
    sparsity: float,
    seed: int,
) -> Callable[[Job], Found]:
    """The computation of a method, for a worker or a long lane."""
    target = int(ground.scores.target[0])

    def work(job: Job) -> Found:
        model, _ = engine.model(subject.model, job)
        job.note = ROUTES[method].title
        inputs = chosen.card.preprocess(chosen.picture.image).to(engine.device)
        return ROUTES[method].find(model, inputs, target, sparsity, seed, job.tick)

    return work


def predicted_seconds(ground: Ground, method: str, sparsity: float) -> float:
    """Seconds a method will take here, from the time of the pass that scored the input."""
    return ground.seconds * ROUTES[method].passes(len(ground.scores.layers), sparsity)
