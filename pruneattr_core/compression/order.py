"""One compression from start to end: a teacher, pictures and an order make a student with its card."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pruneattr_core import tape
from pruneattr_core.compression.cut import cut, kept_by_l1, narrowed_copy
from pruneattr_core.compression.examine import Examination
from pruneattr_core.compression.loop import Schedule
from pruneattr_core.compression.matching import matched_layer
from pruneattr_core.compression.members import open_member, write_member
from pruneattr_core.compression.pool import Pool
from pruneattr_core.compression.teacher import Answers, answers
from pruneattr_core.compression.train import Matching, Setting, distil, identity, prune_iteratively
from pruneattr_core.descent import remove
from pruneattr_core.errors import InputError, ModelError
from pruneattr_core.models import load_model, model_card, weights_hash
from pruneattr_core.one_of import is_one_of

KINDS = ("distil", "unstructured", "structured")


@dataclass(frozen=True)
class Order:
    """What to make.

    Attributes:
        id: of the student; its files are called so.
        kind: "distil", "unstructured" or "structured".
        matching: what is matched; its layers () mean where AP matches, the teacher's last ReLU with maps.
        schedule: of the training, of one round when pruning iteratively.
        seed: of first weights, order and chance.
        title: for people.
        divisor: distil: the student has 1 / divisor of the channels.
        rate: unstructured: share of the remaining weights that a round removes; structured: share of
            channels. None for the paper's 0.2 and 0.7.
        rounds: of iterative pruning.
        layers: convolutions that structured pruning cuts; () for all.
    """

    id: str
    kind: str
    matching: Matching
    schedule: Schedule
    seed: int = 0
    title: str = ""
    divisor: int = 8
    rate: float | None = None
    rounds: int = 16
    layers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not is_one_of(self.kind, KINDS):
            raise InputError(f"Expected a kind out of {', '.join(KINDS)}, got {self.kind!r}.")
        if self.rate is not None and not 0 < self.rate < 1:
            raise InputError(f"Expected a rate between 0 and 1, got {self.rate}.")


@dataclass(frozen=True, eq=False)
class Teacher:
    """A network to learn from, and how pictures enter it.

    Attributes:
        id: as it was asked for.
        model: frozen, in eval mode; private to the caller.
        architecture: see `blank`.
        classes: in the order of the logits.
        size: (height, width).
        mean: per channel, of pixels in [0, 1].
        std: per channel.
        sha256: of its weights.
    """

    id: str
    model: nn.Module
    architecture: str
    classes: tuple[str, ...]
    size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    sha256: str


def open_teacher(spec: str, weights: Path | None = None) -> Teacher:
    """A teacher by id, by id with a weights file, or by the JSON card of something `compress` wrote.

    Raises:
        ModelError: there is no such model, or its architecture cannot be built again for a student.
        WeightsError: the weights are missing, damaged or another's.
    """
    if spec.endswith(".json"):
        model, known = open_member(Path(spec))
        (red, green, blue), (std_red, std_green, std_blue) = known["mean"], known["std"]
        return Teacher(
            str(known["id"]),
            model,
            str(known["architecture"]),
            tuple(known["classes"]),
            (int(known["size"][0]), int(known["size"][1])),
            (red, green, blue),
            (std_red, std_green, std_blue),
            str(known["sha256"]),
        )
    card = model_card(spec)
    if card.kind == "local":
        raise ModelError(f"{spec} cannot be a teacher here: choose a bundled or a torchvision model.")
    model = load_model(spec, weights=weights)
    name = f"torchvision/{card.architecture}" if card.kind == "torchvision" else card.architecture
    red, green, blue = card.mean  # the cards that come here have three channels
    std_red, std_green, std_blue = card.std
    means, stds = (red, green, blue), (std_red, std_green, std_blue)
    return Teacher(spec, model, name, card.classes, card.size, means, stds, weights_hash(model))


def facts(teacher: Teacher, pictures: Pool) -> dict[str, Any]:
    """What the cards of a teacher and of all its students share."""
    return {
        "architecture": teacher.architecture,
        "classes": list(teacher.classes),
        "size": list(teacher.size),
        "mean": list(teacher.mean),
        "std": list(teacher.std),
        "multi_label": pictures.multi_label,
        "data": pictures.title,
        "training_pictures": len(pictures),
        "data_sha256": pictures.sha256(),
    }


class Workshop:
    """A teacher with its pictures, and its answers to them, which are computed once for all students.

    Args:
        teacher: to learn from.
        pictures: to learn on, as the teacher sees them.
        folder: for students.
        cache: for checkpoints.
        log: receives lines.
        examination: measures the network after each round of iterative pruning; None for dead neurons only.

    Raises:
        InputError: the pictures have other classes than the teacher.
    """

    def __init__(
        self,
        teacher: Teacher,
        pictures: Pool,
        folder: Path,
        cache: Path,
        log: Callable[[str], None] = print,
        examination: Examination | None = None,
    ) -> None:
        if pictures.labels.shape[1] != len(teacher.classes):
            raise InputError(
                f"{teacher.id} knows {len(teacher.classes)} classes and the pictures have "
                f"{pictures.labels.shape[1]}: train a teacher on them first (compress teacher)."
            )
        self.teacher, self.pictures, self.folder = teacher, pictures, folder
        self.cache, self.log, self.examination = cache, log, examination
        self.inputs = pictures.batch(np.arange(min(2, len(pictures)))).cpu()
        self._answers: dict[str, Answers] = {}

    def answers(self, layers: Sequence[str] = ()) -> tuple[Answers, ...]:
        """The teacher's answers at each layer; () is where AP matches, the last ReLU with maps."""
        names = tuple(layers) or (matched_layer(self.teacher.model, self.inputs),)
        for name in names:
            if name not in self._answers:
                self.log(f"asking the teacher about {len(self.pictures)} pictures, layer {name}")
                there = copy.deepcopy(self.teacher.model).to(self.pictures.device)
                found = answers(there, self.pictures, name)
                # Answers are large: those that this order does not need go.
                self._answers = {key: one for key, one in self._answers.items() if key in names}
                self._answers[name] = found
        return tuple(self._answers[name] for name in names)

    def make(self, order: Order) -> Path:
        """Train one student, unless its card is in the folder already; the card's path."""
        path = self.folder / f"{order.id}.json"
        if path.exists():
            return path
        self.log(order.id)
        told = self.answers(order.matching.layers)
        layers = tuple(one.layer for one in told)
        matching = replace(order.matching, layers=layers, beta=order.matching.weight)
        elsewhere = () if self.pictures.device == "cpu" else (self.pictures.device,)  # gives other last bits
        key = identity(self.teacher.sha256, self.pictures.sha256(), *elsewhere)
        setting = Setting(
            self.pictures, told, matching, order.schedule, order.seed, key, self.cache, self.log
        )
        student, seconds, made, recipe = self._made(order, setting)
        card = {
            "id": order.id,
            "title": order.title or order.id,
            "kind": order.kind,
            "matching": matching.kind,
            "seed": order.seed,
            **facts(self.teacher, self.pictures),
            "teacher": self.teacher.id,
            "teacher_sha256": self.teacher.sha256,
            "recipe": {"schedule": asdict(order.schedule), **asdict(matching), **recipe},
            "identity": setting.identity(order.kind, recipe),
            "seconds": seconds,
            **made,
        }
        written = write_member(student, self.folder, card, self.pictures.device)
        for checkpoint in setting.files:
            remove(checkpoint)
        return written

    def _made(
        self, order: Order, setting: Setting
    ) -> tuple[nn.Module, float, dict[str, Any], dict[str, Any]]:
        """The student, seconds, what the card says about its making, and the rest of its recipe."""
        model = self.teacher.model
        if order.kind == "distil":
            student = narrowed_copy(model, order.divisor, self.inputs, order.seed)
            return student, distil(student, setting, f"/{order.divisor}"), {}, {"divisor": order.divisor}
        if order.kind == "structured":
            rate = 0.7 if order.rate is None else order.rate
            kept = kept_by_l1(model, self.inputs, rate, order.layers or None)
            student = cut(model, kept, self.inputs)
            recipe = {"rate": rate, "layers": list(kept)}
            return student, distil(student, setting, identity(kept)), {"kept": kept}, recipe
        rate = 0.2 if order.rate is None else order.rate
        student, seconds, rounds = prune_iteratively(model, setting, order.rounds, rate, self._watch)
        return student, seconds, {"rounds": rounds}, {"rate": rate, "rounds": order.rounds}

    def _watch(self, number: int, model: nn.Module) -> Mapping[str, float]:
        """Share of dead neurons (activation 0) on the first 64 training pictures; AP's fig. 3 if asked."""
        inputs = self.pictures.batch(np.arange(min(64, len(self.pictures)))).cpu()
        found = {"dead_share": dead_share(model, inputs)}
        if self.examination is not None:
            measured = self.examination.measure(model)
            maps = measured["maps"]["gradcam"]
            found |= {"mAP": measured["mAP"], "F1": measured["F1"]}
            found |= {name: maps[name]["mean"] for name in maps if "mean" in maps[name]}
        return found


def dead_share(model: nn.Module, inputs: Tensor) -> float:
    """Share of activations that are 0, over all layers and pictures."""
    with torch.no_grad():
        activations = tape.run(model, inputs).activations
    return sum(int((one == 0).sum()) for one in activations) / sum(one.numel() for one in activations)
