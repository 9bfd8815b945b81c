"""Attribution methods: (model, inputs, target) -> a map of what the answer rests on."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pruneattr_core.attribution.protocol import completeness_gap, explain, explain_func
    from pruneattr_core.attribution.support import theory_note
    from pruneattr_core.attribution.table import METHODS

__all__ = ["METHODS", "completeness_gap", "explain", "explain_func", "theory_note"]

# Resolved on first use: PruneGrad alone needs none of the other methods.
_HOME = {
    "METHODS": "table",
    "completeness_gap": "protocol",
    "explain": "protocol",
    "explain_func": "protocol",
    "theory_note": "support",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
