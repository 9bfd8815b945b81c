"""The picture behind normalised inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pruneattr_core.errors import ArgumentTypeError, InputError
from pruneattr_core.models import ModelCard
from pruneattr_core.response import Asked, asked_of
from pruneattr_core.share.words import asked_in_words
from pruneattr_core.values import Attribution


def photo_of(inputs: Tensor, card: ModelCard | None = None) -> NDArray[np.uint8]:
    """The pixels (H, W, 3) of one input.

    Args:
        inputs: (C, H, W) as the network got it; one channel is grey, of four the first three are drawn.
        card: says how pixels were normalised; None stretches each channel to its own range.

    Raises:
        InputError: no picture.
    """
    values = inputs.detach().float().cpu()
    if values.ndim != 3 or len(values) not in (1, 3, 4):
        raise InputError(
            f"Expected inputs (B, 1, 3 or 4, H, W) to show, got (B, {', '.join(map(str, values.shape))})."
        )
    if card is not None and len(card.mean) == len(values):
        mean, std = (torch.tensor(one).view(-1, 1, 1) for one in (card.mean, card.std))
        pixels = values * std + mean
    else:
        low, high = values.amin((1, 2), keepdim=True), values.amax((1, 2), keepdim=True)
        pixels = (values - low) / (high - low).clamp(min=1e-12)
    channels = pixels[:3] if len(pixels) >= 3 else pixels.expand(3, -1, -1)
    return np.asarray((255 * channels).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy())


def check_card(card: Any) -> None:
    """Raise ArgumentTypeError unless it is a card or None: a name alone says nothing of a picture."""
    if card is not None and not isinstance(card, ModelCard):
        raise ArgumentTypeError(f"Expected card as model_card('NAME') gives it, or None, got {card!r:.60}.")


def class_names(card: ModelCard | None, largest: int) -> tuple[str, ...]:
    """Names of classes 0 to `largest`: those of the card, or their numbers."""
    return tuple(f"class {i}" for i in range(largest + 1)) if card is None else card.classes


def question_of(found: Attribution) -> Asked:
    """What was explained of every input."""
    return asked_of(found.target, len(found.target)) if found.asked is None else found.asked


def answers_in_words(asked: Asked, card: ModelCard | None) -> tuple[str, ...]:
    """What is explained of each input of a batch, classes by their names."""
    against = () if asked.against is None else asked.against
    named = [asked.target.max(), *(asked.response.target or ()), *against]
    names = class_names(card, max(map(int, named)))
    return tuple(asked_in_words(asked, row, names) for row in range(len(asked)))
