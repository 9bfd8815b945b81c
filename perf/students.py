"""Train AP's students side by side on one device for as long as a time allows, then measure them as a run.

    PYTHONPATH=. python perf/students.py --out FOLDER [--device cuda] [--minutes 7]
    PYTHONPATH=. python perf/students.py --out FOLDER --only=-x2- --epochs 6

Every student of the shipped teacher: 1/2, 1/4 and 1/8 of the channels, plain, EWA, SWA and SSWA, three seeds
each; and 16 rounds of pruning with retraining, measured after each round (AP fig. 3). One process each, all
begun at once; how many epochs fit is found by training all of them for a part of one first, or said. Cards,
weights and the finished run lie in FOLDER; students that lie there are not trained again. --scenes and
--tested make it small, to try it. --ablations are students of SSWA with 1/8 of the channels, each with one
thing of their recipe changed, beside those of AP's recipe and plain ones.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch

from pruneattr_core.cli import main as command
from pruneattr_core.compression.data import scenes_multilabel
from pruneattr_core.compression.examine import Examination, measured_key
from pruneattr_core.compression.family import STUDENTS
from pruneattr_core.compression.matching import BETA
from pruneattr_core.compression.members import open_member, read_card, write_card
from pruneattr_core.compression.order import Order, Workshop, open_teacher
from pruneattr_core.compression.pool import Pool
from pruneattr_core.compression.zoo import COUNT, TEACHER, Job, order, scenes_pool

#: Rounds of iterative pruning.
ROUNDS = 16
#: Test scenes after each round of pruning, and scenes that are explained.
PER_ROUND, EXPLAINED = 500, 150
#: Share of the time that is left, after the rehearsal, to training; the rest measures.
TRAINING = 0.7
#: Epochs of the rehearsal that tells how many fit.
REHEARSAL = 0.5
#: The slowest first.
JOBS = (
    *(Job("unstructured", matching) for matching in BETA),
    *(Job(kind, matching, seed) for seed in range(3) for kind in ("x2", "x4", "x8") for matching in BETA),
)
#: What SSWA's ablations change: the share of channels left out, the weight of matching, and the layer that is
#: matched, here the last one of the block before.
VARIANTS: tuple[dict[str, Any], ...] = (
    *({"drop": share} for share in (0.1, 0.5, 0.7)),
    *({"beta": weight} for weight in (5.0, 500.0)),
    {"layers": ("features.13",)},
)
#: What forked processes inherit instead of having it sent.
_shared: dict[str, Pool] = {}

One = TypeVar("One")
Result = TypeVar("Result")


def family() -> list[Order]:
    """What the shipped family asks for."""
    return [order(job) for job in JOBS]


def ablations() -> list[Order]:
    """Students of SSWA with one thing changed, those without, and plain ones; three seeds each."""
    found = []
    for seed in range(3):
        usual = order(Job("x8", "sswa", seed))
        found += [order(Job("x8", "none", seed)), usual]
        for change in VARIANTS:
            ((name, value),) = change.items()
            said = f"{name}-{'-'.join(value) if isinstance(value, tuple) else f'{value:g}'}"
            matching, title = replace(usual.matching, **change), f"{usual.title} · {said}"
            found.append(replace(usual, id=f"{usual.id}-{said}", title=title, matching=matching))
    return found


def long(wanted: Order, epochs: float) -> Order:
    """The same with so many epochs, all rounds together."""
    parts = ROUNDS if wanted.kind == "unstructured" else 1
    return replace(wanted, rounds=ROUNDS, schedule=replace(wanted.schedule, epochs=epochs / parts))


def train(wanted: Order, folder: Path, device: str, watched: bool) -> float:
    """Train one student in this process; seconds of training."""
    torch.set_num_threads(1)
    teacher = open_teacher(str(STUDENTS / f"{TEACHER}.json"))
    examination = None
    if watched and wanted.kind == "unstructured":
        tests = scenes_multilabel("test", PER_ROUND)
        seen = scenes_pool("test", PER_ROUND)
        examination = Examination(tests, seen, teacher.model, EXPLAINED, ("gradcam",))
    pictures = replace(_shared["train"], device=device)
    shop = Workshop(teacher, pictures, folder, folder / "cache", lambda line: None, examination)
    return float(read_card(shop.make(wanted))["seconds"])


def measure(file: Path) -> str:
    """Measure one network and write it on its card, as `compress table` would."""
    torch.set_num_threads(1)
    pictures = _shared["test"]
    teacher, _ = open_member(file.parent / f"{TEACHER}.json")
    data = scenes_multilabel("test", len(pictures))
    model, card = open_member(file)
    found = Examination(data, pictures, teacher, EXPLAINED).measure(model)
    write_card(file, card | {"measured": found, "measured_identity": measured_key(pictures, EXPLAINED)})
    return str(card["id"])


def side_by_side(task: Callable[[One], Result], given: Sequence[One], most: int) -> list[Result]:
    """One forked process each, at most so many at once."""
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(min(most, len(given)), fork) as pool:
        return list(pool.map(task, given))


def main() -> None:
    """Draw, rehearse, train, measure, write the run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--minutes", type=float, default=7)
    parser.add_argument("--scenes", type=int, default=COUNT, help="to learn from")
    parser.add_argument("--tested", type=int, default=2000, help="scenes of the tables")
    parser.add_argument("--only", default="", help="part of the ids")
    parser.add_argument("--epochs", type=float, help="for each student, whatever time that takes")
    parser.add_argument("--ablations", action="store_true", help="other students, see above")
    options = parser.parse_args()
    asked = [one for one in (ablations() if options.ablations else family()) if options.only in one.id]
    if not asked:
        parser.error(f"no student's id holds {options.only!r}")
    if options.epochs is not None and not 0 < options.epochs < math.inf:
        parser.error(f"--epochs: expected a number above 0, got {options.epochs}")
    torch.set_num_threads(1)
    began, cores = time.monotonic(), os.cpu_count() or 1

    def said(line: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {line}", flush=True)

    _shared.update(train=scenes_pool("train", options.scenes), test=scenes_pool("test", options.tested))
    students = options.out / "students"
    students.mkdir(parents=True, exist_ok=True)
    for suffix in ("json", "safetensors"):
        shutil.copy(STUDENTS / f"{TEACHER}.{suffix}", students)
    said("scenes are drawn")

    def trained(epochs: float, folder: Path, watched: bool) -> list[float]:
        wanted = [long(one, epochs) for one in asked]
        task = partial(train, folder=folder, device=options.device, watched=watched)
        return side_by_side(task, wanted, len(wanted) if options.device == "cuda" else cores)

    def fitting() -> float:
        rehearsal = options.out / "rehearsal"
        seconds = trained(REHEARSAL, rehearsal, False)
        shutil.rmtree(rehearsal)
        left = 60 * options.minutes - (time.monotonic() - began)
        waves = 1 if options.device == "cuda" else -(-len(seconds) // cores)
        epochs = max(REHEARSAL, round(REHEARSAL * TRAINING * left / (max(seconds) * waves), 1))
        said(f"an epoch takes {max(seconds) / REHEARSAL:.2f} s beside the others: {epochs} epochs fit")
        return epochs

    trained(options.epochs or fitting(), students, True)
    said("students are trained")
    shutil.rmtree(students / "cache", ignore_errors=True)
    side_by_side(measure, sorted(students.glob("*.json")), cores)
    run = ["compress", "table", "--students", str(students), "--pictures", str(options.tested)]
    command([*run, "--explained", str(EXPLAINED), "--out", str(options.out / "run"), "--threads", "1"])
    said("the run is written")


if __name__ == "__main__":
    main()
