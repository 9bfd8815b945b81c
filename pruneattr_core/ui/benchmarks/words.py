"""What the measures are called on the page, and which way a good map's values go."""

from __future__ import annotations

from typing import Any

from pruneattr_core.benchmarks.protocols.foreign import METRICS
from pruneattr_core.benchmarks.run import Run

#: Measure -> its name, and after a colon what it is.
MEASURES = {
    "output_change": "Output change: mean |f' - f| / |f| of the response, in older runs of its probability",
    "probability_change": "Change of the probability: mean |p' - p| / p of the predicted class",
    "kept_prediction": "Predictions kept: share of pictures that keep their class",
    "spearman": "Spearman: rank correlation with the map of the trained network",
    "spearman_abs": "|Spearman|: rank correlation of magnitudes",
    "ssim": "SSIM: structural similarity with the map of the trained network",
    "roar": "ROAR: test accuracy, most relevant pixels removed before training",
    "kar": "KAR: test accuracy, least relevant pixels removed before training",
    "lerf": "LeRF: mean |p0 - p| / p0, least relevant pixels removed first",
    "morf": "MoRF: mean |p0 - p| / p0, most relevant pixels removed first",
    "lerf_minus_morf": "LeRF - MoRF: (p with the least relevant gone - p with the most relevant gone) / p0",
    "roc_auc": "ROC-AUC: chance that a pixel inside the object's mask ranks above one outside",
    "point_accuracy": "Point accuracy: share of maps with their maximum inside the mask",
    "mass_inside": "Mass inside: share of the positive values that lies inside the mask",
    "faithfulness": "Faithfulness: (F(path) - F(nothing)) / (F(network) - F(nothing)) of the response",
    "rest_faithfulness": "Faithfulness of the rest: of the network without the path",
    "random_faithfulness": "Faithfulness of a random path of the same size",
    "path_kept": "Answer kept by the path: share of pictures",
    "rest_kept": "Answer kept by the rest: share of pictures",
    "random_kept": "Answer kept by a random path: share of pictures",
    "runner_up_kept": "Answer kept by the runner-up's path: share of pictures",
    "neighbour_kept": "Answer kept by the next picture's path: share of pictures",
    "grid_share": "Grid pointing game 2x2: share of the positive values in the right cell",
    "answer_kept": "Answer kept: share of pictures, pruned for their answer",
    "runner_up_becomes": "Runner-up answered: share of pictures, pruned for that",
    "rank_50_becomes": "Class 50 in order answered: share of pictures, pruned for that",
    "gini": "Sparseness: Gini index of the magnitudes, 0 even, 1 all in one pixel",
    "entropy": "Entropy of the shares of magnitude, in nats",
    "infidelity": "Infidelity: how badly noise times the map foretells the response",
    "max_sensitivity": "Max-sensitivity: largest relative change of the map for neighbours of the picture",
    "sensitivity_n": "Sensitivity-n: correlation of a set's attributions with what its removal costs",
    "rank_accuracy": "Rank accuracy: of the K highest pixels the share inside a mask of K",
    "parts_rank": "Parts: rank correlation with the exact importance of every shape",
    "fid_plus": "Fid+: probability lost without what the map marks, of a copy that learned to bear holes",
    "fid_minus": "Fid-: probability lost without the rest, of a copy that learned to bear holes",
    "f_fidelity": "F-Fidelity: Fid+ less Fid-",
    **{
        name: f"{name.replace('_', ' ').capitalize()}: Quantus' {metric.name}"
        for name, metric in METRICS.items()
    },
}
#: What a map that knows nothing gets.
CHANCE = {"roc_auc": 0.5, "grid_share": 0.25}
_HIGHER = (
    "morf",
    "lerf_minus_morf",
    "kar",
    "roc_auc",
    "point_accuracy",
    "mass_inside",
    "grid_share",
    "faithfulness",
    "path_kept",
    "sensitivity_n",
    "rank_accuracy",
    "parts_rank",
    "fid_plus",
    "f_fidelity",
)
_JUDGES_NOBODY = (
    "output_change",
    "probability_change",
    "kept_prediction",
    "random_faithfulness",
    "random_kept",
    "runner_up_kept",
    "neighbour_kept",
    "answer_kept",
    "runner_up_becomes",
    "rank_50_becomes",
    "gini",
    "entropy",
)
#: What is drawn beside a measure: of these no direction is good.
_NOBODY = {
    **dict.fromkeys(("gini", "entropy"), "How much a map gathers; a map can gather at the wrong place."),
    **dict.fromkeys(
        ("random_faithfulness", "random_kept", "runner_up_kept", "neighbour_kept"),
        "A control: what the path keeps counts as far as it lies above this.",
    ),
}
_MEANING = {
    "roar": "a network retrained without the pixels that the map finds most relevant should do badly",
    "kar": "a network retrained on the pixels that the map finds most relevant should still do well",
    "lerf": "the least relevant pixels go first, and the answer should stay",
    "morf": "the most relevant pixels go first, and the answer should move at once",
    "faithfulness": "the path alone should answer as the whole network, whatever the other neurons become",
    "path_kept": "the path alone should answer as the whole network, whatever the other neurons become",
    "rest_faithfulness": "without the path the response should fall to that of no neurons at all",
    "rest_kept": "without the path the network should answer something else",
    "lerf_minus_morf": "the answer should stay while the least relevant pixels go, and fall with the others",
    "infidelity": "noise where the map is large should move the response, and noise elsewhere should not; a "
    "map with all signs turned round has the same",
    "max_sensitivity": "pictures that look alike should get maps that look alike, though a map that never "
    "asks the network is the most stable",
    "sensitivity_n": "what a map says of a set of pixels should be what the response loses without it",
    "parts_rank": "the shape without which the response falls most should hold the largest values",
    "fid_minus": "without the rest a copy that bears holes should lose nothing; below 0 it is surer with "
    "holes than without, which is no merit of a map: the random map may then be the lowest",
    "f_fidelity": "without what the map marks a copy that bears holes should lose more than without the rest",
    "logits": "the map of another class should be another map, and controls that ask no class stay the same",
    "sanity": "a map that stays while the weights are lost did not need them, as the edge detector and the "
    "random map, which never ask the network",
}


