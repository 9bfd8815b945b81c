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
from pruneattr_core.models import model_card
from pruneattr_core.pruning import Replacement, pruned_gradient
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
        replacements: replacement -> its values, to draw maps with.
        rival: index of the runner-up.
    """

    curves: Mapping[str, CircuitCurve]
    replacements: Mapping[str, Replacement]
    rival: int

    @property
    def nbytes(self) -> int:
        """Bytes of the replacements, next to which the curves are nothing."""
        return 4096 + sum(layer.nbytes for one in self.replacements.values() for layer in one.layers)


def work_of(engine: Engine, subject: Subject, picture: Picture, ground: Ground) -> Callable[[Job], Carried]:
    """The work of one input; its `partial` has one replacement after the other, first at a few sizes."""

    def work(job: Job) -> Carried:
        network, _ = engine.model(subject.model, job)
        card = model_card(subject.model)

        def prepared(one: Picture) -> Tensor:
            return card.preprocess(one.image).to(engine.device)

        inputs = prepared(picture)
        target = ground.scores.target.to(engine.device)
        beside = shell.others(picture, subject.model, REFERENCE)
        neighbour = prepared(pictures.from_dataset(*beside[0]))
        order = ground.scores.logits[0].argsort(descending=True).tolist()
        rival = next(index for index in order if index != int(target[0])) if len(order) > 1 else order[0]
        job.note = "Scores of the runner-up and of another picture"
        controls = {
            "rival": contributions(network, inputs, rival).layers,
            "neighbour": contributions(network, neighbour).layers,
        }
        scores = [layer.to(engine.device) for layer in ground.scores.layers]
        makers: dict[str, Callable[[], Replacement]] = {
            "zero": lambda: zero(network, inputs),
            "mean": lambda: mean_of(network, (prepared(pictures.from_dataset(*one)) for one in beside)),
            "resample": lambda: activations_of(network, neighbour),
        }
        if (data := _shown_in(picture)) is not None:
            bare = without_object(data, int(picture.place), card).to(engine.device)
            makers["counterfactual"] = lambda: activations_of(network, bare, "counterfactual")
        curves: dict[str, CircuitCurve] = {}
        replacements: dict[str, Replacement] = {}
        steps = [(grid, name) for grid in (COARSE, FINE) for name in makers]
        for done, (grid, name) in enumerate(steps):
            job.tick(done, len(steps))
            job.note = f"Replaced by: {REPLACED[name].lower()}"
            if name not in replacements:
                replacements[name] = makers[name]()
            found = circuit_curve(network, inputs, target, scores, replacements[name], grid, others=controls)
            curves[name] = joined(curves[name], found) if name in curves else found
            if name == "zero":  # the first, so that its own value comes second
                curves["freeze"] = unchanged(curves["zero"], "freeze")
                replacements.setdefault("freeze", activations_of(network, inputs, "freeze"))
            job.partial = Carried(dict(curves), dict(replacements), rival)
        return Carried(curves, replacements, rival)

    return work


def object_known(picture: Picture) -> bool:
    """Whether the picture can be had without its object."""
    return _shown_in(picture) is not None


def _shown_in(picture: Picture) -> Dataset | None:
    """The data set that knows where the object of this picture is."""
    if picture.source == pictures.UPLOAD:
        return None
    data = pictures.dataset(picture.source)
    return data if shows_object(data, int(picture.place)) else None


def map_of(
    engine: Engine, subject: Subject, picture: Picture, ground: Ground, replacement: Replacement, size: float
) -> Callable[[Job], Tensor]:
    """The input gradient (C, H, W) of the network that keeps a share `size` of its neurons."""

    def work(job: Job) -> Tensor:
        network, _ = engine.model(subject.model, job)
        inputs = model_card(subject.model).preprocess(picture.image).to(engine.device)
        (masks,) = masks_at(ground.scores.layers, [1 - size], "exact")
        kept = [mask.to(engine.device) for mask in masks]
        target = ground.scores.target.to(engine.device)
        return pruned_gradient(network, inputs, target, kept, replacement)[0][0].cpu()

    return work


def kept_at(ground: Ground, size: float) -> tuple[Tensor, ...]:
    """Masks (1, *shape) of the path of a size."""
    (masks,) = masks_at(ground.scores.layers, [1 - size], "exact")
    return tuple(mask.to(torch.bool) for mask in masks)
