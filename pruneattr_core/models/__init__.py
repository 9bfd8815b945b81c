"""Models: cards, loading, and the networks we train ourselves."""

from pruneattr_core.models.cards import ModelCard
from pruneattr_core.models.fitting import weights_hash
from pruneattr_core.models.loading import (
    OWN,
    list_models,
    load_model,
    model_card,
    model_title,
    models_here,
    open_model,
)

__all__ = [
    "OWN",
    "ModelCard",
    "list_models",
    "load_model",
    "model_card",
    "model_title",
    "models_here",
    "open_model",
    "weights_hash",
]
