"""ROAR and KAR (SCP table 1, PG2 fig. 7): networks learn from pictures that lost pixels by attribution.

A run's last axis are repeats, not pictures: `indices` are the seeds of the trainings. The first point, 0, is
the accuracy on unchanged pictures, the same for every method.

Text and released code agree but for this: the text says training and test pictures change, the released
code changes its validation pictures too, of which there are none here. See `benchmarks/roar.py` for maps.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pruneattr_core.benchmarks.plan import Plan
from pruneattr_core.benchmarks.protocols.kind import PREDICTED, RELEASED_COLLAPSE, Benchmark, Cell, Choices
from pruneattr_core.benchmarks.protocols.removal import ORDERED_BY
from pruneattr_core.benchmarks.reporting import report
from pruneattr_core.benchmarks.roar import (
    FRACTIONS,
    accuracies,
    attributed,
    predicted,
    without_pixels,
)
from pruneattr_core.benchmarks.sources import Opened, chosen
from pruneattr_core.benchmarks.training import Recipe
from pruneattr_core.errors import InputError
from pruneattr_core.models.loading import builder
from pruneattr_core.runtime import Tick

#: Measure -> order in which pixels go.
ORDERS = {"roar": "morf", "kar": "lerf"}
_MEASURES = {"roar": ("roar",), "kar": ("kar",), "both": ("roar", "kar")}
#: Stands for every picture of a split.
ALL = "all"
#: Training ResNet-8 of width 2 on a CPU corrupts memory inside PyTorch 2.15; 8 and 16 are clean.
NARROWEST = 8
#: The papers' numbers, and those that five minutes on one core allow for a method of one gradient.
SETTINGS: dict[str, dict[str, Any]] = {
    "paper": {
        "train": ALL,
        "test": ALL,
        "repeats": 3,
        "fractions": list(FRACTIONS),
        "epochs": 50,
        "batch": 256,
        "lr": 1e-3,
        "width": 64,
    },
    "reduced": {
        "train": 3000,
        "test": 1000,
        "repeats": 3,
        "fractions": list(FRACTIONS),
        "epochs": 8,
        "batch": 32,
        "lr": 3e-3,
        "width": 8,
    },
}


def _settle(choices: Choices, seed: int) -> dict[str, Any]:
    """Numbers that were not chosen come from the setting; the header says what differs from the papers'."""
    known = SETTINGS[choices["setting"]]
    settled = {name: known[name] if choices[name] is None else choices[name] for name in known}
    for name in ("train", "test", "repeats", "epochs", "batch", "width"):
        value, least = settled[name], NARROWEST if name == "width" else 1
        if value != ALL and (not isinstance(value, int) or value < least):
            raise InputError(f"Expected {name} of at least {least}, got {value!r}.")
    if not 0 < settled["lr"] < 1:
        raise InputError(f"Expected lr in (0, 1), got {settled['lr']!r}.")
    fractions = settled["fractions"] = [float(fraction) for fraction in settled["fractions"]]
    if fractions != sorted(set(fractions)) or not fractions or not 0 < fractions[0] <= fractions[-1] <= 1:
        raise InputError(f"Expected increasing fractions in (0, 1], got {fractions}.")
    reduction = [
        f"{name} {_words(settled[name])} instead of {_words(paper)}"
        for name, paper in SETTINGS["paper"].items()
        if settled[name] != paper
    ]
    recipe = _recipe(settled)
    learning = (
        f"Adam, weight decay {recipe.weight_decay}, learning rate halved every {recipe.every} "
        f"epochs, crops padded by {recipe.pad} and mirrored"
    )
    return {
        **{name: value for name, value in choices.items() if name not in settled},
        **settled,
        "setting": "reduced" if reduction else "paper",
        "reduction": reduction,
        "learning": learning,
    }


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(f"{one:g}" for one in value)
    return str(value)


def _recipe(protocol: Choices) -> Recipe:
    """The papers' recipe; with fewer epochs the learning rate still falls at every fifth of them."""
    every = max(1, round(protocol["epochs"] * Recipe.every / Recipe.epochs))
    return Recipe(protocol["epochs"], protocol["batch"], protocol["lr"], every=every)


def _subjects(opened: Opened, protocol: Choices, n: int, seed: int) -> dict[str, Any]:
    seeds = list(range(seed, seed + protocol["repeats"]))
    if not opened.labels(0) or opened.training.classes != opened.data.classes:
        raise InputError(f"{opened.data.title} has no classes that {opened.card.title} could learn.")
    return {
        "indices": seeds,
        "names": [f"seed {seed}" for seed in seeds],
        "labelled": True,
        "training": {"title": opened.training.title, "sha256": opened.training.data_hash()},
    }


def _layout(opened: Opened, protocol: Choices) -> tuple[tuple[str, ...], tuple[float, ...]]:
    _builder(opened, protocol["width"])
    return _MEASURES[protocol["measure"]], (0.0, *protocol["fractions"])


