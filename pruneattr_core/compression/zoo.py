"""The shipped family: one teacher on shape scenes and every student of it, in the order they are trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from pruneattr_core.compression.cut import renewed
from pruneattr_core.compression.data import scenes_multilabel
from pruneattr_core.compression.loop import Schedule
from pruneattr_core.compression.matching import BETA
from pruneattr_core.compression.members import write_member
from pruneattr_core.compression.order import Order, Teacher, Workshop, facts, open_teacher
from pruneattr_core.compression.pool import Pool, pool
from pruneattr_core.compression.teacher import train_teacher
from pruneattr_core.compression.train import Matching, identity
from pruneattr_core.descent import remove
from pruneattr_core.models.vgg import SceneVGG
from pruneattr_core.scenes import SHAPES

TEACHER = "scenes-vgg"
SIDE, MEAN, STD = 64, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
#: Scenes to learn from.
COUNT = 10_000
#: The teacher's training on pictures of half the side, then of the full; a student's; one round of iterative
#: pruning (AP trains 30 epochs there); the healing after a cut.
SCHEDULES = {
    "small": Schedule(epochs=6, muon_rate=0.05, rate=0.02),
    "teacher": Schedule(epochs=4, muon_rate=0.04, rate=0.02),
    "x2": Schedule(epochs=6, muon_rate=0.05, rate=0.02),
    "x4": Schedule(epochs=8, muon_rate=0.05, rate=0.02),
    "x8": Schedule(epochs=12, muon_rate=0.05, rate=0.02),
    "unstructured": Schedule(epochs=0.15, rate=0.01, muon_rate=0.0, weight_decay=1e-4),
    "structured": Schedule(epochs=6, muon_rate=0.02, rate=0.01),
}
#: What the figures of a study of this family are; kept with every run.
_MEASURED = (
    "Maps are judged on pairs (picture, class) that the network predicts correctly (logit above 0), "
    "deformation on those that its teacher predicts too.",
    "mAP and F1 are means over classes; *_released are the released code's: means over pictures, F1 with a "
    "threshold of 0.5 on the logit.",
    "l2 is the distance of the normalised maps; AP prints another unit (about 50 times 2 - 2 cosine).",
    "Excitation backprop is computed at the input; the released code computes it at the last ReLU.",
)


def notes(cards: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where a study of this family is smaller than the paper's, by its cards, and what was measured."""
    epochs: dict[str, list[float]] = {}
    for card in cards:
        if card["kind"] != "teacher":
            kind = "unstructured" if card["kind"] == "unstructured" else "others"
            epochs.setdefault(kind, []).append(float(card["recipe"]["schedule"]["epochs"]))
    found = []
    if "unstructured" in epochs:
        rounds = _span(epochs["unstructured"])
        found.append(f"Each round of iterative pruning trains {rounds} epochs; AP's 16 rounds, 30 each.")
    if "others" in epochs:
        found.append(
            f"Students learn for {_span(epochs['others'])} epochs of {cards[0]['training_pictures']} scenes; "
            "the released code's default is 350 epochs of VOC."
        )
    return [*found, *_MEASURED]


def _span(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


#: Convolutions that lose 70 % of their channels: the first and the second half, as in the released code.
STRUCTURED_LAYERS = ("features.0", "features.11", "features.15", "features.18")


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
        ("unstructured", 1),
        ("unstructured", 2),
    )
    for matching in BETA
)


def scenes_pool(split: str, count: int, side: int = SIDE) -> Pool:
    """Scenes with the family's normalisation."""
    return pool(scenes_multilabel(split, count, size=side), (side, side), MEAN, STD)


class _HalfSize(nn.Module):
    """A SceneVGG without its last pooling: the same weights for pictures of half the side."""

    def __init__(self, model: SceneVGG) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.model.classifier(self.model.features[:-1](x).flatten(1))
        return logits


def make_teacher(folder: Path, cache: Path, log: Callable[[str], None], seed: int = 0) -> Path:
    """Train the teacher, unless its card is in `folder` already; the card's path."""
    card = folder / f"{TEACHER}.json"
    if card.exists():
        return card
    small, pictures = scenes_pool("train", COUNT, SIDE // 2), scenes_pool("train", COUNT)
    model = SceneVGG(len(SHAPES))
    renewed(model, seed)
    blank = Teacher(TEACHER, model, "SceneVGG", SHAPES, (SIDE, SIDE), MEAN, STD, "")
    title = "VGG on shape scenes (teacher)"
    known = {"title": title, "kind": "teacher", "matching": "none", "seed": seed, **facts(blank, pictures)}
    recipe = {name: asdict(SCHEDULES[name]) for name in ("small", "teacher")}
    key, seconds = identity("teacher", known, recipe), 0.0
    places: list[Path] = []
    for name, part, network in (("small", small, _HalfSize(model)), ("teacher", pictures, model)):
        log(f"{TEACHER}, {name}: {len(part)} pictures")
        own = identity(key, name)
        place = cache / f"{own[:24]}.pt"
        places.append(place)
        seconds += train_teacher(network, part, SCHEDULES[name], seed, own, place, log)
    done = {"id": TEACHER, **known, "recipe": recipe, "identity": key, "seconds": seconds}
    written = write_member(model, folder, done)
    for place in places:
        remove(place)
    return written


def workshop(folder: Path, cache: Path, log: Callable[[str], None] = print) -> Workshop:
    """The family's teacher, trained if need be, with the scenes that its students learn from."""
    teacher = open_teacher(str(make_teacher(folder, cache, log)))
    return Workshop(teacher, scenes_pool("train", COUNT), folder, cache, log)


def order(job: Job) -> Order:
    """What a job asks for, with the paper's weights, temperature and rates."""
    distilled = job.kind in ("x2", "x4", "x8")
    return Order(
        job.id,
        "distil" if distilled else job.kind,
        Matching(job.matching) if distilled else Matching(job.matching, alpha=0.0),
        SCHEDULES[job.kind],
        job.seed,
        job.title,
        divisor=int(job.kind[1:]) if distilled else 1,
        layers=STRUCTURED_LAYERS if job.kind == "structured" else (),
    )
