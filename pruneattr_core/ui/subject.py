"""What every key of a cached result begins with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Subject:
    """Explicit values that name one input of one network on one device.

    Attributes:
        model: identifier of the card.
        weights: SHA-256 over the state dict, or the model's name where that is not known yet.
        image: SHA-256 of the picture.
        target: class index, None for the predicted one.
        device: device type.
    """

    model: str
    weights: str
    image: str
    target: int | None
    device: str
