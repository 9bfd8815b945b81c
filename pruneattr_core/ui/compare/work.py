"""The work behind the Compare page: maps, removal curves and grid games, one after the other, stoppable."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pruneattr_core.attribution import METHODS
from pruneattr_core.attribution.watch import Progress, watched
from pruneattr_core.benchmarks.pixels import FULL_FRACTIONS, LERF_FRACTIONS, insertion_curve, removal_curve
from pruneattr_core.results.cells import (
    CHEAP_PASSES,
    CURVES,
    PATIENT,
    Curve,
    CurveKey,
    GameKey,
    LevelsKey,
    Place,
    RivalsKey,
    Step,
    drawn,
    passes_left,
    passes_of,
)
from pruneattr_core.results.keys import MapKey, Mapped, PaceKey
from pruneattr_core.results.live import Levels, levels_of
from pruneattr_core.ui.compare.game import find_rivals, play
from pruneattr_core.ui.jobs import Cache, Failed, Job
from pruneattr_core.ui.results import attempt, mapped, scored, telling


def compute(
    job: Job,
    steps: Sequence[Step],
    network: nn.Module,
    inputs: Sequence[Tensor],
    shelf: Cache,
    dear: bool,
    see: Callable[[Place], Tensor] | None = None,
) -> None:
    """Put every missing result of `steps` on the shelf, in order.

    Args:
        job: told about progress, and stops the work when nobody waits, within one layer of one pass.
        steps: see `steps_of`.
        network: in eval mode.
        inputs: per picture (1, C, H, W).
        shelf: where results go, a failure as `Failed`.
        dear: whether to compute maps predicted to take longer than `PATIENT`.
        see: gives rivals of games as the network sees them, (1, C, H, W); needed where there are games.
    """

    def once(key: Hashable, work: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: shelf.once(key, work, lambda: job.tick(job.done, job.total))

    def levels(key: LevelsKey, x: Tensor, tell: Progress) -> Levels:
        return levels_of(network, x, key, scored(shelf, network, x, key.scores, tell), tell)

    missing = [step for step in steps if shelf.get(step.key) is None]
    for done, step in enumerate(missing):
        job.tick(done, len(missing))
        key, x = step.key, inputs[step.picture]
        if isinstance(key, MapKey | GameKey) and not dear and is_dear(key, network, x, shelf):
            continue
        if isinstance(key, MapKey):
            job.note = METHODS[key.method].title
            tell = telling(job, job.note if passes_of(key) > CHEAP_PASSES else "")
            work: Callable[[], Any] = partial(mapped, shelf, network, x, key, tell)
        elif isinstance(key, LevelsKey):
            if not isinstance(shelf.get(step.beside), Mapped):
                continue  # they come where the map does: `standing` counts them so
            job.note = f"Levels of {METHODS[key.method].title}"
            work = once(key, partial(levels, key, x, telling(job, job.note)))
        else:
            found = shelf.get(key.map)
            if not isinstance(found, Mapped):
                continue
            title = METHODS[key.map.method].title
            if isinstance(key, CurveKey):
                job.note = f"{CURVES[key.kind].short} of {title}"
                work = once(key, partial(removal, network, x, found, key, job))
            else:
                assert see is not None  # games come with eyes
                job.note = f"Grid game of {title}"
                work = once(key, partial(game, network, x, found, key, shelf, see, job))
        failed = attempt(work)
        if isinstance(failed, Failed):
            shelf.put(key, failed)
    job.tick(len(missing), max(1, len(missing)))


def is_dear(key: MapKey | GameKey, network: nn.Module, x: Tensor, shelf: Cache) -> bool:
    """Whether a map or game is predicted to take longer than `PATIENT`; measures the pace when it matters."""
    passes = passes_left(key, lambda scores: shelf.get(scores) is not None)
    if passes <= CHEAP_PASSES:
        return False
    subject = key.map.subject if isinstance(key, GameKey) else key.subject
    place = PaceKey(subject.model, subject.device, subject.code)
    pace = shelf.get(place)
    if pace is None:
        pace = np.asarray(seconds_of_a_pass(network, x))
        shelf.put(place, pace)
    return float(pace) * passes > PATIENT


def seconds_of_a_pass(network: nn.Module, x: Tensor) -> float:
    """Seconds of one forward and backward pass, the first one not counted.

    On the CPU those that this thread works: what else the machine does at this moment says nothing of later.
    """
    clock = time.thread_time if x.device.type == "cpu" else time.perf_counter
    seconds = 0.0
    for _ in range(2):
        start = clock()
        leaf = x.detach().clone().requires_grad_()
        with torch.enable_grad():
            torch.autograd.grad(network(leaf).amax(1).sum(), leaf)
        if x.device.type == "cuda":
            torch.cuda.synchronize()
        seconds = clock() - start
    return seconds


def removal(network: nn.Module, x: Tensor, mapped: Mapped, key: CurveKey, job: Job) -> Curve:
    """The removal curve of one map."""
    ranked = torch.from_numpy(drawn(mapped.attribution, key.collapse, key.sign).copy())[None].to(x.device)
    with watched(telling(job), 1):
        if key.kind == "insertion":
            found = insertion_curve(network, x, ranked, mapped.target, fill=key.fill)
        else:
            order, fractions = ("lerf", LERF_FRACTIONS) if key.kind == "lerf" else ("morf", FULL_FRACTIONS)
            found = removal_curve(
                network, x, ranked, mapped.target, fractions=fractions, order=order, fill=key.fill
            )
    if key.kind == "lerf":
        values, area = [0.0, *found.change[:, 0].tolist()], float(found.curve_auc[0])
        return Curve((0.0, *found.fractions), tuple(values), area)
    return Curve(found.fractions, tuple(found.probability[:, 0].tolist()), float(found.probability_auc[0]))


def game(
    network: nn.Module,
    x: Tensor,
    mapped: Mapped,
    key: GameKey,
    shelf: Cache,
    see: Callable[[Place], Tensor],
    job: Job,
) -> Any:
    """The grid pointing game of one map; who plays is found once per picture."""
    tell = telling(job, job.note)
    place = RivalsKey(replace(key.map.subject, target=mapped.target, against=""), key.rivals)
    found = shelf.get(place)
    if found is None:
        with watched(tell, 1):
            found = attempt(lambda: find_rivals(network, mapped.target, key.rivals, see))
        shelf.put(place, found)
    return found if isinstance(found, Failed) else play(network, x, mapped.target, key, found, tell)
