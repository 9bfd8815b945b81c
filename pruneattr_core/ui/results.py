"""What pages show, each result named by a frozen value that says all it depends on.

A map that one page asked for is there for all the others, as every page asks here: `mapped` takes it from the
cache, waits for who is computing it, or computes it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.attribution import METHODS, completeness_gap, explain, theory_note
from pruneattr_core.attribution.calls import calls_of
from pruneattr_core.attribution.prunegrad import PruneGrad
from pruneattr_core.attribution.prunegrad_mid import prunegrad_mid
from pruneattr_core.attribution.support import layers_on_the_picture
from pruneattr_core.attribution.watch import Progress, watched
from pruneattr_core.benchmarks.sanity import units
from pruneattr_core.errors import Cancelled, InputError, PruneAttrError
from pruneattr_core.leaving import staying
from pruneattr_core.response import Asked
from pruneattr_core.results.keys import SHORT, FitsKey, MapKey, Mapped, Scored, ScoresKey, Subject
from pruneattr_core.results.sweeps import score
from pruneattr_core.scoring.intgrad import integral_passes
from pruneattr_core.share.words import percent
from pruneattr_core.ui.cache import Show, engine
from pruneattr_core.ui.errors import APOLOGY, logger
from pruneattr_core.ui.jobs import Cache, Failed, Job
from pruneattr_core.ui.pictures import Picture
from pruneattr_core.values import Contributions

Array = NDArray[Any]


def mapped(cache: Cache, network: nn.Module, inputs: Tensor, key: MapKey, tell: Progress) -> Mapped:
    """The map of `key`, computed once for all pages.

    Args:
        cache: holds the results of all sessions.
        network: in eval mode.
        inputs: (1, C, H, W) on its device.
        key: from `map_key`.
        tell: told the share that is done; may raise to stop.

    Raises:
        PruneAttrError: as `explain`.
    """
    found: Mapped = cache.once(key, lambda: _attributed(cache, network, inputs, key, tell), lambda: tell(0))
    if key.subject.target is None:  # whoever asks for that class by name asks for the same map
        named = replace(key, subject=replace(key.subject, target=found.target))
        cache.put(named, found)
        if (
            key.scores is not None
            and named.scores is not None
            and (known := cache.get(key.scores)) is not None
        ):
            cache.put(named.scores, known)
    return found


def scored(cache: Cache, network: nn.Module, inputs: Tensor, key: ScoresKey, tell: Progress) -> Scored:
    """The contributions of `key`, computed once; arguments as of `mapped`."""

    def compute() -> Scored:
        layers = sum(call.activation for call in calls_of(network, inputs))
        with watched(tell, max(1, integral_passes(key.contribution, layers)) * layers):
            return score(network, inputs, key)

    found: Scored = cache.once(key, compute, lambda: tell(0))
    return found


def _attributed(cache: Cache, network: nn.Module, inputs: Tensor, key: MapKey, tell: Progress) -> Mapped:
    options, start = dict(key.options), time.perf_counter()
    asked: Asked | None
    if key.scores is not None:  # they take nearly all the time
        known = scored(cache, network, inputs, key.scores, tell)
        start = time.perf_counter() - known.seconds
        values, gap = _pruned(network, inputs, key.method, options, known.scores), None
        target, asked = known.scores.target, known.scores.asked
    else:
        found = explain(network, inputs, key.subject.response, key.method, progress=tell, **options)
        values, target, asked, gap = (
            found.values,
            found.target,
            found.asked,
            completeness_gap(network, inputs, found),
        )
    attribution = values[0].detach().float().cpu().contiguous().numpy()
    seconds = time.perf_counter() - start
    attribution.setflags(write=False)
    against = None if asked is None or asked.against is None else int(asked.against[0])
    return Mapped(attribution, int(target[0]), seconds, None if gap is None else abs(float(gap[0])), against)


def _pruned(
    network: nn.Module, inputs: Tensor, method: str, options: dict[str, Any], scores: Contributions
) -> Tensor:
    """The map of a method that prunes by scores that are there."""
    given = {name: options[name] for name in ("sparsity", "mode", "ties", "of")}
    if method == "prunegrad_mid":
        return prunegrad_mid(network, inputs, scores.question, options["layer"], **given, scores=scores)
    place = given.pop("sparsity")
    sweep = PruneGrad(network).sweep(inputs, sparsities=[place], scores=scores, **given)
    if sweep.problems[0]:
        raise InputError(sweep.problems[0])
    return sweep.maps[0]


def map_beside(job: Job, key: MapKey, picture: Picture) -> tuple[nn.Module, Tensor, Mapped]:
    """The network, the picture as it takes it, and the map of `key`, inside a job that needs all three."""
    network = engine().network(key.subject, job)
    inputs = engine().inputs(key.subject.model, picture)
    job.note = f"{METHODS[key.method].title} · map"
    tell = telling(job, job.note if key.passes() > SHORT else "")
    return network, inputs, mapped(engine().jobs.results, network, inputs, key, tell)


def attempt(work: Callable[[], Any]) -> Any:
    """The result of `work`, or a `Failed` with the sentence for the user; being cancelled passes through."""
    try:
        with staying():
            return work()
    except Cancelled:
        raise
    except PruneAttrError as error:
        return Failed(str(error))
    except torch.OutOfMemoryError:
        return Failed("This method needs more memory here than the device has.")
    except Exception:
        logger.exception("a result could not be computed")
        return Failed(APOLOGY)


def telling(job: Job, title: str = "") -> Progress:
    """What a computation calls on the way: shows its share behind `title`, and stops it when cancelled."""

    def tell(share: float) -> None:
        if title:
            job.note = f"{title} · {percent(share)}"
        job.tick(job.done, job.total)

    return tell


@dataclass(frozen=True)
class Fits:
    """What a network allows.

    Attributes:
        reasons: method -> "" or the sentence that says why it does not fit.
        theory: what the theory does not cover.
        layers: method with an option `layer` -> what it may be.
        steps: of a cascade that randomises layer by layer, with the trained network.
    """

    reasons: Mapping[str, str]
    theory: str
    layers: Mapping[str, tuple[str, ...]]
    steps: int
    nbytes: int = 4096


def fits(subject: Subject, picture: Picture, show: Show) -> Fits:
    """What a network allows; asked once for all pages.

    Args:
        subject: names the network.
        picture: one that it takes.
        show: see `Jobs.run`.
    """

    def work(job: Job) -> Fits:
        network = engine().network(subject, job)
        inputs = engine().inputs(subject.model, picture)
        try:
            steps = len(units(network)) + 1
        except InputError:  # nothing to randomise
            steps = 1
        return Fits(
            {name: method.supports(network, inputs) or "" for name, method in METHODS.items()},
            theory_note(network, inputs) or "",
            layers_on_the_picture(network, inputs),
            steps,
        )

    key = FitsKey(subject.model, subject.weights, subject.device, subject.code)
    found: Fits = engine().jobs.run(key, work, show, "coarse")
    return found
