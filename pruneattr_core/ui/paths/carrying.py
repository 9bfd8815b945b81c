"""What a path carries when the neurons outside it are replaced: computed coarse first, beside the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pruneattr_core.benchmarks.objects import shows_object, without_object
from pruneattr_core.circuits.curve import SIZES, CircuitCurve, circuit_curve, joined, unchanged
from pruneattr_core.circuits.replacement import activations_of, mean_of, zero
from pruneattr_core.datasets import Dataset
from pruneattr_core.models import ModelCard, model_card
from pruneattr_core.pruning import Instead, Replacement, pruned_gradient
from pruneattr_core.results.keys import Subject
from pruneattr_core.results.paths import Ground
from pruneattr_core.scoring import contributions
from pruneattr_core.selection import masks_at
from pruneattr_core.ui import pictures, shell
from pruneattr_core.ui.cache import Engine
from pruneattr_core.ui.jobs import Job
from pruneattr_core.ui.paths.state import REPLACED
from pruneattr_core.ui.pictures import Picture

#: Sets beside the path, by the curve's name for them.
CONTROLS = {
    "path": "The path",
    "random": "As many at random",
    "rest": "All but the path",
    "rival": "The runner-up's path",
    "neighbour": "Another picture's path",
}
#: Pictures that a mean is over.
REFERENCE = 16
#: Sizes that are there first, and the others.
COARSE = (0.01, 0.1, 0.5, 1.0)
FINE = tuple(size for size in SIZES if size not in COARSE)


@dataclass(frozen=True)
class CarriedKey:
    """Names what the path of one input carries at every size and replacement."""

    subject: Subject


@dataclass(frozen=True, eq=False)
class Carried:
    """Curves of one input so far.

    Attributes:
        curves: replacement -> its curve; those that are there.
    """

    curves: Mapping[str, CircuitCurve]

    @property
    def nbytes(self) -> int:
        """Bytes of the curves, about."""
        return 1 << 14


def work_of(engine: Engine, subject: Subject, picture: Picture, ground: Ground) -> Callable[[Job], Carried]:
    """The work of one input; its `partial` has one replacement after the other, first at a few sizes."""

    def work(job: Job) -> Carried:
        network = engine.network(subject, job)
        card = model_card(subject.model)
        inputs, *beside = (
            card.preprocess(one.image).to(engine.device) for one in (picture, *_beside(picture, subject))
        )
        target = ground.scores.target.to(engine.device)
        order = ground.scores.logits[0].argsort(descending=True).tolist()
        job.note = "Scores of the runner-up and of another picture"
        controls = {"neighbour": contributions(network, beside[0]).layers}
        if len(order) > 1:  # one output has none
            rival = next(index for index in order if index != int(target[0]))
            controls["rival"] = contributions(network, inputs, rival).layers
        scores = [layer.to(engine.device) for layer in ground.scores.layers]
        makers: dict[str, Callable[[], Replacement]] = {
            "zero": lambda: zero(network, inputs),
            "mean": lambda: mean_of(network, beside),
            "resample": lambda: activations_of(network, beside[0]),
        }
        if (bare := _bare(picture, card)) is not None:
            makers["counterfactual"] = lambda: activations_of(
                network, bare.to(engine.device), "counterfactual"
            )
        curves: dict[str, CircuitCurve] = {}
        made: dict[str, Replacement] = {}
        steps = [(grid, name) for grid in (COARSE, FINE) for name in makers]
        for done, (grid, name) in enumerate(steps):
            job.tick(done, len(steps))
            job.note = f"Replaced by: {REPLACED[name].lower()}"
            if name not in made:
                made[name] = makers[name]()
            found = circuit_curve(network, inputs, target, scores, made[name], grid, others=controls)
            curves[name] = joined(curves[name], found) if name in curves else found
            if name == "zero":  # the first, so that its own value comes second
                curves["freeze"] = unchanged(curves["zero"], "freeze")
            job.partial = Carried(dict(curves))
        return Carried(curves)

    return work


def _beside(picture: Picture, subject: Subject) -> list[Picture]:
    """The pictures that a mean is over; the first stands for another picture."""
    return [pictures.from_dataset(*one) for one in shell.others(picture, subject.model, REFERENCE)]


def object_known(picture: Picture) -> bool:
    """Whether the picture can be had without its object."""
    return _shown_in(picture) is not None


def _bare(picture: Picture, card: ModelCard) -> Tensor | None:
    """The picture without its object, (1, C, H, W), where that can be had."""
    data = _shown_in(picture)
    return None if data is None else without_object(data, int(picture.place), card)


def _shown_in(picture: Picture) -> Dataset | None:
    """The data set that knows where the object of this picture is."""
    if picture.source == pictures.UPLOAD:
        return None
    data = pictures.dataset(picture.source)
    return data if shows_object(data, int(picture.place)) else None


def map_of(
    engine: Engine,
    subject: Subject,
    picture: Picture,
    ground: Ground,
    name: str,
    size: float,
) -> Callable[[Job], Tensor]:
    """The input gradient (C, H, W) of the network that keeps a share `size` of its neurons.

    Args:
        engine: of the process.
        subject: network, picture and class.
        picture: the same one's.
        ground: its scores.
        name: of the replacement.
        size: share of all neurons.
    """

    def work(job: Job) -> Tensor:
        network = engine.network(subject, job)
        card = model_card(subject.model)

        def inputs_of(one: Picture) -> Tensor:
            return card.preprocess(one.image).to(engine.device)

        def instead() -> Instead:
            if name == "mean":  # of many pictures: kept for the next size, where somebody looks at it at all
                mean: Replacement = engine.jobs.results.once(
                    ("mean of", subject),
                    lambda: mean_of(network, [inputs_of(one) for one in _beside(picture, subject)]),
                    lambda: job.tick(job.done, job.total),
                )
                return mean
            if name == "counterfactual" and (bare := _bare(picture, card)) is not None:
                return activations_of(network, bare.to(engine.device), name)
            if name == "resample":
                return activations_of(network, inputs_of(_beside(picture, subject)[0]))
            return "freeze" if name == "freeze" else "zero"

        (masks,) = masks_at(ground.scores.layers, [1 - size], "exact")
        kept = [mask.to(engine.device) for mask in masks]
        target = ground.scores.target.to(engine.device)
        return pruned_gradient(network, inputs_of(picture), target, kept, instead())[0][0].cpu()

    return work


def kept_at(ground: Ground, size: float) -> tuple[Tensor, ...]:
    """Masks (1, *shape) of the path of a size."""
    (masks,) = masks_at(ground.scores.layers, [1 - size], "exact")
    return tuple(mask.to(torch.bool) for mask in masks)
