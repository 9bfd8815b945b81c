"""The shipped family: one teacher on shape scenes and every student of it, in the order they are trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pruneattr_core.compression.cut import cut, kept_by_l1, narrowed_copy, renewed
from pruneattr_core.compression.data import scenes_multilabel
from pruneattr_core.compression.loop import Schedule
from pruneattr_core.compression.matching import BETA, matched_layer
from pruneattr_core.compression.members import open_member, write_member
from pruneattr_core.compression.pool import Pool, pool
from pruneattr_core.compression.teacher import Answers, answers, train_teacher
from pruneattr_core.compression.train import Matching, Setting, distil, identity, prune_iteratively
from pruneattr_core.models.vgg import SceneVGG
from pruneattr_core.scenes import SHAPES
from pruneattr_core.tape import run as tape_run

TEACHER = "scenes-vgg"
SIDE, MEAN, STD = 64, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
#: Scenes to learn from.
COUNT = 10_000
#: The teacher's training, a student's, one round of iterative pruning, and the healing after a cut.
SCHEDULES = {
    "teacher": Schedule(epochs=9, muon_rate=0.05, rate=0.02),
    "x2": Schedule(epochs=5, muon_rate=0.05, rate=0.02),
    "x4": Schedule(epochs=7, muon_rate=0.05, rate=0.02),
    "x8": Schedule(epochs=9, muon_rate=0.05, rate=0.02),
    "unstructured": Schedule(epochs=0.15, rate=0.01, muon_rate=0.0, weight_decay=1e-4),
    "structured": Schedule(epochs=5, muon_rate=0.02, rate=0.01),
}
#: Convolutions that lose 70 % of their channels: the first and the second half, as in the released code.
STRUCTURED_LAYERS = ("features.0", "features.11", "features.15", "features.18")
STRUCTURED_RATE, ROUNDS, ROUND_RATE = 0.7, 16, 0.2


@dataclass(frozen=True)
class Job:
    """One student to train.

    Attributes:
        kind: "x2", "x4", "x8", "unstructured" or "structured".
        matching: "none", "ewa", "swa" or "sswa".
        seed: of the training.
    """

    kind: str
    matching: str
    seed: int = 0

    @property
    def id(self) -> str:
        """The student's id."""
        return f"{TEACHER}-{self.kind}-{self.matching}" + (f"-seed{self.seed}" if self.seed else "")

    @property
    def title(self) -> str:
        """For people."""
        names = {"unstructured": "VGG, weights pruned", "structured": "VGG, channels pruned"}
        kind = names.get(self.kind, f"VGG/{self.kind[1:]}")
        matching = {"none": "plain"}.get(self.matching, self.matching.upper())
        return f"{kind} · {matching}" + (f" · seed {self.seed}" if self.seed else "")


#: In the order of training: stopping anywhere leaves whole rows of the paper's tables.
JOBS = tuple(
    Job(kind, matching, seed)
    for kind, seed in (
        ("x8", 0),
        ("structured", 0),
        ("x4", 0),
        ("unstructured", 0),
        ("x2", 0),
        ("x8", 1),
        ("x8", 2),
        ("structured", 1),
        ("structured", 2),
    )
    for matching in BETA
)


def scenes_pool(split: str, count: int) -> Pool:
    """Scenes of the family's size and normalisation."""
    return pool(scenes_multilabel(split, count, size=SIDE), (SIDE, SIDE), MEAN, STD)


def facts(kind: str, title: str, pictures: Pool, matching: str, seed: int) -> dict[str, Any]:
    """What every card of the family says."""
    return {
        "title": title,
        "kind": kind,
        "matching": matching,
        "seed": seed,
        "architecture": "SceneVGG",
        "classes": list(SHAPES),
        "size": [SIDE, SIDE],
        "mean": list(pictures.mean),
        "std": list(pictures.std),
        "multi_label": pictures.multi_label,
        "data": pictures.title,
        "training_pictures": len(pictures),
        "data_sha256": pictures.sha256(),
    }


