"""What a benchmark is: its words, its free choices, and the function that computes one cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pruneattr_core.benchmarks.plan import Plan
from pruneattr_core.benchmarks.sources import Opened, chosen
from pruneattr_core.errors import InputError

Cell = NDArray[np.float64]
Choices = Mapping[str, Any]

PREDICTED = "the class that the original network predicts"
#: How the released code makes one channel out of three.
RELEASED_COLLAPSE = "signed_max"


def chosen_pictures(opened: Opened, protocol: Choices, n: int, seed: int) -> dict[str, Any]:
    """Indices and names of `n` pictures out of the data set, and whether their classes are known."""
    return told(opened, chosen(opened.data, n, seed))


def told(opened: Opened, indices: list[int]) -> dict[str, Any]:
    """What a header says about these pictures."""
    return {
        "indices": indices,
        "names": [opened.data[i].name for i in indices],
        "labelled": all(opened.labels(i) for i in indices),
    }


@dataclass(frozen=True)
class Benchmark:
    """One kind of run.

    Attributes:
        title: for people.
        source: paper and figure.
        x_title: of the horizontal axis.
        better: which way a good map's values go, "lower" or "higher"; "" where maps are not judged.
        choices: option -> default; what a caller may choose.
        allowed: option -> its values.
        fixed: the other free choices, in words.
        layout: (opened, protocol) -> measures and points.
        cell: (opened, plan, method number, part of the last axis) -> values (measures, points, part).
        settle: (choices with defaults, seed) -> entries that the protocol needs beside `fixed`.
        subjects: (opened, protocol, n, seed) -> "indices" and "names" along the last axis, and what else
            the header says about the data.
        unvalued: (opened, indices, methods, measures) -> those of the measures that none of these pictures
            or methods has a value of, and why: they are left out of the run.
        unit: what those are.
        rows: id -> label of what is compared, where that is no table of attribution methods.
        needs: measures that pages and tables expect of every run.
        numbers: whether they expect points that are numbers.
    """

    title: str
    source: str
    x_title: str
    better: str
    choices: Choices
    fixed: Choices
    layout: Callable[[Opened, Choices], tuple[tuple[str, ...], tuple[float | str, ...]]]
    cell: Callable[[Opened, Plan, int, slice], Cell]
    allowed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    settle: Callable[[Choices, int], Choices] = lambda choices, seed: choices
    subjects: Callable[[Opened, Choices, int, int], dict[str, Any]] = chosen_pictures
    unvalued: Callable[
        [Opened, Sequence[int], Sequence[Mapping[str, Any]], Sequence[str]], Mapping[str, str]
    ] = lambda opened, indices, methods, measures: {}
    unit: str = "pictures"
    rows: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    numbers: bool = False

    def protocol(self, given: Choices, seed: int) -> dict[str, Any]:
        """Every free choice, with the given ones put in.

        Raises:
            InputError: a choice that the benchmark does not have, or a value that is none of its values.
        """
        unknown = sorted(set(given) - set(self.choices))
        if unknown:
            raise InputError(f"{self.title} has no choice {', '.join(unknown)}: leave it out.")
        settled = {**self.choices, **given}
        for choice, values in self.allowed.items():
            if settled[choice] not in values:
                raise InputError(f"Expected {choice} in {', '.join(values)}; got {settled[choice]!r}.")
        return {**self.fixed, **self.settle(settled, seed)}


def without(choices: Choices, **usual: Any) -> Choices:
    """Choices that came later say nothing where they are as usual: runs from before stay comparable."""
    return {name: value for name, value in choices.items() if name not in usual or value != usual[name]}


def pictures(opened: Opened, plan: Plan, part: slice) -> tuple[Tensor, Tensor]:
    """Normalised pictures of a cell, and the classes that the original network predicts."""
    inputs = opened.inputs(plan.data["indices"][part])
    with torch.no_grad():
        return inputs, opened.model(inputs).argmax(1)
