"""Networks of one's own: made by code that whoever starts the program has named.

A name is `path/to/file.py:build` or `package.module:build`; `build` takes nothing and returns an `nn.Module`
(a LightningModule is one). How pictures enter and what the classes are called stands in a dict `PRUNEATTR`
beside it, or in `pruneattr.toml`:

    [models.mine]
    build = "nets/mine.py:build"
    weights = "runs/best.ckpt"
    classes = ["cat", "dog"]
    size = [224, 224]
    mean = [0.485, 0.456, 0.406]
    std = [0.229, 0.224, 0.225]
    head = "softmax"

Code is run only if a program of yours asks for it by name, or the one who starts the app says so: on the
command line (`app --model`), in the environment or in that file. A server for visitors runs no other.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import re
import sys
import threading
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.abc import SourceLoader
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import torch
from torch import nn

from pruneattr_core.errors import ModelError, PruneAttrError
from pruneattr_core.heads import agreed_head, answering_tensors, outputs_in
from pruneattr_core.importing import one_at_a_time
from pruneattr_core.leaving import NoAnswer, answering, staying
from pruneattr_core.models.cards import ModelCard, known_interpolation
from pruneattr_core.models.checkpoint import read_checkpoint
from pruneattr_core.models.fitting import fitted, weights_hash
from pruneattr_core.models.labels import names_with, numbered, read_names

#: Names on lines of their own, for an app that is started; and the path of the file of settings.
ENVIRONMENT, SETTINGS = "PRUNEATTR_MODELS", "PRUNEATTR_CONFIG"
#: Before the names that the file of settings gives.
PREFIX = "own/"
_NAME = re.compile(r"(?P<place>.+\.py|[A-Za-z_]\w*(?:\.\w+)*):(?P<function>[A-Za-z_]\w*)")
_OPTIONS = {"classes", "size", "mean", "std", "resize", "interpolation", "head", "title", "weights", "squash"}
_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
#: Characters of a title.
_TITLE = 120
_lock = threading.RLock()
#: Held while the generators of the process are one network's.
_seeding = threading.Lock()
_closed = threading.Event()


@dataclass(frozen=True)
class Declared:
    """A network by name.

    Attributes:
        name: its id.
        build: `file.py:function` or `module:function`.
        options: what the settings say of it.
        folder: that relative paths are seen from.
    """

    name: str
    build: str
    options: tuple[tuple[str, Any], ...] = ()
    folder: Path = Path()


def is_code(name: str) -> bool:
    """Whether a name means code of one's own; nothing is run to find out."""
    return name.startswith(PREFIX) or _NAME.fullmatch(name) is not None


def close() -> None:
    """From now on only networks that were named at the start are made: for servers."""
    _closed.set()


def declared() -> dict[str, Declared]:
    """Networks named at the start, by the environment and by `pruneattr.toml`.

    Raises:
        ModelError: the file is damaged or says something unknown.
    """
    named = [line.strip() for line in os.environ.get(ENVIRONMENT, "").splitlines() if line.strip()]
    found = {name: Declared(name, name) for name in named}
    file = Path(os.environ.get(SETTINGS) or "pruneattr.toml").absolute()
    return found | (_settings(file, file.stat().st_mtime_ns) if file.is_file() else {})


def declared_title(name: str) -> str:
    """The title on a card, or the name where no network comes of it; where a title is said none is made."""
    try:
        one = _known(name)
        said = dict(one.options).get("title")
        return _title(one, _stamps(one)) if said is None else str(said)[:_TITLE]
    except ModelError:
        return name


def declared_card(name: str) -> ModelCard:
    """The card of a network of one's own; it is built once to see what it answers.

    Raises:
        ModelError: nobody named it at the start, it cannot be made, or it answers something else than (1, K).
    """
    return _made(_known(name))


def declared_network(name: str) -> nn.Module:
    """A network of its own for every call, in eval mode, with the same bits every time.

    Raises:
        ModelError: as for `declared_card`.
    """
    return _built(_known(name))


def declared_function(name: str) -> Callable[..., Any]:
    """The function that `file.py:function` or `package.module:function` names, for other uses than networks.

    Raises:
        ModelError: nobody named it at the start, the code fails, or it has no such function.
    """
    return _function(_known(name))


def code_hash(name: str) -> str:
    """SHA-256 of the file that holds the code of a name; of a module, its file.

    Raises:
        ModelError: as for `declared_function`.
    """
    return hashlib.sha256(_code(_known(name))).hexdigest()


def _code(one: Declared) -> bytes:
    return Path(str(_module(one).__file__)).read_bytes()


