"""Does a compressed network still look where its teacher looks, and how well does it predict (AP, 4)?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.attribution import explain
from pruneattr_core.attribution.collapse import collapse
from pruneattr_core.errors import InputError
from pruneattr_core.importing import one_at_a_time
from pruneattr_core.one_of import is_one_of

#: Method -> how its channels become one map. AP sums relevance over colours, and keeps RAP's positive part;
#: PruneGrad, which AP does not have, is a signed gradient and counts by magnitude.
METHODS_OF_REVIEW: dict[str, str] = {
    "gradcam": "sum",
    "prunegrad": "abs_sum",
    "excitation_backprop": "sum",
    "lrp_alpha1_beta0": "sum",
    "rap": "sum",
}


def map_of(model: nn.Module, inputs: Tensor, target: Tensor | Sequence[int], method: str) -> Tensor:
    """One map per picture, as AP collapses it: (B, H, W).

    Args:
        model: frozen, in eval mode.
        inputs: normalised (B, C, H, W).
        target: class of each picture.
        method: a key of `METHODS_OF_REVIEW`.

    Raises:
        InputError: another method.
        ModelError: the method does not fit this network.
    """
    if not is_one_of(method, METHODS_OF_REVIEW):
        raise InputError(f"Expected a method out of {', '.join(METHODS_OF_REVIEW)}, got {method!r}.")
    chosen = target if isinstance(target, Tensor) else list(target)
    return collapsed(explain(model, inputs, chosen, method).values, method)


def collapsed(values: Tensor, method: str) -> Tensor:
    """Attributions (B, C, H, W) as AP draws them: (B, H, W); `method` is a key of `METHODS_OF_REVIEW`."""
    found = collapse(values, METHODS_OF_REVIEW[method])
    return found.clamp(min=0) if method == "rap" else found


def predicted(logits: Tensor | NDArray[np.floating], multi_label: bool) -> NDArray[np.bool_]:
    """Which classes a network gives as its answer: (B, classes).

    With several labels every class whose logit is above 0 (probability above 1/2), else the largest one.
    """
    values = np.asarray(logits.detach().cpu() if isinstance(logits, Tensor) else logits)
    if multi_label:
        return values > 0
    answer = np.zeros(values.shape, bool)
    answer[np.arange(len(values)), values.argmax(1)] = True
    return answer


def average_precisions(labels: NDArray[np.floating], logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Area under precision and recall of every column (class); nan for a class that no picture shows."""
    with one_at_a_time:
        from sklearn.metrics import average_precision_score

    return np.array(
        [
            average_precision_score(labels[:, c], logits[:, c]) if labels[:, c].any() else math.nan
            for c in range(labels.shape[1])
        ]
    )


def prediction_quality(
    labels: NDArray[np.floating], logits: NDArray[np.floating], multi_label: bool
) -> dict[str, float]:
    """How well a network predicts, every figure in [0, 1].

    Args:
        labels: (N, classes), 1 where the class is right.
        logits: (N, classes).
        multi_label: see `predicted`.

    Returns:
        mAP: mean over classes of the average precision.
        mAP_released: mean over pictures of the average precision of their classes, as the released code
            computes what it calls mAP.
        F1: mean over classes of F1, predicted as in `predicted`.
        F1_released: mean over pictures of F1, a class predicted from a *logit* of 0.5, as the released code
            does.
        top1: share of pictures whose largest logit is a right class.
    """
    answer, truth = predicted(logits, multi_label), labels > 0.5
    some = truth.any(1)
    return {
        "mAP": float(np.nanmean(average_precisions(labels, logits))),
        "mAP_released": float(np.nanmean(average_precisions(labels[some].T, logits[some].T))),
        "F1": float(_f1(truth, answer, 0).mean()),
        "F1_released": float(_f1(truth, logits >= 0.5, 1).mean()),
        "top1": float(truth[np.arange(len(truth)), logits.argmax(1)].mean()),
    }


def _f1(truth: NDArray[np.bool_], answer: NDArray[np.bool_], axis: int) -> NDArray[np.float64]:
    """2 |truth and answer| / (|truth| + |answer|) along an axis; 0 where both are empty."""
    both, total = (truth & answer).sum(axis), truth.sum(axis) + answer.sum(axis)
    return np.where(total > 0, 2 * both / np.maximum(total, 1), 0.0)
