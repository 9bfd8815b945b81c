"""Networks of the Hugging Face hub, timm's among them, by the hub's own configuration; safetensors only.

`timm/NAME` is a network of timm, with or without the tag of its weights; `hf-hub:OWNER/NAME`, OWNER/NAME or
the address of its page is a repository with an image classifier of timm or transformers, and @REVISION after
it a branch, tag or commit. Preprocessing and names of classes are the repository's. timm, transformers and
huggingface_hub are asked for only when such a network is opened.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import lru_cache
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import Any
from urllib.parse import quote

import torch
from torch import Tensor, nn

from pruneattr_core.errors import ModelError, NotHere
from pruneattr_core.given import check_progress
from pruneattr_core.heads import answering_tensors
from pruneattr_core.models.bounded import at_most
from pruneattr_core.models.cards import ModelCard, known_interpolation
from pruneattr_core.models.checkpoint import read_checkpoint
from pruneattr_core.models.description import (
    MISREAD,
    MOST_CLASSES,
    Pixels,
    labels,
    part_of,
    pixels_of,
    read,
    short,
)
from pruneattr_core.models.fetching import WEIGHTS, fetched, package
from pruneattr_core.models.fitting import fitted, hollow
from pruneattr_core.models.hub_cache import cache, cached, commit_of, states_here
from pruneattr_core.models.hub_names import HUB, MAIN, TIMM, named, with_revision
from pruneattr_core.models.labels import class_name
from pruneattr_core.models.unwrapping import tables
from pruneattr_core.runtime import Tick

_CONFIG, _PREPROCESSOR = "config.json", "preprocessor_config.json"
#: Numbers that a head reads per class, at most.
_WIDEST = 10_000
_CODE = re.compile(r"[\w.-]{1,120}")


def hub_card(name: str, ask: bool = True) -> ModelCard:
    """The card of a network of the hub.

    Args:
        name: of timm or a repository, see above.
        ask: whether the configuration of a repository is fetched if it is not here.

    Raises:
        ModelError: a package is missing, there is no such network, or its configuration is none we can read.
        NotHere: it is not on this machine, and no other is asked.
    """
    if name.startswith(TIMM):
        bare, at, revision = name.partition("@")
        if not at:
            return _timm_card(name, _timm_settings(name))
        name = HUB + repository(bare) + at + revision
    repo, revision = named(name)
    return _card_of(with_revision(repo, revision), str(cache()), commit_of(repo, revision), ask)


@lru_cache(maxsize=256)
def _card_of(name: str, cache: str, commit: str, ask: bool) -> ModelCard:
    """`commit` is "" where nothing of it is here; as the folder `cache`, it tells one answer from another."""
    repo, revision = named(name)
    file = cached(repo, _CONFIG, commit)
    config = {} if file is None else read(file)
    if not ask and ("pretrained_cfg" not in config and cached(repo, _PREPROCESSOR, commit) is None):
        raise NotHere(f"{name.removeprefix(HUB)} is not on this machine: open it by its name first.")
    config = config or read(fetched(repo, _CONFIG, revision))
    card = (_timm_card if "pretrained_cfg" in config else _transformers_card)(name, config)
    commit = commit or commit_of(repo, revision)
    return replace(card, commit=commit, note=f"{card.note} Commit {commit[:12]}.") if commit else card


def hub_network(card: ModelCard, progress: Tick | None = None) -> nn.Module:
    """The network of a card with its weights, fetched once; nothing but safetensors is read.

    Raises:
        ModelError: no network, no such file, or weights that the architecture does not take.
    """
    check_progress(progress)
    folder = _file_of(card, WEIGHTS, progress).parent
    if card.id.startswith(TIMM):
        return _timm_network(card.architecture, {"num_classes": len(card.classes)}, folder / WEIGHTS)
    config = read(_file_of(card, _CONFIG))
    if "pretrained_cfg" in config:
        options = {"num_classes": len(card.classes), **part_of(config, "model_args")}
        return _timm_network(card.architecture, options, folder / WEIGHTS)
    automatic = package("transformers").AutoModelForImageClassification
    try:
        with at_most(_room(read_checkpoint(folder / WEIGHTS))):
            network: nn.Module = automatic.from_pretrained(
                str(folder), use_safetensors=True, local_files_only=True, trust_remote_code=False
            )
    except ModelError:
        raise
    except Exception as error:  # transformers raises anything on a configuration it does not know
        raise ModelError(
            f"transformers cannot open {card.id} ({short(error)}): choose an image classifier."
        ) from error
    return answering_tensors(network)


def hub_architecture(card: ModelCard, loaded: Mapping[Any, Any]) -> nn.Module:
    """The network of a card with any values, for a file of the reader's: its own weights are not asked for.

    Args:
        card: of a network of the hub.
        loaded: what the file holds, which bounds the network that a repository's configuration may make.

    Raises:
        ModelError: its configuration is not here and cannot be fetched, or makes no such network.
    """
    options: dict[str, Any] = {"num_classes": len(card.classes)}
    if card.id.startswith(TIMM):
        return _made_by_timm(card.architecture, options)
    folder = _file_of(card, _CONFIG).parent
    config = read(folder / _CONFIG)
    # The file's head may be for fewer classes than the configuration's.
    room = sum(_room(table) for _, table in tables(loaded)) + _WIDEST * len(card.classes)
    if "pretrained_cfg" in config:
        return _made_by_timm(card.architecture, options | part_of(config, "model_args"), room)
    transformers = package("transformers")
    try:
        with at_most(room):
            said = transformers.AutoConfig.from_pretrained(str(folder), local_files_only=True)
            network: nn.Module = transformers.AutoModelForImageClassification.from_config(said)
    except ModelError:
        raise
    except Exception as error:  # as for `hub_network`
        raise ModelError(f"transformers cannot make {card.id} ({short(error)}): update it.") from error
    return answering_tensors(network)


def repository(name: str) -> str:
    """OWNER/NAME of a name.

    Raises:
        ModelError: it is none.
    """
    return str(_timm_settings(name)["hf_hub_id"]) if name.startswith(TIMM) else named(name)[0]


def _file_of(card: ModelCard, file: str, progress: Tick | None = None) -> Path:
    """A file of the commit that a card was read from, as `fetched` gives it."""
    repo, revision = (card.folder, MAIN) if card.id.startswith(TIMM) else named(card.id)
    return fetched(repo, file, revision, card.commit, progress)


def cached_ids() -> tuple[str, ...]:
    """Image classifiers of the hub whose weights and configuration are on this machine, each revision."""
    found = (
        with_revision(repo, revision)
        for repo, revision in states_here()
        if cached(repo, WEIGHTS, commit_of(repo, revision)) and _classifies(repo, revision)
    )
    return tuple(sorted(found))


@lru_cache
def timm_ids() -> tuple[str, ...]:
    """Every network of timm with weights, as "timm/NAME.TAG"; none without the package."""
    try:
        return tuple(TIMM + name for name in package("timm").list_pretrained())
    except ModelError:
        return ()


def _classifies(repo: str, revision: str) -> bool:
    file = cached(repo, _CONFIG, commit_of(repo, revision))
    try:
        package = "timm" if file is not None and "pretrained_cfg" in read(file) else "transformers"
        return (
            file is not None
            and find_spec(package) is not None
            and bool(hub_card(with_revision(repo, revision)))
        )
    except ModelError:
        return False


def _timm_settings(name: str) -> dict[str, Any]:
    timm, wanted = package("timm"), name.removeprefix(TIMM)
    architecture = wanted.partition(".")[0]
    try:
        found = timm.models.get_pretrained_cfg(wanted)
    except RuntimeError:  # of a tag that the architecture does not have
        found = None
    if found is None or not found.hf_hub_id:
        near = ", ".join(TIMM + one for one in timm.list_pretrained(f"{architecture[:12]}*")[:3])
        raise ModelError(
            f"timm has no weights for {wanted[:80]!r}{': choose ' + near if near else ''}; "
            "names are those of timm.list_pretrained() and, in the app, under All networks."
        )
    settings: dict[str, Any] = found.to_dict()
    settings["architecture"] = architecture
    return settings


def _timm_card(name: str, config: Mapping[str, Any]) -> ModelCard:
    part_of(config, "model_args")  # is used when the network is made
    settings = {**config, **part_of(config, "pretrained_cfg")}
    try:
        count = int(settings["num_classes"])
        _, height, width = settings["input_size"]
        pixels = Pixels(
            (int(height), int(width)),
            math.floor(min(height, width) / (settings.get("crop_pct") or 0.875)),
            tuple(map(float, settings["mean"])),
            tuple(map(float, settings["std"])),
            known_interpolation(str(settings.get("interpolation") or "bicubic")),
            settings.get("crop_mode") == "squash",
        )
        names = labels(config.get("label_names"), count)
    except MISREAD as error:
        raise ModelError(f"The configuration of {name} cannot be used ({short(error)}).") from error
    licence = str(settings.get("license") or "not named")
    return _card(name, str(settings.get("architecture")), names, pixels, licence)


def _transformers_card(name: str, config: Mapping[str, Any]) -> ModelCard:
    repo, revision = named(name)
    made = config.get("architectures")
    if not isinstance(made, list) or not any(str(one).endswith("ForImageClassification") for one in made):
        raise ModelError(f"{name} is no image classifier of timm or transformers: choose another repository.")
    file = fetched(repo, _PREPROCESSOR, revision)
    try:
        pixels = pixels_of(read(file))
        given = config.get("id2label") or {}
        if max(len(given), int(config.get("num_labels") or 0)) > MOST_CLASSES:
            raise ValueError(f"a classifier has 1 to {MOST_CLASSES:,} classes")
        names = labels([given[key] for key in sorted(given, key=int)], len(given) or 2)
    except ModelError:
        raise
    except MISREAD as error:
        raise ModelError(f"The configuration of {name} cannot be used ({short(error)}).") from error
    return _card(name, str(made[0]), names, pixels, "see its page on the hub")


def _card(name: str, architecture: str, classes: tuple[str, ...], pixels: Pixels, licence: str) -> ModelCard:
    if not _CODE.fullmatch(architecture):
        raise ModelError(f"The configuration of {name} cannot be used (its architecture is no name).")
    return ModelCard(
        id=name,
        title=name.removeprefix(HUB),
        architecture=architecture,
        kind="hub",
        classes=classes,
        size=pixels.size,
        mean=pixels.mean,
        std=pixels.std,
        resize=pixels.resize,
        interpolation=pixels.interpolation,
        squash=pixels.squash,
        licence=class_name(licence),
        paper="see its page on the hub",
        weights=WEIGHTS,
        note="From the Hugging Face hub: its page tells how it was trained and how accurate it is.",
        url=_page(name),
        folder=repository(name),
    )


def _page(name: str) -> str:
    repo, revision = (repository(name), MAIN) if name.startswith(TIMM) else named(name)
    state = "" if revision == MAIN else f"/tree/{quote(revision, safe='')}"
    return f"https://huggingface.co/{repo}{state}"


def timm_shapes(architecture: str) -> nn.Module:
    """A network of timm without memory for its values.

    Raises:
        ModelError: timm is not installed, or does not make it.
    """
    package("timm")
    with torch.device("meta"):
        return _made_by_timm(architecture, {})


def _timm_network(architecture: str, options: Mapping[str, Any], file: Path) -> nn.Module:
    loaded = read_checkpoint(file)
    network = _made_by_timm(architecture, options, _room(loaded))
    return fitted(lambda: network, loaded, file.name).network


def _made_by_timm(architecture: str, options: Mapping[str, Any], room: int | None = None) -> nn.Module:
    """With any values, of which there are at most `room`."""
    timm = package("timm")
    # What timm does besides making a network: asking any address, reading any file of this machine.
    doing = (timm.create_model, timm.models.build_model_with_cfg)
    if taken := options.keys() & {name for one in doing for name in signature(one).parameters}:
        said = class_name(", ".join(sorted(taken)))
        raise ModelError(f"The configuration of {architecture} sets {said}, which is no part of a network.")

    def build() -> nn.Module:
        with nullcontext() if room is None else at_most(room):
            made: nn.Module = timm.create_model(architecture, pretrained=False, **options)
            return made

    try:
        if room is not None:
            with suppress(RuntimeError):  # of networks that compute with what is hollow
                hollow(build)  # counted before it takes memory
        return build()
    except ModelError:
        raise
    except Exception as error:  # timm raises anything on a configuration it does not know
        raise ModelError(f"timm cannot make {architecture} ({short(error)}): update timm.") from error


def _room(loaded: Mapping[Any, Any]) -> int:
    """How many values a network may have for a file: twice the file's, as some weights are shared or made."""
    return 2 * sum(int(one.numel()) for one in loaded.values() if isinstance(one, Tensor))
