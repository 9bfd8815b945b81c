"""The networks of the compression study as models to open: teacher first, students after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from pruneattr_core.errors import ModelError
from pruneattr_core.models.cards import WEIGHTS, ModelCard
from pruneattr_core.models.records import record_of
from pruneattr_core.models.vgg import SceneVGG
from pruneattr_core.scenes import SHAPES

FOLDER = "../students"
_TEACHER = "scenes-vgg"
_KINDS = {"x2": "VGG/2", "x4": "VGG/4", "x8": "VGG/8", "structured": "channels", "unstructured": "weights"}
_MATCHINGS = ("none", "ewa", "swa", "sswa")


def student_ids(folder: Path | None = None) -> tuple[str, ...]:
    """Ids with a card in `assets/students`: the teacher, then students by size, seed and matching."""
    files = (WEIGHTS / FOLDER if folder is None else folder).glob(f"{_TEACHER}*.json")
    return tuple(sorted((file.stem for file in files), key=_order))


def _order(name: str) -> tuple[Any, ...]:
    parts = name.removeprefix(_TEACHER).strip("-").split("-")
    if len(parts) < 2:
        return (-1,)
    kind = list(_KINDS).index(parts[0]) if parts[0] in _KINDS else len(_KINDS)
    return kind, parts[2:], _MATCHINGS.index(parts[1]) if parts[1] in _MATCHINGS else len(_MATCHINGS), name


def student_card(name: str) -> ModelCard:
    """What is known without opening the card; `completed_student` fills in the rest."""
    return ModelCard(
        id=name,
        title=name,
        architecture="SceneVGG",
        kind="bundled",
        classes=SHAPES,
        size=(64, 64),
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        resize=64,
        licence="as this repository",
        paper="Park et al. 2020, Attribution Preservation in Network Compression, arXiv:2010.15054",
        weights=f"{name}.safetensors",
        folder=FOLDER,
        head="sigmoid",
    )


def completed_student(card: ModelCard) -> ModelCard:
    """The card with title, hash and note from the JSON beside the weights.

    Raises:
        ModelError: that JSON is damaged.
    """
    record = _record(card.id)
    try:
        red, green, blue = record["mean"]
        std_red, std_green, std_blue = record["std"]
        return replace(
            card,
            title=str(record["title"]),
            classes=tuple(record["classes"]),
            mean=(red, green, blue),
            std=(std_red, std_green, std_blue),
            weights_sha256=str(record["sha256"]),
            note=_note(record),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{card.id}.json is damaged ({error!r}): check out assets/ again.") from error


def student_builder(name: str) -> Callable[[], nn.Module]:
    """Makes the network of a card: its widths are in the JSON beside the weights."""
    return partial(_build, name)


def _build(name: str) -> nn.Module:
    record = _record(name)
    try:
        return SceneVGG(len(record["classes"]), tuple(record["channels"].values()))
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{name}.json is damaged ({error!r}): check out assets/ again.") from error


def _record(name: str) -> Mapping[str, Any]:
    file = WEIGHTS / FOLDER / f"{name}.json"
    try:
        return record_of(file)
    except OSError as error:
        raise ModelError(f"{file.name} is missing or damaged ({error}): check out assets/ again.") from error
    except ValueError as error:
        raise ModelError(f"{file.name} is damaged ({error}): check out assets/ again.") from error


def _note(record: Mapping[str, Any]) -> str:
    measured = record.get("measured", {})
    quality = f"; mAP {measured['mAP']:.1%} on {measured['pictures']:,} test scenes" if measured else ""
    made = "" if record["kind"] == "teacher" else f" Made from {record['teacher']}."
    return (
        "Several shapes may be right at once: a shape is predicted where its logit is above 0. "
        f"Trained by us on {record['data']} (seed {record['seed']}{quality}).{made}"
    )
