"""The explorer's computation: one input, all levels, with progress and room for failure."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.analysis.census import loose_words, unseen_words
from pruneattr_core.arrays import as_numpy
from pruneattr_core.attention import heads_shown
from pruneattr_core.attribution.prunegrad import PruneGrad
from pruneattr_core.attribution.support import theory_note
from pruneattr_core.circuits.units import unit_contributions
from pruneattr_core.errors import ModelError, PruneAttrError
from pruneattr_core.heads import Answering, Head, answered, answering, head_of, outputs_in, probabilities
from pruneattr_core.paths.calibrate import output_curve
from pruneattr_core.response import Asked
from pruneattr_core.results.keys import Scored, ScoresKey, Subject
from pruneattr_core.results.levels import SILENT_GONE, unmoved
from pruneattr_core.runtime import Tick
from pruneattr_core.scoring import contributions
from pruneattr_core.scoring.settling import caveat
from pruneattr_core.share.words import named, several
from pruneattr_core.tape import roles_of

Array = NDArray[Any]


@dataclass(frozen=True)
class Question:
    """Explicit values that name one sweep; the key of its cached result.

    Attributes:
        subject: network, picture and class.
        mode: "zero" or "freeze".
        contribution: "taylor" or "intgrad".
        calibrated: sparsity of 15 % mean output change, which becomes a level.
        unit: what is ranked and removed as one: "neuron", or "channel" for channels, features of tokens and
            attention heads.
    """

    subject: Subject
    mode: str
    contribution: str
    calibrated: float | None
    unit: str = "neuron"

    @property
    def scores(self) -> ScoresKey:
        """Names the scores that it rests on."""
        return ScoresKey(self.subject, self.contribution, unit=self.unit)


@dataclass(frozen=True)
class FirstLook:
    """Names the answer to a question at a few levels, before all are there."""

    question: Question


@dataclass(frozen=True)
class Explained:
    """A sweep as arrays on the CPU, for one input.

    Attributes:
        maps: float32 (K, C, H, W), d logit / d normalised input of the pruned network.
        requested: (K,) sparsities asked for.
        sparsity: (K,) sparsities reached.
        change: (K,) output change of the zero-mode network.
        probability: (K,) its target probability.
        logit: (K,) its response: the target's logit, or by how much that is above another's.
        prediction: (K,) its answer: the class; where classes are answered each by itself, the explained
            one if it is among the answers and `NOT_IT` if it is not.
        target: the class explained.
        quiet: share of neurons with zero contribution.
        dead: share of neurons with zero activation.
        neurons: number of neurons.
        seconds: time the computation took, without waiting.
        problems: what of some level is not finite; its map is drawn as 0.
        against: the class instead of which the target is explained, None where it is explained by itself.
        unit: what `neurons` counts, see `Question`.
        members: classes whose mean is explained, () where it is no group.
        covered: share of the network's map over which the class is explained, None where it answers none.
        caveat: what is to be said of the scores that it rests on.
        valued: whether the network answers values; `probability` is then the target's.
    """

    maps: Array
    requested: tuple[float, ...]
    sparsity: Array
    change: Array
    probability: Array
    logit: Array
    prediction: Array
    target: int
    quiet: float
    dead: float
    neurons: int
    seconds: float
    problems: tuple[str, ...] = ()
    against: int | None = None
    unit: str = "neuron"
    members: tuple[int, ...] = ()
    covered: float | None = None
    caveat: str = ""
    valued: bool = False

    def what(self, classes: Sequence[str]) -> str:
        """What is explained, in words."""
        if self.members:
            return f"the mean of {several(classes, self.members)}"
        instead = "" if self.against is None else f" instead of {classes[self.against]}"
        region = "" if self.covered is None else f" in a region of {self.covered:.1%} of the answer"
        return f"{classes[self.target]}{instead}{region}"

    def whose(self, classes: Sequence[str]) -> str:
        """Whose probability is read, in words."""
        if self.members:
            return f"any of {several(classes, self.members)}"
        return classes[self.target]

    def named(self, classes: Sequence[str], answer: int) -> str:
        """An answer in words."""
        return named(classes, self.target, answer)

    @property
    def contributing(self) -> Array:
        """(K,) share of the contributing neurons that is gone."""
        return np.clip((self.sparsity - self.quiet) / max(1 - self.quiet, 1e-9), 0, 1)

    def shares(self, dial: str) -> list[float]:
        """The levels on a scale of the dial: of all neurons, else of the contributing ones.

        Where only silent neurons are gone it is `SILENT_GONE`, so that each level has a share of its own.
        """
        if dial == "all":
            return [float(share) for share in self.sparsity]
        silent = (self.sparsity > 0) & (self.contributing <= 0)
        return [float(share) for share in np.where(silent, SILENT_GONE, self.contributing)]

    @cached_property
    def plain(self) -> tuple[bool, ...]:
        """(K,) whether the map is still that of the whole network, where that is among them.

        A silent neuron may be at work: at the upper end of a ReLU6 it has no gradient either.
        """
        return unmoved(self.maps) if self.sparsity[0] == 0 else (False,) * len(self.maps)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays that matter."""
        return int(self.maps.nbytes)


