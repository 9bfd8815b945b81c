"""Circuits: what a critical path carries when the neurons outside it are replaced, not only silenced.

The papers set pruned neurons to 0. The rows of this benchmark are a score crossed with a replacement, so that
it can be read what the choice of the replacement decides, and what a score made for it gives back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from pruneattr_core.benchmarks.plan import Plan
from pruneattr_core.benchmarks.protocols.kind import PREDICTED, Benchmark, Cell, Choices, without
from pruneattr_core.benchmarks.sources import Opened, chosen
from pruneattr_core.circuits.curve import SIZES, CircuitCurve, circuit_curve
from pruneattr_core.circuits.replacement import activations_of, mean_of, zero
from pruneattr_core.circuits.scores import patching
from pruneattr_core.errors import InputError
from pruneattr_core.importing import one_at_a_time
from pruneattr_core.pruning import Replacement
from pruneattr_core.scoring import contributions

#: Shares of all neurons kept, by the name of the choice.
GRIDS = {"twelve": SIZES, "five": (0.01, 0.05, 0.1, 0.2, 0.5)}
#: Midpoints of the integrated score against a replacement.
STEPS = 16
#: What ranks the rows "intgrad": 32 midpoints, as in the runs that are shipped.
INTEGRAL = "intgrad_midpoint"
REPLACEMENTS = {
    "zero": "0",
    "mean": "mean",
    "channel_mean": "channel mean",
    "resample": "another picture",
    "blurred": "the blurred picture",
}
SCORES = {
    "taylor": "Taylor",
    "intgrad": "Integrated",
    "patching": "Patching",
    "integrated_patching": "Integrated patching",
}
#: "score-replacement" -> label. Scores against the replacement are those of the papers where that is 0.
ROWS = {
    f"{score}-{name}": f"{title}, rest becomes {words}"
    for name, words in REPLACEMENTS.items()
    for score, title in SCORES.items()
    if not (name == "zero" and "patching" in score)
}
MEASURES = (
    "faithfulness",
    "rest_faithfulness",
    "random_faithfulness",
    "path_kept",
    "rest_kept",
    "random_kept",
    "runner_up_kept",
    "neighbour_kept",
)


def _layout(opened: Opened, protocol: Choices) -> tuple[tuple[str, ...], tuple[float, ...]]:
    reference = protocol["reference"]
    if isinstance(reference, bool) or not isinstance(reference, int) or reference < 1:
        raise InputError(f"Expected reference pictures >= 1, got {reference!r}.")
    return MEASURES, GRIDS[protocol.get("sizes", "twelve")]


def _reference(plan: Plan, opened: Opened) -> list[int]:
    """Pictures that are not explained, as many as the protocol says (fewer where there are no more)."""
    own, wanted = set(plan.data["indices"]), plan.protocol["reference"]
    order = chosen(opened.data, len(own) + wanted, plan.data["seed"] + 1)
    others = [index for index in order if index not in own][:wanted]
    if not others:
        raise InputError("Every picture is explained, none is left to replace activations from: lower --n.")
    return others


@lru_cache(maxsize=2)
def _mean(opened: Opened, reference: tuple[int, ...], unit: str) -> Replacement:
    batches = (opened.inputs([index]) for index in reference)
    return mean_of(opened.model, batches, "channel" if unit == "channel_mean" else "neuron")


def _replacement(name: str, opened: Opened, plan: Plan, inputs: Tensor, start: int) -> Replacement:
    reference = _reference(plan, opened)

    def others() -> Tensor:
        return opened.inputs([reference[(start + k) % len(reference)] for k in range(len(inputs))])

    def blurred() -> Tensor:
        with one_at_a_time:
            from torchvision.transforms.functional import gaussian_blur

        side = min(inputs.shape[-2:]) // 4 * 2 + 1
        return gaussian_blur(inputs, [side, side], [side / 4, side / 4])

    made: dict[str, Callable[[], Replacement]] = {
        "zero": lambda: zero(opened.model, inputs),
        "mean": lambda: _mean(opened, tuple(reference), name),
        "channel_mean": lambda: _mean(opened, tuple(reference), name),
        "resample": lambda: activations_of(opened.model, others()),
        "blurred": lambda: activations_of(opened.model, blurred(), "blurred"),
    }
    return made[name]()


@lru_cache(maxsize=6)
def _against_zero(
    opened: Opened, score: str, indices: tuple[int, ...], target: tuple[int, ...]
) -> tuple[Tensor, ...]:
    """Scores that no replacement changes: the rows of a part share them."""
    by = INTEGRAL if score == "intgrad" else score
    return contributions(opened.model, opened.inputs(list(indices)), list(target), by).layers


def _scores(
    score: str, opened: Opened, indices: list[int], target: Tensor, replacement: Replacement
) -> Sequence[Tensor]:
    if score in ("taylor", "intgrad"):
        return _against_zero(opened, score, tuple(indices), tuple(target.tolist()))
    steps = STEPS if score == "integrated_patching" else 1
    found = patching(opened.model, opened.inputs(indices), target, replacement, steps)
    return [layer.abs() for layer in found]


def _cell(opened: Opened, plan: Plan, method: int, part: slice) -> Cell:
    score, _, name = plan.methods[method]["id"].partition("-")
    own = plan.data["indices"][part]
    following = [plan.data["indices"][(k + 1) % plan.n] for k in range(part.start, part.stop)]
    inputs = opened.inputs(own)
    with torch.no_grad():
        order = opened.model(inputs).argsort(1, descending=True)
        theirs = opened.model(opened.inputs(following)).argmax(1)
    answer, runner_up = order[:, 0], order[:, min(1, order.shape[1] - 1)]
    replacement = _replacement(name, opened, plan, inputs, part.start)
    curve = circuit_curve(
        opened.model,
        inputs,
        answer,
        _scores(score, opened, own, answer, replacement),
        replacement,
        sizes=[float(size) for size in plan.x],
        others={
            "runner_up": _scores(score, opened, own, runner_up, replacement),
            "neighbour": _scores(score, opened, following, theirs, replacement),
        },
        seed=plan.data["seed"],
    )
    return np.stack([_measured(curve, measure) for measure in plan.measures])


def _measured(curve: CircuitCurve, measure: str) -> Cell:
    if measure == "faithfulness":
        return curve.faithfulness()
    kind, _, what = measure.rpartition("_")
    return curve.faithfulness(kind) if what == "faithfulness" else curve.kept[kind].astype(np.float64)


CIRCUITS = Benchmark(
    title="Circuits",
    source="SCP section 2; resample and mean ablation: Chan et al. 2022, Conmy et al. 2023",
    x_title="Share of all neurons kept",
    better="higher",
    numbers=True,
    choices={"reference": 64, "sizes": "twelve"},
    allowed={"sizes": tuple(GRIDS)},
    settle=lambda choices, seed: without(choices, sizes="twelve"),
    fixed={
        "target": PREDICTED,
        "response": "logit of the target",
        "ties": "exact: equal scores leave in order",
        "ranking": "all layers in one list",
        "controls": "the rest of the network, a random path, the runner-up's path, the next picture's path",
        "blurred": "Gaussian, standard deviation an eighth of the side",
        "steps": f"{STEPS} midpoints from the replacement to the activation (integrated patching)",
    },
    layout=_layout,
    cell=_cell,
    rows=ROWS,
)
