"""GreedyPruning: paths from the pruning objective, one small removal at a time (SCP algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from pruneattr_core.checks import Target, check_inputs
from pruneattr_core.critical_path import Path
from pruneattr_core.errors import InputError
from pruneattr_core.given import check_progress
from pruneattr_core.graph import Graph
from pruneattr_core.one_of import is_one_of
from pruneattr_core.paths.dial import levels
from pruneattr_core.pruning import zero_gate
from pruneattr_core.response import Asked, asked_of
from pruneattr_core.runtime import Tick, own_modes
from pruneattr_core.scoring.taylor import taylor_scores
from pruneattr_core.selection import as_real, share_removed

#: Which neurons count as dead and stay: those of activation 0 (SCP's text), or of score 0 (its algorithm 1 as
#: printed, which also spares living neurons that the answer does not depend on).
Condition = Literal["activation", "score"]
TITLES: dict[Condition, str] = {
    "activation": "GreedyPruning",
    "score": "GreedyPruning (printed rule)",
}
METHODS: dict[Condition, str] = {"activation": "greedy", "score": "greedy_score"}

#: Fraction of all neurons removed per iteration, as in the released code.
STEP = 0.01


@own_modes()
def greedy_paths(
    model: nn.Module,
    inputs: Tensor,
    target: Target = None,
    sparsities: Sequence[float] = (0.9,),
    step: float = STEP,
    progress: Tick | None = None,
    condition: Condition = "activation",
    class_scores: bool = False,
) -> list[Path]:
    """Repeat: score |a_j * df/da_j| on the network pruned so far, remove the lowest that are not dead in it.

    A neuron that the pruning so far has silenced counts as dead and is never removed, so paths drift to
    neurons that do nothing, and a high sparsity may be out of reach: `Path.sparsity` and meta["reached"] tell
    what was reached. Removed neurons stay removed (the released code revives them and keeps 70 to 80 %).

    Args:
        model: classifier in eval mode; left untouched.
        inputs: normalised batch (B, C, H, W); equals its single images.
        target: None for the predicted class; int, list or tensor as in Captum.
        sparsities: fractions of all neurons to remove, in [0, 1]; all come from one run, so they nest.
        step: fraction of all neurons removed per iteration, in (0, 1].
        progress: called with (percent of the way, 100) over all images; may raise to stop.
        condition: who is dead: "activation" is a_j = 0, SCP's text; "score" is s_j = 0, what its algorithm 1
            prints.
        class_scores: whether class scores count as neurons, see `contributions`.

    Returns:
        One path per sparsity; meta holds method, condition, sparsity (requested), step, and per image the
        iterations and the sparsity reached.

    Raises:
        InputError: a sparsity or step out of range, or inputs the model cannot take.
        TargetError: a target out of range.
        ModelError: a network without activations, or in training mode.
    """
    check_progress(progress)
    if not 0 < (as_real(step) or 0) <= 1:
        raise InputError(
            f"Expected step in (0, 1], the fraction of neurons removed per iteration; got {step!r}."
        )
    if not is_one_of(condition, TITLES):
        raise InputError(f'Expected condition "activation" or "score", got {condition!r}.')
    sparsities, _ = levels(model, () if sparsities is None else sparsities, "all")
    if not sparsities:
        raise InputError("Expected at least one sparsity.")
    inputs = check_inputs(model, inputs)
    chosen = asked_of(target, len(inputs))
    images = []
    for image in range(len(inputs)):
        own = chosen[image]
        tick = None
        if progress is not None:
            tick = lambda share, i=image: progress(int(100 * (i + share) / len(inputs)), 100)  # noqa: E731
        one = inputs[image : image + 1]
        images.append(_one(model, one, own, sorted(set(sparsities)), step, condition, tick, class_scores))
    paths = []
    for sparsity in sparsities:
        each = [image[sparsity] for image in images]
        names, iterations = each[0][0], [one[2] for one in each]
        layers = tuple(torch.cat(layer) for layer in zip(*(one[1] for one in each), strict=True))
        meta: dict[str, Any] = {"method": METHODS[condition], "condition": condition}
        meta |= {"sparsity": float(sparsity), "reached": share_removed(layers).tolist()}
        meta |= {"step": step, "iterations": iterations}
        paths.append(Path(names, layers, meta))
    return paths


def _one(
    model: nn.Module,
    image: Tensor,
    target: Asked,
    sparsities: Sequence[float],
    step: float,
    condition: Condition,
    tick: Callable[[float], None] | None,
    class_scores: bool,
) -> dict[float, tuple[tuple[str, ...], list[Tensor], int]]:
    """Sparsity -> (names, masks, iterations) of one image."""
    graph = Graph(model, image, target, to_input=False, class_scores=class_scores)
    masks = [torch.ones_like(a, dtype=torch.bool) for a in graph.record.activations]
    names, target = graph.record.names, graph.asked
    total = sum(mask.numel() for mask in masks)
    found, removed, iterations = {}, 0, 0
    for sparsity in sparsities:
        goal = round(sparsity * total)
        while removed < goal:
            gone = _remove(graph, masks, min(max(1, round(step * total)), goal - removed), condition)
            if not gone:
                break
            removed, iterations = removed + gone, iterations + 1
            gate = zero_gate(masks)
            graph = Graph(model, image, target, gate=gate, to_input=False, class_scores=class_scores)
            if tick is not None:
                tick(removed / max(1, round(sparsities[-1] * total)))
        found[sparsity] = (names, [mask.clone() for mask in masks], iterations)
    return found


def _remove(graph: Graph, masks: Sequence[Tensor], count: int, condition: Condition) -> int:
    """Remove in `masks` up to `count` neurons of the lowest score that are not dead; how many went."""
    every = taylor_scores(graph)
    alive = [one.detach() != 0 for one in (every if condition == "score" else graph.record.activations)]
    scores = torch.cat([s[on] for s, on in zip(every, alive, strict=True)])
    if not len(scores):
        return 0
    count = min(count, len(scores))
    going = torch.zeros_like(scores, dtype=torch.bool)
    going[scores.topk(count, largest=False, sorted=False).indices] = True
    start = 0
    for mask, on in zip(masks, alive, strict=True):
        size = int(on.sum())
        mask[on] = ~going[start : start + size]
        start += size
    return count