def score(model: nn.Module, inputs: Tensor, key: ScoresKey) -> Scored:
    """Rank the units of one input (1, C, H, W); raises as `contributions`.

    Args:
        model: as `seen` gives it.
        inputs: of the network.
        key: what is ranked.
    """
    start, asked = time.perf_counter(), key.subject.response
    if key.unit == "neuron":
        found = contributions(model, inputs, asked, key.contribution, class_scores=key.class_scores)
    else:
        method = "taylor" if key.contribution == "taylor" else "intgrad"
        found = unit_contributions(model, inputs, asked, "channel", method, class_scores=key.class_scores)
    return Scored(found, time.perf_counter() - start)


def seen(model: nn.Module, inputs: Tensor, unit: str) -> nn.Module:
    """The network as its units are: with its attention heads, if it has some and neurons go together."""
    return model if unit == "neuron" else heads_shown(model, inputs)


def explain_levels(
    model: nn.Module, inputs: Tensor, question: Question, scored: Scored, levels: Sequence[float], tick: Tick
) -> Explained:
    """All maps and the zero-mode curve at some levels.

    Args:
        model: network in eval mode on the device of `inputs`.
        inputs: (1, C, H, W).
        question: what is asked; only its mode and unit are read.
        scored: contributions of the input.
        levels: increasing sparsities, of all neurons.
        tick: called with (steps done, steps in all); may raise to stop.

    Raises:
        PruneAttrError: as `PruneGrad.sweep`, or memory does not suffice for a single level.
    """
    start = time.perf_counter()
    freeze, scores = question.mode == "freeze", scored.scores
    total = len(levels) * (2 if freeze else 1)
    tick(0, total)

    def maps_of(part: Sequence[float], before: int) -> list[Any]:
        return [
            PruneGrad(model).sweep(
                inputs,
                sparsities=part,
                mode=question.mode,  # type: ignore[arg-type]  # checked by sweep
                scores=scores,
                progress=lambda done, _: tick(before + done, total),
            )
        ]

    def curve_of(part: Sequence[float], before: int) -> list[Any]:
        before += len(levels)
        return [
            output_curve(model, inputs, scores, part, progress=lambda done, _: tick(before + done, total))
        ]

    sweeps = in_halves(maps_of, levels)
    curves = in_halves(curve_of, levels) if freeze else sweeps

    def gather(parts: Sequence[Any], name: str) -> Array:
        array = as_numpy(torch.cat([getattr(part, name)[:, 0] for part in parts]))
        array.setflags(write=False)
        return array

    problems = tuple(filter(None, (problem for sweep in sweeps for problem in sweep.problems)))
    maps = gather(sweeps, "maps")
    return Explained(
        maps=np.nan_to_num(maps, posinf=0, neginf=0) if problems else maps,
        requested=tuple(levels),
        sparsity=gather(sweeps, "sparsity"),
        change=gather(curves, "output_change"),
        probability=gather(curves, "probability"),
        logit=gather(curves, "logit"),
        prediction=answered(
            answering(scores.logits, scores.head),
            int(scores.target[0]),
            *(gather(curves, name) for name in ("prediction", "probability")),
        ),
        target=int(scores.target[0]),
        quiet=scored.quiet,
        dead=float(scores.dead_fraction[0]),
        neurons=scores.neurons,
        seconds=time.perf_counter() - start,
        problems=problems,
        unit=question.unit,
        caveat=caveat(scores),
        valued=scores.head == "values",
        **asked_fields(scores.question, 0),
    )


