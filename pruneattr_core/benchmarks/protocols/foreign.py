"""Metrics of Quantus (Hedström et al. 2023), by name and with its own defaults, as a run like any other.

Ours, in `quality`, are quicker and checked against these where both are right. Quantus is asked about one
picture at a time with its random numbers fixed by the picture, so that a cell depends on its pictures alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pruneattr_core.benchmarks.maps import collapsed, values_of
from pruneattr_core.benchmarks.plan import Plan
from pruneattr_core.benchmarks.protocols.kind import PREDICTED, Benchmark, Cell, Choices, pictures
from pruneattr_core.benchmarks.sources import Opened
from pruneattr_core.chance import drawn
from pruneattr_core.errors import InputError, PruneAttrError
from pruneattr_core.importing import one_at_a_time

#: Steps in which a picture's values are removed by the metrics that take them away one after another.
STEPS = 64


@dataclass(frozen=True)
class Metric:
    """One metric of Quantus that answers a number for a picture.

    Attributes:
        name: of its class.
        better: "higher", "lower" or "".
        mask: whether it needs the object's mask.
        stepwise: whether it takes `features_in_step`.
        classes: whether it takes `num_classes`.
    """

    name: str
    better: str
    mask: bool = False
    stepwise: bool = False
    classes: bool = False


#: What --metrics takes. Curves (pixel flipping, selectivity, region perturbation) become their mean.
METRICS: dict[str, Metric] = {
    "faithfulness_correlation": Metric("FaithfulnessCorrelation", "higher"),
    "faithfulness_estimate": Metric("FaithfulnessEstimate", "higher", stepwise=True),
    "pixel_flipping": Metric("PixelFlipping", "lower", stepwise=True),
    "region_perturbation": Metric("RegionPerturbation", "higher"),
    "selectivity": Metric("Selectivity", "lower"),
    "infidelity_quantus": Metric("Infidelity", "lower"),
    "avg_sensitivity": Metric("AvgSensitivity", "lower"),
    "max_sensitivity_quantus": Metric("MaxSensitivity", "lower"),
    "local_lipschitz_estimate": Metric("LocalLipschitzEstimate", "lower"),
    "relative_input_stability": Metric("RelativeInputStability", "lower"),
    "relative_output_stability": Metric("RelativeOutputStability", "lower"),
    "pointing_game": Metric("PointingGame", "higher", mask=True),
    "auc": Metric("AUC", "higher", mask=True),
    "attribution_localisation": Metric("AttributionLocalisation", "higher", mask=True),
    "top_k_intersection": Metric("TopKIntersection", "higher", mask=True),
    "relevance_mass_accuracy": Metric("RelevanceMassAccuracy", "higher", mask=True),
    "relevance_rank_accuracy": Metric("RelevanceRankAccuracy", "higher", mask=True),
    "sparseness": Metric("Sparseness", ""),
    "complexity": Metric("Complexity", ""),
    "effective_complexity": Metric("EffectiveComplexity", ""),
    "random_logit": Metric("RandomLogit", "lower", classes=True),
    "efficient_mprt": Metric("EfficientMPRT", "higher"),
}


def _layout(opened: Opened, protocol: Choices) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names = tuple(protocol["metrics"])
    unknown = [name for name in names if name not in METRICS]
    if not names or unknown or len(set(names)) < len(names):
        raise InputError(
            f"Expected --metrics, each once, out of {', '.join(METRICS)}; got {', '.join(names)}."
        )
    masked = [name for name in names if METRICS[name].mask]
    if masked and not any(map(_usable, map(opened.mask, range(len(opened.data))))):
        raise InputError(f"{opened.data.title} has no masks, which {', '.join(masked)} needs.")
    _quantus()
    return names, ("all",)


def _usable(mask: NDArray[np.bool_] | None) -> bool:
    """Whether something lies inside of a mask, and something outside."""
    return mask is not None and 0 < float(mask.mean()) < 1


def _quantus() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Quantus and what it imports warn about their own dependencies
            with one_at_a_time:
                import quantus
    except ImportError as error:
        raise PruneAttrError(
            f"Quantus cannot be imported ({error}): pip install 'pruneattr[quantus]', and libGL."
        ) from error
    return quantus


def _cell(opened: Opened, plan: Plan, method: int, part: slice) -> Cell:
    quantus, (inputs, target) = _quantus(), pictures(opened, plan, part)
    chosen, how = plan.methods[method], plan.protocol["collapse"]
    values = np.full((len(plan.measures), 1, len(inputs)), np.nan)

    def again(model: Any, inputs: Any, targets: Any, **more: Any) -> NDArray[np.float32]:
        """The map, as Quantus asks for it anew."""
        x = torch.as_tensor(inputs, dtype=torch.float32, device=opened.device)
        asked = torch.as_tensor(np.asarray(targets), device=opened.device).long().reshape(-1)
        network = model if isinstance(model, torch.nn.Module) else opened.model
        found = collapsed(values_of(network, x, asked, chosen), how)
        return found[:, None].cpu().numpy().astype(np.float32)

    for k, index in enumerate(plan.data["indices"][part]):
        one = slice(k, k + 1)
        map_, mask = again(opened.model, inputs[one], target[one].cpu()), opened.mask(index)
        if not np.isfinite(map_).all():
            continue
        for place, name in enumerate(plan.measures):
            if METRICS[name].mask and not _usable(mask):
                continue
            options: dict[str, Any] = {"disable_warnings": True, "display_progressbar": False}
            if METRICS[name].stepwise:
                options["features_in_step"] = _step(inputs[0, 0].numel())
            if METRICS[name].classes:
                options["num_classes"] = len(opened.card.classes)
            with _quietly(100_003 * plan.data["seed"] + part.start + k):
                metric = getattr(quantus, METRICS[name].name)(**options)
                values[place, 0, k] = _asked(metric, opened, inputs[one], target[one], map_, mask, again)
    return values


def _step(pixels: int) -> int:
    """Pixels removed at a time, a divisor of their number as Quantus wants it: about `STEPS` steps."""
    return next(step for step in range(max(1, pixels // STEPS), pixels + 1) if pixels % step == 0)


def _asked(
    metric: Any,
    opened: Opened,
    x: torch.Tensor,
    target: torch.Tensor,
    map_: NDArray[np.float32],
    mask: NDArray[np.bool_] | None,
    again: Callable[..., NDArray[np.float32]],
) -> float:
    """One number, nan where Quantus gives none."""
    found: Any = metric(
        model=opened.model, x_batch=x.cpu().numpy(), y_batch=target.cpu().numpy(), a_batch=map_.copy(),
        s_batch=None if mask is None else mask[None, None], explain_func=again, channel_first=True,
        device=str(opened.device),
    )  # fmt: skip
    numbers = np.asarray(found[0], np.float64)
    return float(numbers.mean()) if numbers.size and np.isfinite(numbers).all() else np.nan


@contextmanager
def _quietly(seed: int) -> Iterator[None]:
    """Quantus draws from the process's random numbers and warns of what it does."""
    with drawn(seed), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


QUANTUS = Benchmark(
    title="Quantus",
    source="Hedström et al. 2023, Quantus, JMLR",
    x_title="",
    better="",
    choices={"collapse": "abs_sum", "metrics": ()},
    allowed={"collapse": ("signed_max", "abs_sum", "sum")},
    fixed={
        "target": PREDICTED,
        "settings": f"Quantus' defaults; {STEPS} steps where values go one after another",
    },
    layout=_layout,
    cell=_cell,
)
