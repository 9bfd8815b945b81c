"""What every key of a result begins with: one input of one network; and the scores of its neurons."""

from __future__ import annotations

from dataclasses import dataclass

from pruneattr_core.values import Contributions


@dataclass(frozen=True)
class Subject:
    """Explicit values that name one input of one network on one device: the first part of every key.

    Attributes:
        model: identifier of the card.
        weights: SHA-256 over the state dict, or the model's name where that is not known yet.
        image: SHA-256 of the picture.
        target: class index, None for the predicted one.
        device: device type.
    """

    model: str
    weights: str
    image: str
    target: int | None
    device: str


@dataclass(frozen=True)
class ScoresKey:
    """Names the contributions of all neurons.

    Attributes:
        subject: network, picture and class.
        contribution: "taylor" or "intgrad".
        class_scores: whether class scores count as neurons.
    """

    subject: Subject
    contribution: str
    class_scores: bool = False


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
