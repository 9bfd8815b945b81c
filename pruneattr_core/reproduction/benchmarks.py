"""Claims about benchmarks of maps: SCP tables 1 and 2, the sanity check of PG2, its calibration."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.analysis.interval import mean_interval
from pruneattr_core.benchmarks.command import command_of
from pruneattr_core.benchmarks.protocols.kind import RELEASED_COLLAPSE
from pruneattr_core.benchmarks.run import Run, statistics
from pruneattr_core.benchmarks.summary import areas, printed_areas, summary
from pruneattr_core.reproduction.claim import Claim, Ours

_NAMES = {
    "saliency": "Gradient",
    "guided_backprop": "Guided Backprop",
    "gradcam": "Grad-CAM",
    "input_mct": "InputMCT",
    "input_intgrad": "InputIntGrad",
    "prunegrad": "NeuronMCT (PruneGrad)",
    "neuron_intgrad": "NeuronIntGrad",
    "input_x_gradient": "Input x Gradient",
    "integrated_gradients": "Integrated Gradients",
}
_DATA = {"CIFAR10": ("cifar10",), "ImageNet": ("imagenet-val", "imagenet-samples"), "Birdsnap": ("birdsnap",)}
_ORDERS = {"magnitude": "by magnitude", "value": "by signed value, as the released code"}
_NO_BIRDS = "Birdsnap's pictures cannot be had here; `bench pixels --data birdsnap --root FOLDER` computes it"


def claims(runs: Mapping[str, Run], published: Mapping[str, Any]) -> Iterator[Claim]:
    """Every row about a benchmark.

    Args:
        runs: name -> run.
        published: the content of assets/published_benchmarks.json.
    """
    yield from _areas(runs, "roar", "roar", "table 1", published["roar_auc"]["data"])
    yield from _areas(runs, "pixels", "lerf", "table 2", published["lerf_auc"]["data"])
    yield from _missing(published)
    yield from _sparser(runs)
    yield from _sanity(runs, published["sanity_curves"])
    yield from _calibration(runs)


def _areas(
    runs: Mapping[str, Run],
    benchmark: str,
    measure: str,
    where: str,
    tables: Mapping[str, Mapping[str, float]],
) -> Iterator[Claim]:
    for data, figures in tables.items():
        for method, value in figures.items():
            if method == "saliency":
                continue
            for order, words in _ORDERS.items():
                found = _contrast(runs, benchmark, measure, _DATA[data], order, method)
                if found is None and data == "Birdsnap" and order == "value":
                    continue  # one row says that there are none
                text = f"{_NAMES[method]} against Gradient, area of {measure.upper()}, pixels {words}"
                yield Claim(
                    "SCP",
                    f"{where}, {data}",
                    text,
                    value,
                    figures["saliency"],
                    found,
                    _differs(runs, found, data),
                )


def _differs(runs: Mapping[str, Run], found: Ours | None, data: str) -> str:
    if found is None:
        return _NO_BIRDS if data == "Birdsnap" else "no run holds both methods in this order"
    other = {"CIFAR10": "", "ImageNet": "another network than ResNet-50"}.get(data, "")
    protocol = runs[found.run.removeprefix("bench/")].plan.protocol
    ties = "equal pixels go at random" if protocol.get("ties") == "random" else ""
    reduced = ", ".join(protocol.get("reduction", ()))
    return "; ".join(filter(None, [f"{found.network} on {found.data}", other, ties, reduced]))


def _contrast(
    runs: Mapping[str, Run], benchmark: str, measure: str, data: Sequence[str], order: str, method: str
) -> Ours | None:
    """From the run that holds both; one with an interval first, then the widest networks, most pictures.

    Of two like these the one in which equal pixels go at random: a sparse map gains from any other order.
    """
    fitting = [
        (name, run)
        for name, run in runs.items()
        if run.plan.benchmark == benchmark
        and run.plan.data["id"] in data
        and measure in run.plan.measures
        and run.plan.protocol.get("order_by") == order
        and run.plan.protocol.get("fill", "mean") in ("mean", "channel mean")
        and (order != "value" or _is_signed(run))
        and _label(run, method) is not None
        and _label(run, "saliency") is not None
    ]
    if not fitting:
        return None
    name, run = max(fitting, key=_weight)
    one, other = (printed_areas(run, str(_label(run, which)), measure) for which in (method, "saliency"))
    return _paired(name, run, one, other, "networks" if benchmark == "roar" else "pictures")


def _is_signed(run: Run) -> bool:
    """Whether maps have values below 0, as with the released code's collapse: sums of magnitudes have not."""
    return bool(run.plan.protocol.get("collapse", RELEASED_COLLAPSE) == RELEASED_COLLAPSE)


def _weight(named: tuple[str, Run]) -> tuple[bool, int, int, bool]:
    """What a run is worth as evidence."""
    plan = named[1].plan
    return plan.n > 1, plan.protocol.get("width", 0), plan.n, plan.protocol.get("ties") == "random"


def _missing(published: Mapping[str, Any]) -> Iterator[Claim]:
    """Figures that are printed and that nothing here can be set beside."""
    birds = published["roar_curves"]["data"]["Birdsnap"]
    for method in birds:
        if method != "saliency":
            text = f"{_NAMES[method]} against Gradient, accuracy after the most relevant 90 % are gone (ROAR)"
            why = _NO_BIRDS.replace("bench pixels", "bench roar")
            yield Claim("SCP", "ROAR, Birdsnap", text, birds[method][-1], birds["saliency"][-1], None, why)
    why = "what the star changes is said nowhere in the material at hand"
    for where in ("ROAR, CIFAR10", "ROAR, Birdsnap", "LeRF, CIFAR10", "LeRF, Birdsnap", "LeRF, ImageNet"):
        yield Claim("SCP", where, "the curve NeuronIntGrad*", math.nan, math.nan, None, why)


