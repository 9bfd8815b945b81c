"""What results are named by: frozen values that say all a result depends on, and the results pages share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from pruneattr_core import attribution
from pruneattr_core.attribution.options import checked
from pruneattr_core.models import model_card
from pruneattr_core.response import Target
from pruneattr_core.scoring.intgrad import INTEGRALS
from pruneattr_core.share.way_back import RUNNER_UP as RUNNER_UP
from pruneattr_core.share.way_back import asked_again
from pruneattr_core.values import Contributions

Array = NDArray[Any]
#: Passes below which nobody needs to know how far a map is.
SHORT = 20
#: Options that are a place of the dial.
DIAL = ("sparsity", "of", "output_change")
#: Methods that take contributions that are there.
_RANKED = ("prunegrad", "neuron_intgrad", "prunegrad_mid")


@dataclass(frozen=True)
class Subject:
    """Explicit values that name one input of one network on one device: the first part of every key.

    Attributes:
        model: identifier of the card.
        weights: SHA-256 over the state dict, or the model's name where that is not known yet.
        image: SHA-256 of the picture.
        target: class index, None for the predicted one.
        device: device type.
        against: what it is explained instead of or together with, "" where by itself; see `asked_again`.
        code: `ModelCard.state`, "" of a network that its id and weights name wholly.
    """

    model: str
    weights: str
    image: str
    target: int | None
    device: str
    against: str = ""
    code: str = ""

    @property
    def response(self) -> Target:
        """What is explained, as the library takes it."""
        return asked_again(self.target, self.against)


@dataclass(frozen=True)
class AnswerKey:
    """Names what a network says about a picture.

    Attributes:
        model: identifier of the card.
        weights: SHA-256 of its file, as the card has it; None where it has none.
        image: SHA-256 of the picture.
        device: device type.
        code: as of a `Subject`.
    """

    model: str
    weights: str | None
    image: str
    device: str
    code: str = ""


@dataclass(frozen=True)
class FitsKey:
    """Names what a network allows: model, SHA-256 over its state dict, device type, code of a `Subject`."""

    model: str
    weights: str
    device: str
    code: str = ""


@dataclass(frozen=True)
class PaceKey:
    """Names the measured seconds of one pass: model, device type, and code as of a `Subject`."""

    model: str
    device: str
    code: str = ""


@dataclass(frozen=True)
class ScoresKey:
    """Names the contributions of all units.

    Attributes:
        subject: network, picture and class.
        contribution: "taylor" or "intgrad".
        class_scores: whether class scores count as neurons.
        unit: what is ranked as one, see `sweeps.Question`.
    """

    subject: Subject
    contribution: str
    class_scores: bool = False
    unit: str = "neuron"


@dataclass(frozen=True)
class GroundKey:
    """Names Taylor scores and dead neurons of one input, against which its paths are measured."""

    subject: Subject


@dataclass(frozen=True, eq=False)
class Scored:
    """Contributions of one input (1, C, H, W), and the wall time they took."""

    scores: Contributions
    seconds: float

    @property
    def nbytes(self) -> int:
        """Bytes of scores and dead masks."""
        return sum(layer.nbytes for layer in (*self.scores.layers, *self.scores.dead))

    @property
    def quiet(self) -> float:
        """Share of neurons that contribute nothing."""
        return sum(int((layer == 0).sum()) for layer in self.scores.layers) / self.scores.neurons


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

    @property
    def scores(self) -> ScoresKey | None:
        """Names the integral that ranks its neurons, where other maps may rest on the same one."""
        options = dict(self.options)
        if self.method not in _RANKED or options["contribution"] not in INTEGRALS:
            return None
        if options["sparsity"] == "calibrated" or options["output_change"] is not None:
            return None
        return ScoresKey(self.subject, options["contribution"], options["class_scores"])

    def passes(self, scale: int = 1) -> float:
        """Forward-and-backward passes it takes on a picture of `scale` times the network's usual side."""
        side = scale * max(model_card(self.subject.model).size)
        return attribution.METHODS[self.method].cost(side, **dict(self.options))


def map_key(subject: Subject, method: str, options: Mapping[str, Any]) -> MapKey:
    """The name of a map, every option that is not given filled in.

    Raises:
        InputError: an option that the method does not have, or a value out of range.
    """
    entry = attribution.METHODS[method]
    return MapKey(subject, method, tuple(checked(entry.title, entry.options, options).items()))


@dataclass(frozen=True)
class Mapped:
    """One attribution.

    Attributes:
        attribution: float32 (C, H, W), or (1, H, W) from a method without channels.
        target: class explained.
        seconds: wall time, with that of the scores it rests on.
        gap: |sum of the map - what it should be| in logit units, where the method promises a sum.
        against: the class instead of which it is explained, where there is one.
    """

    attribution: Array
    target: int
    seconds: float
    gap: float | None
    against: int | None = None

    @property
    def nbytes(self) -> int:
        """Bytes kept."""
        return int(self.attribution.nbytes)


def held_once(scores: Contributions, held: Contributions | None) -> Contributions:
    """The same scores; what is equal in others that are held lies in their memory."""
    if held is None or held.layers[0].device != scores.layers[0].device:
        return scores

    def one_of(own: Sequence[Tensor], theirs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        same = len(own) == len(theirs)
        return tuple(theirs) if same and all(map(torch.equal, own, theirs)) else tuple(own)

    return replace(scores, layers=one_of(scores.layers, held.layers), dead=one_of(scores.dead, held.dead))
