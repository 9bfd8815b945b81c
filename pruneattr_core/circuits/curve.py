"""How much of an answer a path carries, against its size.

With F the response of the network in which everything outside a set of neurons is replaced, x the whole
network and 0 the empty set:

    faithfulness(k) = (F(path) - F(0)) / (F(x) - F(0)),   completeness(k) = the same of the rest

    minimality(k) = |faithfulness(k) - faithfulness(k - 1)|, what those that came last are worth

The areas are those of the MIB benchmark (Mueller et al. 2025, arXiv:2504.13151): CPR under the faithfulness
curve (higher is better), CMD between it and 1 (lower is better). Minimality is that of Wang et al. 2022
(arXiv:2211.00593) with the weakest part of the path for a node: a path that does without it is larger than it
need be. A random path of the same size, the path of
another class and that of another picture are the controls without which a curve says little.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.brief import brief
from pruneattr_core.checks import Classes, check_inputs, check_target
from pruneattr_core.circuits.replacement import replaced_logits
from pruneattr_core.errors import ArgumentTypeError, InputError
from pruneattr_core.given import check_progress, check_whole, several
from pruneattr_core.graph import forward_chunks
from pruneattr_core.heads import Head, answered, answering, head_of
from pruneattr_core.pruning import Replacement, check_replacement
from pruneattr_core.response import Asked, resolved
from pruneattr_core.runtime import Tick, own_modes
from pruneattr_core.same import same
from pruneattr_core.selection import as_real, masks_at

Array = NDArray[np.float64]

#: Shares of all neurons kept, dense where little is kept.
SIZES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
#: Responses that differ by less, relative to them, are the same: float32 does not say more.
ROUNDING = 1e-6
#: What is drawn beside the path itself.
KINDS = ("path", "rest", "random")
#: Names the whole and the empty network among them.
_ENDS = "ends"


@dataclass(frozen=True, eq=False)
class CircuitCurve:
    """A path's answers at K sizes, for B inputs, under one replacement.

    Attributes:
        replacement: its name.
        sizes: (K,) share of all neurons kept, as asked for.
        full: (B,) response of the whole network.
        empty: (B,) response when every neuron is replaced.
        response: kind -> (K, B) response; "path", "rest" (all but the path), "random" (as many at random),
            and whatever further scores were given.
        answers: kind -> (K, B) int64, the class answered; where each is answered by itself, the target or
            `NOT_IT`; the target where values are answered.
        kept: kind -> (K, B) bool, whether that is the answer of the whole network.
    """

    replacement: str
    sizes: tuple[float, ...]
    full: Array
    empty: Array
    response: Mapping[str, Array]
    answers: Mapping[str, NDArray[np.int64]]
    kept: Mapping[str, NDArray[np.bool_]]

    __repr__ = brief
    __eq__ = same

    def faithfulness(self, kind: str = "path") -> Array:
        """(K, B): 1 as the whole network, 0 as the empty one; NaN where those two agree but for rounding."""
        span = self.full - self.empty
        agree = np.abs(span) <= ROUNDING * np.maximum(np.abs(self.full), np.abs(self.empty))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(agree, np.nan, (self.response[kind] - self.empty) / span)

    def cpr(self, kind: str = "path") -> Array:
        """(B,) area under faithfulness over the share kept, see `cpr`; of the rest that without the path."""
        return cpr(self.sizes, self.faithfulness(kind), float(kind == "rest"))

    def cmd(self, kind: str = "path") -> Array:
        """(B,) area between faithfulness and 1, see `cmd`."""
        return cmd(self.sizes, self.faithfulness(kind))

    def minimality(self, kind: str = "path") -> Array:
        """(K, B) >= 0: how faithfulness changes with the neurons that a size has and the one before lacks.

        At the first size those are all; 0 means that the path does without them.
        """
        found = self.faithfulness(kind)
        return np.asarray(np.abs(np.diff(found, axis=0, prepend=np.where(np.isnan(found[:1]), np.nan, 0.0))))

    def smallest(self, kind: str = "path") -> Array:
        """(B,) smallest size that keeps the answer, as all larger ones do; NaN where the largest does not."""
        stays = np.logical_and.accumulate(self.kept[kind][::-1], axis=0)[::-1]  # False, then True
        first = len(self.sizes) - stays.sum(0)
        return np.asarray(np.array([*self.sizes, np.nan])[first])


def cpr(sizes: Sequence[float], faithfulness: Array, at_nothing: float = 0.0) -> Array:
    """(B,) area under faithfulness (K, B) over 0 to the largest of `sizes`, divided by that.

    At size 0 it is `at_nothing`: 0 of a path, 1 of the rest, which is the whole network there.
    """
    return _area(sizes, faithfulness, at_nothing)


def cmd(sizes: Sequence[float], faithfulness: Array) -> Array:
    """(B,) area between faithfulness (K, B) and 1 over 0 to the largest of `sizes`, divided by that."""
    return _area(sizes, np.abs(1 - faithfulness), 1.0)


def _area(sizes: Sequence[float], values: Array, at_nothing: float) -> Array:
    x = np.concatenate([[0.0], sizes])
    y = np.concatenate([np.full((1, values.shape[1]), at_nothing), values])
    return np.asarray(np.trapezoid(y, x, axis=0) / x[-1])


@own_modes()
def circuit_curve(
    model: nn.Module,
    inputs: Tensor,
    target: Classes,
    scores: Sequence[Tensor],
    replacement: Replacement,
    sizes: Sequence[float] = SIZES,
    others: Mapping[str, Sequence[Tensor]] | None = None,
    seed: int = 0,
    progress: Tick | None = None,
) -> CircuitCurve:
    """Answers of the paths that scores choose; forward passes only, one batch for all sizes and kinds.

    Args:
        model: network in eval mode; left untouched.
        inputs: (B, C, H, W).
        target: the class whose logit is the response, as `patching` takes it.
        scores: >= 0, (B, *shape) per activation call: the highest stay, ranked over the network.
        replacement: what the others become.
        sizes: increasing shares of all neurons kept, in (0, 1].
        others: name -> further scores, such as those of another class or picture; none of `KINDS`.
        seed: of the random path; the same for every input, so that a batch equals its single images.
        progress: called with (images done, B); may raise to stop.

    Raises:
        InputError: sizes that do not increase within (0, 1], scores or a replacement of other calls or of
            another batch, or a name that is taken.
        TargetError: a target out of range.

    Example:
        >>> from pruneattr_core.circuits.curve import circuit_curve
        >>> from pruneattr_core.circuits.replacement import mean_of
        >>> model, inputs = pruneattr_core.load_model("resnet8-cifar10"), torch.rand(2, 3, 32, 32)
        >>> scores = pruneattr_core.contributions(model, inputs)
        >>> mean = mean_of(model, [torch.rand(4, 3, 32, 32)])
        >>> found = circuit_curve(model, inputs, scores.target, scores.layers, mean, sizes=[0.1, 1])
        >>> found.kept["path"][-1].tolist()  # with every neuron every answer is kept
        [True, True]
    """
    check_progress(progress)
    inputs = check_inputs(model, inputs)
    chosen = check_target(target, len(inputs))
    check_replacement(replacement, len(inputs))
    check_whole("seed", seed, 0)
    grid = _grid(sizes)
    ranked = _ranked(scores, others or {}, len(inputs))
    found: list[tuple[dict[str, Tensor], Tensor]] = []
    for image in range(len(inputs)):
        at = slice(image, image + 1)
        own = {name: [layer[at] for layer in layers] for name, layers in ranked.items()}
        found.append(_one(model, inputs[at], own, replacement[at], grid, seed))
        if progress is not None:
            progress(image + 1, len(inputs))
    kinds = found[0][0].keys()
    logits = {kind: torch.stack([one[0][kind] for one in found], 1) for kind in kinds}  # (K, B, classes)
    ends = torch.stack([one[1] for one in found], 1)  # (2, B, classes): whole, empty
    asked, head = resolved(ends[0], chosen), head_of(model, ends[0])
    index, whole = asked.target.view(1, -1, 1), _answered(asked, ends[0], head)
    answers = {
        kind: np.stack([_answered(asked, level, head) for level in values]) for kind, values in logits.items()
    }

    def of(values: Tensor) -> Array:
        picked = values.gather(2, index.expand(len(values), -1, 1)).squeeze(2)
        return np.asarray(picked.double().cpu().numpy())

    full, empty = of(ends)
    return CircuitCurve(
        replacement.name,
        grid,
        full,
        empty,
        {kind: of(values) for kind, values in logits.items()},
        answers,
        {kind: values == whole for kind, values in answers.items()},
    )


def _answered(asked: Asked, logits: Tensor, head: Head) -> NDArray[np.int64]:
    """(B,) of the logits (B, K), see `CircuitCurve.answers`."""
    target, largest, likely = (
        one.cpu().numpy() for one in (asked.target, logits.argmax(1), asked.probability(logits, head))
    )
    return answered(answering(logits, head), target, largest, likely)


def _grid(sizes: Sequence[float]) -> tuple[float, ...]:
    """Sizes as numbers, if they increase."""
    found = [as_real(size) for size in several("sizes", sizes, "[0.1, 0.5]")]
    grid = tuple(math.nan if size is None else size for size in found)
    within = bool(grid) and all(0 < size <= 1 for size in grid)
    if not within or any(a >= b for a, b in pairwise(grid)):
        raise InputError(
            f"Expected increasing sizes within (0, 1], the shares of neurons kept; got {list(sizes)}."
        )
    return grid


def _ranked(
    scores: Sequence[Tensor], others: Mapping[str, Sequence[Tensor]], rows: int
) -> dict[str, Sequence[Tensor]]:
    """All scores by name, if they are those of `rows` inputs and the same calls."""
    if not isinstance(others, Mapping):
        raise ArgumentTypeError(f"Expected further scores as {{name: scores}}, got {type(others).__name__}.")
    taken = [name for name in (*KINDS, _ENDS) if name in others]
    if taken:
        raise InputError(f"Expected other names for further scores: {', '.join(taken)} says what is ours.")
    ranked: dict[str, Sequence[Tensor]] = {"path": scores, **others}
    shapes = [tuple(layer.shape[1:]) for layer in several("layers of scores", scores, "scores.layers")]
    for name, layers in ranked.items():
        found = [tuple(layer.shape) for layer in several("layers of scores", layers, "scores.layers")]
        if found != [(rows, *shape) for shape in shapes]:
            raise InputError(
                f"The scores {name!r} are not those of the {rows} inputs, or of other calls than the path's."
            )
    return ranked


def joined(one: CircuitCurve, other: CircuitCurve) -> CircuitCurve:
    """The curve at the sizes of two: of the same inputs, scores and replacement, of no size in both."""
    sizes = one.sizes + other.sizes
    order = np.argsort(sizes)

    def both(name: str) -> dict[str, NDArray[Any]]:
        left, right = getattr(one, name), getattr(other, name)
        return {kind: np.concatenate([left[kind], right[kind]])[order] for kind in left}

    return CircuitCurve(
        one.replacement,
        tuple(sizes[place] for place in order),
        one.full,
        one.empty,
        both("response"),
        both("answers"),
        both("kept"),
    )


def unchanged(curve: CircuitCurve, name: str) -> CircuitCurve:
    """What a curve is under a replacement that alters nothing, such as every neuron's own value.

    Args:
        curve: of the same inputs and scores; its last size is the whole network.
        name: of that replacement.
    """
    shape = (len(curve.sizes), len(curve.full))
    whole = curve.answers["path"][-1]
    return CircuitCurve(
        name,
        curve.sizes,
        curve.full,
        curve.full,
        {kind: np.broadcast_to(curve.full, shape) for kind in curve.response},
        {kind: np.broadcast_to(whole, shape) for kind in curve.answers},
        {kind: np.ones(shape, bool) for kind in curve.kept},
    )


def _one(
    model: nn.Module,
    image: Tensor,
    ranked: Mapping[str, Sequence[Tensor]],
    replacement: Replacement,
    sizes: Sequence[float],
    seed: int,
) -> tuple[dict[str, Tensor], Tensor]:
    """Logits per kind, (K, classes), and those of the whole and the empty network, (2, classes)."""
    names: list[str] = []

    def sets() -> Iterator[tuple[Tensor, ...]]:
        """Made as passes need them: all of a photograph's would be half a gigabyte on a large network."""
        for name, masks in _kept_sets(ranked, sizes, seed):
            names.append(name)
            yield masks

    count = len(sizes) * (len(ranked) + 2) + 2  # a random path, the rest of the path; the ends
    logits = _answers(model, image, sets(), count, replacement)
    rows = {name: [k for k, other in enumerate(names) if other == name] for name in dict.fromkeys(names)}
    return {name: logits[at] for name, at in rows.items() if name != _ENDS}, logits[rows[_ENDS]]