def _known(name: str) -> Declared:
    known = declared()
    if name in known:
        return known[name]
    if name.startswith(PREFIX):
        names = ", ".join(one for one in known if one.startswith(PREFIX)) or "none"
        raise ModelError(f"pruneattr.toml names no model {name[:80]!r}: it has {names}.")
    if _closed.is_set():
        raise ModelError(
            f"{name[:80]!r} is code, which this server runs only if it was named when it started: "
            "start it with --model or name it in pruneattr.toml."
        )
    return Declared(name, name)


@lru_cache(maxsize=16)
def _settings(file: Path, changed: int) -> dict[str, Declared]:
    try:
        tables = tomllib.loads(file.read_text("utf-8-sig")).get("models", {})
        found = {}
        for name, table in tables.items():
            options = dict(table)
            build = str(options.pop("build"))
            if unknown := set(options) - _OPTIONS:
                raise ModelError(
                    f"{file.name} says {min(unknown)!r} of {name!r}: expected {', '.join(sorted(_OPTIONS))}."
                )
            frozen = tuple(sorted((key, _frozen(value)) for key, value in options.items()))
            found[PREFIX + name] = Declared(PREFIX + name, build, frozen, file.parent)
    except ModelError:
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(
            f"{file.name} cannot be read ({error}): expected tables [models.NAME] with "
            "build = 'file.py:function'."
        ) from error
    return found


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _made(one: Declared) -> ModelCard:
    return _card(one, _stamps(one))


def _stamps(one: Declared) -> tuple[tuple[int, int], ...]:
    """Sizes and times of its code, of its weights and of its list of classes."""
    said = {**_beside(one, _written(Path(_place(one)))), **dict(one.options)}
    files = _place(one), said.get("weights"), said.get("classes")
    return tuple(_written(one.folder / file) for file in files if isinstance(file, str))


def _written(file: Path) -> tuple[int, int]:
    """Size and time of a file; zeros where there is none."""
    try:
        found = file.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


@lru_cache(maxsize=32)
def _beside(one: Declared, stamp: tuple[int, int]) -> Mapping[str, Any]:
    """PRUNEATTR beside the function; nothing of code that fails, of which its card says why."""
    with suppress(ModelError, TypeError, ValueError):
        return dict(getattr(_module(one), "PRUNEATTR", {}))
    return {}


@lru_cache(maxsize=64)
def _title(one: Declared, stamps: tuple[tuple[int, int], ...]) -> str:
    """Remembered of one that fails, too: lists ask at every run of a page."""
    try:
        return _card(one, stamps).title
    except ModelError:
        return one.name


@lru_cache(maxsize=32)
def _card(one: Declared, stamps: tuple[tuple[int, int], ...]) -> ModelCard:
    code = _code(one)
    network = _built(one)
    options = _options(one)
    try:
        height, width = (int(side) for side in options.get("size", (224, 224)))
        mean = tuple(float(value) for value in options.get("mean", _IMAGENET["mean"]))
        std = tuple(float(value) for value in options.get("std", _IMAGENET["std"]))
        if len(mean) != len(std) or len(mean) not in (1, 3, 4) or min(std) <= 0 or min(height, width) < 1:
            raise ValueError("mean and std have one, three or four entries, size has two")
        head = agreed_head(network, options.get("head"))
        resize = int(options.get("resize", min(height, width)))
        interpolation = known_interpolation(str(options.get("interpolation", "bilinear")))
    except (TypeError, ValueError) as error:
        raise ModelError(f"The settings of {one.name} cannot be used ({error}): correct them.") from error
    count = _answers(one, network, (1, len(mean), height, width))
    card = ModelCard(
        id=one.name,
        title=str(options.get("title", f"{type(network).__name__} of {one.name}"))[:_TITLE],
        architecture=type(network).__name__,
        kind="code",
        classes=_classes(one, options, count),
        size=(height, width),
        mean=mean,
        std=std,
        resize=resize,
        interpolation=interpolation,
        squash=bool(options.get("squash", False)),
        licence="yours",
        paper="yours",
        weights_sha256=weights_hash(network),
        note=f"Made by {one.build}, which was named when this program was started.",
        head=head or ("sigmoid" if count == 1 else "softmax"),
    )
    return replace(card, code_sha256=hashlib.sha256(repr(card).encode() + code).hexdigest())


def _classes(one: Declared, options: Mapping[str, Any], count: int) -> tuple[str, ...]:
    given = options.get("classes")
    if isinstance(given, str):
        return read_names(one.folder / given, count)
    if given is not None:
        if len(given) != count:
            raise ModelError(
                f"{one.name} has {count} outputs, but {len(given)} classes are named: one for each."
            )
        return tuple(str(name)[:120] for name in given)
    weights = options.get("weights")
    file = one.folder / str(weights)
    return (weights and names_with(file, read_checkpoint(file), count)) or numbered(count)


