"""Find, check and load models: one frozen network per call, the same bits every time."""

from __future__ import annotations

import difflib
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import torch
from torch import nn

from pruneattr_core.errors import InputError, ModelError, WeightsError
from pruneattr_core.given import check_progress
from pruneattr_core.heads import declare
from pruneattr_core.models.cards import Kind, ModelCard
from pruneattr_core.models.catalogue import BUILDERS, CATALOGUE, catalogue_card
from pruneattr_core.models.checkpoint import file_sha256, read_checkpoint
from pruneattr_core.models.declared import declared, declared_card, declared_network, declared_title, is_code
from pruneattr_core.models.download import download
from pruneattr_core.models.fitting import Fitted, fitted
from pruneattr_core.models.hub import (
    cached_ids,
    hub_architecture,
    hub_card,
    hub_network,
)
from pruneattr_core.models.hub_names import TIMM, is_hub, of_the_hub
from pruneattr_core.models.labels import names_with, numbered, read_names
from pruneattr_core.models.likeness import advice
from pruneattr_core.models.timm_known import timm_records, timm_twins
from pruneattr_core.models.zoo import (
    PREFIX,
    TRANSFORMING,
    architectures,
    current_key,
    transforms,
    zoo_builder,
    zoo_card,
    zoo_here,
    zoo_ids,
    zoo_title,
)
from pruneattr_core.one_of import is_one_of
from pruneattr_core.runtime import device_for

#: Between an architecture's id and the SHA-256 of a weights file: the id of that network.
OWN = "#"
#: What follows it: the file, and perhaps the names given to its classes.
_OWN_FILE = re.compile(r"[0-9a-f]{64}(?:\.[0-9a-f]{8})?")
#: Cards of the weights files that this process has opened, by id; the oldest goes first.
_opened: OrderedDict[str, ModelCard] = OrderedDict()
_opened_lock = threading.Lock()
_OPENED_KEPT = 256


def list_models(kind: str | None = None) -> tuple[str, ...]:
    """Ids that `load_model` takes: ones of your own that were named at the start, those here, torchvision's.

    Args:
        kind: "bundled", "package", "code", "hub" (what is here of it), "torchvision" or "local" for one kind
            alone; local models need a weights file, so None leaves them out.

    Raises:
        InputError: there is no such kind.

    Example:
        >>> from pruneattr_core import list_models
        >>> "scenes-net" in list_models("bundled")
        True
    """
    if kind is not None and not is_one_of(kind, get_args(Kind)):
        raise InputError(f"Expected a kind out of {', '.join(get_args(Kind))}, got {kind!r}.")
    if kind == "local":
        return tuple(name for name, card in CATALOGUE.items() if card.kind == "local")
    return _but_torchvisions(kind) + (zoo_ids() if kind in (None, "torchvision") else ())


def models_here() -> tuple[str, ...]:
    """Those of `list_models` that open without a network; none of your own is made for it."""
    others = (
        name for name in _but_torchvisions(None) if is_code(name) or model_card(name).available_offline()
    )
    return (*others, *zoo_here())


def _but_torchvisions(kind: str | None) -> tuple[str, ...]:
    ours = tuple(
        name for name, card in CATALOGUE.items() if kind in (None, card.kind) and card.available_offline()
    )
    code = tuple(declared()) if kind in (None, "code") else ()
    hub = cached_ids() if kind in (None, "hub") else ()
    return code + ours + hub


def model_title(name: str) -> str:
    """The title on the `model_card` of a model: for lists, which need no more of each."""
    if is_code(name):
        return declared_title(name)
    title = zoo_title(name) if name.startswith(PREFIX) else None
    return model_card(name).title if title is None else title


