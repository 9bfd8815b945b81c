"""One method of a comparison: its maps, and what is known of each."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.attribution import METHODS, completeness_gap, explain
from pruneattr_core.benchmarks.localisation import mass_inside
from pruneattr_core.benchmarks.pixels import removal_curve
from pruneattr_core.benchmarks.similarity import spearman, ssim
from pruneattr_core.render.look import Look
from pruneattr_core.response import Asked, Target
from pruneattr_core.results.cells import LIVE, LevelsKey, drawn
from pruneattr_core.results.keys import DIAL, Scored, Subject
from pruneattr_core.results.live import Track, levels_of, track_of
from pruneattr_core.results.numbers import Numbers
from pruneattr_core.scoring import contributions
from pruneattr_core.share.entries import options_given
from pruneattr_core.share.photo import question_of
from pruneattr_core.values import Attribution

_LOOK = Look()


@dataclass(frozen=True, eq=False)
class Entry:
    """One method on every picture.

    Attributes:
        method: key of `METHODS`.
        label: title, with the options that were given.
        said: those options, in words.
        found: maps of all pictures.
        numbers: what is known of each picture's map.
        curves: least relevant pixels removed first: the change of the probability at each fraction of
            `LERF_FRACTIONS`, per picture; empty where it was not asked for.
        tracks: what the slider moves, per picture; empty where it moves nothing.
    """

    method: str
    label: str
    said: str
    found: Attribution
    numbers: tuple[Numbers, ...]
    curves: tuple[tuple[float, ...], ...] = ()
    tracks: tuple[Track, ...] = ()


def measured(
    model: nn.Module,
    inputs: Tensor,
    text: str,
    plan: Mapping[str, Any],
    target: Target,
    masks: Sequence[NDArray[np.bool_] | None] | None,
    curves: bool,
) -> Entry:
    """The maps of one method, and what is known of them.

    Args:
        model: network in eval mode.
        inputs: normalised batch (B, C, H, W).
        text: the method as it was asked for.
        plan: the same, see `method_from`.
        target: as `explain` takes it.
        masks: per picture where the object is, bool (H, W), or None.
        curves: whether pixels are removed.
    """
    method, options = str(plan["id"]), dict(plan["options"])
    began = time.perf_counter()
    found = explain(model, inputs, target, method, **options)
    seconds = (time.perf_counter() - began) / len(inputs)
    gaps = completeness_gap(model, inputs, found)
    maps = [_drawn(found, j) for j in range(len(inputs))]
    removed = None
    if curves and question_of(found).linear:
        ranked = torch.from_numpy(np.stack(maps)).to(inputs.device)
        removed = removal_curve(model, inputs, ranked, found.target)
    passes = math.ceil(METHODS[method].cost(max(inputs.shape[2:]), **options))
    numbers = [
        Numbers(
            seconds=seconds,
            passes=passes,
            area=math.nan if removed is None else float(removed.curve_auc[j]),
            gap=math.nan if gaps is None else abs(float(gaps[j])),
        )
        for j in range(len(inputs))
    ]
    for j, mask in enumerate(() if masks is None else masks):
        if mask is not None:
            numbers[j] = replace(numbers[j], mass=mass_inside(maps[j], mask))
    said, fixed = text.partition(":")[2], options_given(text)
    tracks: tuple[Track, ...] = ()
    if method in LIVE and not fixed & {"sparsity", "output_change"}:
        kept = {key: value for key, value in options.items() if key not in DIAL}
        asked = question_of(found)
        tracks = tuple(_track(model, x, asked[j], method, kept) for j, x in enumerate(inputs.split(1)))
    shown = () if removed is None else tuple(map(tuple, removed.change.T.tolist()))
    words = said.replace(",", ", ").replace("=", " ")
    return Entry(method, str(plan["label"]), words, found, tuple(numbers), shown, tracks)


def _track(model: nn.Module, x: Tensor, asked: Asked, method: str, options: Mapping[str, Any]) -> Track:
    # The key's subject has no way to say a region or a function, so the scores are made of what was asked.
    key = LevelsKey(Subject("", "", "", None, x.device.type), method, tuple(options.items()))
    scores = contributions(model, x, asked, key.scores.contribution, class_scores=key.scores.class_scores)
    return track_of(levels_of(model, x, key, Scored(scores, 0.0), lambda share: None), _LOOK)


def _drawn(found: Attribution, j: int) -> NDArray[Any]:
    return drawn(found.values[j].detach().float().cpu().numpy(), _LOOK.collapse, _LOOK.sign)


def with_likeness(entries: Sequence[Entry], method: str) -> list[Entry]:
    """With Spearman and SSIM to the first of a method, where it is among them."""
    reference = next((entry for entry in entries if entry.method == method), None)
    if reference is None:
        return list(entries)
    made = []
    for entry in entries:
        pairs = [(_drawn(entry.found, j), _drawn(reference.found, j)) for j in range(len(entry.numbers))]
        numbers = tuple(
            replace(one, spearman=spearman(a, b), ssim=ssim(a, b)) if entry is not reference else one
            for one, (a, b) in zip(entry.numbers, pairs, strict=True)
        )
        made.append(replace(entry, numbers=numbers))
    return made
