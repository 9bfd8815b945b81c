"""`paths`: do ways to choose a path agree, do they keep dead neurons? SCP figures 1, 2, 8, 9, 10."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pruneattr_core.analysis.interval import Interval
from pruneattr_core.analysis.study import REFERENCE, SPARSITIES, Job, Question, cell, cell_name, study
from pruneattr_core.analysis.study_run import Study, collect, read_study, write_study
from pruneattr_core.benchmarks.sources import Source, open_source
from pruneattr_core.commands.arguments import (
    add_device,
    add_json,
    add_seed,
    add_threads,
    add_workers,
    count,
    say,
    share,
    show,
    use_threads,
    whole,
)
from pruneattr_core.commands.left import left
from pruneattr_core.commands.progress import Progress
from pruneattr_core.commands.source import add_source, source_of, tell_left_out
from pruneattr_core.errors import InputError, StoreError
from pruneattr_core.models import weights_hash
from pruneattr_core.paths.dgr import GAMMA, ITERATIONS, LEARNING_RATE, MOMENTUM
from pruneattr_core.paths.greedy import STEP
from pruneattr_core.paths.table import METHODS
from pruneattr_core.runs.cells import Cells
from pruneattr_core.runs.workers import each
from pruneattr_core.runtime import device_for, provenance
from pruneattr_core.scoring.settling import NAME
from pruneattr_core.store import refuse_unwritable

#: Methods whose number of pictures --n-dgr limits.
_DEAR = [key for key, method in METHODS.items() if method.counts == "iterations"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `paths`."""
    add_source(parser)
    parser.add_argument("--n", type=count, default=50, help="number of pictures (default 50)")
    parser.add_argument(
        "--n-dgr", type=whole(0), help="of these, pictures for DGR, which is dear (default all)"
    )
    parser.add_argument(
        "--methods", nargs="+", default=list(METHODS), choices=list(METHODS), metavar="METHOD",
        help=f"out of {', '.join(METHODS)} (default all)",
    )  # fmt: skip
    parser.add_argument(
        "--sparsities", nargs="+", type=share, default=list(SPARSITIES), help="fractions removed"
    )
    parser.add_argument(
        "--of", choices=("all", "contributing"), default="all", help="what these are shares of (default all)"
    )
    parser.add_argument(
        "--class-scores", action="store_true", help="count class scores as neurons, as published code does"
    )
    parser.add_argument("--iterations", type=count, default=ITERATIONS, help="of DGR (default %(default)s)")
    add_seed(parser, "pictures and random paths")
    add_device(parser)
    add_threads(parser, torch.get_num_threads())
    add_workers(parser)
    add_json(parser)
    parser.add_argument("--out", type=Path, required=True, help="new or empty folder of the run")
    parser.add_argument("--cache", type=Path, default=_cache(), help="where cells wait (default %(default)s)")


def kept(arguments: argparse.Namespace) -> str:
    """What is there after an interruption."""
    return left("Finished pictures", arguments.cache, "**/*.cell")


