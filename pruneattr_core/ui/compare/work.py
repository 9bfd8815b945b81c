"""The work behind the Compare page: maps, removal curves and grid games, one after the other, stoppable."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pruneattr_core.attribution import METHODS, completeness_gap, explain
from pruneattr_core.attribution.watch import Progress, watched
from pruneattr_core.benchmarks.pixels import FULL_FRACTIONS, LERF_FRACTIONS, insertion_curve, removal_curve
from pruneattr_core.errors import Cancelled, PruneAttrError
from pruneattr_core.ui.compare.cells import (
    CHEAP_PASSES,
    CURVES,
    PATIENT,
    Ask,
    Curve,
    CurveAsk,
    Failed,
    GameAsk,
    LevelsAsk,
    Mapped,
    Place,
    Step,
    drawn,
    pace_key,
    passes_of,
)
from pruneattr_core.ui.compare.game import find_rivals, play
from pruneattr_core.ui.compare.live import levels_of
from pruneattr_core.ui.errors import APOLOGY
from pruneattr_core.ui.jobs import Cache, Job

logger = logging.getLogger("pruneattr")


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
    missing = [step for step in steps if shelf.get(step.key) is None]
    for done, step in enumerate(missing):
        job.tick(done, len(missing))
        key, x = step.key, inputs[step.picture]
        if not isinstance(key, CurveAsk) and not dear and is_dear(key, network, x, shelf):
            continue
        if isinstance(key, Ask):
            title = METHODS[key.method].title
            job.note = title
            tell = telling(job, title) if passes_of(key) > CHEAP_PASSES else telling(job)
            shelf.put(key, attempt(partial(attribute, network, x, key, tell)))
            continue
        if isinstance(key, LevelsAsk):
            title = f"Levels of {METHODS[key.ask.method].title}"
            job.note = title
            shelf.put(key, attempt(partial(levels_of, network, x, key, telling(job, title))))
            continue
        mapped = shelf.get(key.ask)
        if not isinstance(mapped, Mapped):
            continue
        title = METHODS[key.ask.method].title
        if isinstance(key, CurveAsk):
            job.note = f"{CURVES[key.kind].short} of {title}"
            shelf.put(key, attempt(partial(removal, network, x, mapped, key, job)))
        else:
            assert see is not None  # games come with eyes
            job.note = f"Grid game of {title}"
            shelf.put(key, attempt(partial(game, network, x, mapped, key, shelf, see, job)))
    job.tick(len(missing), max(1, len(missing)))


def telling(job: Job, title: str = "") -> Progress:
    """What a computation calls on the way: shows its share behind `title`, and stops it when cancelled."""

    def tell(share: float) -> None:
        if title:
            job.note = f"{title} · {share:.0%}"
        job.tick(job.done, job.total)

    return tell


def is_dear(key: Ask | GameAsk | LevelsAsk, network: nn.Module, x: Tensor, shelf: Cache) -> bool:
    """Whether a map is predicted to take longer than `PATIENT`; measures the pace when it matters.

    Levels come by themselves wherever one map does.
    """
    key = key.ask if isinstance(key, LevelsAsk) else key
    if passes_of(key) <= CHEAP_PASSES:
        return False
    ask = key if isinstance(key, Ask) else key.ask
    place = pace_key(ask.subject.model, ask.subject.device)
    pace = shelf.get(place)
    if pace is None:
        pace = np.asarray(seconds_of_a_pass(network, x))
        shelf.put(place, pace)
    return float(pace) * passes_of(key) > PATIENT


def seconds_of_a_pass(network: nn.Module, x: Tensor) -> float:
    """Wall time of one forward and backward pass, the first one not counted."""
    seconds = 0.0
    for _ in range(2):
        start = time.perf_counter()
        leaf = x.detach().clone().requires_grad_()
        with torch.enable_grad():
            torch.autograd.grad(network(leaf).amax(1).sum(), leaf)
        if x.device.type == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - start
    return seconds


def attempt(work: Callable[[], Any]) -> Any:
    """The result of `work`, or a `Failed` with the sentence for the user; being cancelled passes through."""
    try:
        return work()
    except Cancelled:
        raise
    except PruneAttrError as error:
        return Failed(str(error))
    except torch.OutOfMemoryError:
        return Failed("This method needs more memory here than the device has.")
    except Exception:
        logger.exception("a cell of the grid failed")
        return Failed(APOLOGY)


def attribute(network: nn.Module, x: Tensor, ask: Ask, tell: Progress | None = None) -> Mapped:
    """One map, timed."""
    start = time.perf_counter()
    found = explain(network, x, ask.subject.target, ask.method, progress=tell, **dict(ask.options))
    values = found.values[0].detach().float().cpu().contiguous().numpy()
    seconds = time.perf_counter() - start
    values.setflags(write=False)
    gap = completeness_gap(network, x, found)
    return Mapped(values, int(found.target[0]), seconds, None if gap is None else abs(float(gap[0])))


def removal(network: nn.Module, x: Tensor, mapped: Mapped, key: CurveAsk, job: Job) -> Curve:
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
    key: GameAsk,
    shelf: Cache,
    see: Callable[[Place], Tensor],
    job: Job,
) -> Any:
    """The grid pointing game of one map; who plays is found once per picture."""
    tell = telling(job, job.note)
    subject = key.ask.subject
    place = ("rivals", subject.model, subject.weights, subject.image, mapped.target, key.rivals)
    found = shelf.get(place)
    if found is None:
        with watched(tell, 1):
            found = attempt(lambda: find_rivals(network, mapped.target, key.rivals, see))
        shelf.put(place, found)
    return found if isinstance(found, Failed) else play(network, x, mapped.target, key, found, tell)