def model_card(name: str, ask: bool = True) -> ModelCard:
    """The card of a model; nothing is loaded or downloaded.

    Args:
        name: "scenes-net", "torchvision/resnet50", "torchvision/resnet50@IMAGENET1K_V1", "cifar-resnet20"...;
            "timm/NAME", "hf-hub:OWNER/NAME" or just "OWNER/NAME" for one of the hub, whose small
            configuration is fetched, with "@REVISION" for a branch, tag or commit of it, see `hub`;
            "path/to/file.py:build" or "package.module:build" for one of your own, see `declared`;
            "cifar-resnet20#<SHA-256>" is that architecture with the weights file of this hash, with the
            classes and channels of the file where this process has opened it; after a dot may follow what
            tells one list of names of its classes from another, 8 hexadecimal digits.
        ask: whether the hub may be asked for a configuration that is not on this machine.

    Raises:
        ModelError: there is no such model; near names are suggested.

    Example:
        >>> from pruneattr_core import model_card
        >>> model_card("torchvision/resnet50").size
        (224, 224)
    """
    base, own, sha256 = str(name).partition(OWN)
    if own:
        with _opened_lock:
            card = _opened.get(str(name))
        return card or _own_card(model_card(base, ask), sha256)
    if name in CATALOGUE:
        return catalogue_card(name)
    if isinstance(name, str) and is_code(name):
        return declared_card(name)
    if isinstance(name, str) and is_hub(name):
        return hub_card(name, ask)
    _refuse_file(str(name)[:80])
    if isinstance(name, str) and name.startswith(PREFIX):
        return zoo_card(name)
    said = str(name)[:80]
    near = difflib.get_close_matches(said, [*CATALOGUE, *(PREFIX + one for one in architectures())], 3, 0.85)
    if not near and (hub := of_the_hub(str(name))):
        return hub_card(hub, ask)
    bare = dict.fromkeys((*CATALOGUE, *architectures(), *timm_records()))
    near = near or [_whole(one) for one in difflib.get_close_matches(said, bare, 3, 0.5)]
    known = ", ".join(near or [PREFIX + "resnet50"])
    raise ModelError(
        f"There is no model {str(name)[:80]!r}: choose one from list_models() or, in the app, under All "
        f"networks, such as {known}."
    )


def _refuse_file(name: str) -> None:
    """Raise ModelError for a file where a network is to be named; whether there is one is not looked up."""
    suffix = Path(name.rstrip(":")).suffix.lower()
    if suffix == ".py":
        raise ModelError(
            f"{name!r} names a file: name the function in it that makes the network, too, as "
            f"{name.rstrip(':')}:build."
        )
    if suffix in (".pt", ".pth", ".ckpt", ".safetensors"):
        raise ModelError(
            f"{name!r} is a file of weights: name its architecture and give the file as weights, in "
            "load_model(NAME, weights=FILE), as --weights of a command, in pruneattr.toml or in the app's "
            "sidebar."
        )


