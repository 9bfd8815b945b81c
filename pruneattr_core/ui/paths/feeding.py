"""What feeds a channel, computed for the view "Where it lives"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pruneattr_core.circuits.edges import Node, strongest_inputs
from pruneattr_core.models import model_card
from pruneattr_core.results.keys import Subject
from pruneattr_core.ui.cache import Engine
from pruneattr_core.ui.jobs import Job
from pruneattr_core.ui.pictures import Picture

#: Inputs that are named.
MOST = 6


@dataclass(frozen=True)
class Fed:
    """A channel and its strongest inputs.

    Attributes:
        node: the channel.
        inputs: call, channel and contribution of each; the picture's channels as call -1.
    """

    node: Node
    inputs: tuple[tuple[int, int, float], ...]

    @property
    def nbytes(self) -> int:
        """Roughly."""
        return 1024


def inputs_of(
    engine: Engine, subject: Subject, picture: Picture, target: int, call: int, channel: int
) -> Callable[[Job], Fed]:
    """The work: one forward and one backward pass."""

    def work(job: Job) -> Fed:
        network, _ = engine.model(subject.model, job)
        inputs = model_card(subject.model).preprocess(picture.image).to(engine.device)
        return Fed(*strongest_inputs(network, inputs, call, channel, target, MOST))

    return work
