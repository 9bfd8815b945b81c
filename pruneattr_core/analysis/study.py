"""The path analyses of SCP (figures 1, 2, 8, 9, 10) over a set of pictures, picture by picture.

A cell is everything about one picture and is written as soon as it is known, so a killed study goes on
where it was. Cells depend on neither the number of pictures nor that of DGR, and serve a larger or smaller
study too, until the run that they were computed for is written.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path as Folder
from typing import Any

import torch
from torch import Tensor, nn

from pruneattr_core.critical_path import Path
from pruneattr_core.errors import InputError
from pruneattr_core.given import check_progress
from pruneattr_core.paths.table import METHODS, Search
from pruneattr_core.runs.cells import Cells
from pruneattr_core.runtime import Tick
from pruneattr_core.scoring import contributions
from pruneattr_core.scoring.settling import NAME
from pruneattr_core.selection import Of, silent_count

#: Layer-wise overlap is measured against this method (SCP fig. 8 to 10).
REFERENCE = "intgrad"
#: Sparsities of the papers' figures.
SPARSITIES = (0.8, 0.9, 0.99)

Say = Callable[[str], None]
#: Picture number -> normalised (1, C, H, W).
Pictures = Callable[[int], Tensor]
#: Picture number, methods.
Job = tuple[int, Sequence[str]]
#: What is told (cells that are there, cells in all).
#: Jobs -> (job, its cell), in any order.
Spread = Callable[[Sequence[Job]], Iterable[tuple[Job, Mapping[str, Any]]]]


@dataclass(frozen=True)
class Question:
    """What is asked of every picture; its hash names the cells.

    Attributes:
        weights: SHA-256 of the network's state dict.
        data: SHA-256 of the data set.
        sparsities: fractions removed.
        seed: of random paths and random starts; picture k adds k to it for the starts.
        iterations: of DGR.
        precision: of inputs and network.
        of: what the sparsities are shares of: "all" neurons, or those that contribute (`contributions`) to
            the answer. All methods then remove as many of a picture's neurons.
        class_scores: whether class scores count as neurons, see `contributions`.
    """

    weights: str
    data: str
    sparsities: tuple[float, ...] = SPARSITIES
    seed: int = 0
    iterations: int = 1000
    precision: str = "float32"
    of: Of = "all"
    class_scores: bool = False

    def __post_init__(self) -> None:
        """Check that there is something to compute."""
        if not self.sparsities or not all(0 <= s <= 1 for s in self.sparsities):
            raise InputError(f"Expected sparsities in [0, 1], got {list(self.sparsities)}.")
        if self.iterations < 1:
            raise InputError(f"Expected at least 1 iteration of DGR, got {self.iterations}.")

    def neurons(self) -> dict[str, Any]:
        """Which neurons are counted, where that is not all but class scores."""
        said: dict[str, Any] = {} if self.of == "all" else {"of": self.of}
        return {**said, "class_scores": True} if self.class_scores else said

    def key(self) -> str:
        """Twelve hexadecimal digits over all fields and the rule of NeuronIntGrad."""
        asked = {**vars(self), **self.neurons(), "integral": NAME}
        for name in {"of", "class_scores"} - set(self.neurons()):
            del asked[name]  # came later
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]


def cell(
    model: nn.Module,
    picture: Tensor,
    index: int,
    methods: Sequence[str],
    question: Question,
) -> dict[str, Any]:
    """Everything about one picture, as JSON holds it.

    Args:
        model: classifier in eval mode.
        picture: normalised (1, C, H, W).
        index: number of the picture.
        methods: keys of `paths.table.METHODS`.
        question: what is asked.

    Returns:
        index, target, base (dead share of all neurons), names and neurons of the layers, seconds per method,
        and per method and sparsity: sparsity reached, dead share, share of each layer kept, Jaccard with the
        other methods, and Jaccard per layer with `REFERENCE`.
    """
    original = contributions(model, picture, method="taylor", class_scores=question.class_scores)
    shares = tuple(question.sparsities)
    if question.of == "contributing":
        silent = float(silent_count(original.layers)) / original.neurons
        shares = tuple(silent + s * (1 - silent) if s else 0.0 for s in shares)
    found: dict[str, list[Path]] = {}
    seconds = {}
    for method in methods:
        start = time.perf_counter()
        found[method] = _paths(model, picture, index, method, shares, question)
        seconds[method] = round(time.perf_counter() - start, 3)
    levels = range(len(question.sparsities))
    neurons = found[methods[0]][0].neurons
    size = torch.tensor(neurons, dtype=torch.float64)
    record: dict[str, Any] = {
        "index": index,
        "target": int(original.target),
        "base": float(original.dead_fraction),
        "names": list(original.names),
        "neurons": list(neurons),
        "seconds": seconds,
        "sparsity": {m: [float(p.sparsity) for p in paths] for m, paths in found.items()},
        "dead": {m: [_share(p, original.dead) for p in paths] for m, paths in found.items()},
        "kept": {m: [_round(p.kept[:, 0].cpu() / size) for p in paths] for m, paths in found.items()},
        "overlap": {
            f"{a}|{b}": [float(found[a][k].jaccard(found[b][k])) for k in levels]
            for a, b in combinations(methods, 2)
        },
        "layers": {},
    }
    if REFERENCE in found:
        record["layers"] = {
            m: [_layers(found[m][k], found[REFERENCE][k]) for k in levels] for m in methods if m != REFERENCE
        }
    return record


def study(
    model: nn.Module,
    pictures: Pictures,
    jobs: Sequence[Job],
    question: Question,
    folder: Folder,
    say: Say = print,
    spread: Spread | None = None,
    progress: Tick | None = None,
) -> list[Mapping[str, Any]]:
    """Cells of all pictures, each computed once and kept in `folder`.

    Args:
        model: classifier in eval mode.
        pictures: see `Pictures`.
        jobs: (picture number, methods) in the order of computation.
        question: what is asked.
        folder: where the cells wait; made if need be. Whoever wrote the run drops them.
        say: told about damaged cells, which are computed again.
        spread: computes cells elsewhere; None computes them here, in the order of `jobs`.
        progress: called with (cells that are there, cells in all), first before any is computed.

    Raises:
        StoreError: the folder cannot be written.
    """
    check_progress(progress)
    kept = Cells(folder, question.key(), say)
    cells = {cell_name(*job): kept.get(cell_name(*job)) for job in jobs}
    missing = [job for job in jobs if cells[cell_name(*job)] is None]
    here = ((job, cell(model, pictures(job[0]), *job, question)) for job in missing)
    there = len(jobs) - len(missing)
    if progress is not None:
        progress(there, len(jobs))
    for done, (job, found) in enumerate(here if spread is None else spread(missing), there + 1):
        kept.put(cell_name(*job), found)
        cells[cell_name(*job)] = found
        if progress is not None:
            progress(done, len(jobs))
    return [found for found in cells.values() if found is not None]


def cell_name(index: int, methods: Sequence[str]) -> str:
    """Of the cell of picture `index` with these methods."""
    return f"{index:06d}-{'+'.join(methods)}"


def _paths(
    model: nn.Module, picture: Tensor, index: int, method: str, levels: tuple[float, ...], question: Question
) -> list[Path]:
    # Random paths differ from picture to picture by themselves; random starts are the same for all.
    seed = question.seed if method == "random" else question.seed + index
    scores = question.class_scores
    search = Search(model, picture, None, levels, seed, question.iterations, class_scores=scores)
    return METHODS[method].paths(search)


def _share(path: Path, dead: Sequence[Tensor]) -> float | None:
    """Dead share, or None for a path that keeps nothing."""
    return float(path.dead_share(dead)) if int(path.kept.sum()) else None


def _layers(path: Path, reference: Path) -> list[float | None]:
    """Jaccard per layer; None where both keep nothing, which says nothing about agreement."""
    either = (path | reference).kept[:, 0].tolist()
    values = _round(path.jaccard(reference, per_layer=True)[:, 0])
    return [value if count else None for value, count in zip(values, either, strict=True)]


def _round(values: Tensor) -> list[float]:
    return [round(value, 7) for value in values.tolist()]