def short(measure: str) -> str:
    """The measure's name without its formula."""
    return MEASURES.get(measure, measure).split(":")[0]


def better(measure: str) -> str:
    """Which way a good map's values go, "lower" or "higher"; "" where maps are not judged by it."""
    if measure in _JUDGES_NOBODY:
        return ""
    if measure in METRICS:
        return METRICS[measure].better
    return "higher" if measure in _HIGHER else "lower"


def axis(measure: str) -> str:
    """The measure with its formula and direction."""
    way = better(measure)
    return MEASURES.get(measure, measure) + (f" ({way} is better)" if way else "")


def heading(column: str) -> str:
    """A column of `summary`: the measure's name in place of its key."""
    key, _, rest = column.partition(" ")
    return f"{short(key)} {rest}".strip() if key in MEASURES else column


def meaning(run: Run, measure: str) -> str:
    """One sentence about the curves: which way is better, and why."""
    if run.plan.benchmark == "calibrate":
        if measure != "output_change":
            return "Beside the output change, from which the sparsity of a model is read."
        return (
            "The dashed line is the papers' 15 %: the sparsity there is used for every picture of the model. "
            "Published: 70 % for ResNet-50 (PG2, SCP), 90 % for VGG-16 (SCP)."
        )
    why = _MEANING.get(measure, _MEANING.get(run.plan.benchmark, ""))
    if not better(measure):
        return _NOBODY.get(measure, "No method is judged by it.")
    return f"{better(measure).capitalize()} is better{': ' if why else ''}{why}."


def where(x: Any) -> str:
    """A point of the horizontal axis in words."""
    return f"at {x:g}" if isinstance(x, (int, float)) else f"down to {x}"
