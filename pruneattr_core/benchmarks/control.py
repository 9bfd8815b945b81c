"""The control of a benchmark's row: does the network that a method prunes also answer other classes?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.analysis.wrong_class import RANKS, wrong_class_control
from pruneattr_core.paths.calibrate import output_curve
from pruneattr_core.paths.dial import Dial
from pruneattr_core.scoring import contributions

#: Shares of pictures: pruned for its answer the network keeps it; pruned for another class it answers that.
MEASURES = ("answer_kept", "runner_up_becomes", "rank_50_becomes")


def has_control(method: Mapping[str, Any]) -> bool:
    """Whether `control_of` is defined: not for methods that prune nothing, or by an allowed output change."""
    options = method["options"]
    return "sparsity" in options and options["output_change"] is None


def control_of(
    model: nn.Module, inputs: Tensor, target: Tensor, method: Mapping[str, Any]
) -> NDArray[np.float64]:
    """`MEASURES` of every picture, (3, B), 1 or 0, at the method's own place of the dial and in mode zero.

    Not defined (nan) without `has_control`: an allowed output change is another place for every class.

    Args:
        model: network in eval mode.
        inputs: (B, C, H, W).
        target: (B,) its answers.
        method: "id" and "options", as `benchmarks.maps.method_from` gives them.
    """
    found, options = np.full((len(MEASURES), len(inputs)), np.nan), method["options"]
    if not has_control(method):
        return found
    dial = Dial(options["sparsity"], options["of"] or "all", None, options["change_of"])
    sparsity, of = dial.level(model)
    by, ties, counted = (options[name] for name in ("contribution", "ties", "class_scores"))
    scores = contributions(model, inputs, target, by, class_scores=counted)
    kept = output_curve(model, inputs, scores, (sparsity,), ties, of=of)
    others = wrong_class_control(model, inputs, RANKS, (sparsity,), of, by, ties, counted)
    found[0] = (~kept.changed[0]).double().cpu().numpy()
    found[1:] = others.becomes[:, 0].double().cpu().numpy()
    return found
