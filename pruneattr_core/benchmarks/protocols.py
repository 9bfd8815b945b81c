"""The benchmarks as a table: what each measures, every free choice in words or numbers, and its cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pruneattr_core.benchmarks import localisation, sanity, similarity
from pruneattr_core.benchmarks.fills import FILLS
from pruneattr_core.benchmarks.maps import maps_of
from pruneattr_core.benchmarks.pixels import LERF_FRACTIONS, TIES, removal_curve
from pruneattr_core.benchmarks.plan import Plan
from pruneattr_core.benchmarks.sources import Opened
from pruneattr_core.errors import InputError
from pruneattr_core.paths.calibrate import PRUNING_STEPS, output_curve
from pruneattr_core.scoring import contributions

Cell = NDArray[np.float64]
#: Rows and columns of the grid pointing game.
GRID = 2

_LIKENESS = ("spearman", "spearman_abs", "ssim")
_PREDICTED = "the class that the original network predicts"
_RELEASED_COLLAPSE = "signed_max"


@dataclass(frozen=True)
class Benchmark:
    """One kind of run.

    Attributes:
        title: for people.
        source: paper and figure.
        x_title: of the horizontal axis.
        better: which way a good map's values go, "lower" or "higher"; "" where maps are not judged.
        choices: option -> default; what a caller may choose.
        fixed: the other free choices, in words.
        layout: (opened, choices, seed) -> measures and points.
        cell: (opened, plan, method number, pictures) -> values (measures, points, pictures).
    """

    title: str
    source: str
    x_title: str
    better: str
    choices: Mapping[str, Any]
    fixed: Mapping[str, Any]
    layout: Callable[[Opened, Mapping[str, Any]], tuple[tuple[str, ...], tuple[float | str, ...]]]
    cell: Callable[[Opened, Plan, int, slice], Cell]


def protocol_of(name: str, given: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Every free choice of a benchmark, with the given ones put in.

    Raises:
        InputError: a choice that the benchmark does not have, or a value that is none of its values.
    """
    benchmark = BENCHMARKS[name]
    unknown = sorted(set(given) - set(benchmark.choices))
    if unknown:
        raise InputError(f"{benchmark.title} has no choice {', '.join(unknown)}: leave it out.")
    chosen = {**benchmark.choices, **given}
    for choice, value in chosen.items():
        if value not in _ALLOWED[choice]:
            raise InputError(f"Expected {choice} in {', '.join(map(str, _ALLOWED[choice]))}; got {value!r}.")
    if name == "sanity":
        chosen["sd"], chosen["weights_seed"] = sanity.VARIANTS[chosen["variant"]], seed
    return {**benchmark.fixed, **chosen}


_ALLOWED: dict[str, tuple[str, ...]] = {
    "fill": tuple(FILLS),
    "ties": tuple(TIES),
    "variant": tuple(sanity.VARIANTS),
    "collapse": ("signed_max", "abs_sum", "sum"),
}


def _pictures(opened: Opened, plan: Plan, part: slice) -> tuple[torch.Tensor, torch.Tensor]:
    inputs = opened.inputs(plan.data["indices"][part])
    with torch.no_grad():
        return inputs, opened.model(inputs).argmax(1)


def _calibrate_layout(opened: Opened, chosen: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[float, ...]]:
    return ("output_change", "kept_prediction"), PRUNING_STEPS


def _calibrate_cell(opened: Opened, plan: Plan, method: int, part: slice) -> Cell:
    inputs = opened.inputs(plan.data["indices"][part])
    scores = contributions(opened.model, inputs, method=plan.methods[method]["id"])
    curve = output_curve(opened.model, inputs, scores, PRUNING_STEPS)
    kept = curve.prediction == scores.logits.argmax(1)
    return torch.stack([curve.output_change.double(), kept.double()]).cpu().numpy()