def run(arguments: argparse.Namespace) -> int:
    """Compute what is missing, write the run, print its tables; a killed study goes on when started again."""
    refuse_unwritable(arguments.out, new_folder=True)
    refuse_unwritable(arguments.cache / "cell")
    use_threads(arguments)
    device = device_for(arguments.device)
    opened = open_source(source_of(arguments))
    model, data = opened.model, opened.data
    tell_left_out(data)
    if not 1 <= arguments.n <= len(data):
        raise InputError(
            f"Expected --n from 1 to {len(data)}, the pictures of {data.title}; got {arguments.n}."
        )
    order = [int(i) for i in np.random.default_rng(arguments.seed).permutation(len(data))[: arguments.n]]
    few = arguments.n if arguments.n_dgr is None else max(0, min(arguments.n, arguments.n_dgr))
    methods = [method for method in METHODS if method in arguments.methods]
    cheap = [method for method in methods if method not in _DEAR]
    jobs = [(index, methods if k < few else cheap) for k, index in enumerate(order)]
    jobs = [job for job in reversed(jobs) if job[1]]  # the dear ones last
    card = opened.card
    question = Question(
        weights_hash(model),
        data.data_hash(),
        tuple(arguments.sparsities),
        arguments.seed,
        arguments.iterations,
        of=arguments.of,
        class_scores=arguments.class_scores,
    )
    folder = arguments.cache / question.key()
    cells = study(
        model,
        lambda index: opened.inputs([index]),
        jobs,
        question,
        folder,
        say=partial(say, arguments),
        progress=Progress("pictures"),
        spread=lambda missing: each(
            partial(_cell, source_of(arguments), question), missing, arguments.workers, arguments.threads
        ),
    )
    counts = {method: sum(method in found["seconds"] for found in cells) for method in methods}
    header = {
        "config": {
            "sparsities": list(question.sparsities),
            **question.neurons(),
            "seed": arguments.seed,
            "n": arguments.n,
            "n_dgr": few,
            "reference": REFERENCE,
            "interval": "Student's t, 95 %, over pictures",
            "target": "predicted class",
            "ties": "drop",
            "intgrad": {"rule": "settled", "nodes": NAME},
            "greedy": {"step": STEP},
            "dgr": {
                "iterations": question.iterations,
                "lr": LEARNING_RATE,
                "momentum": MOMENTUM,
                "gamma": GAMMA,
            },
        },
        "model": {
            "id": card.id,
            "title": card.title,
            "weights_sha256": question.weights,
            **card.origin,
            "note": card.weights_note(),
        },
        "data": {
            "id": data.id,
            "title": data.title,
            "sha256": question.data,
            "indices": [index for index, _ in jobs],
            "names": [data[index].name for index, _ in jobs],
        },
        "methods": {
            m: {"title": METHODS[m].title, "source": METHODS[m].source, "n": counts[m]} for m in methods
        },
        "layers": cells[0]["names"],
        "neurons": cells[0]["neurons"],
        "versions": provenance(device),
        "device": str(device),
        "threads": arguments.threads,
        "command": _command(arguments, card.id),
    }
    timing = {
        "seconds": round(sum(sum(found["seconds"].values()) for found in cells)),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }
    try:
        write_study(header, collect(cells, question.sparsities, REFERENCE), arguments.out, timing)
    except StoreError:
        if not _answered(arguments.out, header):
            raise
        say(arguments, f"Another process has finished {arguments.out} meanwhile: its run is taken.")
    Cells(folder, question.key(), print).drop(cell_name(*job) for job in jobs)
    _show(read_study(arguments.out), arguments)
    return 0


def _answered(out: Path, header: Mapping[str, Any]) -> bool:
    """Whether a run of the same question is at `out`."""
    try:
        found = json.loads(json.dumps(read_study(out).header))
    except StoreError:
        return False
    asked = json.loads(json.dumps(header))
    return all(found.get(part) == asked[part] for part in ("config", "model", "data", "methods"))


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pruneattr" / "paths"


def _cell(source: Source, question: Question, job: Job) -> Mapping[str, Any]:
    opened = open_source(source)
    return cell(opened.model, opened.inputs([job[0]]), *job, question)


def _command(arguments: argparse.Namespace, model: str) -> str:
    """What reproduces the run; folders of this machine are left out."""
    parts = ["python", "-m", "pruneattr_core", "paths", "--model", model]
    for name in (
        "data",
        "n",
        "n_dgr",
        "methods",
        "sparsities",
        "iterations",
        "seed",
        "device",
        "threads",
    ):
        value = getattr(arguments, name)
        if value is not None:
            if name == "data" and Path(value).is_dir():
                value = Path(value).name
            parts += [f"--{name.replace('_', '-')}", *map(str, value if isinstance(value, list) else [value])]
    parts += ["--of", arguments.of] if arguments.of != "all" else []
    return shlex.join([*parts, "--class-scores"] if arguments.class_scores else parts)


def _show(found: Study, arguments: argparse.Namespace) -> None:
    """Dead shares and overlaps."""
    lines = [f"{found.title}; dead share of all neurons {found.base.mean:.3f}"]
    tables: dict[str, dict[str, dict[str, float | None]]] = {}
    for sparsity in found.sparsities:
        lines.append(f"sparsity {sparsity:g}; Jaccard with {', '.join(found.methods)}")
        rows = tables[f"{sparsity:g}"] = {}
        for method in found.methods:
            reached = found.reached(method, sparsity)
            if reached is None:
                continue
            overlaps = {other: _mean(found.overlap(method, other, sparsity)) for other in found.methods}
            dead = _mean(found.dead(method, sparsity))
            rows[method] = {"reached": reached.mean, "dead": dead, **overlaps}
            row = " ".join(map(_said, overlaps.values()))
            lines.append(
                f"  {method:11s} n {reached.n:3d}  reached {reached.mean:.3f}  dead {_said(dead)}  "
                f"Jaccard {row}"
            )
    record = {"title": found.title, "folder": str(arguments.out), "base": found.base.mean, "tables": tables}
    show(arguments, "\n".join(lines), record)


def _mean(found: Interval | None) -> float | None:
    return None if found is None else found.mean


def _said(value: float | None) -> str:
    return "  -  " if value is None else f"{value:.3f}"
