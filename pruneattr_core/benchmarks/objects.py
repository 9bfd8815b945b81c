"""Where the object of a picture is on the pixels that a network sees, and the picture without it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pruneattr_core.benchmarks.fills import fill_removed
from pruneattr_core.datasets import Dataset
from pruneattr_core.datasets.shape_scenes import ShapeScenes
from pruneattr_core.errors import InputError
from pruneattr_core.models import ModelCard


def mask_seen(card: ModelCard, mask: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """The mask (H, W) through the same resizing and cropping as the picture."""
    if mask is None:
        return None
    grey = Image.fromarray(mask.astype(np.uint8) * 255).convert("RGB")
    return np.asarray(card.display(grey))[:, :, 0] > 127


def shows_object(data: Dataset, index: int) -> bool:
    """Whether it is known where the labelled object of this picture is."""
    return isinstance(data, ShapeScenes) or data[index].mask is not None


def without_object(data: Dataset, index: int, card: ModelCard) -> Tensor:
    """The picture (1, C, H, W) without its labelled object, normalised, on the CPU.

    A scene is drawn without it; a photograph with a mask is filled in there from around it.

    Raises:
        InputError: the data set does not say where objects are.
    """
    if isinstance(data, ShapeScenes):
        return card.preprocess(data.without(index, 0))
    sample = data[index]
    mask = mask_seen(card, sample.mask)
    if mask is None:
        raise InputError(
            f"{data.title} has no masks, so its pictures cannot be shown without their object: choose "
            "scenes, or photographs with masks."
        )
    return fill_removed(card.preprocess(sample.image)[0], torch.from_numpy(mask)[None], "noisy_linear", 0)
