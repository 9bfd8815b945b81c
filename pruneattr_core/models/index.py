"""Every network that can be named, as lines to search: those on this machine first.

Nothing heavy is asked for it: names, sizes and torchvision's published accuracies stand in
assets/networks.json, which `python -m pruneattr_core.models.index` makes from the torchvision and the timm
that are installed (timm's networks are built without values, on PyTorch's meta device). By the sizes of their
bodies, without the heads, `likeness` finds the network that a file belongs to. timm carries no
accuracies, so none are told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from pruneattr_core.assets import ASSETS
from pruneattr_core.importing import one_at_a_time
from pruneattr_core.models.catalogue import BUILDERS
from pruneattr_core.models.fitting import hollow
from pruneattr_core.models.hub_names import HUB, TIMM
from pruneattr_core.models.loading import model_card, models_here
from pruneattr_core.models.timm_known import timm_records, values_without
from pruneattr_core.models.zoo import PREFIX, zoo_facts, zoo_records

FILE = ASSETS / "networks.json"
#: Image classifiers of transformers that its own documentation takes for examples.
_TRANSFORMERS = (
    *("facebook/convnext-tiny-224", "facebook/convnextv2-tiny-1k-224", "facebook/levit-128S"),
    *("facebook/regnet-y-040", "google/bit-50", "google/efficientnet-b7", "google/mobilenet_v2_1.0_224"),
    *("google/vit-base-patch16-224", "microsoft/beit-base-patch16-224", "microsoft/cvt-13"),
    *("microsoft/focalnet-tiny", "microsoft/resnet-50", "microsoft/swin-tiny-patch4-window7-224"),
    *("microsoft/swinv2-tiny-patch4-window8-256", "sail/poolformer_s12", "MBZUAI/swiftformer-xs"),
)
#: Top-1 on ImageNet-1k, in percent, of networks that come along.
_PUBLISHED = {"efficientnet-lite0": 75.1}


@dataclass(frozen=True)
class Entry:
    """A network by name.

    Attributes:
        id: what `load_model` takes.
        family: of architectures.
        parameters: number of weights; None where nobody has counted.
        side: of the pictures it takes, in pixels; None where only its configuration says.
        top1: accuracy on ImageNet-1k as published, in percent; None where the library carries none.
        here: whether it opens without a network.
    """

    id: str
    family: str
    parameters: int | None = None
    side: int | None = None
    top1: float | None = None
    here: bool = False

    @property
    def why_no_top1(self) -> str:
        """Why no accuracy is told, in one sentence; "" where one is."""
        if self.top1 is not None:
            return ""
        if self.id.startswith((TIMM, HUB + TIMM)):
            return "Accuracy not told: timm publishes its results in its repository, its package has none."
        if self.id.startswith(HUB):
            return "Accuracy not told: where one is published, it is on the network's page on the hub."
        return "Accuracy not told: none on ImageNet-1k has been published."

    @property
    def line(self) -> str:
        """All of it in one line, beginning with the id."""
        count = self.parameters
        parts = (
            self.id,
            "on this machine" if self.here else "",
            self.family.replace("_", " "),
            "" if count is None else f"{count / 1e6:.3g} M" if count >= 1e5 else f"{count / 1e3:.3g} k",
            "" if self.side is None else f"{self.side} px",
            "" if self.top1 is None else f"top-1 {self.top1:.1f} %",
        )
        return " · ".join(filter(None, parts))


def all_networks() -> tuple[Entry, ...]:
    """Every network whose name is known: on this machine first, then torchvision's, timm's, transformers'."""
    known = {entry.id: entry for entry in _elsewhere()}
    found = models_here()
    here = [replace(known.get(name) or _own(name), here=True) for name in found]
    twins = {name.replace(HUB + TIMM, TIMM) for name in found} | set(found)
    return (*here, *(entry for name, entry in known.items() if name not in twins))


@lru_cache(maxsize=1)
def _elsewhere() -> tuple[Entry, ...]:
    transformers = (Entry(HUB + name, name.partition("/")[2].partition("-")[0]) for name in _TRANSFORMERS)
    return (*_torchvision(), *_timm(), *transformers)


def _torchvision() -> Iterator[Entry]:
    for name, one in zoo_facts().items():
        yield Entry(PREFIX + name, one.family, one.parameters, one.side, one.top1)


def _timm() -> Iterator[Entry]:
    for architecture, record in timm_records().items():
        for tag, side in record["tags"].items():
            name = f"{architecture}.{tag}" if tag else architecture
            yield Entry(TIMM + name, record["family"], record["parameters"], side)


def _own(name: str) -> Entry:
    card = model_card(name)
    family = "own" if card.kind == "code" else card.architecture
    return Entry(name, family, _counted(name), card.size[0], _PUBLISHED.get(name))


@lru_cache(maxsize=64)
def _counted(name: str) -> int | None:
    """Parameters of a network that comes along; nobody else's is made to be counted."""
    if name not in BUILDERS:
        return None
    return sum(one.numel() for one in hollow(BUILDERS[name]).parameters())


def write() -> None:
    """Make assets/networks.json from the timm that is installed; some minutes."""
    with one_at_a_time:
        import timm
        import torch
        import torchvision

    from pruneattr_core.store import write_atomically

    found: dict[str, dict[str, object]] = {}
    for name in timm.list_pretrained():
        architecture, _, tag = name.partition(".")
        settings = timm.models.get_pretrained_cfg(name)
        if settings is None or not settings.hf_hub_id or not settings.num_classes:
            continue  # nothing to open, or no classifier
        if architecture not in found:
            with torch.device("meta"):
                network = timm.create_model(architecture, pretrained=False)
            family = timm.models.model_entrypoint(architecture).__module__.rpartition(".")[2]
            count = sum(parameter.numel() for parameter in network.parameters())
            head = settings.classifier or ()
            heads = [head] if isinstance(head, str) else list(head)
            body = values_without(network.state_dict(), heads)
            found[architecture] = {
                "family": family,
                "parameters": count,
                "body": body,
                "heads": heads,
                "tags": {},
            }
        tags = found[architecture]["tags"]
        assert isinstance(tags, dict)
        tags[tag] = settings.input_size[-1]
    versions = f"timm {timm.__version__}, torchvision {torchvision.__version__}, torch {torch.__version__}"
    about = f"{versions}: names with weights, parameters, input side; torchvision's top-1 as published"
    everything = {"about": about, "timm": found, "torchvision": zoo_records()}
    text = json.dumps(everything, separators=(",", ":"))
    write_atomically(FILE, (text.replace('},"', '},\n"') + "\n").encode())
    print(f"{FILE.name}: {len(found)} architectures, {sum(len(r['tags']) for r in found.values())} names")  # type: ignore[arg-type, misc]


if __name__ == "__main__":
    write()
