"""torchvision's image classifiers: cards from its weights enums, networks ready for their files.

torchvision takes two seconds to import, mostly for PyTorch's compiler. What a list of its networks says of
each therefore stands in assets/networks.json (see `index`); torchvision itself is asked once one is wanted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from pruneattr_core.assets import ASSETS
from pruneattr_core.errors import ModelError
from pruneattr_core.importing import one_at_a_time
from pruneattr_core.models.cards import ModelCard

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

PREFIX = "torchvision/"

#: The first prefix that fits names the paper.
_PAPERS = (
    ("alexnet", "Krizhevsky 2014, One weird trick, arXiv:1404.5997"),
    ("convnext", "Liu et al. 2022, A ConvNet for the 2020s, arXiv:2201.03545"),
    ("densenet", "Huang et al. 2016, Densely Connected Convolutional Networks, arXiv:1608.06993"),
    ("efficientnet_v2", "Tan and Le 2021, EfficientNetV2, arXiv:2104.00298"),
    ("efficientnet", "Tan and Le 2019, EfficientNet, arXiv:1905.11946"),
    ("googlenet", "Szegedy et al. 2014, Going Deeper with Convolutions, arXiv:1409.4842"),
    ("inception", "Szegedy et al. 2015, Rethinking the Inception Architecture, arXiv:1512.00567"),
    ("maxvit", "Tu et al. 2022, MaxViT, arXiv:2204.01697"),
    ("mnasnet", "Tan et al. 2018, MnasNet, arXiv:1807.11626"),
    ("mobilenet_v2", "Sandler et al. 2018, MobileNetV2, arXiv:1801.04381"),
    ("mobilenet_v3", "Howard et al. 2019, Searching for MobileNetV3, arXiv:1905.02244"),
    ("regnet", "Radosavovic et al. 2020, Designing Network Design Spaces, arXiv:2003.13678"),
    ("resnext", "Xie et al. 2016, Aggregated Residual Transformations, arXiv:1611.05431"),
    ("resnet", "He et al. 2015, Deep Residual Learning, arXiv:1512.03385"),
    ("shufflenet", "Ma et al. 2018, ShuffleNet V2, arXiv:1807.11164"),
    ("squeezenet", "Iandola et al. 2016, SqueezeNet, arXiv:1602.07360"),
    ("swin_v2", "Liu et al. 2021, Swin Transformer V2, arXiv:2111.09883"),
    ("swin", "Liu et al. 2021, Swin Transformer, arXiv:2103.14030"),
    ("vgg", "Simonyan and Zisserman 2014, Very Deep Convolutional Networks, arXiv:1409.1556"),
    ("vit", "Dosovitskiy et al. 2020, An Image is Worth 16x16 Words, arXiv:2010.11929"),
    ("wide_resnet", "Zagoruyko and Komodakis 2016, Wide Residual Networks, arXiv:1605.07146"),
)
#: Classes of every one: ImageNet-1k's.
CLASSES = 1000
#: Architectures that torchvision makes with a `transform_input` where it has weights for them.
TRANSFORMING = ("googlenet", "inception_v3")
_PUBLISHED_HASH = re.compile(r"-([0-9a-f]{8,})\.")
# Older DenseNet files have keys such as "norm.1" where module names no longer may hold a dot.
_DENSE_KEY = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)$")


@dataclass(frozen=True)
class Facts:
    """What a list of networks says of one of torchvision's, of the default weights.

    Attributes:
        family: of architectures.
        parameters: number of weights.
        side: of the pictures it takes, in pixels.
        top1: accuracy on ImageNet-1k as published, in percent.
        files: name of each set of weights that classifies, the default one first -> its file in torch.hub's
            folder.
    """

    family: str
    parameters: int
    side: int
    top1: float
    files: dict[str, str]


@cache
def zoo_facts() -> dict[str, Facts]:
    """Architecture -> its facts, from assets/networks.json; from torchvision itself without that file."""
    file = ASSETS / "networks.json"
    records = json.loads(file.read_text("utf-8"))["torchvision"] if file.is_file() else zoo_records()
    return {name: Facts(**record) for name, record in records.items()}


def zoo_records() -> dict[str, dict[str, Any]]:
    """The facts as JSON values, asked of the torchvision that is installed."""
    models, found = _torchvision(), {}
    for name in models.list_models(module=models):
        default = _enum(name).DEFAULT
        sets = [default, *(one for one in _classifying(name) if one.name != default.name)]
        facts = Facts(
            models.get_model_builder(name).__module__.rpartition(".")[2],
            int(default.meta["num_params"]),
            default.transforms().crop_size[0],
            float(default.meta["_metrics"]["ImageNet-1K"]["acc@1"]),
            {one.name: one.url.rsplit("/", 1)[-1] for one in sets},
        )
        found[name] = asdict(facts)
    return found


def architectures() -> tuple[str, ...]:
    """Names of torchvision's image classifiers, sorted."""
    return tuple(zoo_facts())


