"""What a path carries when the neurons outside it are replaced: computed coarse first, beside the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pruneattr_core.benchmarks.objects import shows_object, without_object
from pruneattr_core.circuits.curve import SIZES, CircuitCurve, circuit_curve
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
#: Pictures that a mean is over, and sizes that are there first.
REFERENCE, COARSE = 16, (0.01, 0.1, 0.5, 1.0)


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


def work_of(
    engine: Engine, subject: Subject, picture: Picture, ground: Ground, sizes: Sequence[float] = SIZES
) -> Callable[[Job], Carried]:
    """The work of one input; its `partial` has all replacements at a few sizes, then at all of `sizes`."""

    def work(job: Job) -> Carried:
        network, _ = engine.model(subject.model, job)
        card = model_card(subject.model)

        def prepared(one: Picture) -> Tensor:
            return card.preprocess(one.image).to(engine.device)

        inputs = prepared(picture)
        target = ground.scores.target.to(engine.device)
        beside = shell.others(picture, subject.model, REFERENCE)
        reference = [pictures.from_dataset(source, place) for source, place in beside]
        order = ground.scores.logits[0].argsort(descending=True).tolist()
        rival = next(index for index in order if index != int(target[0])) if len(order) > 1 else order[0]
        job.note = "Scores of the runner-up and of another picture"
        neighbour = prepared(reference[0])
        controls = {
            "rival": contributions(network, inputs, rival).layers,
            "neighbour": contributions(network, neighbour).layers,
        }
        job.note = "What stands for the rest"
        replacements = {
            "zero": zero(network, inputs),
            "freeze": activations_of(network, inputs, "freeze"),
            "mean": mean_of(network, (prepared(one) for one in reference)),
            "resample": activations_of(network, neighbour),
        }
        scores = [layer.to(engine.device) for layer in ground.scores.layers]
        curves: dict[str, CircuitCurve] = {}
        if (data := _shown_in(picture)) is not None:
            bare = without_object(data, int(picture.place), card).to(engine.device)
            replacements["counterfactual"] = activations_of(network, bare, "counterfactual")
        steps = [(grid, name) for grid in (COARSE, tuple(sizes)) for name in replacements]
        for done, (grid, name) in enumerate(steps):
            job.tick(done, len(steps))
            job.note = f"Replaced by: {REPLACED[name].lower()}"
            curves[name] = circuit_curve(
                network, inputs, target, scores, replacements[name], grid, others=controls
            )
            job.partial = Carried(dict(curves), replacements, rival)
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
