"""Networks of a study on disk: safetensors beside a JSON card with the full recipe."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from pruneattr_core.compression.cut import channels, cut
from pruneattr_core.errors import ModelError, WeightsError
from pruneattr_core.importing import one_at_a_time
from pruneattr_core.models.architectures import ResNet8, SceneNet
from pruneattr_core.models.checkpoint import file_sha256, read_checkpoint
from pruneattr_core.models.fitting import fitted, read_values
from pruneattr_core.models.vgg import SceneVGG
from pruneattr_core.runtime import provenance
from pruneattr_core.store import write_atomically

#: What every card has.
_CARD = {
    **dict.fromkeys(("id", "kind", "architecture", "file", "sha256"), str),
    **dict.fromkeys(("classes", "size", "mean", "std"), list),
    "channels": dict,
}
_OURS: dict[str, Callable[[int], nn.Module]] = {"ResNet8": ResNet8, "SceneNet": SceneNet}


def blank(architecture: str, classes: int, counts: Mapping[str, int] | None = None) -> nn.Module:
    """A network with random weights.

    Args:
        architecture: "SceneVGG", "ResNet8" or "torchvision/vgg16_bn" and the like.
        classes: number of logits.
        counts: channels of its convolutions, where they are not the architecture's own.

    Raises:
        ModelError: there is no such architecture.
    """
    if architecture == "SceneVGG":
        return SceneVGG(classes) if counts is None else SceneVGG(classes, tuple(counts.values()))
    if architecture in _OURS:
        model: nn.Module = _OURS[architecture](classes)
    elif architecture.startswith("torchvision/"):
        with one_at_a_time:
            from torchvision.models import get_model

        try:
            model = get_model(architecture.removeprefix("torchvision/"), weights=None, num_classes=classes)
        except ValueError as error:
            raise ModelError(f"torchvision has no architecture {architecture!r}: {error}.") from error
    else:
        known = ", ".join(("SceneVGG", *_OURS))
        raise ModelError(f"Expected an architecture {known} or torchvision/NAME, got {architecture!r}.")
    if counts is None or dict(counts) == channels(model):
        return model
    return cut(
        model.eval(), {name: range(count) for name, count in counts.items()}, torch.zeros(1, 3, 64, 64)
    )


def start_from(model: nn.Module, file: Path) -> None:
    """Fill a network with weights of its architecture, e.g. ImageNet's; a head of other classes stays new.

    Raises:
        WeightsError: the file is missing or damaged, or more than the last layer does not fit.
    """
    known, own = read_values(read_checkpoint(file), file.name), model.state_dict()
    fits = {key: value for key, value in known.items() if key in own and own[key].shape == value.shape}
    last = next(
        reversed([name for name, one in model.named_modules() if isinstance(one, nn.Linear | nn.Conv2d)])
    )
    missing = [key for key in own if key not in fits and key.rpartition(".")[0] != last]
    if missing:
        raise WeightsError(f"{file.name} is of another architecture: {missing[0]} and others do not fit.")
    model.load_state_dict(fits, strict=False)


def write_member(model: nn.Module, folder: Path, card: Mapping[str, Any], device: str = "cpu") -> Path:
    """Write `<id>.safetensors`, then `<id>.json` with its sha256, sizes and versions; the card's path.

    Args:
        model: on the CPU.
        folder: made if need be.
        card: what is known of it.
        device: where it was trained.
    """
    tensors = {key: value.detach().contiguous() for key, value in model.state_dict().items()}
    data = save(tensors)
    name = str(card["id"])
    write_atomically(folder / f"{name}.safetensors", data)
    full = {
        **card,
        "channels": channels(model),
        "parameters": sum(p.numel() for p in model.parameters()),
        "flops": flops(model, card["size"]),
        "parameters_not_0": sum(int((p != 0).sum()) for p in model.parameters()),
        "bytes": len(data),
        "finished": time.strftime("%Y-%m-%d", time.gmtime()),
        "threads": torch.get_num_threads(),
        "versions": provenance(device),
        "file": f"{name}.safetensors",
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    write_card(folder / f"{name}.json", full)
    return folder / f"{name}.json"


def flops(model: nn.Module, size: tuple[int, int]) -> int:
    """Floating-point operations for one picture (height, width): twice the multiply-adds."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, *size))
    return int(counter.get_total_flops())


def write_card(file: Path, card: Mapping[str, Any]) -> None:
    """Write a card as JSON; it appears whole or not at all."""
    write_atomically(file, (json.dumps(card, indent=1, ensure_ascii=False) + "\n").encode())


def read_card(file: Path) -> dict[str, Any]:
    """The card in a JSON file.

    Raises:
        ModelError: it is missing or no card.
    """
    try:
        card = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{file.name} is no card of a student ({error}): check the path.") from error
    if not isinstance(card, dict) or not all(
        isinstance(card.get(name), kind) for name, kind in _CARD.items()
    ):
        raise ModelError(f"{file.name} is no card of a student: write one with `compress`.")
    return card


def open_member(file: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The frozen network beside a card, in eval mode, and the card.

    Raises:
        ModelError: the card is none.
        WeightsError: the weights are missing, damaged or not those of the card.
    """
    card = read_card(file)
    weights = file.with_name(Path(str(card["file"])).name)
    loaded = read_checkpoint(weights)
    if file_sha256(weights) != card["sha256"]:
        raise WeightsError(f"{weights.name} is not the file on its card: take both from one place.")
    architecture, classes, counts = card["architecture"], len(card["classes"]), card["channels"]
    model = _filled(architecture, classes, counts, loaded, weights.name)
    return model.eval().requires_grad_(False).to(memory_format=torch.channels_last), card


def _filled(
    architecture: str, classes: int, counts: Mapping[str, int], loaded: Mapping[Any, Any], source: str
) -> nn.Module:
    if architecture == "SceneVGG":
        return fitted(lambda: blank(architecture, classes, counts), loaded, source).network
    model = blank(architecture, classes, counts)
    try:
        model.load_state_dict(read_values(loaded, source))
    except RuntimeError as error:
        what = " ".join(str(error).split())[:200]
        raise WeightsError(
            f"{source} does not fit {architecture} ({what}): take both from one place."
        ) from error
    return model
