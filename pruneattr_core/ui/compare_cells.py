"""What the Compare page computes: one attribution per method and picture, and its removal curve."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.attribution import METHODS, completeness_gap, explain
from pruneattr_core.attribution.collapse import collapse
from pruneattr_core.benchmarks.pixels import FULL_FRACTIONS, LERF_FRACTIONS, insertion_curve, removal_curve
from pruneattr_core.errors import Cancelled, PruneAttrError
from pruneattr_core.ui.errors import APOLOGY
from pruneattr_core.ui.worker import Job, Shelf

Array = NDArray[Any]
logger = logging.getLogger("pruneattr")

#: Seconds a single map may take without being asked for twice.
PATIENT = 10.0
#: Passes below which nobody needs a prediction.
CHEAP_PASSES = 20
#: A removal curve asks the network about ten times, forwards only; worth this many passes.
CURVE_PASSES = 5


@dataclass(frozen=True)
class Ask:
    """Explicit values that name one attribution; the key of its cached result.

    Attributes:
        model: identifier of the card.
        weights: SHA-256 of its weights, or the model's name.
        picture: SHA-256 of the picture.
        target: class index, None for the predicted one.
        method: key of `METHODS`.
        options: (name, value) pairs for `explain`.
        side: of the input, in pixels; with the options it says how many passes are needed.
        device: device type.
    """

    model: str
    weights: str
    picture: str
    target: int | None
    method: str
    options: tuple[tuple[str, Any], ...]
    side: int
    device: str


@dataclass(frozen=True)
class CurveAsk:
    """Names one removal curve.

    Attributes:
        ask: whose map.
        collapse: see `attribution.collapse`.
        sign: "signed", "positive" or "absolute": what is ranked is what is drawn.
        kind: key of `CURVES`.
        fill: key of `benchmarks.fills.FILLS`.
    """

    ask: Ask
    collapse: str
    sign: str
    kind: str
    fill: str


@dataclass(frozen=True)
class Mapped:
    """One attribution.

    Attributes:
        attribution: float32 (C, H, W), or (1, H, W) from a method without channels.
        target: class explained.
        seconds: wall time.
        gap: |sum of the map - what it should be| in logit units, where the method promises a sum.
    """

    attribution: Array
    target: int
    seconds: float
    gap: float | None

    @property
    def nbytes(self) -> int:
        """Bytes kept."""
        return int(self.attribution.nbytes)


@dataclass(frozen=True)
class Curve:
    """One removal curve: fractions (K,) and what is plotted over them (K,), with the area below it."""

    fractions: tuple[float, ...]
    values: tuple[float, ...]
    area: float
    nbytes: int = 200


@dataclass(frozen=True)
class Failed:
    """Why there is no result, one sentence for the user."""

    text: str
    nbytes: int = 200


@dataclass(frozen=True)
class CurveKind:
    """A removal curve on offer.

    Attributes:
        title: full name.
        short: for the caption of a small plot.
        across: what the horizontal axis counts.
        up: what the vertical axis shows.
        higher: whether a larger area is better.
    """

    title: str
    short: str
    across: str
    up: str
    higher: bool


CURVES = {
    "lerf": CurveKind(
        "LeRF: least relevant pixels removed first", "LeRF area", "pixels removed", "change |p0-p|/p0", False
    ),
    "deletion": CurveKind(
        "Deletion: most relevant pixels removed first",
        "Deletion area",
        "pixels removed",
        "probability",
        False,
    ),
    "insertion": CurveKind(
        "Insertion: most relevant pixels shown first", "Insertion area", "pixels shown", "probability", True
    ),
}


@dataclass(frozen=True)
class Step:
    """A cell's map or curve, with what it costs in passes."""

    key: Ask | CurveAsk
    picture: int
    cost: float


def drawn(attribution: Array, how: str, sign: str) -> Array:
    """The map (H, W) that is shown, ranked and compared.

    Args:
        attribution: (C, H, W).
        how: see `attribution.collapse`.
        sign: "signed" keeps both signs, "positive" cuts at 0, "absolute" takes magnitudes.
    """
    values = collapse(torch.from_numpy(attribution[None].copy()), how)[0].numpy()
    if sign == "absolute":
        return np.abs(values)
    return values.clip(min=0) if sign == "positive" else values


def steps_of(asks: Sequence[Sequence[Ask]], how: str, sign: str, kind: str, fill: str) -> list[Step]:
    """Everything a grid needs, cheap first: maps and their curves.

    Args:
        asks: per picture, one per method.
        how: of the curves, see `CurveAsk`.
        sign: of the curves.
        kind: of the curves.
        fill: of the curves.
    """
    steps = []
    for picture, row in enumerate(asks):
        for ask in row:
            passes = float(passes_of(ask))
            steps.append(Step(ask, picture, passes))
            after = max(passes, CHEAP_PASSES)  # maps that are nearly free come before all curves
            steps.append(Step(CurveAsk(ask, how, sign, kind, fill), picture, after + 0.5))
    return sorted(steps, key=lambda step: step.cost)


