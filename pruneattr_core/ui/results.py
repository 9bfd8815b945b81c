"""What pages show, each result named by a frozen value that says all it depends on.

A map that one page asked for is there for all the others, as every page asks here: `mapped` takes it from the
cache, waits for who is computing it, or computes it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.attribution import METHODS, completeness_gap, explain, theory_note
from pruneattr_core.attribution.calls import calls_of
from pruneattr_core.attribution.options import checked
from pruneattr_core.attribution.prunegrad import PruneGrad
from pruneattr_core.attribution.support import layers_on_the_picture
from pruneattr_core.attribution.watch import Progress, watched
from pruneattr_core.benchmarks.sanity import units
from pruneattr_core.errors import Cancelled, InputError, PruneAttrError
from pruneattr_core.models import model_card
from pruneattr_core.scoring import contributions
from pruneattr_core.ui.cache import Show, engine
from pruneattr_core.ui.errors import APOLOGY, logger
from pruneattr_core.ui.jobs import Cache, Failed, Job
from pruneattr_core.ui.pictures import Picture
from pruneattr_core.ui.subject import Scored, ScoresKey, Subject

Array = NDArray[Any]
#: Passes below which nobody needs to know how far a map is.
SHORT = 20
#: Options that are a place of the dial.
DIAL = ("sparsity", "of", "output_change")


@dataclass(frozen=True)
class MapKey:
    """Names one attribution; made by `map_key`, so that equal maps have equal names.

    Attributes:
        subject: network, picture and class.
        method: key of `METHODS`.
        options: every option of the method with its value, in the order of its table.
    """

    subject: Subject
    method: str
    options: tuple[tuple[str, Any], ...]

    def passes(self, scale: int = 1) -> float:
        """Forward-and-backward passes it takes on a picture of `scale` times the network's usual side."""
        side = scale * max(model_card(self.subject.model).size)
        return METHODS[self.method].cost(side, **dict(self.options))


def map_key(subject: Subject, method: str, options: Mapping[str, Any]) -> MapKey:
    """The name of a map, every option that is not given filled in.

    Raises:
        InputError: an option that the method does not have, or a value out of range.
    """
    entry = METHODS[method]
    return MapKey(subject, method, tuple(checked(entry.title, entry.options, options).items()))


@dataclass(frozen=True)
class Mapped:
    """One attribution.

    Attributes:
        attribution: float32 (C, H, W), or (1, H, W) from a method without channels.
        target: class explained.
        seconds: wall time, with that of the scores it rests on.
        gap: |sum of the map - what it should be| in logit units, where the method promises a sum.
    """

    attribution: Array
    target: int
    seconds: float
    gap: float | None

    @property
    def nbytes(self) -> int:
        """Bytes kept."""
        return int(self.attribution.nbytes)


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
    return found


def scored(cache: Cache, network: nn.Module, inputs: Tensor, key: ScoresKey, tell: Progress) -> Scored:
    """The contributions of `key`, computed once; arguments as of `mapped`."""

    def compute() -> Scored:
        start = time.perf_counter()
        passes = METHODS["neuron_intgrad"].cost() if key.contribution == "intgrad" else 1
        with watched(tell, passes * sum(call.activation for call in calls_of(network, inputs))):
            found = contributions(
                network, inputs, key.subject.target, key.contribution, class_scores=key.class_scores
            )
        return Scored(found, time.perf_counter() - start)

    found: Scored = cache.once(key, compute, lambda: tell(0))
    return found


def _attributed(cache: Cache, network: nn.Module, inputs: Tensor, key: MapKey, tell: Progress) -> Mapped:
    options, start = dict(key.options), time.perf_counter()
    contribution = "intgrad" if key.method == "neuron_intgrad" else options.get("contribution")
    if contribution == "intgrad" and options["sparsity"] != "calibrated" and options["output_change"] is None:
        # Its scores take nearly all the time; levels of the same network rest on them, too.
        known = scored(
            cache, network, inputs, ScoresKey(key.subject, contribution, options["class_scores"]), tell
        )
        start = time.perf_counter() - known.seconds
        sweep = PruneGrad(network).sweep(
            inputs, sparsities=[options["sparsity"]], mode=options["mode"], ties=options["ties"],
            of=options["of"], scores=known.scores,
        )  # fmt: skip
        if sweep.problems[0]:
            raise InputError(sweep.problems[0])
        values, target, gap = sweep.maps[0], sweep.target, None
    else:
        found = explain(network, inputs, key.subject.target, key.method, progress=tell, **options)
        values, target, gap = found.values, found.target, completeness_gap(network, inputs, found)
    attribution = values[0].detach().float().cpu().contiguous().numpy()
    seconds = time.perf_counter() - start
    attribution.setflags(write=False)
    return Mapped(attribution, int(target[0]), seconds, None if gap is None else abs(float(gap[0])))


def map_beside(job: Job, key: MapKey, picture: Picture) -> tuple[nn.Module, Tensor, Mapped]:
    """The network, the picture as it takes it, and the map of `key`, inside a job that needs all three."""
    network, _ = engine().model(key.subject.model, job)
    inputs = engine().inputs(key.subject.model, picture)
    job.note = f"{METHODS[key.method].title} · map"
    tell = telling(job, job.note if key.passes() > SHORT else "")
    return network, inputs, mapped(engine().jobs.results, network, inputs, key, tell)


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
        logger.exception("a result could not be computed")
        return Failed(APOLOGY)


def telling(job: Job, title: str = "") -> Progress:
    """What a computation calls on the way: shows its share behind `title`, and stops it when cancelled."""

    def tell(share: float) -> None:
        if title:
            job.note = f"{title} · {share:.0%}"
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


def fits(model: str, weights: str, picture: Picture, show: Show) -> Fits:
    """What a network allows; asked once for all pages.

    Args:
        model: identifier of the card.
        weights: SHA-256 over its state dict.
        picture: one that it takes.
        show: see `Jobs.run`.
    """

    def work(job: Job) -> Fits:
        network, _ = engine().model(model, job)
        inputs = engine().inputs(model, picture)
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

    found: Fits = engine().jobs.run(("fits", model, weights, engine().device.type), work, show, "coarse")
    return found
