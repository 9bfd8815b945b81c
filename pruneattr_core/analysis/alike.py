"""Whose paths are alike: a run of `nesting` read as overlaps of pictures, of classes, and of sparsities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pruneattr_core.analysis.interval import Interval, mean_interval
from pruneattr_core.analysis.overlap import between_classes, chance_overlap
from pruneattr_core.analysis.table_run import Table
from pruneattr_core.brief import brief
from pruneattr_core.errors import InputError
from pruneattr_core.one_of import is_one_of


@dataclass(frozen=True, eq=False)
class Alike:
    """Overlaps at one sparsity of the paths of B pictures, pictures of one answer next to each other.

    Attributes:
        answers: (B,) what the network answers.
        pictures: (B, B) Jaccard, nan on the diagonal.
        classes: the answers, each once.
        matrix: (C, C) mean over pairs of different pictures; nan without a pair.
        within: of pairs of one answer, over pictures; None without such a pair.
        between: of pairs of different answers; None without such a pair.
        chance: of random paths of this size.
        inside: share of each path that lies in that of the next lower sparsity; None at the lowest.
    """

    answers: tuple[str, ...]
    pictures: NDArray[np.float64]
    classes: tuple[str, ...]
    matrix: NDArray[np.float64]
    within: Interval | None
    between: Interval | None
    chance: float
    inside: Interval | None

    __repr__ = brief


def alike(table: Table, sparsity: str) -> Alike:
    """Read a run.

    Args:
        table: of kind "nesting".
        sparsity: as its rows say it.

    Raises:
        InputError: a run of another kind, or a sparsity that it does not have.
    """
    offered = sparsities(table) if table.kind == "nesting" else ()
    if not is_one_of(sparsity, offered):
        raise InputError(f"Expected a run of nesting and a sparsity in it, got {table.kind} and {sparsity}.")
    at = [k for k, row in enumerate(table.rows) if row[0] == sparsity]
    answers = [table.rows[k][2] for k in at]
    half = np.nan_to_num(table.values[at, 1:])
    full = half + half.T - np.diag(np.diag(half))
    order = np.argsort(np.array(answers), kind="stable")
    names = [answers[k] for k in order]
    full = full[np.ix_(order, order)]
    classes = tuple(dict.fromkeys(names))
    of = [classes.index(name) for name in names]
    within, between = between_classes(torch.from_numpy(full), of)
    np.fill_diagonal(full, np.nan)
    member = np.eye(len(classes))[of]  # (B, C)
    pairs = member.T @ (~np.isnan(full)) @ member
    with np.errstate(invalid="ignore"):
        matrix = (member.T @ np.nan_to_num(full) @ member) / np.where(pairs > 0, pairs, np.nan)
    inside = table.column("inside the denser", sparsity=sparsity)
    return Alike(
        tuple(names),
        full,
        classes,
        matrix,
        within,
        between,
        chance_overlap(1 - float(sparsity)),
        None if offered.index(sparsity) == 0 else mean_interval(inside.tolist()),
    )


def sparsities(table: Table) -> list[str]:
    """Those of a run, rising."""
    return list(dict.fromkeys(row[0] for row in table.rows))