def _sanity_layout(opened: Opened, chosen: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names = [unit.name for unit in sanity.units(opened.model)]
    return _LIKENESS, ("original", *reversed(names))


def _sanity_cell(opened: Opened, plan: Plan, method: int, part: slice) -> Cell:
    inputs, target = _pictures(opened, plan, part)
    values = np.full((len(_LIKENESS), len(plan.x), len(inputs)), np.nan)
    first: torch.Tensor | None = None
    for step, (_, network) in enumerate(sanity.cascade(opened.model, plan.protocol["sd"], plan.data["seed"])):
        maps = maps_of(network, inputs, target, plan.methods[method], plan.protocol["collapse"]).cpu()
        first = maps if first is None else first
        for image in range(len(inputs)):
            if bool(torch.isfinite(maps[image]).all()):
                for place, measure in enumerate(_LIKENESS):
                    values[place, step, image] = similarity.MEASURES[measure](first[image], maps[image])
    return values


def _pixels_layout(opened: Opened, chosen: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[float, ...]]:
    return ("lerf", "morf"), LERF_FRACTIONS


def _pixels_cell(opened: Opened, plan: Plan, method: int, part: slice) -> Cell:
    inputs, target = _pictures(opened, plan, part)
    maps = maps_of(opened.model, inputs, target, plan.methods[method], plan.protocol["collapse"])
    values = np.empty((len(plan.measures), len(plan.x), len(inputs)))
    for image in range(len(inputs)):
        seed = 100_003 * plan.data["seed"] + part.start + image  # of the picture, wherever its cell begins
        for place, order in enumerate(plan.measures):
            one = slice(image, image + 1)
            curve = removal_curve(
                opened.model, inputs[one], maps[one], target[one], fractions=LERF_FRACTIONS, order=order,
                fill=plan.protocol["fill"], ties=plan.protocol["ties"], seed=seed,
            )  # fmt: skip
            values[place, :, image] = curve.change[:, 0].cpu().numpy()
    return values


def _localise_layout(opened: Opened, chosen: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    masks = ("roc_auc", "point_accuracy", "mass_inside") if opened.mask(0) is not None else ()
    height, width = opened.card.size
    try:
        with torch.no_grad():
            opened.model(torch.zeros(1, 3, GRID * height, GRID * width, device=opened.device))
        grid: tuple[str, ...] = ("grid_share",)
    except (RuntimeError, AssertionError, ValueError):  # networks of one input size cannot see a grid
        grid = ()
    if not masks and not grid:
        raise InputError(f"{opened.data.title} has no masks and {opened.card.title} takes one size only.")
    return (*masks, *grid), ("all",)


def _localise_cell(opened: Opened, plan: Plan, method: int, part: slice) -> Cell:
    indices = plan.data["indices"][part]
    inputs, target = _pictures(opened, plan, part)
    values = np.full((len(plan.measures), 1, len(inputs)), np.nan)
    known = [opened.labels(i) for i in indices]
    right = [not labels or int(target[k]) in labels for k, labels in enumerate(known)]
    how, chosen = plan.protocol["collapse"], plan.methods[method]
    with_mask = [name for name in plan.measures if name != "grid_share"]
    if with_mask:
        maps = maps_of(opened.model, inputs, target, chosen, how).cpu()
        for k, index in enumerate(indices):
            mask = opened.mask(index)
            for place, measure in enumerate(with_mask):
                if right[k] and mask is not None and bool(torch.isfinite(maps[k]).all()):
                    values[place, 0, k] = getattr(localisation, measure)(maps[k], mask)
    if "grid_share" in plan.measures:
        for k in range(len(indices)):
            if right[k]:
                values[-1, 0, k] = _grid_share(opened, plan, chosen, part.start + k)
    return values


def _grid_share(opened: Opened, plan: Plan, method: Mapping[str, Any], number: int) -> float:
    """The picture among the next ones of other predicted classes; its cell turns with its number."""
    classes = opened.predictions(tuple(plan.data["indices"]))
    partners, seen = [number], {classes[number]}
    for step in range(1, plan.n):
        other = (number + step) % plan.n
        if classes[other] not in seen and len(partners) < GRID * GRID:
            partners.append(other)
            seen.add(classes[other])
    if len(partners) < GRID * GRID:
        return localisation.UNDEFINED
    cell = number % (GRID * GRID)
    order = partners[1 : cell + 1] + partners[:1] + partners[cell + 1 :]
    images = opened.inputs([plan.data["indices"][i] for i in order])
    picture = localisation.compose_grid(images, GRID)[None]
    target = torch.tensor([classes[number]], device=images.device)
    values = maps_of(opened.model, picture, target, method, plan.protocol["collapse"])[0].cpu()
    if not bool(torch.isfinite(values).all()):
        return localisation.UNDEFINED
    return localisation.grid_share(values, GRID, GRID, cell)


BENCHMARKS: dict[str, Benchmark] = {
    "calibrate": Benchmark(
        title="Calibration",
        source="PG2 fig. 2a",
        x_title="Sparsity (fraction of neurons removed)",
        better="",
        choices={},
        fixed={
            "change": "|p_pruned - p| / p of the softmax probability",
            "target": _PREDICTED,
            "mode": "zero",
            "ties": "drop: every score at or below the percentile goes",
            "ranking": "all layers in one list",
        },
        layout=_calibrate_layout,
        cell=_calibrate_cell,
    ),
    "sanity": Benchmark(
        title="Sanity check",
        source="PG2 fig. 3, SCP fig. 7",
        x_title="Randomised up to this layer, last to first",
        better="lower",
        choices={"variant": "text", "collapse": _RELEASED_COLLAPSE},
        fixed={
            "weights": "weights, biases and those of normalisations become N(0, sd); running statistics stay",
            "layers": "a residual block is one step; a normalisation goes with the layer before it",
            "target": _PREDICTED,
            "normalisation": "maps divided by their largest magnitude",
            "ssim": "window 5, range 2",
        },
        layout=_sanity_layout,
        cell=_sanity_cell,
    ),
    "pixels": Benchmark(
        title="Pixel perturbation",
        source="SCP table 2",
        x_title="Fraction of pixels removed",
        better="lower",
        choices={"fill": "mean", "ties": "raster", "collapse": _RELEASED_COLLAPSE},
        fixed={
            "change": "|p0 - p| / p0 of the softmax probability",
            "target": _PREDICTED,
            "order": "lerf: ascending signed value; morf: descending",
            "amount": "floor(fraction * pixels), all channels of a pixel",
            "network": "the original one, never pruned",
        },
        layout=_pixels_layout,
        cell=_pixels_cell,
    ),
    "localise": Benchmark(
        title="Localisation",
        source="AP section 4; grid pointing game: Böhle et al. 2021",
        x_title="",
        better="higher",
        choices={"collapse": "abs_sum"},
        fixed={
            "target": _PREDICTED,
            "counted": "pictures whose predicted class is among their labels; all where labels are unknown",
            "mask": "resized and cropped as the picture, kept above one half; empty and full ones left out",
            "grid": "2x2: the picture and the next three of other predicted classes; cell: number modulo 4",
        },
        layout=_localise_layout,
        cell=_localise_cell,
    ),
}