def zoo_ids() -> tuple[str, ...]:
    """One id per architecture, plus one per other set of weights that is already cached."""
    here = {*zoo_here()}
    return tuple(name for name in _files() if name in here or "@" not in name)


def zoo_here() -> tuple[str, ...]:
    """Those of `zoo_ids` whose weights are cached."""
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    here = {file.name for file in folder.glob("*") if file.is_file()}
    return tuple(name for name, file in _files().items() if file in here)


def zoo_title(name: str) -> str | None:
    """The title on the card of a network, which need not be made for it; None for a name that is unknown."""
    architecture, _, member = name.removeprefix(PREFIX).partition("@")
    facts = zoo_facts().get(architecture)
    member = member or next(iter(facts.files if facts else ""), "")
    return f"{architecture} ({member})" if facts and member in facts.files else None


def zoo_facts_of(name: str) -> Facts | None:
    """The facts of a network with its default weights; None for other weights and names that are unknown."""
    return zoo_facts().get(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else None


@cache
def _files() -> dict[str, str]:
    """Id of every set of weights -> its file."""
    found = {}
    for architecture, facts in zoo_facts().items():
        for place, (member, file) in enumerate(facts.files.items()):
            found[PREFIX + (f"{architecture}@{member}" if place else architecture)] = file
    return found


@lru_cache(maxsize=256)
def zoo_card(name: str) -> ModelCard:
    """The card of "torchvision/resnet50" (the default weights) or "torchvision/resnet50@IMAGENET1K_V1".

    Raises:
        ModelError: there is no such classifier, or no such weights.
    """
    architecture, _, member = name.removeprefix(PREFIX).partition("@")
    weights = _weights(architecture, member)
    transforms, meta = weights.transforms(), weights.meta
    red, green, blue = transforms.mean
    std_red, std_green, std_blue = transforms.std
    found = _PUBLISHED_HASH.search(weights.url)
    return ModelCard(
        id=name,
        title=f"{architecture} ({weights.name})",
        architecture=architecture,
        kind="torchvision",
        classes=tuple(meta["categories"]),
        size=(transforms.crop_size[0], transforms.crop_size[-1]),
        mean=(red, green, blue),
        std=(std_red, std_green, std_blue),
        resize=transforms.resize_size[0],
        interpolation=transforms.interpolation.value,
        licence=meta.get("license", "BSD-3-Clause (torchvision); ImageNet's terms may apply to the weights"),
        paper=next(paper for prefix, paper in _PAPERS if architecture.startswith(prefix)),
        weights=weights.name,
        weights_sha256=found.group(1) if found else "",
        note=_note(weights),
        url=weights.url,
    )


def transforms(card: ModelCard, sha256: str) -> bool | None:
    """Whether the network of a file of the reader's scales its input anew; None where none of its kind does.

    torchvision's GoogLeNet and Inception do (`transform_input`) where they are made with its weights, which
    TensorFlow scaled otherwise, and by default not where they are made without. So a file is taken for one
    that was trained without, unless the name says from which weights it was trained on, as
    torchvision/googlenet@IMAGENET1K_V1, or it is their very file.

    Args:
        card: of the architecture, with torchvision's weights.
        sha256: of the file.
    """
    if card.architecture not in TRANSFORMING:
        return None
    return "@" in card.id or sha256.startswith(card.weights_sha256 or " ")


def zoo_builder(card: ModelCard, transform: bool | None = True) -> Callable[[], nn.Module]:
    """What makes the network of `card`, without the heads of its published file that only training uses.

    Args:
        card: of torchvision.
        transform: whether GoogLeNet and Inception scale their input anew, as with torchvision's own weights.
    """
    weights = _weights(card.architecture, card.weights)
    options: dict[str, object] = {"num_classes": len(card.classes)}
    if card.architecture in TRANSFORMING:
        options |= {"aux_logits": True, "init_weights": False, "transform_input": bool(transform)}
    elif card.architecture.startswith("vit"):
        options["image_size"] = weights.meta["min_size"][0]
    elif card.architecture.startswith("maxvit"):
        options["input_size"] = weights.meta["min_size"]
    return lambda: without_auxiliary(_torchvision().get_model(card.architecture, weights=None, **options))


def current_key(key: str) -> str:
    """`key`, or today's name of a key of an older DenseNet file."""
    match = _DENSE_KEY.match(key)
    return match.group(1) + match.group(2) if match else key


def without_auxiliary(model: nn.Module) -> nn.Module:
    """`model` itself, less the heads of GoogLeNet and Inception that only training uses."""
    if getattr(model, "aux_logits", False):
        model.aux_logits = False  # type: ignore[assignment]
        for head in ("aux1", "aux2", "AuxLogits"):
            if hasattr(model, head):
                setattr(model, head, None)
    return model


def _torchvision() -> Any:
    """Its module of networks."""
    with one_at_a_time:
        from torchvision import models

    return models


def _enum(architecture: str) -> type[WeightsEnum]:
    enum: type[WeightsEnum] = _torchvision().get_model_weights(architecture)
    return enum


def _classifying(architecture: str) -> list[WeightsEnum]:
    """The weights that have class names; VGG-16 also has a set without a classifier."""
    return [member for member in _enum(architecture) if member.meta.get("categories")]


def _weights(architecture: str, member: str) -> WeightsEnum:
    models = _torchvision()
    if architecture not in models.list_models(module=models):
        raise ModelError(_why_not(architecture))
    choices = {one.name: one for one in _classifying(architecture)}
    if not member or member == "DEFAULT":
        return _enum(architecture).DEFAULT
    if member not in choices:
        raise ModelError(
            f"{architecture} has no weights {member!r} to classify with: choose {', '.join(choices)}."
        )
    return choices[member]


def _why_not(architecture: str) -> str:
    models = _torchvision()
    if architecture in models.list_models(module=models.quantization):
        twin = architecture.removeprefix("quantized_")
        return f"{architecture} computes in 8-bit integers, which have no gradients: choose {PREFIX}{twin}."
    there = "choose one from list_models() or, in the app, under All networks."
    if architecture in models.list_models():
        return f"{architecture} of torchvision is no image classifier: {there}"
    return f"torchvision has no image classifier {architecture[:80]!r}: {there}"


def _note(weights: WeightsEnum) -> str:
    scores = weights.meta["_metrics"]["ImageNet-1K"]
    return (
        f"Published by torchvision: top-1 {scores['acc@1']:.1f} %, top-5 {scores['acc@5']:.1f} % on "
        f"ImageNet-1k (not measured here). Recipe: {weights.meta['recipe']}"
    )
