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

from pruneattr_core.arrays import as_numpy
from pruneattr_core.attribution.prunegrad import PruneGrad
from pruneattr_core.attribution.prunegrad_mid import mid_sweep
from pruneattr_core.attribution.watch import Progress
from pruneattr_core.paths.calibrate import output_curve
from pruneattr_core.render import Scale, scale_map, scale_of
from pruneattr_core.render.look import Look
from pruneattr_core.results.cells import SHARES, LevelsKey, drawn
from pruneattr_core.results.keys import Scored
from pruneattr_core.results.levels import unmoved
from pruneattr_core.share.framing import coded, decoded, level_deltas
from pruneattr_core.values import Outputs

Array = NDArray[Any]


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


def levels_of(network: nn.Module, x: Tensor, key: LevelsKey, known: Scored, tell: Progress) -> Levels:
    """All levels of one method and picture (1, C, H, W); raises as its method.

    Args:
        network: in eval mode.
        x: the picture.
        key: what is asked.
        known: the scores that the key names.
        tell: told the share that is done; may raise to stop.
    """
    options = dict(key.options)
    ties = options.get("ties", "drop")
    start, scores = time.perf_counter() - known.seconds, known.scores

    def step(done: int, total: int) -> None:
        tell(done / total)

    mode = options.get("mode", "zero")
    answers: Outputs
    if key.method == "prunegrad_mid":
        maps, answers = mid_sweep(
            network, x, scores, SHARES, options.get("layer"), "contributing", mode, ties, step
        )
    else:
        answers = sweep = PruneGrad(network).sweep(
            x, sparsities=SHARES, mode=mode, ties=ties, progress=step, of="contributing", scores=scores
        )
        maps = sweep.maps
    if mode != "zero":  # networks pruned in mode zero have answered already
        answers = output_curve(network, x, scores, SHARES, ties, of="contributing")
    stacked = as_numpy(maps[:, 0])
    stacked.setflags(write=False)
    return Levels(
        stacked,
        as_numpy(answers.sparsity[:, 0]),
        answers.output_change[:, 0].float().cpu().numpy(),
        known.quiet,
        time.perf_counter() - start,
    )


@dataclass(frozen=True)
class Track:
    """Levels as the browser gets them.

    Attributes:
        data: zlib of the level-to-level deltas of codes (K, H, W), see `framing.coded`.
        peaks: (K,) largest magnitude of each.
        scales: (K,) own colour scale of each.
        levels: what is known of each: {"sparsity", "change", "plain": whether it is still the first map}.
        quiet: see `Levels`.
    """

    data: bytes
    peaks: tuple[float, ...]
    scales: tuple[Scale, ...]
    levels: tuple[Mapping[str, float | bool], ...]
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
    known = zip(found.sparsity.tolist(), change, unmoved(found.maps), strict=True)
    return Track(
        zlib.compress(level_deltas(np.stack([codes for codes, _ in pairs])).tobytes(), 1),
        tuple(peak for _, peak in pairs),
        tuple(scale_of(np.nan_to_num(level), look.signed, look.clip) for level in shown),
        tuple({"sparsity": round(s, 6), "change": round(c, 6), "plain": still} for s, c, still in known),
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
