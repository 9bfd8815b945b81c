"""`compress`: smaller networks that keep looking at the same things (AP)."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from pruneattr_core.commands.arguments import (
    add_device,
    add_json,
    add_seed,
    add_threads,
    count,
    number,
    positive,
    say,
    share,
    show,
    use_threads,
    whole,
)
from pruneattr_core.commands.progress import Progress
from pruneattr_core.commands.train import checkpoints_in, default_cache
from pruneattr_core.compression.cut import renewed
from pruneattr_core.compression.data import LabelledMasks, cifar10, folder, scenes_multilabel, voc2012
from pruneattr_core.compression.examine import Examination, machine, measured_key
from pruneattr_core.compression.family import STUDENTS
from pruneattr_core.compression.loop import Schedule
from pruneattr_core.compression.matching import ALPHA, BETA, DROP, MASKS, TEMPERATURE
from pruneattr_core.compression.members import (
    blank,
    open_member,
    read_card,
    start_from,
    write_card,
    write_member,
)
from pruneattr_core.compression.order import Order, Teacher, Workshop, facts, open_teacher
from pruneattr_core.compression.pool import Pool, pool
from pruneattr_core.compression.table import RUNS, markdown, published, tables, write_study
from pruneattr_core.compression.teacher import CHANGES, train_teacher
from pruneattr_core.compression.train import Matching, identity
from pruneattr_core.compression.zoo import JOBS, TEACHER, notes, order, workshop
from pruneattr_core.descent import remove
from pruneattr_core.errors import InputError
from pruneattr_core.models.checkpoint import file_sha256
from pruneattr_core.runtime import device_for, provenance
from pruneattr_core.store import refuse_unwritable, with_ending, write_atomically

_Three = tuple[float, float, float]
#: Mean and standard deviation of pixels in [0, 1], by name.
_NORMALISATIONS = {
    "half": ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `compress`."""
    actions = parser.add_subparsers(dest="action", required=True)
    teacher = actions.add_parser("teacher", help="train a network on the task alone")
    teacher.add_argument(
        "--architecture", default="SceneVGG", help="SceneVGG, SceneNet, ResNet8 or torchvision/NAME"
    )
    teacher.add_argument("--size", type=whole(8, 4096), default=64, help="side of the pictures (default 64)")
    teacher.add_argument(
        "--start",
        type=Path,
        help="weights to start from, e.g. ImageNet's; a head of other classes begins anew",
    )
    teacher.add_argument(
        "--change", choices=tuple(CHANGES), default="shift", help="of pictures at random; crop as AP's on VOC"
    )
    teacher.add_argument(
        "--normalisation",
        choices=tuple(_NORMALISATIONS),
        default="half",
        help="imagenet as AP's (default half)",
    )
    for name, line in (
        ("distil", "a student with a part of the channels, from new weights"),
        ("unstructured", "set the smallest weights of all convolutions to 0, round by round"),
        ("structured", "cut the channels with the smallest filters out, once"),
    ):
        _student_arguments(actions.add_parser(name, help=line, description=line), name)
    for part in actions.choices.values():
        _training_arguments(part)
        add_device(part)
    zoo = actions.add_parser("zoo", help="train the shipped teacher and students; goes on where it was")
    zoo.add_argument("--only", nargs="*", default=[], metavar="PART", help="parts of ids (default all)")
    table = actions.add_parser("table", help="measure all networks of a folder and keep the tables as a run")
    for part in (zoo, table):
        part.add_argument("--students", type=Path, default=STUDENTS, help="folder (default %(default)s)")
    zoo.add_argument("--cache", type=Path, default=default_cache(), help="checkpoints (default %(default)s)")
    table.add_argument("--pictures", type=count, default=2000, help="test pictures (default 2000)")
    table.add_argument("--explained", type=count, default=150, help="of them with maps (default 150)")
    table.add_argument("--again", action="store_true", help="measure also what its card says already")
    table.add_argument(
        "--out",
        type=Path,
        default=RUNS / "scenes",
        help="new folder of the run; a .md to read goes beside it (default %(default)s)",
    )
    _data_arguments(table)
    for part in actions.choices.values():
        add_threads(part, 1)
        add_json(part)


