"""The maps that the grid's slider moves: a method at several levels, computed once, drawn by the browser."""

from __future__ import annotations

import base64
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.attribution import explain
from pruneattr_core.attribution.prunegrad import PruneGrad
from pruneattr_core.attribution.watch import Progress
from pruneattr_core.paths.calibrate import output_curve
from pruneattr_core.render import Scale, scale_map, scale_of
from pruneattr_core.render.look import Look
from pruneattr_core.scoring import contributions
from pruneattr_core.ui.compare.cells import SHARES, LevelsAsk, drawn
from pruneattr_core.ui.compare.coding import coded, decoded
from pruneattr_core.ui.framing import level_deltas

Array = NDArray[Any]
#: What the slider counts -> its stops, equally far from each other on the track.
STOPS: Mapping[str, tuple[float, ...]] = {
    "contributing": SHARES,
    "all": (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99),
    "change": (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0),
}


@dataclass(frozen=True)
class Levels:
    """A method at every share of `SHARES`.

    Attributes:
        maps: float32 (K, C, H, W).
        sparsity: (K,) share of all neurons that is gone.
        change: (K,) output change of the zero-mode network.
        quiet: share of all neurons that contribute nothing.
        seconds: wall time.
    """

    maps: Array
    sparsity: Array
    change: Array
    quiet: float
    seconds: float

    @property
    def nbytes(self) -> int:
        """Bytes of the maps."""
        return int(self.maps.nbytes)


def levels_of(network: nn.Module, x: Tensor, key: LevelsAsk, tell: Progress | None = None) -> Levels:
    """All levels of one method and picture (1, C, H, W); raises as `explain`."""
    start = time.perf_counter()
    ask, options = key.ask, dict(key.ask.options)
    contribution = "intgrad" if ask.method == "neuron_intgrad" else options.get("contribution", "taylor")
    ties, class_scores = options.get("ties", "drop"), options.get("class_scores", False)
    scores = contributions(network, x, ask.subject.target, contribution, class_scores=class_scores)

    def step(done: int, total: int) -> None:
        if tell is not None:
            tell(done / total)

    if ask.method == "prunegrad_mid":
        maps = []
        for k, share in enumerate(SHARES):
            step(k, len(SHARES))
            place = {"sparsity": share, "of": "contributing", **options}
            maps.append(explain(network, x, ask.subject.target, ask.method, **place).values[0].cpu().numpy())
        stacked = np.stack(maps)
    else:
        sweep = PruneGrad(network).sweep(
            x, sparsities=SHARES, mode=options.get("mode", "zero"), ties=ties, progress=step,
            of="contributing", scores=scores,
        )  # fmt: skip
        stacked = sweep.maps[:, 0].cpu().contiguous().numpy()
    curve = output_curve(network, x, scores, SHARES, ties, of="contributing")
    stacked.setflags(write=False)
    silent = sum(int((layer == 0).sum()) for layer in scores.layers) / scores.neurons
    return Levels(
        stacked,
        curve.sparsity[:, 0].cpu().numpy(),
        curve.output_change[:, 0].float().cpu().numpy(),
        silent,
        time.perf_counter() - start,
    )


@dataclass(frozen=True)
class Track:
    """Levels as the browser gets them.

    Attributes:
        data: zlib of the level-to-level deltas of codes (K, H, W), see `coding.coded`.
        peaks: (K,) largest magnitude of each.
        scales: (K,) own colour scale of each.
        levels: what is known of each: {"sparsity", "change"}.
        quiet: see `Levels`.
    """

    data: bytes
    peaks: tuple[float, ...]
    scales: tuple[Scale, ...]
    levels: tuple[Mapping[str, float], ...]
    quiet: float

    @property
    def nbytes(self) -> int:
        """Bytes of the codes."""
        return len(self.data)


def track_of(found: Levels, look: Look) -> Track:
    """Code the levels as `look` collapses and signs them."""
    shown = [drawn(level, look.collapse, look.sign) for level in found.maps]
    pairs = [coded(level) for level in shown]
    change = np.minimum(np.nan_to_num(found.change, nan=1e6, posinf=1e6), 1e6).tolist()
    known = zip(found.sparsity.tolist(), change, strict=True)
    return Track(
        zlib.compress(level_deltas(np.stack([codes for codes, _ in pairs])).tobytes(), 1),
        tuple(peak for _, peak in pairs),
        tuple(scale_of(np.nan_to_num(level), look.signed, look.clip) for level in shown),
        tuple({"sparsity": round(s, 6), "change": round(c, 6)} for s, c in known),
        found.quiet,
    )


def track_header(track: Track, shared: Scale | None) -> dict[str, Any]:
    """What the browser has to know of a track beside its block; `shared` is the scale of the whole grid."""
    levels = [
        {
            **known,
            "share": share,
            "peak": peak,
            "levels": base64.b64encode(scale_map(decoded(peak), scale=shared or own).tobytes()).decode(),
        }
        for known, share, peak, own in zip(track.levels, SHARES, track.peaks, track.scales, strict=True)
    ]
    return {"quiet": round(track.quiet, 6), "levels": levels}