def make_teacher(folder: Path, cache: Path, log: Callable[[str], None], seed: int = 0) -> Path:
    """Train the teacher, unless its card is in `folder` already; the card's path."""
    card = folder / f"{TEACHER}.json"
    if card.exists():
        return card
    pictures, schedule = scenes_pool("train", COUNT), SCHEDULES["teacher"]
    model = renewed(SceneVGG(len(SHAPES)), seed)
    known = facts("teacher", "VGG on shape scenes (teacher)", pictures, "none", seed)
    key = identity("teacher", known, asdict(schedule))
    log(f"{TEACHER}: {len(pictures)} pictures")
    seconds = train_teacher(model, pictures, schedule, seed, key, cache / f"{key[:24]}.pt", log)
    return write_member(
        model,
        folder,
        {
            "id": TEACHER,
            **known,
            "recipe": {"schedule": asdict(schedule)},
            "identity": key,
            "seconds": seconds,
        },
    )


class Family:
    """The teacher, its pictures and its answers, opened once for all students.

    Args:
        folder: where cards and weights are, and are written.
        cache: for checkpoints.
        log: receives lines.
    """

    def __init__(self, folder: Path, cache: Path, log: Callable[[str], None] = print) -> None:
        self.folder, self.cache, self.log = folder, cache, log
        self.teacher, self.card = open_member(make_teacher(folder, cache, log))
        self.pictures = scenes_pool("train", COUNT)
        self.inputs = self.pictures.batch(np.arange(2))
        self._answers: Answers | None = None

    @property
    def answers(self) -> Answers:
        """The teacher's answers to the training pictures."""
        if self._answers is None:
            self.log("asking the teacher")
            layer = matched_layer(self.teacher, self.inputs)
            self._answers = answers(self.teacher, self.pictures, layer)
        return self._answers

    def make(self, job: Job) -> Path:
        """Train one student, unless its card is there already; the card's path."""
        path = self.folder / f"{job.id}.json"
        if path.exists():
            return path
        self.log(f"{job.id}")
        distilled = job.kind in ("x2", "x4", "x8")
        matching = (
            Matching(job.matching, self.answers.layer)
            if distilled
            else Matching(job.matching, self.answers.layer, alpha=0.0)
        )
        schedule, key = SCHEDULES[job.kind], identity(self.card["sha256"], self.pictures.sha256())
        setting = Setting(
            self.pictures, self.answers, matching, schedule, job.seed, key, self.cache, self.log
        )
        known = facts("distil" if distilled else job.kind, job.title, self.pictures, job.matching, job.seed)
        recipe: dict[str, Any] = {
            "schedule": asdict(schedule),
            **asdict(replace(matching, beta=matching.weight)),
        }
        more: dict[str, Any] = {}
        if distilled:
            divisor = int(job.kind[1:])
            student = narrowed_copy(self.teacher, divisor, self.inputs, job.seed)
            seconds = distil(student, setting, job.kind)
            recipe["divisor"] = divisor
        elif job.kind == "structured":
            kept = kept_by_l1(self.teacher, self.inputs, STRUCTURED_RATE, STRUCTURED_LAYERS)
            student = cut(self.teacher, kept, self.inputs)
            seconds = distil(student, setting, "structured")
            more["kept"] = kept
            recipe |= {"rate": STRUCTURED_RATE, "layers": list(STRUCTURED_LAYERS)}
        else:
            student, seconds, rounds = prune_iteratively(
                self.teacher, setting, ROUNDS, ROUND_RATE, self._watch
            )
            more["rounds"] = rounds
            recipe |= {"rounds": ROUNDS, "rate": ROUND_RATE}
        return write_member(
            student,
            self.folder,
            {
                "id": job.id,
                **known,
                "teacher": TEACHER,
                "teacher_sha256": self.card["sha256"],
                "recipe": recipe,
                "identity": setting.identity(job.kind),
                "seconds": seconds,
                **more,
            },
        )

    def _watch(self, number: int, model: nn.Module) -> dict[str, float]:
        """Share of dead neurons (activation 0) on the first 64 training pictures."""
        with torch.no_grad():
            record = tape_run(model, self.pictures.batch(np.arange(64)))
        dead = sum(int((one == 0).sum()) for one in record.activations)
        return {"dead_share": dead / sum(one.numel() for one in record.activations)}
