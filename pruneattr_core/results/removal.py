"""One picture losing its pixels: rank of every pixel, the network's answers, and what stands in the gaps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.attribution import METHODS
from pruneattr_core.attribution.collapse import collapse
from pruneattr_core.benchmarks.fills import fill_removed
from pruneattr_core.benchmarks.pixels import (
    FULL_FRACTIONS,
    LERF_FRACTIONS,
    area,
    removal_masks,
    removal_places,
)
from pruneattr_core.brief import brief
from pruneattr_core.errors import InputError
from pruneattr_core.graph import forward_chunks
from pruneattr_core.heads import answered, answering, head_of, probabilities
from pruneattr_core.models import ModelCard
from pruneattr_core.results.keys import MapKey, Mapped

#: 0 to 100 % in tenths, and the paper's 1 to 10 %.
FRACTIONS = tuple(sorted({*FULL_FRACTIONS, *LERF_FRACTIONS}))
ORDERS = {
    "lerf": "LeRF, least relevant first",
    "morf": "MoRF, most relevant first",
    "insertion": "Insertion",
}


@dataclass(frozen=True)
class Rule:
    """From an attribution to one relevance per pixel.

    Attributes:
        title: for people.
        collapse: rule of `attribution.collapse`.
        magnitude: whether the sign is dropped afterwards.
    """

    title: str
    collapse: str
    magnitude: bool = False


RULES = {
    "signed_max": Rule("Signed: the largest channel (released code)", "signed_max"),
    "magnitude": Rule("Magnitude of the largest channel", "signed_max", magnitude=True),
    "sum": Rule("Signed: the sum of channels", "sum"),
    "abs_sum": Rule("Sum of the channels' magnitudes", "abs_sum"),
}
SIGNED = ("signed_max", "sum")
#: Fills of which one picture serves every fraction; the others have a picture for each.
STEADY = ("mean", "blur")
_SEED = 0
_STEP = 5


@dataclass(frozen=True)
class RemovalKey:
    """Names one curve.

    Attributes:
        map: whose pixels are ranked.
        rule: key of `RULES`.
        order: key of `ORDERS`.
        fill: key of `benchmarks.fills.FILLS`.
    """

    map: MapKey
    rule: str
    order: str
    fill: str


@dataclass(frozen=True)
class Removal:
    """One method's ranks and curve.

    Attributes:
        rank: (H, W) unsigned; pixel r is the r-th to go ("insertion": the r-th to go from a full picture).
        fills: uint8 (1 or K, H, W, 3), what stands where a pixel is missing; one for all, or one a fraction.
        probability: (K,) of the target, as the head reads it, at `FRACTIONS`.
        answer: (K,) what is answered there, as `Explained.prediction`.
        target: class whose probability is watched.
        original: probability with every pixel in place.
    """

    rank: NDArray[Any]
    fills: NDArray[np.uint8]
    probability: NDArray[np.float64]
    answer: NDArray[np.int64]
    target: int
    original: float

    __repr__ = brief

    @property
    def nbytes(self) -> int:
        """Size on a shelf."""
        return self.rank.nbytes + self.fills.nbytes

    @property
    def change(self) -> NDArray[np.float64]:
        """Absolute fractional change |p0 - p| / |p0|, (K,); not finite where p0 is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.abs(self.original - self.probability) / np.float64(abs(self.original))

    def areas(self, last: float) -> tuple[float, float]:
        """Areas under the change and under the probability from 0 to fraction `last`; trapezoids."""
        places = [k for k, fraction in enumerate(FRACTIONS) if 0 < fraction <= last]
        x = [FRACTIONS[k] for k in places]
        found = [
            float(area(x, torch.from_numpy(values[places, None]), torch.from_numpy(values[:1])))
            for values in (self.change, self.probability)
        ]
        return found[0], found[1]


def gone(order: str) -> tuple[float, ...]:
    """Share of the pixels that is missing at each of `FRACTIONS`; an insertion starts without any pixel."""
    return tuple(1 - f for f in FRACTIONS) if order == "insertion" else FRACTIONS


def removed(
    network: nn.Module,
    card: ModelCard,
    inputs: Tensor,
    mapped: Mapped,
    key: RemovalKey,
    tell: Callable[[str], None],
) -> Removal:
    """Ranks, curve and fills of one map.

    Args:
        network: in eval mode on the device of `inputs`.
        card: its card, for the way back from normalised values to pixels.
        inputs: (1, C, H, W).
        mapped: the map that `key` names.
        key: what is asked.
        tell: called with what is being done; may raise to stop.

    Raises:
        InputError: the map has no order.
    """
    with torch.no_grad():
        first = network(inputs)
    label, head, target = METHODS[key.map.method].title, head_of(network, first), mapped.target
    rule = RULES[key.rule]
    values = collapse(torch.from_numpy(mapped.attribution[None].copy()), rule.collapse).double()
    values = values.abs() if rule.magnitude else values
    if not bool(torch.isfinite(values).all()):
        raise InputError(f"{label}: the map holds values that are not finite, so its pixels have no order.")
    fractions = gone(key.order)
    order = "morf" if key.order == "morf" else "lerf"
    masks = removal_masks(values, fractions, order, "random")[:, 0]
    rows, pictures = [], []
    for part in _parts(len(fractions), inputs):
        tell(f"{label} · answers")
        filled = fill_removed(inputs[0], masks[part], key.fill, _SEED)
        with torch.no_grad():
            rows.append(probabilities(network(filled).double(), head).cpu())
        if key.fill not in STEADY:
            pictures.append(card.denormalise(filled.cpu()))
    if key.fill in STEADY:
        everything = torch.ones(1, *inputs.shape[2:], dtype=torch.bool)
        pictures.append(card.denormalise(fill_removed(inputs[0], everything, key.fill).cpu()))
    read = torch.cat(rows)
    original = float(probabilities(first.double(), head)[0, target])
    # Pictures answered in a batch may differ in the last bits; nothing gone means nothing changed.
    read[[k for k, share in enumerate(fractions) if share == 0], target] = original
    probability = read[:, target].numpy()
    return Removal(
        rank=_ranks(values, order),
        fills=np.concatenate([np.asarray(one, np.uint8) for one in pictures]),
        probability=probability,
        answer=answered(answering(first, head), target, read.argmax(1).numpy(), probability),
        target=target,
        original=original,
    )


def _parts(count: int, inputs: Tensor) -> Iterator[slice]:
    """As much at a time as memory allows, in steps small enough for a bar of progress."""
    for part in forward_chunks(count, inputs):
        for start in range(part.start, part.stop, _STEP):
            yield slice(start, min(start + _STEP, part.stop))


def _ranks(values: Tensor, order: str) -> NDArray[Any]:
    """The place of every pixel in the order of `removal_masks`, equal ones in a random order."""
    place = removal_places(values, order)[0]
    kind = np.uint16 if place.numel() <= 1 << 16 else np.uint32
    return place.numpy().astype(kind)
