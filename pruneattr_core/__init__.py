"""PruneAttr: prune a network for one input and explain the answer through the neurons that stay."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pruneattr_core.analysis.census import census
    from pruneattr_core.analysis.wrong_class import wrong_class_control
    from pruneattr_core.attribution.protocol import explain
    from pruneattr_core.attribution.prunegrad import PruneGrad
    from pruneattr_core.attribution.prunepgd import PrunePGD
    from pruneattr_core.comparison import compare
    from pruneattr_core.critical_path import CriticalPath, Path
    from pruneattr_core.models import list_models, load_model, model_card
    from pruneattr_core.paths.calibrate import calibrate
    from pruneattr_core.response import difference, group, region
    from pruneattr_core.scoring import contributions
    from pruneattr_core.show import explain_view

__version__ = "0.1.0"
__all__ = [
    "CriticalPath",
    "Path",
    "PruneGrad",
    "PrunePGD",
    "calibrate",
    "census",
    "compare",
    "contributions",
    "difference",
    "explain",
    "explain_view",
    "group",
    "list_models",
    "load_model",
    "model_card",
    "region",
    "wrong_class_control",
]

# Resolved on first use, so that importing the package loads neither torch nor Captum.
_HOME = {
    "CriticalPath": "critical_path",
    "explain_view": "show",
    "Path": "critical_path",
    "PruneGrad": "attribution.prunegrad",
    "PrunePGD": "attribution.prunepgd",
    "attribution_view": "comparison",
    "calibrate": "paths.calibrate",
    "census": "analysis.census",
    "compare": "comparison",
    "contributions": "scoring",
    "difference": "response",
    "explain": "attribution.protocol",
    "group": "response",
    "list_models": "models",
    "load_model": "models",
    "model_card": "models",
    "region": "response",
    "sweep_view": "show",
    "wrong_class_control": "analysis.wrong_class",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