def asked_fields(asked: Asked, image: int) -> dict[str, Any]:
    """The fields `against`, `members` and `covered` of what is explained of one input."""
    group = asked.response.kind == "group"
    return {
        "against": None if asked.against is None else int(asked.against[image]),
        "members": (asked.response.target or ()) if group else (),
        "covered": None if asked.mask is None else float(asked.mask[image].float().mean()),
    }


#: Fields of `Explained` with one entry a level.
_BY_LEVEL = ("maps", "sparsity", "change", "probability", "logit", "prediction")


def merged(first: Explained, second: Explained) -> Explained:
    """Two sweeps of one input as one, in the order of their levels."""
    requested = np.array(first.requested + second.requested)
    turn = np.argsort(requested, kind="stable")
    values: dict[str, Any] = {}
    for name in _BY_LEVEL:
        values[name] = np.concatenate([getattr(first, name), getattr(second, name)])[turn]
        values[name].setflags(write=False)
    return replace(
        first,
        requested=tuple(requested[turn].tolist()),
        seconds=first.seconds + second.seconds,
        problems=first.problems + second.problems,
        **values,
    )


def rounds(levels: Sequence[float], known: Sequence[float]) -> list[tuple[float, ...]]:
    """The levels still to come, in rounds that spread over the whole track: every fourth, second, each."""
    left = [level for level in levels if level not in known]
    parts = [left[2::4], left[0::4], left[1::2]]
    return [tuple(part) for part in parts if part]


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
        unseen: sentences about nonlinearities that cannot be pruned, and ways that no gradient goes; "" where
            there are none.
        theory: what the papers' theory does not promise of this network, "" where it holds.
        heads: whether it has attention heads that can be units.
    """

    probabilities: Array
    weights: str
    head: Head = "softmax"
    several: bool = False
    unseen: str = ""
    theory: str = ""
    heads: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of the array."""
        return int(self.probabilities.nbytes)

    def about(self, target: int) -> int:
        """What is answered about a class, as `Explained.prediction`."""
        kind: Answering = "values" if self.head == "values" else "each" if self.several else "one"
        largest = np.array([self.probabilities.argmax()])
        return int(answered(kind, target, largest, self.probabilities[[target]])[0])


def answer(model: nn.Module, inputs: Tensor, weights: str) -> Answer:
    """Ask the original network about (1, C, H, W)."""
    with torch.inference_mode():
        logits = outputs_in(model(inputs), len(inputs))
    if logits.ndim != 2:
        raise ModelError(
            f"This network answers maps, {tuple(logits.shape)}, and the pages explain one answer a picture. "
            "Use `pruneattr explain --region`, or `region` in Python."
        )
    head = head_of(model, logits)
    read = probabilities(logits, head)[0].double().cpu().numpy()
    several = answering(logits, head) == "each"
    return Answer(read, weights, head, several, _unseen(model, inputs), *_kind(model, inputs))


_kinds: WeakKeyDictionary[nn.Module, tuple[str, bool]] = WeakKeyDictionary()


def _kind(model: nn.Module, inputs: Tensor) -> tuple[str, bool]:
    """What theory does not promise, and whether there are heads; a matter of the network, looked up once."""
    found = _kinds.get(model)
    if found is None:
        try:
            note = theory_note(model, inputs) or ""
            found = note, bool(note) and heads_shown(model, inputs) is not model
        except PruneAttrError:
            found = "", False  # whoever explains the network says why it cannot
        _kinds[model] = found
    return found


def _unseen(model: nn.Module, inputs: Tensor) -> str:
    try:
        roles = roles_of(model, inputs)[0]  # every explanation asks this first, too
    except PruneAttrError:
        return ""  # whoever explains the network says why it cannot
    unseen = unseen_words(roles.unseen)
    said = f"{unseen} What is not seen is never pruned." if unseen else ""
    return f"{said} {loose_words(roles.loose)}".strip()
