"""What "How far does it hold?" computes beside the page: the ball of a path, the picture moved along ways."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pruneattr_core.analysis.linearity import linear_radius
from pruneattr_core.analysis.nudging import Kind, Nudges, nudged, way_of
from pruneattr_core.critical_path import Path
from pruneattr_core.models import model_card
from pruneattr_core.results.keys import Subject
from pruneattr_core.results.paths import Ground
from pruneattr_core.ui.cache import Engine
from pruneattr_core.ui.jobs import Job
from pruneattr_core.ui.pictures import Picture

#: Chance of having missed a neuron that switches more than 5 % sooner, and random directions that are probed.
RISK, PROBES = 0.001, 24
#: Cost of a radius in passes that score a picture; measured on ResNet-8 and scenes-net: 66 to 202, mean 117.
COST = 120.0
#: Neurons of networks whose radius is looked for without being asked: that of ResNet-8 takes seconds.
AT_ONCE = 1_000_000


@dataclass(frozen=True)
class BallKey:
    """Names the ball of NeuronMCT's path of this sparsity around one input."""

    subject: Subject
    sparsity: float


@dataclass(frozen=True)
class NudgesKey:
    """Names what a network makes of a picture moved in and out of a ball.

    Attributes:
        ball: which.
        target: class explained.
        kind: of the way.
        seed: of a random one, else 0.
        block: row and column of an occluded one, else zeros.
    """

    ball: BallKey
    target: int
    kind: Kind
    seed: int
    block: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Ball:
    """The ball of a path around a picture.

    Attributes:
        radius: l2, in units of the normalised input; inf where no neuron of the path moves.
        normal: (1, C, H, W) the shortest way out of it.
        checked: neurons whose gradient was computed.
        neurons: of the path.
        path: the path.
    """

    radius: float
    normal: Tensor
    checked: int
    neurons: int
    path: Path

    @property
    def usable(self) -> bool:
        """Whether there is something to be inside or outside of."""
        return math.isfinite(self.radius) and self.radius > 0

    @property
    def nbytes(self) -> int:
        """Bytes of direction and masks."""
        return int(self.normal.nbytes + sum(mask.nbytes for mask in self.path.layers))


def _prepared(engine: Engine, subject: Subject, picture: Picture, job: Job) -> tuple[nn.Module, Tensor]:
    """A float64 copy of the network, and the picture for it: distances to kinks are small differences."""
    network = engine.network(subject, job)
    inputs = model_card(subject.model).preprocess(picture.image).to(engine.device)
    return copy.deepcopy(network).double(), inputs.double()


def ball_of(
    engine: Engine, subject: Subject, picture: Picture, ground: Ground, sparsity: float
) -> Callable[[Job], Ball]:
    """The work that finds the ball of the picture's NeuronMCT path."""

    def work(job: Job) -> Ball:
        job.note = "The nearest neuron of the path that switches"
        network, inputs = _prepared(engine, subject, picture, job)
        path = ground.scores.path(sparsity)
        found = linear_radius(network, inputs, path, probes=PROBES, risk=RISK)
        return Ball(
            float(found.value[0]), found.normal.cpu(), int(found.checked[0]), int(found.neurons[0]), path
        )

    return work


def nudges_of(
    engine: Engine,
    subject: Subject,
    picture: Picture,
    target: int,
    ball: Ball,
    kind: Kind,
    seed: int,
    place: tuple[int, int],
) -> Callable[[Job], Nudges]:
    """The work that moves the picture along a way, see `way_of`."""

    def work(job: Job) -> Nudges:
        network, inputs = _prepared(engine, subject, picture, job)
        card = model_card(subject.model)
        way = way_of(kind, inputs, card.std, ball.normal.to(inputs), seed, place)
        with torch.inference_mode(False):
            return nudged(network, inputs, ball.path, target, ball.radius, way)

    return work