def _whole(name: str) -> str:
    """A bare name as `load_model` takes it."""
    if name in CATALOGUE:
        return name
    return (PREFIX if name in architectures() else TIMM) + name


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

    Example:
        >>> from pruneattr_core import load_model
        >>> load_model("scenes-net").training
        False
    """
    check_progress(progress)
    return open_model(name, device, weights, progress)[0]


def open_model(
    name: str,
    device: str = "cpu",
    weights: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
    classes: str | os.PathLike[str] | None = None,
) -> tuple[nn.Module, ModelCard]:
    """`load_model`, and the card of what was loaded: a file may bring its own classes and channels.

    Own weights may be wrapped as training scripts wrap them, have a one-layer head for any number of classes
    and take grey pictures or four channels. Names of classes come from the checkpoint, from a text or JSON
    file beside it (see `labels`), or are the architecture's where their number is the same.

    Args:
        name: see `model_card`.
        device: "cpu", "cuda", "mps" or "auto".
        weights: a safetensors file or PyTorch checkpoint to use instead of the card's weights.
        progress: called with (bytes so far, bytes in all or 0) while weights are downloaded.
        classes: a text or JSON file with the names of the classes of `weights`, instead of those found.

    Raises:
        ModelError, WeightsError, InputError: as for `load_model`; also names for another number of classes,
            and names without `weights`.
    """
    check_progress(progress)
    if classes is not None and weights is None:
        raise InputError("classes names the classes of a weights file: give that as weights, too.")
    base, own, sha256 = str(name).partition(OWN)
    card, place = model_card(base), device_for(device)
    if card.kind == "code" and weights is None:
        return _placed(declared_network(base), place, card), card
    if card.kind == "hub" and weights is None:
        return _placed(hub_network(card, progress), place, card), card
    file = _found(model_card(name), progress) if weights is None else Path(weights)
    loaded = read_checkpoint(file)
    if own and file_sha256(file) != sha256.partition(".")[0]:
        raise WeightsError(f"{file.name} is not the file that {name[:80]} names: its SHA-256 is another.")
    build = builder(card) if weights is None else _builder_for(card, loaded, file_sha256(file))
    logits = None if weights is None else len(card.classes)
    opened = fitted(build, loaded, file.name, logits, current_key, lambda found: advice(found, card.id))
    if weights is not None:
        card = _described(_own_card(card, sha256 or file_sha256(file)), loaded, opened, file, classes)
        with _opened_lock:
            _opened[card.id] = card
            while len(_opened) > _OPENED_KEPT:
                _opened.popitem(last=False)
    del loaded  # the file is unmapped before the network is laid out anew
    return _placed(opened.network, place, card), card


def builder(card: ModelCard) -> Callable[[], nn.Module]:
    """What makes the network of a card, with any values."""
    if card.kind == "code":
        return lambda: declared_network(card.id)
    if card.kind == "hub":
        return lambda: hub_network(card)
    return zoo_builder(card) if card.kind == "torchvision" else BUILDERS[card.id]


def _builder_for(card: ModelCard, loaded: Mapping[Any, Any], sha256: str) -> Callable[[], nn.Module]:
    """`builder` for a file of the reader's: of the hub nothing but its configuration is needed.

    Networks that are not ours are made whole: no file holds the buffers that they do not save.
    """
    if card.kind == "torchvision":
        return zoo_builder(card, transforms(card, sha256))
    if card.kind not in ("code", "hub"):
        return builder(card)
    made = declared_network(card.id) if card.kind == "code" else hub_architecture(card, loaded)
    return lambda: made


def _placed(network: nn.Module, place: torch.device, card: ModelCard) -> nn.Module:
    ours = card.kind != "code"  # somebody's network may use `view`, which wants its values in rows
    order = torch.channels_last if ours and place.type == "cpu" else torch.contiguous_format
    model = network.eval().requires_grad_(False).to(place).to(memory_format=order)
    declare(model, card.head)
    return model


def _own_card(base: ModelCard, own: str) -> ModelCard:
    """The card of an architecture with a weights file of the reader."""
    sha256 = own.partition(".")[0]
    if not _OWN_FILE.fullmatch(own):
        raise ModelError(
            f"Expected the SHA-256 of a weights file after {base.id + OWN!r}, 64 hexadecimal digits in lower "
            f"case, got {own[:80]!r}."
        )
    return replace(
        base,
        id=f"{base.id}{OWN}{own}",
        title=f"Own weights {sha256[:8]}, {base.architecture}{_trained_on(base)}",
        kind="local",
        weights="",
        weights_sha256=sha256,
        note=f"Weights from a file of yours: nothing is known of their accuracy.{_assumed(base, sha256)}",
        licence="that of the file you bring",
        url="",
    )


def _trained_on(base: ModelCard) -> str:
    asked = base.architecture in TRANSFORMING and base.id.startswith(PREFIX) and "@" in base.id
    return f" trained on from {base.weights}" if asked else ""


def _assumed(base: ModelCard, sha256: str) -> str:
    """What a file cannot tell of its network, and what is taken for true."""
    if twins := timm_twins(base.id) if base.kind == "hub" else ():
        return f" It would fit {' or '.join(twins)} as well: choose the one that it was trained as."
    scaled = transforms(base, sha256) if base.kind == "torchvision" else None
    if scaled is None:
        return ""
    if scaled:
        return f" Its input is scaled anew, as torchvision does with {base.weights} (transform_input)."
    return (
        " Its input is not scaled anew (transform_input=False), as torchvision does by default without its "
        f"own weights: if it was trained on from those, choose {base.id}@{base.weights}."
    )


def _described(
    card: ModelCard,
    loaded: Mapping[Any, Any],
    opened: Fitted,
    file: Path,
    classes: str | os.PathLike[str] | None,
) -> ModelCard:
    """`card` with what the file says of its classes and channels."""
    count = opened.classes or len(card.classes)
    if count == 1 and card.head == "softmax":
        card = replace(card, head="sigmoid")
    names = names_with(file, loaded, count) if classes is None else read_names(classes, count)
    if names is None:
        names = card.classes if opened.classes is None else numbered(count)
    note = card.note
    if opened.where:
        note += f" Read under: {opened.where}."
    if opened.classes is not None:
        note += f" Its head tells {count} classes apart." if count > 1 else " Its head has one output."
    if opened.channels is None:
        return replace(card, classes=names, note=note)
    mean, std = sum(card.mean) / 3, sum(card.std) / 3
    grey = opened.channels == 1
    return replace(
        card,
        classes=names,
        note=f"{note} It takes {'grey pictures' if grey else 'a fourth channel: how opaque the picture is'}.",
        mean=(mean,) if grey else (*card.mean, 0.0),
        std=(std,) if grey else (*card.std, 1.0),
    )


def _found(card: ModelCard, progress: Callable[[int, int], None] | None) -> Path:
    """The card's weights file, downloaded if need be."""
    file = card.weights_file()
    if absent := card.absence():
        raise ModelError(absent)
    if file is None:
        raise WeightsError(
            f"{card.id} comes without weights: name a file, load_model({card.id!r}, weights=...) or "
            "--weights of a command."
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
