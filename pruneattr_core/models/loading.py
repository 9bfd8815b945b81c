"""Find, check and load models: one frozen network per call, the same bits every time."""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import torch
from torch import nn

from pruneattr_core.errors import InputError, ModelError, WeightsError
from pruneattr_core.heads import declare
from pruneattr_core.models.cards import Kind, ModelCard
from pruneattr_core.models.catalogue import BUILDERS, CATALOGUE, catalogue_card
from pruneattr_core.models.checkpoint import file_sha256, fitted, read_state
from pruneattr_core.models.download import download
from pruneattr_core.models.zoo import (
    PREFIX,
    architectures,
    current_keys,
    without_auxiliary,
    zoo_builder,
    zoo_card,
    zoo_ids,
)
from pruneattr_core.runtime import device_for

#: Between an architecture's id and the SHA-256 of a weights file: the id of that network.
OWN = "#"


def list_models(kind: str | None = None) -> tuple[str, ...]:
    """Ids that `load_model` takes: bundled ones whose weights are here, then torchvision's classifiers.

    Args:
        kind: "bundled", "package", "torchvision" or "local" for one kind alone; local models need a weights
            file, so None leaves them out.

    Raises:
        InputError: there is no such kind.
    """
    if kind not in (None, *get_args(Kind)):
        raise InputError(f"Expected a kind out of {', '.join(get_args(Kind))}, got {kind!r}.")
    if kind == "local":
        return tuple(name for name, card in CATALOGUE.items() if card.kind == "local")
    ours = tuple(
        name for name, card in CATALOGUE.items() if kind in (None, card.kind) and card.available_offline()
    )
    return ours + (zoo_ids() if kind in (None, "torchvision") else ())


def model_card(name: str) -> ModelCard:
    """The card of a model; nothing is loaded or downloaded.

    Args:
        name: "scenes-net", "torchvision/resnet50", "torchvision/resnet50@IMAGENET1K_V1", "cifar-resnet20"...;
            "cifar-resnet20#<SHA-256>" is that architecture with the weights file of this hash.

    Raises:
        ModelError: there is no such model; near names are suggested.
    """
    base, own, sha256 = str(name).partition(OWN)
    if own:
        return _own_card(model_card(base), sha256)
    if name in CATALOGUE:
        return catalogue_card(name)
    if isinstance(name, str) and name.startswith(PREFIX):
        return zoo_card(name)
    near = difflib.get_close_matches(str(name)[:80], [*CATALOGUE, *architectures()], 3, 0.5) or ["resnet50"]
    known = ", ".join(one if one in CATALOGUE else PREFIX + one for one in near)
    raise ModelError(f"There is no model {str(name)[:80]!r}: choose one from list_models(), such as {known}.")


def load_model(
    name: str,
    device: str = "cpu",
    weights: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> nn.Module:
    """Load a network in eval mode with frozen parameters; channels-last on the CPU.

    Args:
        name: see `model_card`.
        device: "cpu", "cuda", "mps" or "auto".
        weights: a safetensors file or PyTorch state dict to use instead of the card's weights.
        progress: called with (bytes so far, bytes in all or 0) while weights are downloaded.

    Raises:
        ModelError: unknown model, or its weights can be neither found nor downloaded.
        WeightsError: the file is missing, unsafe, damaged or does not fit.
        InputError: the device is not there.
    """
    base, own, sha256 = str(name).partition(OWN)
    card, place = model_card(base), device_for(device)
    file = _found(model_card(name), progress) if weights is None else Path(weights)
    state = read_state(file)
    if own and file_sha256(file) != sha256:
        raise WeightsError(f"{file.name} is not the file that {name[:80]} names: its SHA-256 is another.")
    if card.kind == "torchvision":
        model = without_auxiliary(fitted(zoo_builder(card), current_keys(state), file.name))
    else:
        model = fitted(BUILDERS[card.id], state, file.name)
    model = model.eval().requires_grad_(False).to(place)
    if place.type == "cpu":
        model = model.to(memory_format=torch.channels_last)
    declare(model, card.head)
    return model


def weights_hash(model: nn.Module) -> str:
    """SHA-256, in hexadecimal, over the sorted names, types, shapes and bytes of the state dict.

    Independent of device and memory layout: the identity of a network in links, caches and exports.
    """
    digest = hashlib.sha256()
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _own_card(base: ModelCard, sha256: str) -> ModelCard:
    """The card of an architecture with a weights file of the reader."""
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        raise ModelError(
            f"Expected the SHA-256 of a weights file after {base.id + OWN!r}, 64 hexadecimal digits in lower "
            f"case, got {sha256[:80]!r}."
        )
    return replace(
        base,
        id=f"{base.id}{OWN}{sha256}",
        title=f"Own weights {sha256[:8]}, {base.architecture}",
        kind="local",
        weights="",
        weights_sha256=sha256,
        note="Weights from a file of yours: nothing is known of their accuracy.",
        licence="that of the file you bring",
        url="",
    )


def _found(card: ModelCard, progress: Callable[[int, int], None] | None) -> Path:
    """The card's weights file, downloaded if need be."""
    file = card.weights_file()
    if absent := card.absence():
        raise ModelError(absent)
    if file is None:
        raise WeightsError(
            f"{card.id} comes without weights: name a file, load_model({card.id!r}, weights=...)."
        )
    if file.is_file():
        if card.kind in ("bundled", "package") and file_sha256(file) != card.weights_sha256:
            again = "check out assets/" if card.kind == "bundled" else "install its package"
            raise WeightsError(f"{file.name} is not the file on its card: {again} again.")
        return file
    if card.kind == "bundled":
        command = f"train {card.id}" if card.folder == "." else "compress zoo"
        raise ModelError(
            f"The weights of {card.id} are not in this copy (expected {file}): "
            f"run python -m pruneattr_core {command}, or check out assets/."
        )
    try:
        download(card.url, file, card.weights_sha256, progress)
    except ModelError as error:
        cached = [one for one in zoo_ids() if one.startswith(f"{PREFIX}{card.architecture}@")]
        hint = f" Here already: {', '.join(cached)}." if cached else ""
        raise ModelError(f"{error}{hint}") from error
    return file