def _student_arguments(parser: argparse.ArgumentParser, kind: str) -> None:
    parser.add_argument("--teacher", required=True, help="an id of list_models(), or a card (.json)")
    parser.add_argument("--weights", type=Path, help="weights file for --teacher ID instead of its own")
    parser.add_argument(
        "--matching", choices=tuple(BETA), default="none",
        help="how the student's maps are drawn to the teacher's (default none)",
    )  # fmt: skip
    parser.add_argument(
        "--layer", nargs="+", default=[], help="modules to match (default: the last ReLU with maps)"
    )
    parser.add_argument(
        "--beta", type=number(0), help="weight of matching (default: EWA 100, SWA and SSWA 50)"
    )
    parser.add_argument("--temperature", type=positive, default=TEMPERATURE, help="default %(default)s")
    alpha = ALPHA if kind == "distil" else 0.0
    parser.add_argument(
        "--alpha", type=share, default=alpha, help="weight of the teacher's answers (default %(default)s)"
    )
    parser.add_argument(
        "--drop", type=share, default=DROP, help="SSWA: share of channels left out (default %(default)s)"
    )
    inside = number(0, 1, open_low=True, open_high=True)
    parser.add_argument(
        "--masks",
        choices=MASKS,
        default=MASKS[0],
        help="SSWA: a fixed number of channels (released code) or each by chance (AP eq. 6)",
    )
    if kind == "distil":
        parser.add_argument(
            "--divisor", type=count, default=8, help="1/2, 1/4, 1/8 of the channels (default 8)"
        )
    if kind == "unstructured":
        parser.add_argument("--rounds", type=count, default=16, help="default %(default)s")
        parser.add_argument("--rate", type=inside, default=0.2, help="of what is left, a round (default 0.2)")
        parser.add_argument(
            "--measured", type=count, metavar="N",
            help="after each round: mAP and F1 over N test pictures, Grad-CAM of the first 150 (AP fig. 3)",
        )  # fmt: skip
    if kind == "structured":
        parser.add_argument("--rate", type=inside, default=0.7, help="of each layer's channels (default 0.7)")
        parser.add_argument("--layers", nargs="*", default=[], help="convolutions to cut (default all)")


def _training_arguments(parser: argparse.ArgumentParser) -> None:
    _data_arguments(parser)
    parser.add_argument(
        "--count", type=count, help="pictures to learn from, the first ones (default: 10000 scenes, else all)"
    )
    parser.add_argument("--id", help="of the network (default: from what it is)")
    add_seed(parser, "first weights, order and chance")
    parser.add_argument(
        "--epochs", type=positive, default=10, help="in each round, when pruning (default 10)"
    )
    parser.add_argument("--batch", type=whole(2), default=64, help="pictures a step (default 64)")
    parser.add_argument("--learning-rate", type=positive, default=0.02, help="of SGD (default %(default)s)")
    parser.add_argument(
        "--muon", type=number(0), default=0.0, help="rate of Muon for convolutions; 0 for SGD"
    )
    parser.add_argument("--weight-decay", type=number(0), default=1e-4, help="default %(default)s")
    parser.add_argument("--out", type=Path, default=Path("students"), help="folder (default %(default)s)")
    parser.add_argument(
        "--cache", type=Path, default=default_cache(), help="checkpoints (default %(default)s)"
    )


def _data_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", default="scenes", help="scenes, voc2012, cifar10 or a folder (scenes)")
    parser.add_argument("--root", type=Path, help="where voc2012 or cifar10 are")