@lru_cache(maxsize=2)
def _builder(opened: Opened, width: int) -> Callable[[], nn.Module]:
    """What makes a fresh network of the explained one's architecture; the same object for the same."""
    card = opened.card
    if card.architecture == "ResNet8":
        from pruneattr_core.models.architectures import ResNet8

        return lambda: ResNet8(len(card.classes), width)
    if width != SETTINGS["paper"]["width"]:
        raise InputError(f"Only ResNet-8 takes a width, {card.title} has its own: give width 64.")
    return builder(card)


@lru_cache(maxsize=2)
def _split(opened: Opened, training: bool, count: int | str, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures, labels and predicted classes of a seeded choice out of a split, on the network's device."""
    data = opened.training if training else opened.data
    indices = chosen(data, len(data) if isinstance(count, str) else count, seed)
    inputs = torch.cat([opened.card.preprocess(data[i].image) for i in indices]).to(opened.device)
    labels = torch.tensor([data[i].label for i in indices], device=opened.device)
    return inputs, labels, predicted(opened.model, inputs)


def _splits(
    opened: Opened, plan: Plan
) -> tuple[tuple[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]:
    seed = plan.data["seed"]
    train = _split(opened, True, plan.protocol["train"], seed)
    return train, _split(opened, False, plan.protocol["test"], seed)


def _accuracies(
    opened: Opened,
    plan: Plan,
    train: list[Tensor],
    test: list[Tensor],
    seeds: list[int],
    progress: Tick | None = None,
) -> Tensor:
    (_, labels, _), (_, test_labels, _) = _splits(opened, plan)
    return accuracies(
        _builder(opened, plan.protocol["width"]), train, labels, test, test_labels, seeds,
        _recipe(plan.protocol), progress,
    )  # fmt: skip


_BASES: dict[tuple[str, str, tuple[int, ...]], Tensor] = {}


def _base(opened: Opened, plan: Plan, seeds: list[int]) -> Tensor:
    """Accuracies on unchanged pictures; a group of its own, computed once per process for all methods."""
    key = opened.weights, str(sorted(plan.protocol.items())) + str(plan.data), tuple(seeds)
    if key not in _BASES:
        train, test = _splits(opened, plan)
        _BASES[key] = _accuracies(opened, plan, [train[0]] * len(seeds), [test[0]] * len(seeds), seeds)
    return _BASES[key]


class _Parts:
    """Progress of a cell out of the progress of its parts, one after another."""

    def __init__(self, count: int) -> None:
        self._count, self._begun = count, 0

    def next(self) -> Tick:
        """For the part that begins now."""
        before, self._begun = self._begun, self._begun + 1
        return lambda done, total: report((before + done / total) / self._count)


def _cell(opened: Opened, plan: Plan, method: int, part: slice) -> Cell:
    seeds, fractions = list(plan.data["indices"][part]), plan.x[1:]
    how, batch = plan.protocol["collapse"], 64 if opened.device.type == "cpu" else 512
    # The maps of both splits and the networks of every measure: parts of the cell, told as equally long.
    parts = _Parts(2 + len(plan.measures))
    maps = [
        attributed(opened.model, inputs, target, plan.methods[method], how, batch, parts.next())
        for inputs, _, target in _splits(opened, plan)
    ]
    if plan.protocol["order_by"] == "magnitude":
        maps = [one.abs() for one in maps]
    values = np.empty((len(plan.measures), len(plan.x), len(seeds)))
    values[:, 0] = _base(opened, plan, seeds).numpy()
    for place, measure in enumerate(plan.measures):
        sets: list[list[Tensor]] = [[], []]
        for which, (inputs, _, _) in enumerate(_splits(opened, plan)):
            for fraction in fractions:
                changed = without_pixels(inputs, maps[which], float(fraction), ORDERS[measure])
                sets[which] += [changed] * len(seeds)
        found = _accuracies(opened, plan, sets[0], sets[1], seeds * len(fractions), parts.next())
        values[place, 1:] = found.view(len(fractions), len(seeds)).numpy()
    return values


ROAR = Benchmark(
    title="Retraining (ROAR, KAR)",
    source="SCP table 1, PG2 fig. 7; Hooker et al. 2019",
    x_title="Fraction of pixels removed from training and test pictures",
    better="lower",
    numbers=True,
    choices={
        "setting": "paper",
        "measure": "roar",
        "collapse": RELEASED_COLLAPSE,
        "order_by": "value",
        **dict.fromkeys(SETTINGS["paper"]),
    },
    allowed={
        "setting": tuple(SETTINGS),
        "measure": tuple(_MEASURES),
        "collapse": ("signed_max", "abs_sum", "sum"),
        "order_by": ORDERED_BY,
    },
    fixed={
        "target": PREDICTED,
        "fill": "channel mean",
        "amount": "floor(fraction * pixels), all channels of a pixel; equal ones row by row",
        "order": "roar: the highest go; kar: the lowest",
        "network": "fresh weights, the architecture of the network that is explained",
        "precision": "float32; on a GPU bfloat16 where autocast chooses it, weights and sums float32",
    },
    settle=_settle,
    subjects=_subjects,
    layout=_layout,
    cell=_cell,
    unit="repeats",
)
