"""Networks of the Hugging Face hub, timm's among them, by the hub's own configuration; safetensors only.

`timm/NAME` is a network of timm, with or without the tag of its weights; `hf-hub:OWNER/NAME`, OWNER/NAME or
the address of its page is a repository with an image classifier of timm or transformers. Preprocessing and
names of classes are the repository's. timm, transformers and huggingface_hub are asked for only when such a
network is opened.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from functools import lru_cache
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from pruneattr_core.assets import ASSETS
from pruneattr_core.errors import ModelError
from pruneattr_core.heads import answering_tensors
from pruneattr_core.importing import one_at_a_time
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
from pruneattr_core.models.download import TIMEOUT
from pruneattr_core.models.fitting import fitted, hollow
from pruneattr_core.models.hub_cache import cache, cached
from pruneattr_core.models.labels import class_name
from pruneattr_core.models.unwrapping import tables
from pruneattr_core.runtime import Tick

TIMM, HUB = "timm/", "hf-hub:"
WEIGHTS = "model.safetensors"
_CONFIG, _PREPROCESSOR = "config.json", "preprocessor_config.json"
_REPOSITORY = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
_PAGE = re.compile(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/")
#: Numbers that a head reads per class, at most.
_WIDEST = 10_000
_FILES = (".pt", ".pth", ".bin", ".ckpt", ".onnx", ".safetensors", ".tar", ".py")
_CODE = re.compile(r"[\w.-]{1,120}")


def is_hub(name: str) -> bool:
    """Whether a name means a network of the hub."""
    return name.startswith((TIMM, HUB))


def of_the_hub(name: str) -> str:
    """`hf-hub:OWNER/NAME` of OWNER/NAME or of the address of its page; "" of other names and of files."""
    found = _PAGE.sub("", name.strip()).split("?")[0].removesuffix("/").removesuffix("/tree/main")
    named = _REPOSITORY.fullmatch(found) and all(part.strip(".") for part in found.split("/"))
    named = named and not found.endswith(_FILES)
    return HUB + found if named else ""


@lru_cache(maxsize=1)
def timm_records() -> Mapping[str, Any]:
    """What assets/networks.json knows of timm's networks, by architecture; {} without it (see `index`)."""
    file = ASSETS / "networks.json"
    return dict(json.loads(file.read_text("utf-8"))["timm"]) if file.is_file() else {}


def hub_card(name: str, ask: bool = True) -> ModelCard:
    """The card of a network of the hub.

    Args:
        name: of timm or a repository, see above.
        ask: whether the configuration of a repository is fetched if it is not here.

    Raises:
        ModelError: a package is missing, there is no such network, or its configuration is none we can read.
    """
    return _card_of(name, str(cache()), ask)


@lru_cache(maxsize=256)
def _card_of(name: str, cache: str, ask: bool) -> ModelCard:
    if name.startswith(TIMM):
        return _timm_card(name, _timm_settings(name))
    repo = repository(name)
    file = cached(repo, _CONFIG)
    config = {} if file is None else read(file)
    if not ask and ("pretrained_cfg" not in config and cached(repo, _PREPROCESSOR) is None):
        raise ModelError(f"{repo} is not on this machine: open it by its name first.")
    config = config or read(_fetched(repo, _CONFIG))
    return (_timm_card if "pretrained_cfg" in config else _transformers_card)(name, config)


def hub_network(card: ModelCard, progress: Tick | None = None) -> nn.Module:
    """The network of a card with its weights, fetched once; nothing but safetensors is read.

    Raises:
        ModelError: no network, no such file, or weights that the architecture does not take.
    """
    folder = _fetched(repository(card.id), WEIGHTS, progress).parent
    if card.id.startswith(TIMM):
        return _timm_network(card.architecture, {"num_classes": len(card.classes)}, folder / WEIGHTS)
    config = read(_fetched(repository(card.id), _CONFIG))
    if "pretrained_cfg" in config:
        options = {"num_classes": len(card.classes), **part_of(config, "model_args")}
        return _timm_network(card.architecture, options, folder / WEIGHTS)
    automatic = _package("transformers").AutoModelForImageClassification
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
    folder = _fetched(repository(card.id), _CONFIG).parent
    config = read(folder / _CONFIG)
    # The file's head may be for fewer classes than the configuration's.
    room = sum(_room(table) for _, table in tables(loaded)) + _WIDEST * len(card.classes)
    if "pretrained_cfg" in config:
        return _made_by_timm(card.architecture, options | part_of(config, "model_args"), room)
    transformers = _package("transformers")
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
    if name.startswith(TIMM):
        return str(_timm_settings(name)["hf_hub_id"])
    found = name.removeprefix(HUB)
    if not _REPOSITORY.fullmatch(found):
        raise ModelError(f"Expected hf-hub:OWNER/NAME, got {name[:80]!r}.")
    return found