def passes_of(ask: Ask) -> int:
    """Forward-and-backward passes the method needs for this picture, rounded up."""
    return math.ceil(METHODS[ask.method].cost(ask.side, **dict(ask.options)))


def pace_key(model: str, device: str) -> tuple[str, str, str]:
    """Names the measured seconds of one pass."""
    return ("pace", model, device)


def compute(
    job: Job,
    steps: Sequence[Step],
    network: nn.Module,
    inputs: Sequence[Tensor],
    shelf: Shelf,
    dear: bool,
) -> None:
    """Put every missing result of `steps` on the shelf, in order.

    Args:
        job: told about progress, and stops the work when nobody waits.
        steps: see `steps_of`.
        network: in eval mode.
        inputs: per picture (1, C, H, W).
        shelf: where results go, a failure as `Failed`.
        dear: whether to compute maps predicted to take longer than `PATIENT`.
    """
    missing = [step for step in steps if shelf.get(step.key) is None]
    for done, step in enumerate(missing):
        job.tick(done, len(missing))
        if isinstance(step.key, Ask):
            if not dear and is_dear(step.key, network, inputs[step.picture], shelf):
                continue
            job.note = METHODS[step.key.method].title
            ask, x = step.key, inputs[step.picture]
            shelf.put(step.key, attempt(partial(attribute, network, x, ask)))
        else:
            mapped = shelf.get(step.key.ask)
            if isinstance(mapped, Mapped):
                key, x = step.key, inputs[step.picture]
                job.note = f"{CURVES[key.kind].short} of {METHODS[key.ask.method].title}"
                shelf.put(key, attempt(partial(removal, network, x, mapped, key, job)))
    job.tick(len(missing), max(1, len(missing)))


def is_dear(ask: Ask, network: nn.Module, x: Tensor, shelf: Shelf) -> bool:
    """Whether a map is predicted to take longer than `PATIENT`; measures the pace when it matters."""
    if passes_of(ask) <= CHEAP_PASSES:
        return False
    key = pace_key(ask.model, ask.device)
    pace = shelf.get(key)
    if pace is None:
        pace = np.asarray(seconds_of_a_pass(network, x))
        shelf.put(key, pace)
    return float(pace) * passes_of(ask) > PATIENT


def seconds_of_a_pass(network: nn.Module, x: Tensor) -> float:
    """Wall time of one forward and backward pass, the first one not counted."""
    seconds = 0.0
    for _ in range(2):
        start = time.perf_counter()
        leaf = x.detach().clone().requires_grad_()
        with torch.enable_grad():
            torch.autograd.grad(network(leaf).amax(1).sum(), leaf)
        if x.device.type == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - start
    return seconds


def attempt(work: Callable[[], Any]) -> Any:
    """The result of `work`, or a `Failed` with the sentence for the user; being cancelled passes through."""
    try:
        return work()
    except Cancelled:
        raise
    except PruneAttrError as error:
        return Failed(str(error))
    except torch.OutOfMemoryError:
        return Failed("This method needs more memory here than the device has.")
    except Exception:
        logger.exception("a cell of the grid failed")
        return Failed(APOLOGY)


def attribute(network: nn.Module, x: Tensor, ask: Ask) -> Mapped:
    """One map, timed."""
    start = time.perf_counter()
    found = explain(network, x, ask.target, ask.method, **dict(ask.options))
    values = found.values[0].detach().float().cpu().contiguous().numpy()
    seconds = time.perf_counter() - start
    values.setflags(write=False)
    gap = completeness_gap(network, x, found)
    return Mapped(values, int(found.target[0]), seconds, None if gap is None else abs(float(gap[0])))


def removal(network: nn.Module, x: Tensor, mapped: Mapped, key: CurveAsk, job: Job) -> Curve:
    """The removal curve of one map."""
    ranked = torch.from_numpy(drawn(mapped.attribution, key.collapse, key.sign).copy())[None].to(x.device)

    def alive(_done: int, _total: int) -> None:
        job.tick(job.done, job.total)

    if key.kind == "insertion":
        found = insertion_curve(network, x, ranked, mapped.target, fill=key.fill)
    else:
        order, fractions = ("lerf", LERF_FRACTIONS) if key.kind == "lerf" else ("morf", FULL_FRACTIONS)
        found = removal_curve(
            network, x, ranked, mapped.target, fractions=fractions, order=order, fill=key.fill, progress=alive
        )
    if key.kind == "lerf":
        values, area = [0.0, *found.change[:, 0].tolist()], float(found.curve_auc[0])
        return Curve((0.0, *found.fractions), tuple(values), area)
    return Curve(found.fractions, tuple(found.probability[:, 0].tolist()), float(found.probability_auc[0]))
