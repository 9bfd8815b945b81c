"""Models: cards, loading, and the networks we train ourselves."""

from pruneattr_core.models.cards import ModelCard
from pruneattr_core.models.loading import list_models, load_model, model_card, weights_hash

__all__ = ["ModelCard", "list_models", "load_model", "model_card", "weights_hash"]