def cached_ids() -> tuple[str, ...]:
    """Image classifiers of the hub whose weights and configuration are on this machine."""
    repos = (folder.name.split("--")[1:] for folder in cache().glob("models--*--*"))
    names = ["/".join(parts) for parts in repos if len(parts) == 2]
    return tuple(sorted(HUB + name for name in names if cached(name, WEIGHTS) and _classifies(name)))


@lru_cache
def timm_ids() -> tuple[str, ...]:
    """Every network of timm with weights, as "timm/NAME.TAG"; none without the package."""
    try:
        return tuple(TIMM + name for name in _package("timm").list_pretrained())
    except ModelError:
        return ()


def _classifies(repo: str) -> bool:
    file = cached(repo, _CONFIG)
    try:
        package = "timm" if file is not None and "pretrained_cfg" in read(file) else "transformers"
        return file is not None and find_spec(package) is not None and bool(hub_card(HUB + repo))
    except ModelError:
        return False


def _fetched(repo: str, file: str, progress: Tick | None = None) -> Path:
    """A file of the hub, from this machine or fetched.

    Raises:
        ModelError: there is no network, no such repository or no such file.
    """
    found = cached(repo, file)
    if found is not None:
        return found
    hub, errors = _package("huggingface_hub"), _package("huggingface_hub.errors")
    if not _answers():
        raise _unreachable(repo, file)
    try:
        return Path(hub.hf_hub_download(repo, file, cache_dir=str(cache()), **_told(progress)))
    except errors.LocalEntryNotFoundError as error:  # a kind of EntryNotFoundError that means: no answer
        raise _unreachable(repo, file) from error
    except errors.EntryNotFoundError as error:
        kept = "safetensors" if file == WEIGHTS else file
        raise ModelError(f"{repo} has no {file}: only repositories with {kept} can be opened.") from error
    except Exception as error:  # httpx, OSError, the hub's own
        if getattr(error, "response", None) is not None:
            raise ModelError(f"The hub does not give {repo} ({short(error)}): check the name.") from error
        raise _unreachable(repo, file) from error


def _answers() -> bool:
    """Whether the hub can be reached; asked once, where huggingface_hub would try for half a minute."""
    address = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    try:
        with urllib.request.build_opener().open(address, timeout=TIMEOUT):
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False


def _unreachable(repo: str, file: str) -> ModelError:
    return ModelError(
        f"{file} of {repo} is not on this machine and the hub cannot be reached: connect to the network, or "
        "choose a model that is available offline."
    )


def _told(progress: Tick | None) -> dict[str, Any]:
    """How huggingface_hub reports: through a bar of tqdm's make."""
    if progress is None:
        return {}
    bar: Any = _package("tqdm.auto").tqdm
    tell = progress

    class Bar(bar):
        def update(self, n: float | None = 1) -> bool | None:
            shown: bool | None = super().update(n)
            tell(int(self.n), int(self.total or 0))
            return shown

    return {"tqdm_class": Bar}


def _package(name: str) -> ModuleType:
    try:
        with one_at_a_time:
            return importlib.import_module(name)
    except ImportError as error:
        raise ModelError(
            f"Networks of the hub need the package {name}, which is not installed: "
            "pip install 'pruneattr[hubs]'."
        ) from error


def _timm_settings(name: str) -> dict[str, Any]:
    timm, wanted = _package("timm"), name.removeprefix(TIMM)
    architecture = wanted.partition(".")[0]
    try:
        found = timm.models.get_pretrained_cfg(wanted)
    except RuntimeError:  # of a tag that the architecture does not have
        found = None
    if found is None or not found.hf_hub_id:
        near = ", ".join(TIMM + one for one in timm.list_pretrained(f"{architecture[:12]}*")[:3])
        raise ModelError(
            f"timm has no weights for {wanted[:80]!r}{': choose ' + near if near else ''}; "
            "names are those of timm.list_pretrained()."
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
    made = config.get("architectures")
    if not isinstance(made, list) or not any(str(one).endswith("ForImageClassification") for one in made):
        raise ModelError(f"{name} is no image classifier of timm or transformers: choose another repository.")
    file = _fetched(repository(name), _PREPROCESSOR)
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
        url=f"https://huggingface.co/{repository(name)}",
        folder=repository(name),
    )


def _timm_network(architecture: str, options: Mapping[str, Any], file: Path) -> nn.Module:
    loaded = read_checkpoint(file)
    network = _made_by_timm(architecture, options, _room(loaded))
    return fitted(lambda: network, loaded, file.name).network


def _made_by_timm(architecture: str, options: Mapping[str, Any], room: int | None = None) -> nn.Module:
    """With any values, of which there are at most `room`."""
    timm = _package("timm")
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