def _kept_sets(
    ranked: Mapping[str, Sequence[Tensor]], sizes: Sequence[float], seed: int
) -> Iterator[tuple[str, tuple[Tensor, ...]]]:
    """What is kept, by kind: paths of all sizes, "rest" behind each "path", then "ends" twice: all, none."""
    generator = torch.Generator().manual_seed(seed)
    chance = [torch.rand(layer.shape, generator=generator).to(layer.device) for layer in ranked["path"]]
    removed = [1 - size for size in sizes]
    for name, layers in {**ranked, "random": chance}.items():
        # Ties leave in order, so that a path has just the size asked for.
        for masks in masks_at(layers, removed, "exact"):
            yield name, masks
            if name == "path":
                yield "rest", tuple(~mask for mask in masks)
    whole = tuple(torch.ones_like(layer, dtype=torch.bool) for layer in ranked["path"])
    yield _ENDS, whole
    yield _ENDS, tuple(~mask for mask in whole)


def _answers(
    model: nn.Module,
    image: Tensor,
    sets: Iterator[tuple[Tensor, ...]],
    count: int,
    replacement: Replacement,
) -> Tensor:
    """(count, classes): one row per set of neurons kept, as memory-bounded batches."""
    parts = []
    for part in forward_chunks(count, image):
        taken = islice(sets, part.stop - part.start)
        masks = [torch.cat(layer) for layer in zip(*taken, strict=True)]
        copies = image.expand(len(masks[0]), *image.shape[1:])
        parts.append(replaced_logits(model, copies, masks, replacement))
    return torch.cat(parts)
