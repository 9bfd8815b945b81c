"""The explorer's computation: one input, all levels, with progress and room for failure."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.attribution.prunegrad import PruneGrad
from pruneattr_core.errors import PruneAttrError
from pruneattr_core.heads import Head, exclusive, head_of, outputs_in, probabilities
from pruneattr_core.paths.calibrate import output_curve
from pruneattr_core.scoring import contributions
from pruneattr_core.ui.levels import spaced
from pruneattr_core.ui.subject import Subject
from pruneattr_core.values import Contributions

Array = NDArray[Any]
Tick = Callable[[int, int], None]


@dataclass(frozen=True)
class Question:
    """Explicit values that name one sweep; the key of its cached result.

    Attributes:
        subject: network, picture and class.
        mode: "zero" or "freeze".
        contribution: "taylor" or "intgrad".
        calibrated: sparsity of 15 % mean output change, which becomes a level.
    """

    subject: Subject
    mode: str
    contribution: str
    calibrated: float | None


#: The answer of a network of several answers that the explained class is none of them.
NOT_IT = -1


@dataclass(frozen=True)
class Explained:
    """A sweep as arrays on the CPU, for one input.

    Attributes:
        maps: float32 (K, C, H, W), d logit / d normalised input of the pruned network.
        requested: (K,) sparsities asked for.
        sparsity: (K,) sparsities reached.
        change: (K,) output change of the zero-mode network.
        probability: (K,) its target probability.
        logit: (K,) its target logit.
        prediction: (K,) its answer: the class; where classes are answered each by itself, the explained
            one if it is among the answers and `NOT_IT` if it is not.
        logits: (classes,) of the original network.
        target: the class explained.
        quiet: share of neurons with zero contribution.
        dead: share of neurons with zero activation.
        neurons: number of neurons.
        seconds: time the computation took, without waiting.
        problems: what of some level is not finite; its map is drawn as 0.
    """

    maps: Array
    requested: tuple[float, ...]
    sparsity: Array
    change: Array
    probability: Array
    logit: Array
    prediction: Array
    logits: Array
    target: int
    quiet: float
    dead: float
    neurons: int
    seconds: float
    problems: tuple[str, ...] = ()

    def named(self, classes: Sequence[str], answer: int) -> str:
        """An answer in words."""
        return f"not {classes[self.target]}" if answer == NOT_IT else classes[answer]

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays that matter."""
        return int(self.maps.nbytes)


def explain_levels(model: nn.Module, inputs: Tensor, question: Question, tick: Tick) -> Explained:
    """Choose the levels by the scores, compute all maps and the zero-mode curve.

    Args:
        model: network in eval mode on the device of `inputs`.
        inputs: (1, C, H, W).
        question: what is asked; only target, mode, contribution and calibrated are read.
        tick: called with (steps done, steps in all); may raise to stop.

    Raises:
        PruneAttrError: as `PruneGrad.sweep`, or memory does not suffice for a single level.
    """
    start = time.perf_counter()
    freeze = question.mode == "freeze"
    scores = contributions(model, inputs, question.subject.target, question.contribution)
    neurons = sum(layer[0].numel() for layer in scores.layers)
    quiet = sum(int((layer == 0).sum()) for layer in scores.layers) / neurons
    levels = spaced(quiet, question.calibrated)
    total = len(levels) * (2 if freeze else 1)
    tick(0, total)
    explainer, target = PruneGrad(model), int(scores.target[0])

    def maps_of(part: Sequence[float], before: int) -> list[Any]:
        return [
            explainer.sweep(
                inputs,
                target,
                part,
                question.mode,  # type: ignore[arg-type]  # checked by sweep
                question.contribution,
                progress=lambda done, _: tick(before + done, total),
            )
        ]

    sweeps = in_halves(maps_of, levels)
    if freeze:
        curves = in_halves(
            lambda part, before: [
                output_curve(
                    model,
                    inputs,
                    scores,
                    part,
                    progress=lambda done, _: tick(len(levels) + before + done, total),
                )
            ],
            levels,
        )
    else:
        curves = sweeps

    def gather(parts: Sequence[Any], name: str) -> Array:
        joined = torch.cat([getattr(part, name)[:, 0] for part in parts])
        array = joined.cpu().contiguous().numpy()
        array.setflags(write=False)
        return array

    problems = tuple(filter(None, (problem for sweep in sweeps for problem in sweep.problems)))
    maps = gather(sweeps, "maps")
    return Explained(
        maps=np.nan_to_num(maps, posinf=0, neginf=0) if problems else maps,
        requested=levels,
        sparsity=gather(sweeps, "sparsity"),
        change=gather(curves, "output_change"),
        probability=gather(curves, "probability"),
        logit=gather(curves, "logit"),
        prediction=_answers(scores, gather(curves, "prediction"), gather(curves, "probability")),
        logits=scores.logits[0].detach().cpu().numpy(),
        target=target,
        quiet=quiet,
        dead=float(scores.dead_fraction[0]),
        neurons=neurons,
        seconds=time.perf_counter() - start,
        problems=problems,
    )


def _answers(scores: Contributions, prediction: Array, probability: Array) -> Array:
    if scores.head == "values":
        return np.full_like(prediction, int(scores.target[0]))
    if exclusive(scores.logits, scores.head):
        return prediction
    return np.where(probability > 0.5, int(scores.target[0]), NOT_IT)


def in_halves(
    work: Callable[[Sequence[float], int], list[Any]], levels: Sequence[float], before: int = 0
) -> list[Any]:
    """`work(levels, before)`; when memory runs out, the two halves one after the other, and so on.

    Raises:
        PruneAttrError: even one level does not fit.
    """
    try:
        return work(levels, before)
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and "not enough memory" not in str(error):
            raise
    # Outside the except block: its traceback holds the tensors that did not fit.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if len(levels) == 1:
        raise PruneAttrError(
            "This network and picture need more memory than this device has. Choose a smaller model."
        )
    middle = len(levels) // 2
    return in_halves(work, levels[:middle], before) + in_halves(work, levels[middle:], before + middle)


@dataclass(frozen=True)
class Answer:
    """What the original network says.

    Attributes:
        probabilities: (classes,), as the head reads the outputs.
        head: how they are read.
        several: whether each class is answered by itself, so that several may be right.
        weights: SHA-256 over the state dict of the network that said it.
    """

    probabilities: Array
    weights: str
    head: Head = "softmax"
    several: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of the array."""
        return int(self.probabilities.nbytes)


def answer(model: nn.Module, inputs: Tensor, weights: str) -> Answer:
    """Ask the original network about (1, C, H, W)."""
    with torch.inference_mode():
        logits = outputs_in(model(inputs), len(inputs))
    head = head_of(model, logits)
    read = probabilities(logits, head)[0].double().cpu().numpy()
    return Answer(read, weights, head, head != "values" and not exclusive(logits, head))
