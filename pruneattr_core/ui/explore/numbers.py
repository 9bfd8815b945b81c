"""What the cards below the scrubber say of a level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pruneattr_core.results.sweeps import Explained
from pruneattr_core.share.payload import THINGS
from pruneattr_core.share.words import changed, likelihood, likely, signed


def numbers_of(sweep: Explained, classes: Sequence[str], mode: str, level: int) -> list[dict[str, Any]]:
    """The cards of a level, each as `st.metric` takes it."""
    left = round(sweep.neurons * (1 - sweep.sparsity[level]))
    change, probability = float(sweep.change[level]), float(sweep.probability[level])
    where = " (mode zero)" if mode == "freeze" else ""
    against = "Mean logit" if sweep.members else "Target logit"
    if sweep.against is not None:
        against = f"Lead over {classes[sweep.against]}"
    return [
        {
            "label": f"{THINGS[sweep.unit].capitalize()} left",
            "value": f"{left:,}",
            "delta": f"of {sweep.neurons:,}",
            "delta_color": "off",
            "delta_arrow": "off",
        },
        {"label": f"Output change{where}", "value": changed(change)},
        {
            "label": f"{likelihood(sweep.valued)} of {sweep.whose(classes)}{where}",
            "value": likely(probability, sweep.valued),
            **_moved(probability - float(sweep.probability[0]), 3 if sweep.valued else 2),
        },
        {
            "label": f"{against}{where}",
            "value": signed(float(sweep.logit[level]), ".2f"),
            **_moved(float(sweep.logit[level] - sweep.logit[0]), 2),
        },
        {"label": f"Answer{where}", "value": sweep.named(classes, int(sweep.prediction[level]))},
    ]


def _moved(by: float, digits: int) -> dict[str, Any]:
    """What a card says of a number that has moved; no arrow where rounding leaves nothing of it."""
    if round(by, digits) == 0:
        return {"delta": f"{0:.{digits}f}", "delta_color": "off", "delta_arrow": "off"}
    return {"delta": f"{by:+.{digits}f}"}
