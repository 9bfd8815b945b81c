"""One picture's maps while layers lose their weights, last to first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.attribution import METHODS, explain
from pruneattr_core.attribution.collapse import collapse
from pruneattr_core.benchmarks.sanity import VARIANTS, cascade, units
from pruneattr_core.benchmarks.similarity import MEASURES
from pruneattr_core.brief import brief
from pruneattr_core.heads import head_of, probabilities
from pruneattr_core.render import scale_map, scale_of
from pruneattr_core.results.keys import MapKey, Mapped

LIKENESS = ("spearman", "spearman_abs", "ssim")
#: From channels to one map, as in the papers' benchmark.
_COLLAPSE = "signed_max"


@dataclass(frozen=True)
class Cascade:
    """Maps of one method at every step.

    Attributes:
        steps: names: "original", then the layers from last to first.
        maps: (steps, H, W) float32; nan where the network's answer was not finite.
        likeness: (measures, steps) with the original's map; nan where undefined.
        probability: (steps,) probability, as the head reads it, of the explained class.
        signed: whether the maps have a sign.
        known: steps that are there, from the first on.
    """

    steps: tuple[str, ...]
    maps: NDArray[np.float32]
    likeness: NDArray[np.float64]
    probability: NDArray[np.float64]
    signed: bool
    known: int

    __repr__ = brief

    @property
    def nbytes(self) -> int:
        """Size on a shelf, with the codes."""
        return self.maps.nbytes + self.maps.size + self.likeness.nbytes + self.probability.nbytes

    @cached_property
    def coded(self) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
        """Colour codes (steps, H, W), every map on its own scale, and what is to be said about each scale."""
        values = np.nan_to_num(self.maps)
        scales = [scale_of(one, self.signed) for one in values]
        codes = [scale_map(one, scale=scale) for one, scale in zip(values, scales, strict=True)]
        notes = [scale.note or "" for scale in scales[: self.known]]
        return np.stack(codes), (*notes, *[""] * (len(scales) - self.known))


@dataclass(frozen=True)
class CascadeKey:
    """Names the maps of one method at every step.

    Attributes:
        map: of the trained network, the first step.
        variant: key of `sanity.VARIANTS`.
    """

    map: MapKey
    variant: str


def randomised(
    network: nn.Module,
    inputs: Tensor,
    mapped: Mapped,
    key: CascadeKey,
    tell: Callable[[str], None],
    seen: Callable[[Cascade], None],
) -> Cascade:
    """Every step of one method; a private copy of the network is randomised.

    Args:
        network: in eval mode on the device of `inputs`; stays as it is.
        inputs: (1, C, H, W).
        mapped: the map that `key` names, of the trained network.
        key: what is asked.
        tell: called with what is being done, also within a step; may raise to stop.
        seen: gets what there is after each step, with nan in what is to come.

    Raises:
        PruneAttrError: as `explain`.
    """
    method, options = METHODS[key.map.method], dict(key.map.options)
    names = ("original", *(unit.name for unit in reversed(units(network))))
    chosen = torch.tensor([mapped.target], device=inputs.device)
    with torch.no_grad():
        head = head_of(network, network(inputs))
    shape = (len(names), *inputs.shape[2:])
    maps, probability = np.full(shape, np.nan, np.float32), np.full(len(names), np.nan)
    likeness = np.full((len(LIKENESS), len(names)), np.nan)
    trained = collapse(torch.from_numpy(mapped.attribution[None].copy()), _COLLAPSE)[0].double().numpy()
    found = None
    for step, (_, changed) in enumerate(cascade(network, VARIANTS[key.variant])):
        note = f"{method.title} · step {step} of {len(names) - 1}"
        tell(note)
        with torch.no_grad():
            probability[step] = float(probabilities(changed(inputs).double(), head)[0, chosen])
        values = trained
        if step:
            again = explain(changed, inputs, chosen, key.map.method, partial(_still, tell, note), **options)
            values = collapse(again.values, _COLLAPSE)[0].double().cpu().numpy()
        maps[step] = values
        likeness[:, step] = [_alike(measure, trained, values) for measure in LIKENESS]
        found = Cascade(names, maps.copy(), likeness.copy(), probability.copy(), method.signed, step + 1)
        seen(found)
    assert found is not None  # the trained network always comes
    return found


def _still(tell: Callable[[str], None], note: str, share: float) -> None:
    tell(note)


def _alike(measure: str, first: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    if not (np.isfinite(first).all() and np.isfinite(other).all()):
        return float("nan")
    return MEASURES[measure](first, other)