def _answers(one: Declared, network: nn.Module, shape: tuple[int, ...]) -> int:
    """Number of outputs for one picture, or of classes at each place where the network answers a map."""
    try:
        with answering(), torch.no_grad():
            logits = outputs_in(network(torch.zeros(shape)), 1)
        if logits.ndim not in (2, 4):
            raise ValueError(f"outputs {tuple(logits.shape)}")
    except NoAnswer:
        raise
    except Exception as error:
        raise ModelError(
            f"{one.name} does not answer pictures {shape} with one row of outputs ({in_short(error)}): "
            "say its size, mean and std (one of each a channel) in a dict PRUNEATTR beside the function or "
            "in pruneattr.toml, or return logits (B, K), or maps (B, K, H, W)."
        ) from error
    count = int(logits.shape[1])
    if count < 1:
        raise ModelError(f"{one.name} answers {tuple(logits.shape)} for one picture: expected (1, K).")
    return count


def _function(one: Declared) -> Callable[..., Any]:
    function = getattr(_module(one), one.build.rpartition(":")[2], None)
    if not callable(function):
        raise ModelError(f"{one.build} names no function or class: check the name after the colon.")
    return cast("Callable[..., Any]", function)


def _built(one: Declared) -> nn.Module:
    function = _function(one)
    try:
        with _seeding, staying(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = function()
    except PruneAttrError:
        raise
    except Exception as error:
        raise ModelError(f"{one.build} failed ({in_short(error)}): run it by itself to see where.") from error
    if not isinstance(network, nn.Module):
        raise ModelError(f"{one.build} returned {type(network).__name__}: expected a torch.nn.Module.")
    weights = _options(one).get("weights")
    if weights:
        file = one.folder / str(weights)
        network = fitted(lambda: network, read_checkpoint(file), file.name).network
    network = network.eval()
    return answering_tensors(_in_single_precision(network, _options(one))).requires_grad_(False)


def _in_single_precision(network: nn.Module, options: Mapping[str, Any]) -> nn.Module:
    """Pictures come in float32: a network all of another precision is turned, unless it casts them itself."""
    kinds = {one.dtype for one in network.parameters() if one.is_floating_point()}
    if len(kinds) != 1 or kinds == {torch.float32}:
        return network
    try:
        with answering(), torch.no_grad():
            network(torch.zeros(1, len(options.get("mean", "RGB")), *options.get("size", (224, 224))))
    except Exception:  # what else is wrong with it is said where its answers are counted
        return network.float()
    return network


def _options(one: Declared) -> dict[str, Any]:
    """What the settings say, else what stands in PRUNEATTR beside the function."""
    beside = getattr(_module(one), "PRUNEATTR", {})
    if not isinstance(beside, Mapping) or (unknown := set(beside) - _OPTIONS):
        what = sorted(map(str, unknown))[0] if isinstance(beside, Mapping) else type(beside).__name__
        raise ModelError(
            f"PRUNEATTR beside {one.build} has {what!r}: expected a dict of {', '.join(sorted(_OPTIONS))}."
        )
    return {**beside, **dict(one.options)}


def _place(one: Declared) -> str:
    """Path of the file, or name of the module."""
    match = _NAME.fullmatch(one.build)
    if match is None:
        raise ModelError(
            f"Expected path/to/file.py:function or package.module:function, got {one.build[:80]!r}."
        )
    place = match["place"]
    return str((one.folder / Path(place).expanduser()).absolute()) if place.endswith(".py") else place


def _module(one: Declared) -> ModuleType:
    place = _place(one)
    file = Path(place)
    if place.endswith(".py") and not file.is_file():
        raise ModelError(f"There is no file {place!r} for {one.name}: check the path.")
    with _lock, one_at_a_time:
        return _imported(place, _written(file) if place.endswith(".py") else (0, 0))


@lru_cache(maxsize=32)
def _imported(place: str, changed: tuple[int, int]) -> ModuleType:
    try:
        if not place.endswith(".py"):
            return importlib.import_module(place)
        if (folder := str(Path(place).parent)) not in sys.path:
            sys.path.append(folder)  # the file's neighbours, as when it is run by itself
        spec = importlib.util.spec_from_file_location(f"pruneattr_own_{Path(place).stem}", place)
        assert spec is not None and isinstance(spec.loader, SourceLoader)  # noqa: PT018  (of a file in .py)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        # Python's own compiled copy would stand for a file edited within a second, as long as it was.
        exec(spec.loader.source_to_code(spec.loader.get_data(place), place), module.__dict__)
        return module
    except (Exception, SystemExit) as error:  # a script that reads its arguments leaves where there are none
        raise ModelError(f"{place} failed ({in_short(error)}): run it by itself to see where.") from error


def in_short(error: BaseException) -> str:
    """What a stranger's code failed with, on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
