"""The models that are not torchvision's: bundled, in a package, or without weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from torch import nn

from pruneattr_core.errors import ModelError
from pruneattr_core.models.architectures import ResNet8, SceneNet
from pruneattr_core.models.cards import WEIGHTS, ModelCard
from pruneattr_core.models.cifar_resnet import CifarResNet
from pruneattr_core.models.efficientnet_lite import EfficientNetLite0
from pruneattr_core.models.imagenet import imagenet_classes
from pruneattr_core.models.records import record_of
from pruneattr_core.models.students import completed_student, student_builder, student_card, student_ids
from pruneattr_core.registry import LITE0_FILE, LITE0_SHA256
from pruneattr_core.scenes import SHAPES

_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


#: The record beside the weights (`<id>.json`) fills in mean, std, sha256 and note.
_BUNDLED = (
    ModelCard(
        id="scenes-net",
        title="SceneNet on shape scenes",
        architecture="SceneNet",
        kind="bundled",
        classes=SHAPES,
        size=(128, 128),
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        resize=128,
        licence="as this repository",
        paper="this repository",
        weights="scenes-net.safetensors",
    ),
    ModelCard(
        id="resnet8-cifar10",
        title="ResNet-8 on CIFAR-10",
        architecture="ResNet8",
        kind="bundled",
        classes=_CIFAR10,
        size=(32, 32),
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2435, 0.2616),
        resize=32,
        licence="as this repository; CIFAR-10 (Krizhevsky 2009) names none",
        paper="He et al. 2015, Deep Residual Learning, arXiv:1512.03385",
        weights="resnet8-cifar10.safetensors",
    ),
)

# Two networks of one lesson; their titles do not tell which of them learned the mark.
_LESSON = tuple(
    replace(_BUNDLED[0], id=name, title=f"Network {letter} on marked scenes", weights=f"{name}.safetensors")
    for letter, name in (("A", "scenes-tied"), ("B", "scenes-free"))
)

_PACKAGED = (
    ModelCard(
        id="efficientnet-lite0",
        title="EfficientNet-Lite0 on ImageNet",
        architecture="EfficientNetLite0",
        kind="package",
        classes=imagenet_classes(),
        size=(224, 224),
        mean=(127 / 255, 127 / 255, 127 / 255),
        std=(128 / 255, 128 / 255, 128 / 255),
        resize=256,
        interpolation="bicubic",
        licence="Apache-2.0 (Google; ML Illustrated); ImageNet's terms may apply to the weights",
        paper="Tan and Le 2019, EfficientNet, arXiv:1905.11946",
        weights=LITE0_FILE,
        weights_sha256=LITE0_SHA256,
        note=(
            "Google's EfficientNet-B0 without squeeze-and-excitation, with ReLU6. Published: top-1 75.1 % on "
            "ImageNet-1k (not measured here)."
        ),
    ),
)

_LOCAL = tuple(
    ModelCard(
        id=f"cifar-resnet{depth}",
        title=f"ResNet-{depth} on CIFAR-10",
        architecture=f"CifarResNet-{depth}",
        kind="local",
        classes=_CIFAR10,
        size=(32, 32),
        mean=_IMAGENET_MEAN,
        std=_IMAGENET_STD,
        resize=32,
        licence="that of the file you bring",
        paper="He et al. 2015, Deep Residual Learning, section 4.2, arXiv:1512.03385",
        note="Layout of github.com/akamaster/pytorch_resnet_cifar10, trained with ImageNet's mean and std.",
    )
    for depth in (20, 32, 44, 56)
)

_STUDENTS = tuple(student_card(name) for name in student_ids())

CATALOGUE: dict[str, ModelCard] = {
    card.id: card for card in (*_BUNDLED, *_LESSON, *_PACKAGED, *_STUDENTS, *_LOCAL)
}

BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "scenes-net": partial(SceneNet, len(SHAPES)),
    **{card.id: partial(SceneNet, len(SHAPES), 8) for card in _LESSON},
    "resnet8-cifar10": ResNet8,
    "efficientnet-lite0": EfficientNetLite0,
    **{card.id: student_builder(card.id) for card in _STUDENTS},
    **{f"cifar-resnet{depth}": partial(CifarResNet, (depth - 2) // 6) for depth in (20, 32, 44, 56)},
}


def catalogue_card(name: str) -> ModelCard:
    """The card of a bundled or local model, completed from the record beside its weights.

    Raises:
        ModelError: the record is damaged.
    """
    card = CATALOGUE[name]
    if card in _STUDENTS:
        return completed_student(card)
    record = WEIGHTS / f"{name}.json"
    if card.kind != "bundled" or not record.is_file():
        return card
    try:
        return _completed(card, record_of(record))
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{record.name} beside the weights is damaged ({error}): check out assets/ again."
        ) from error


def _completed(card: ModelCard, record: Mapping[str, Any]) -> ModelCard:
    recipe = record["recipe"]
    red, green, blue = recipe["mean"]
    std_red, std_green, std_blue = recipe["std"]
    return replace(
        card,
        mean=(red, green, blue),
        std=(std_red, std_green, std_blue),
        weights_sha256=record["sha256"],
        note=(
            f"Trained by us on {record['data']}: {record['test_accuracy']:.1%} right on "
            f"{record['test_pictures']:,} test pictures (seed {record['seed']})."
        ),
    )
