"""One picture's maps while layers lose their weights: computed once per choice, then only looked up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from pruneattr_core.attribution import METHODS
from pruneattr_core.benchmarks.maps import maps_of, method_from
from pruneattr_core.benchmarks.sanity import VARIANTS, cascade, units
from pruneattr_core.benchmarks.similarity import MEASURES
from pruneattr_core.heads import head_of, probabilities
from pruneattr_core.models import model_card
from pruneattr_core.render import scale_map, scale_of
from pruneattr_core.ui.cache import Engine
from pruneattr_core.ui.jobs import Job
from pruneattr_core.ui.pictures import Picture
from pruneattr_core.ui.subject import Subject

#: What is done about a method of a link that does not fit the network.
UNFIT = "what does not fit this network is left out"
LIKENESS = ("spearman", "spearman_abs", "ssim")


@dataclass(frozen=True)
class Ladder:
    """Maps of one method at every step.

    Attributes:
        steps: names: "original", then the layers from last to first.
        maps: (steps, H, W) float32; nan where the network's answer was not finite.
        likeness: (measures, steps) with the original's map; nan where undefined.
        probability: (steps,) probability, as the head reads it, of the explained class.
        signed: whether the maps have a sign.
    """

    steps: tuple[str, ...]
    maps: NDArray[np.float32]
    likeness: NDArray[np.float64]
    probability: NDArray[np.float64]
    signed: bool

    @property
    def nbytes(self) -> int:
        """Size on a shelf, with the codes."""
        return self.maps.nbytes + self.maps.size + self.likeness.nbytes + self.probability.nbytes

    @cached_property
    def coded(self) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
        """Colour codes (steps, H, W), every map on its own scale, and what is to be said about each scale."""
        values = np.nan_to_num(self.maps)
        scales = [scale_of(one, self.signed) for one in values]
        codes = [scale_map(one, scale=scale) for one, scale in zip(values, scales, strict=True)]
        return np.stack(codes), tuple(scale.note or "" for scale in scales)


@dataclass(frozen=True)
class Climb:
    """What a ladder depends on; the key under which it is kept.

    Attributes:
        subject: network, picture and class.
        method: key of `METHODS`.
        variant: key of `sanity.VARIANTS`.
    """

    subject: Subject
    method: str
    variant: str


def known(engine: Engine, climb: Climb) -> Ladder | None:
    """The ladder if it is on the shelf."""
    found: Ladder | None = engine.jobs.results.get(climb)
    return found


def ladder(engine: Engine, climb: Climb, picture: Picture, show: Callable[[Job, int], None]) -> Ladder:
    """Every step of one method, on the engine's worker; a private copy of the network is randomised."""
    card = model_card(climb.subject.model)

    def work(job: Job) -> Ladder:
        network, _ = engine.model(climb.subject.model, job)
        job.note = f"Randomising layer by layer for {METHODS[climb.method].title}"
        inputs = card.preprocess(picture.image).to(engine.device)
        with torch.no_grad():
            network_logits = network(inputs)
        chosen = network_logits.argmax(1)
        if climb.subject.target is not None:
            chosen = torch.tensor([climb.subject.target], device=engine.device)
        head, steps = head_of(network, network_logits), list[str]()
        maps, probability = [], []
        total = len(units(network)) + 1
        for name, changed in cascade(network, VARIANTS[climb.variant]):
            job.tick(len(steps), total)
            with torch.no_grad():
                probability.append(float(probabilities(changed(inputs).double(), head)[0, chosen]))
            values = maps_of(changed, inputs, chosen, method_from(climb.method), "signed_max")
            maps.append(values[0].cpu().numpy())
            steps.append(name)
        likeness = [[_alike(measure, maps[0], one) for one in maps] for measure in LIKENESS]
        return Ladder(
            tuple(steps),
            np.stack(maps).astype(np.float32),
            np.array(likeness),
            np.array(probability),
            METHODS[climb.method].signed,
        )

    found: Ladder = engine.jobs.run(climb, work, show)
    return found


def fitting_methods(
    engine: Engine, model: str, names: Sequence[str], show: Callable[[Job, int], None]
) -> Fits:
    """Which methods fit a network, and why the others do not."""

    def work(job: Job) -> Fits:
        network, _ = engine.model(model, job)
        height, width = model_card(model).size
        shown = torch.zeros(1, 3, height, width, device=engine.device)
        reasons = {name: METHODS[name].supports(network, shown) or "" for name in names}
        return Fits(reasons, len(units(network)) + 1)

    found: Fits = engine.jobs.run(("fits", model, tuple(names), engine.device.type), work, show, "coarse")
    return found


@dataclass(frozen=True)
class Fits:
    """What a network allows.

    Attributes:
        reasons: method -> "" or the sentence that says why it does not fit.
        steps: of a ladder.
    """

    reasons: dict[str, str]
    steps: int
    nbytes: int = 4096


def _alike(measure: str, first: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    if not (np.isfinite(first).all() and np.isfinite(other).all()):
        return float("nan")
    return MEASURES[measure](first, other)
