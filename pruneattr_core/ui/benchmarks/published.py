"""The papers' benchmark figures, by our method names; never ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pruneattr_core.assets import published
from pruneattr_core.benchmarks.protocols.kind import RELEASED_COLLAPSE
from pruneattr_core.benchmarks.run import Run

#: Our data set -> the papers' name of the nearest one.
_DATA = {"cifar10": "CIFAR10", "imagenet-samples": "ImageNet"}
#: File of what they printed.
FIGURES = "published_benchmarks"
DATA_SETS = ("CIFAR10", "Birdsnap", "ImageNet")
NAMES = {
    "saliency": "Gradient",
    "guided_backprop": "GBP",
    "gradcam": "GradCAM",
    "input_mct": "InputMCT",
    "input_intgrad": "InputIntGrad",
    "prunegrad": "NeuronMCT",
    "neuron_intgrad": "NeuronIntGrad",
}


def nearest(run: Run) -> str | None:
    """The papers' data set that a run stands beside, if there is one."""
    return _DATA.get(run.plan.data["id"])


@dataclass(frozen=True)
class Lines:
    """Published curves of one measure.

    Attributes:
        source: paper and figure.
        points: of the horizontal axis, numbers or names.
        values: label of ours -> the papers' values; empty where they have no such curve.
    """

    source: str
    points: list[Any]
    values: dict[str, list[float]]


def lines(run: Run, measure: str, labels: Sequence[str]) -> Lines:
    """The papers' curves of a measure, for those of the run's methods that are among the labels."""
    if run.plan.benchmark == "sanity":
        figure = published(FIGURES)["sanity_curves"]
        points, known, part = figure["steps"], figure["data"].get(measure, {}), 1.0
    elif f"{measure}_curves" in published(FIGURES):
        figure = published(FIGURES)[f"{measure}_curves"]
        points = [percent / 100 for percent in figure["percent"]]
        known = figure["data"].get(nearest(run) or "", {})
        part = 0.01 if measure == "roar" else 1.0  # accuracies are printed in percent
    else:
        return Lines("", [], {})
    values = {
        label: [part * value for value in known[key]]
        for key, label in plain(run).items()
        if key in known and label in labels
    }
    return Lines(figure["source"], points, values)


def plain(run: Run) -> dict[str, str]:
    """Method id -> label; of several entries of one method the first, beside which the papers' stand."""
    found: dict[str, str] = {}
    for method in run.plan.methods:
        found.setdefault(method["id"], method["label"])
    return found


def protocol_differences(run: Run) -> list[str]:
    """How a run differs from SCP's LeRF or ROAR, in words: for the reader beside both numbers."""
    plan, protocol = run.plan, run.plan.protocol
    if plan.model["id"] == "resnet8-cifar10":
        found = ["weights: ResNet-8 trained here; the papers' weights are not published"]
    else:
        found = [
            f"network: {plan.model['title']}; the paper ResNet-8 (CIFAR-10), ResNet-50 (ImageNet, Birdsnap)"
        ]
    if plan.benchmark == "roar" and protocol.get("reduction"):
        found.append(f"reduced: {'; '.join(protocol['reduction'])}")
    if plan.benchmark != "roar":
        found.append(
            f"pictures: {plan.n} of {plan.data['title']}; the paper the whole test or validation set"
        )
    if protocol.get("fill", "mean") not in ("mean", "channel mean"):
        found.append(f"fill: {protocol['fill']}; the paper the channel mean")
    if protocol.get("order_by", "value") != "value":
        found.append(f"order of the pixels by {protocol['order_by']}; the released code by signed value")
    if protocol.get("collapse", RELEASED_COLLAPSE) != RELEASED_COLLAPSE:
        found.append(f"channels: {protocol['collapse']}; the released code {RELEASED_COLLAPSE}")
    for method in plan.methods:
        if method["id"] == "prunegrad" and method["options"].get("mode") == "zero":
            found.append(
                f"NeuronMCT: PruneGrad in mode zero at sparsity {method['options'].get('sparsity')}, as the "
                "released code; the paper's text freezes, at 0.7 (ResNet-50) or 0.9 (VGG-16)"
            )
            break
    return found