def _sparser(runs: Mapping[str, Run]) -> Iterator[Claim]:
    """PG2 fig. 7: the more neurons are removed, the lower the curve of ROAR; by either scale of the dial."""
    several = [
        pair for pair in runs.items() if pair[1].plan.benchmark == "roar" and "roar" in pair[1].plan.measures
    ]
    for kind, of in itertools.product(("prunegrad", "prunepgd"), ("all", "contributing")):
        text = f"Area of ROAR, {_NAMES.get(kind, 'PrunePGD')}: most neurons removed against fewest"
        fitting = [(name, run, labels) for name, run in several if len(labels := _levels(run, kind, of)) > 1]
        if not fitting and of == "contributing":
            continue
        found, why = None, "no run of ROAR holds several sparsities"
        if fitting:
            name, run, labels = max(fitting, key=lambda one: _weight(one[:2]))
            one, other = (areas(run, labels[pick(labels)], "roar") for pick in (max, min))
            found = _paired(name, run, one, other, "networks")
            text += f" ({max(labels):g} against {min(labels):g} of {of if of == 'all' else f'the {of}'})"
            why = ", ".join([found.network, *run.plan.protocol["reduction"]])
        yield Claim("PG2", "fig. 7", text, math.nan, math.nan, found, why, expected=-1)


def _levels(run: Run, kind: str, of: str) -> dict[float, str]:
    """Sparsity -> label, of a method's rows in one scale of the dial."""
    return {
        float(method["options"]["sparsity"]): str(method["label"])
        for method in run.plan.methods
        if method["id"] == kind and method["options"].get("of", "all") == of
    }


def _label(run: Run, method: str) -> str | None:
    """Of the first entry of a method, in mode zero where there are modes."""
    for one in run.plan.methods:
        if one["id"] == method and one["options"].get("mode", "zero") == "zero":
            return str(one["label"])
    return None


def _paired(name: str, run: Run, one: NDArray[np.float64], other: NDArray[np.float64], per: str) -> Ours:
    both = np.isfinite(one) & np.isfinite(other)
    return Ours(
        float(one[both].mean()),
        float(other[both].mean()),
        mean_interval(one[both] - other[both]),
        per,
        f"bench/{name}",
        str(run.plan.model["title"]),
        str(run.plan.data["title"]),
        command_of(run.plan),
    )


def _sanity(runs: Mapping[str, Run], curves: Mapping[str, Any]) -> Iterator[Claim]:
    """Every method's map must move more than Guided Backprop's when weights are lost (PG2 fig. on sanity)."""
    for measure, methods in curves["data"].items():
        if "guided_backprop" not in methods:
            continue
        theirs = {method: float(np.mean(values[1:])) for method, values in methods.items()}
        for method, value in theirs.items():
            if method == "guided_backprop" or method not in _NAMES:
                continue
            found, share = _sanity_contrast(runs, measure, method)
            fewer = f"; over the {share:.0%} of steps where both maps have a rank" if share < 1 else ""
            yield Claim(
                "PG2", f"sanity check, {measure}",
                f"{_NAMES[method]} against Guided Backprop, mean over the randomised steps",
                value, theirs["guided_backprop"], found,
                f"{found.network} on {found.data}, ResNet-50 in the paper{fewer}"
                if found
                else "no run holds both",
            )  # fmt: skip


def _sanity_contrast(runs: Mapping[str, Run], measure: str, method: str) -> tuple[Ours | None, float]:
    """The comparison, and the share of the randomised steps that it rests on."""
    fitting = [
        (name, run)
        for name, run in runs.items()
        if run.plan.benchmark == "sanity"
        and measure in run.plan.measures
        and _label(run, method) is not None
        and _label(run, "guided_backprop") is not None
    ]
    if not fitting:
        return None, 1.0
    name, run = max(fitting, key=lambda p: (p[1].plan.n, p[1].plan.protocol.get("variant") == "released"))
    values, theirs = (run.of(str(_label(run, which)), measure)[1:] for which in (method, "guided_backprop"))
    # A map that is flat at a step has no rank there: the steps where both have one are compared.
    gap = values - theirs
    one, other = (statistics(np.where(np.isfinite(gap), v, np.nan).T)[0] for v in (values, theirs))
    return _paired(name, run, one, other, "pictures"), float(np.isfinite(gap).mean())


def _calibration(runs: Mapping[str, Run]) -> Iterator[Claim]:
    """PG2 calibrates 15 % to 70 % on ResNet-50, SCP uses 90 % on VGG-16; each network has its own."""
    for name, run in runs.items():
        if run.plan.benchmark != "calibrate":
            continue
        for row in summary(run):
            at = row["at 15%"]
            if at is None:
                continue
            interval = mean_interval([at - 0.7])
            ours = Ours(at, 0.7, interval, "networks", f"bench/{name}", str(run.plan.model["title"]),
                        str(run.plan.data["title"]), command_of(run.plan))  # fmt: skip
            text = f"Sparsity of 15 % mean change, {row['method'].lower()}"
            differs = f"{ours.network}; {run.plan.protocol.get('change', '')}; ResNet-50 in the paper"
            yield Claim("PG2", "fig. 2a", text, 0.7, math.nan, ours, differs, tolerance=0.1)
