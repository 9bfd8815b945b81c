"""Paths of one input, each named by a `PathKey`, what they are measured against, and how they compare."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.attention import tokens_of
from pruneattr_core.attribution.collapse import collapse
from pruneattr_core.brief import brief
from pruneattr_core.critical_path import Path
from pruneattr_core.likeness import jaccard
from pruneattr_core.paths.table import METHODS, Found, Search
from pruneattr_core.pruning import pruned_gradient, pruned_logits
from pruneattr_core.results.keys import Subject, held_once
from pruneattr_core.scoring import contributions
from pruneattr_core.values import Contributions, Mode

Array = NDArray[Any]
#: A pass longer than this is not repeated to be timed, in seconds; the first of a server takes up to three.
_SLOW = 4.0
#: The papers' sparsities, which one computation of a method without a ranking serves.
LEVELS = (0.8, 0.9, 0.99)


@dataclass(frozen=True, eq=False)
class Ground:
    """What every path of an input is measured against.

    Attributes:
        scores: Taylor contributions with the dead neurons and the answer, on the CPU.
        seconds: computing time of that forward and backward pass.
        tokens: what the network's tokens without a place are, in their order; () where it does not say.
    """

    scores: Contributions
    seconds: float
    tokens: tuple[str, ...] = ()

    @property
    def neurons(self) -> int:
        """Number of neurons N."""
        return sum(layer[0].numel() for layer in self.scores.layers)

    @property
    def base(self) -> float:
        """Share of all neurons that are dead: what a random path holds."""
        return float(self.scores.dead_fraction[0])

    @property
    def nbytes(self) -> int:
        """Bytes of scores and dead masks."""
        return sum(
            layer.nbytes + dead.nbytes
            for layer, dead in zip(self.scores.layers, self.scores.dead, strict=True)
        )


@dataclass(frozen=True)
class Comparison:
    """M paths of one input side by side, over the network's activation calls.

    Attributes:
        overlap: (M, M) Jaccard.
        by_layer: (M, M, calls) Jaccard per call.
        dead: (M,) share of each path's neurons that were dead.
        kept: (M, calls) neurons kept.
        neurons: (calls,).
        alive: (calls,) neurons that are not dead.
        sparsity: (M,) really reached.
    """

    overlap: Array
    by_layer: Array
    dead: Array
    kept: Array
    neurons: Array
    alive: Array
    sparsity: Array

    @property
    def nbytes(self) -> int:
        """Bytes of the largest array."""
        return int(self.by_layer.nbytes)


@dataclass(frozen=True)
class Sets:
    """Two paths cut into both, only A and only B.

    Attributes:
        counts: (3,) neurons.
        by_layer: (3, calls) neurons.
        maps: (3, H, W) input gradient of the network pruned to each set, signed value of largest
            magnitude over channels.
        logit: (3,) target logit of the zero-mode network on each set.
        original: target logit of the original network.
    """

    counts: Array
    by_layer: Array
    maps: Array
    logit: Array
    original: float

    @property
    def nbytes(self) -> int:
        """Bytes of the maps."""
        return int(self.maps.nbytes)


def ground_of(
    model: nn.Module, inputs: Tensor, target: int | None, held: Contributions | None = None
) -> Ground:
    """Score one input (1, C, H, W) by Taylor; raises as `contributions`.

    Args:
        model: network in eval mode.
        inputs: on its device.
        target: class index; None for the predicted class.
        held: scores that are kept, most likely these.
    """
    # Computing time: what else is going on must not decide what a page begins by itself.
    clock = time.thread_time if inputs.device.type == "cpu" else time.perf_counter
    for _ in range(2):  # the first pass of a network is slow and would spoil predictions
        start = clock()
        scores = contributions(model, inputs, target, "taylor")
        seconds = clock() - start
        if seconds > _SLOW:
            break
    return Ground(held_once(on_cpu(scores), held), seconds, tokens_of(model))


@dataclass(frozen=True, eq=False)
class Bits:
    """A path at an eighth of its size.

    Attributes:
        names: of its calls.
        shapes: of its masks.
        layers: uint8, eight neurons each.
        meta: see `Path.meta`.
    """

    names: tuple[str, ...]
    shapes: tuple[torch.Size, ...]
    layers: tuple[NDArray[np.uint8], ...]
    meta: Mapping[str, Any]

    __repr__ = brief

    @classmethod
    def of(cls, path: Path) -> Bits:
        """Those of a path."""
        bits = tuple(np.packbits(layer.cpu().numpy()) for layer in path.layers)
        return cls(path.names, tuple(layer.shape for layer in path.layers), bits, path.meta)

    @property
    def path(self) -> Path:
        """The path, on the CPU."""
        return Path(
            self.names,
            tuple(
                torch.from_numpy(np.unpackbits(bits, count=shape.numel()).view(np.bool_)).view(shape)
                for bits, shape in zip(self.layers, self.shapes, strict=True)
            ),
            self.meta,
        )

    @property
    def nbytes(self) -> int:
        """Bytes of the bits."""
        return sum(layer.nbytes for layer in self.layers)


@dataclass(frozen=True, eq=False)
class Timed:
    """What one method found for one input, on the CPU.

    Attributes:
        found: the ranking, where it has one.
        seconds: time it took, without waiting.
        fixed: sparsity -> path of a method without a ranking.
    """

    found: Found
    seconds: float
    fixed: Mapping[float, Bits] = field(default_factory=dict)

    @property
    def note(self) -> str:
        """What happened, a few words."""
        return self.found.note

    def path(self, sparsity: float) -> Path:
        """The path of this sparsity."""
        return self.fixed[sparsity].path if self.fixed else self.found.path(sparsity)

    @property
    def nbytes(self) -> int:
        """Bytes of scores and masks."""
        return self.found.nbytes + sum(one.nbytes for one in self.fixed.values())


@dataclass(frozen=True)
class PathKey:
    """Names what one method finds for one input; made by `path_key`, so that equal results have equal names.

    Attributes:
        subject: network, picture and class.
        method: key of the table.
        levels: sparsities that are found in one computation; None of a method that ranks, which serves all.
        seed: None of a method without chance.
    """

    subject: Subject
    method: str
    levels: tuple[float, ...] | None
    seed: int | None


@dataclass(frozen=True)
class ComparisonKey:
    """Names paths side by side.

    Attributes:
        subject: network, picture and class.
        sparsity: asked for.
        seed: of methods with chance.
        methods: keys of the table, and of a path from a file.
        own: mark of that path, None without one.
    """

    subject: Subject
    sparsity: float
    seed: int
    methods: tuple[str, ...]
    own: int | None


@dataclass(frozen=True)
class SetsKey:
    """Names two paths of a comparison cut into both, only `a` and only `b`, with the mode of the maps."""

    beside: ComparisonKey
    a: str
    b: str
    mode: str


def path_key(subject: Subject, method: str, sparsity: float, seed: int) -> PathKey:
    """The name of a result that has a path of this sparsity: no more than what it depends on."""
    entry = METHODS[method]
    asked = None if entry.ranks else LEVELS if sparsity in LEVELS else (sparsity,)
    return PathKey(subject, method, asked, seed if entry.random else None)


def found(
    model: nn.Module,
    inputs: Tensor,
    target: int,
    key: PathKey,
    tell: Callable[[int, int], None],
    held: Contributions | None = None,
) -> Timed:
    """What `key` names, on the CPU.

    Args:
        model: network in eval mode.
        inputs: (1, C, H, W) on its device.
        target: class index.
        key: from `path_key`.
        tell: told (parts done, parts); may raise to stop.
        held: scores of the same input that are kept, with the same dead neurons.

    Raises:
        PruneAttrError: as the method.
    """
    if key.method == "taylor":
        ground = ground_of(model, inputs, target, held)
        return Timed(Found(ground.scores), ground.seconds)
    start = time.perf_counter()
    one = METHODS[key.method].find(
        Search(model, inputs, target, key.levels or LEVELS, key.seed or 0, progress=tell)
    )
    ranked = one.ranked
    if isinstance(ranked, Contributions):
        ranked = held_once(on_cpu(ranked), held)
    elif ranked is not None:
        ranked = replace(ranked, layers=tuple(layer.cpu() for layer in ranked.layers))
    fixed = {sparsity: Bits.of(path) for sparsity, path in one.fixed.items()}
    return Timed(Found(ranked, note=one.note), time.perf_counter() - start, fixed)


def predicted_seconds(ground: Ground, key: PathKey, sparsity: float) -> float:
    """Seconds that `found` will take here, from the time of the pass that scored the input."""
    share = max(key.levels or (sparsity,))
    return ground.seconds * METHODS[key.method].cost(len(ground.scores.layers), share)


def on_cpu(scores: Contributions) -> Contributions:
    """The same values on the CPU, in the order of memory that they have."""

    def here(values: Tensor) -> Tensor:
        return values.detach().cpu()

    return replace(
        scores,
        layers=tuple(map(here, scores.layers)),
        dead=tuple(map(here, scores.dead)),
        target=here(scores.target),
        logits=here(scores.logits),
        asked=None if scores.asked is None else scores.asked.cpu(),
        agreement=None if scores.agreement is None else here(scores.agreement),
    )


def compare(paths: Sequence[Path], dead: Sequence[Tensor]) -> Comparison:
    """Overlaps, dead shares and where the paths live.

    Args:
        paths: of one input each, over the same calls.
        dead: bool (1, *shape) per call.
    """
    count, calls = len(paths), len(dead)
    by_layer, both = np.ones((count, count, calls)), np.zeros((count, count))
    kept = [path.kept[:, 0] for path in paths]
    for i in range(count):
        for j in range(i, count):
            shared = (paths[i] & paths[j]).kept[:, 0]
            either = kept[i] + kept[j] - shared
            by_layer[i, j] = by_layer[j, i] = jaccard(shared, either).numpy()
            both[i, j] = both[j, i] = float(jaccard(shared.sum(), either.sum()))
    neurons = np.array(paths[0].neurons)
    return Comparison(
        overlap=both,
        by_layer=by_layer,
        dead=np.array([float(path.dead_share(dead)[0]) for path in paths]),
        kept=torch.stack(kept).numpy(),
        neurons=neurons,
        alive=neurons - np.array([int(layer.sum()) for layer in dead]),
        sparsity=np.array([float(path.sparsity[0]) for path in paths]),
    )


def cut(model: nn.Module, inputs: Tensor, target: int, a: Path, b: Path, mode: Mode) -> Sets:
    """Maps and answers of the neurons kept by both paths, only by `a` and only by `b`.

    Args:
        model: network in eval mode.
        inputs: (1, C, H, W) on its device.
        target: class index.
        a: path of this input.
        b: another one.
        mode: "zero" or "freeze", of the maps.
    """
    label = torch.tensor([target], device=inputs.device)
    counts, layers, maps, logits = [], [], [], []
    for part in (a & b, a - b, b - a):
        masks = part.to(inputs.device).layers
        gradient, _ = pruned_gradient(model, inputs, label, masks, mode)
        counts.append(int(part.kept.sum()))
        layers.append(part.kept[:, 0].tolist())
        maps.append(collapse(gradient, "signed_max")[0].cpu().numpy())
        logits.append(float(pruned_logits(model, inputs, masks)[0, target]))
    with torch.inference_mode():
        original = float(model(inputs)[0, target])
    return Sets(np.array(counts), np.array(layers), np.stack(maps), np.array(logits), original)
