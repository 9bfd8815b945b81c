"""The table of path methods as the pages use it: what each costs here, and its result for any sparsity."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

from pruneattr_core.paths.table import METHODS, Found, Search
from pruneattr_core.results.keys import Subject
from pruneattr_core.ui.cache import Engine
from pruneattr_core.ui.jobs import Job
from pruneattr_core.ui.paths.results import Ground, ground_of, on_cpu
from pruneattr_core.ui.shell import Selection
from pruneattr_core.values import Contributions, Path

#: The papers' sparsities, which one computation of a method without a ranking serves.
LEVELS = (0.8, 0.9, 0.99)
#: A computation predicted to be shorter than this starts without being asked for, in seconds.
AT_ONCE = 12.0


@dataclass(frozen=True, eq=False)
class Timed:
    """What one method found for one input, on the CPU.

    Attributes:
        found: the paths.
        seconds: time it took, without waiting.
    """

    found: Found
    seconds: float

    @property
    def note(self) -> str:
        """What happened, a few words."""
        return self.found.note

    def path(self, sparsity: float) -> Path:
        """The path of this sparsity."""
        return self.found.path(sparsity)

    @property
    def nbytes(self) -> int:
        """Bytes of scores and masks."""
        return self.found.nbytes


def levels(sparsity: float) -> tuple[float, ...]:
    """The sparsities that a method without a ranking is asked for, so that the papers' share a run."""
    return LEVELS if sparsity in LEVELS else (sparsity,)


def _find(method: str, search: Search) -> Timed:
    """Run a method of the table; its values come back in plain memory order on the CPU."""
    if method == "taylor":
        ground = ground_of(search.model, search.inputs, search.target)  # type: ignore[arg-type]  # a class here
        return Timed(Found(ground.scores), ground.seconds)
    start = time.perf_counter()
    found = METHODS[method].find(search)
    ranked = found.ranked
    if isinstance(ranked, Contributions):
        ranked = on_cpu(ranked)
    elif ranked is not None:
        ranked = replace(ranked, layers=tuple(layer.cpu().contiguous() for layer in ranked.layers))
    fixed = {sparsity: path.to("cpu") for sparsity, path in found.fixed.items()}
    return Timed(Found(ranked, fixed, found.note), time.perf_counter() - start)


def find_ground(
    engine: Engine, subject: Subject, chosen: Selection, show: Callable[[Job, int], None]
) -> Ground:
    """Taylor scores and dead neurons of the input, from the shelf or in one pass."""

    def work(job: Job) -> Ground:
        model, _ = engine.model(subject.model, job)
        job.note = "Scoring neurons"
        return ground_of(model, chosen.card.preprocess(chosen.picture.image).to(engine.device), chosen.target)

    found: Ground = engine.jobs.run(("ground", subject), work, show, "coarse")
    return found


def key_of(subject: Subject, method: str, sparsity: float, seed: int) -> Hashable:
    """What names a method's result: no more than what it depends on."""
    entry = METHODS[method]
    asked = None if entry.ranks else levels(sparsity)
    return ("path", subject, method, asked, seed if entry.random else None)


def work_of(
    engine: Engine,
    subject: Subject,
    chosen: Selection,
    ground: Ground,
    method: str,
    sparsity: float,
    seed: int,
) -> Callable[[Job], Timed]:
    """The computation of a method, for a worker or a long lane."""
    target = int(ground.scores.target[0])

    def work(job: Job) -> Timed:
        model, _ = engine.model(subject.model, job)
        job.note = METHODS[method].title
        inputs = chosen.card.preprocess(chosen.picture.image).to(engine.device)
        asked = Search(model, inputs, target, levels(sparsity), seed, progress=job.tick)
        return _find(method, asked)

    return work


def predicted_seconds(ground: Ground, method: str, sparsity: float) -> float:
    """Seconds a method will take here, from the time of the pass that scored the input."""
    entry = METHODS[method]
    share = sparsity if entry.ranks else max(levels(sparsity))
    return ground.seconds * entry.cost(len(ground.scores.layers), share)