def kept(arguments: argparse.Namespace) -> str:
    """What is there after an interruption."""
    if arguments.action == "table":
        return f"Networks measured so far have their figures on their cards in {arguments.students}."
    return checkpoints_in(arguments.cache)


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked; a killed training goes on where it was when started again."""
    use_threads(arguments)
    log = partial(say, arguments)
    if arguments.action == "zoo":
        refuse_unwritable(arguments.students / "card.json")
        refuse_unwritable(arguments.cache / "checkpoint")
        asked = [job for job in JOBS if not arguments.only or any(part in job.id for part in arguments.only)]
        if not asked:
            raise InputError(f"No id of a student has {' or '.join(arguments.only)} in it: see {STUDENTS}.")
        there = {file.stem for file in arguments.students.glob("*.json")}
        missing = [job for job in asked if job.id not in there]
        if missing or TEACHER not in there:  # ten thousand scenes are drawn for them
            log("drawing the scenes that they learn from")
            shop = workshop(arguments.students, arguments.cache, log)
            for job in missing:
                shop.make(order(job))
        log(f"{len(asked)} students asked for, {len(asked) - len(missing)} of them were there")
    elif arguments.action == "table":
        _table(arguments, log)
    elif arguments.action == "teacher":
        _teacher(arguments, log)
    else:
        _student(arguments, log)
    return 0


def _data(arguments: argparse.Namespace, split: str, count: int | None) -> LabelledMasks:
    """The pictures to learn from ("train") or to measure on ("test"); `count` of them if they are scenes."""
    if arguments.data == "scenes":
        return scenes_multilabel(split, count or 10_000)
    if arguments.data == "cifar10":
        return cifar10(arguments.root, split)
    if arguments.data == "voc2012":
        if arguments.root is None:
            raise InputError("Name the folder that holds VOCdevkit: --root FOLDER.")
        return voc2012(arguments.root, "train" if split == "train" else "val")
    return folder(arguments.data, split)


def _read(data: LabelledMasks, size: tuple[int, int], mean: _Three, std: _Three, limit: int | None) -> Pool:
    return pool(data, size, mean, std, limit, Progress("pictures read"))


def _schedule(arguments: argparse.Namespace) -> Schedule:
    return Schedule(
        arguments.epochs, arguments.batch, arguments.learning_rate, arguments.muon, arguments.weight_decay
    )


def _teacher(arguments: argparse.Namespace, log: Callable[[str], None]) -> None:
    refuse_unwritable(arguments.out / "card.json")
    refuse_unwritable(arguments.cache / "checkpoint")
    data, size = _data(arguments, "train", arguments.count), (arguments.size, arguments.size)
    name = arguments.id or f"{arguments.architecture.replace('/', '-')}-{Path(arguments.data).name}".lower()
    mean, std = _NORMALISATIONS[arguments.normalisation]
    model = renewed(blank(arguments.architecture, len(data.classes)), arguments.seed)
    recipe: dict[str, str] = {} if arguments.change == "shift" else {"change": arguments.change}
    if arguments.start is not None:
        start_from(model, arguments.start)
        recipe["start"] = file_sha256(arguments.start)
    device = device_for(arguments.device)
    pictures = replace(_read(data, size, mean, std, arguments.count), device=str(device))
    schedule = _schedule(arguments)
    teacher = Teacher(name, model, arguments.architecture, data.classes, size, mean, std, "")
    known = {"id": name, "title": name, "kind": "teacher", "matching": "none", "seed": arguments.seed}
    known |= facts(teacher, pictures)
    key = identity("teacher", known, repr(schedule), *([recipe] if recipe else []))
    checkpoint = arguments.cache / f"{key[:24]}.pt"
    seconds = train_teacher(
        model.to(device), pictures, schedule, arguments.seed, key, checkpoint, log, arguments.change
    )
    done = {**known, "recipe": {"schedule": vars(schedule), **recipe}, "identity": key, "seconds": seconds}
    path = write_member(model.cpu(), arguments.out, done, str(device))
    remove(checkpoint)
    show(arguments, f"wrote {path}", {**done, "file": str(path)})


def _student(arguments: argparse.Namespace, log: Callable[[str], None]) -> None:
    refuse_unwritable(arguments.out / "card.json")
    refuse_unwritable(arguments.cache / "checkpoint")
    teacher = open_teacher(arguments.teacher, arguments.weights)
    data = _data(arguments, "train", arguments.count)
    pictures = _read(data, teacher.size, teacher.mean, teacher.std, arguments.count)
    pictures = replace(pictures, device=str(device_for(arguments.device)))
    kind = f"x{arguments.divisor}" if arguments.action == "distil" else arguments.action
    wanted = Order(
        arguments.id or f"{teacher.id.replace('/', '-')}-{kind}-{arguments.matching}-seed{arguments.seed}",
        arguments.action,
        Matching(
            arguments.matching,
            tuple(arguments.layer),
            arguments.beta,
            arguments.temperature,
            arguments.alpha,
            arguments.drop,
            arguments.masks,
        ),
        _schedule(arguments),
        arguments.seed,
        divisor=getattr(arguments, "divisor", 1),
        rate=getattr(arguments, "rate", None),
        rounds=getattr(arguments, "rounds", 16),
        layers=tuple(getattr(arguments, "layers", ())),
    )
    examination = None
    if measured := getattr(arguments, "measured", None):
        tests = _data(arguments, "test", measured)
        seen = _read(tests, teacher.size, teacher.mean, teacher.std, measured)
        examination = Examination(tests, seen, teacher.model, methods=("gradcam",))
    shop = Workshop(teacher, pictures, arguments.out, arguments.cache, log, examination)
    path = shop.make(wanted)
    show(arguments, f"wrote {path}", {**read_card(path), "file": str(path)})


def _table(arguments: argparse.Namespace, log: Callable[[str], None]) -> None:
    """Measure every network in the folder, write what came out to its card, and all of it as a run."""
    refuse_unwritable(arguments.out, new_folder=True)
    refuse_unwritable(arguments.students / "card.json")
    files = sorted(
        arguments.students.glob("*.json"), key=lambda file: (read_card(file)["kind"] != "teacher", file.name)
    )
    found = [file for file in files if read_card(file)["kind"] == "teacher"]
    if len(found) != 1:
        raise InputError(f"Expected one teacher in {arguments.students}, found {len(found)}.")
    teacher, card = open_member(found[0])
    data = _data(arguments, "test", arguments.pictures)
    size, mean, std = (tuple(card[name]) for name in ("size", "mean", "std"))
    pictures = _read(data, size, mean, std, arguments.pictures)
    key = measured_key(pictures, arguments.explained)
    examination = Examination(data, pictures, teacher, arguments.explained)
    cards = []
    for file in files:
        model, card = open_member(file)
        if arguments.again or card.get("measured_identity") != key:
            log(f"measuring {card['id']}")
            card |= {"measured": examination.measure(model, log), "measured_identity": key}
            write_card(file, card)
        cards.append(card)
    config = {"data": pictures.title, "pictures": len(pictures), "explained": arguments.explained}
    study = {
        "about": f"Compression of {cards[0]['title']}, measured on {pictures.title}",
        "config": {
            **config,
            "notes": notes(cards) if cards[0]["id"] == TEACHER else [],
            "data_sha256": pictures.sha256(),
            "methods": list(examination.methods),
        },
        "members": cards,
        "tables": tables(cards),
        "published": published(),
        "provenance": {**provenance("cpu"), "machine": machine()},
    }
    write_study(arguments.out, study, {"date": time.strftime("%Y-%m-%d", time.gmtime())})
    write_atomically(with_ending(arguments.out, ".md"), markdown(study).encode())
    log(f"wrote {arguments.out}")
    show(arguments, markdown(study), {"folder": str(arguments.out), "tables": study["tables"]})
