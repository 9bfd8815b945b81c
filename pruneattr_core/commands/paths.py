"""`paths`: do ways to choose a path agree, do they keep dead neurons? SCP figures 1, 2, 8, 9, 10."""

from __future__ import annotations

import argparse
import os
import shlex
import time
from pathlib import Path

import numpy as np
import torch

from pruneattr_core.analysis.study import REFERENCE, SPARSITIES, Question, cell_name, study
from pruneattr_core.analysis.study_run import Study, collect, read_study, write_study
from pruneattr_core.commands.source import add_source
from pruneattr_core.datasets import Dataset, load_dataset
from pruneattr_core.errors import InputError
from pruneattr_core.models import load_model, model_card, weights_hash
from pruneattr_core.paths.dgr import GAMMA, ITERATIONS, LEARNING_RATE, MOMENTUM
from pruneattr_core.paths.greedy import STEP
from pruneattr_core.paths.table import METHODS
from pruneattr_core.runs.cells import Cells
from pruneattr_core.runtime import device_for, provenance
from pruneattr_core.scoring.quadrature import NODES
from pruneattr_core.store import refuse_unwritable

_DEAR = ("dgr_init1", "dgr_random")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `paths`."""
    add_source(parser)
    parser.add_argument("--n", type=int, default=50, help="number of pictures (default 50)")
    parser.add_argument("--n-dgr", type=int, help="of these, pictures for DGR, which is dear (default all)")
    parser.add_argument(
        "--methods", nargs="+", default=list(METHODS), choices=list(METHODS), metavar="METHOD"
    )
    parser.add_argument(
        "--sparsities", nargs="+", type=float, default=list(SPARSITIES), help="fractions removed"
    )
    parser.add_argument("--iterations", type=int, default=ITERATIONS, help="of DGR (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of pictures and random paths (default 0)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps or auto (default cpu)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of the CPU")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; must not exist")
    parser.add_argument("--cache", type=Path, default=_cache(), help="where cells wait (default %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Compute what is missing, write the run, print its tables; a killed study goes on when started again."""
    refuse_unwritable(arguments.out, new_folder=True)
    torch.set_num_threads(arguments.threads)
    device = device_for(arguments.device)
    card = model_card(arguments.model)
    model = load_model(arguments.model, str(device), arguments.weights)
    data = _open(arguments.data, arguments.root)
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
    question = Question(
        weights_hash(model),
        data.data_hash(),
        tuple(arguments.sparsities),
        arguments.seed,
        arguments.iterations,
    )
    folder = arguments.cache / question.key()
    cells = study(
        model,
        lambda index: card.preprocess(data[index].image).to(device),
        jobs,
        question,
        folder,
        say=lambda line: print(line, flush=True),
    )
    counts = {method: sum(method in found["seconds"] for found in cells) for method in methods}
    header = {
        "config": {
            "sparsities": list(question.sparsities),
            "seed": arguments.seed,
            "n": arguments.n,
            "n_dgr": few,
            "reference": REFERENCE,
            "interval": "Student's t, 95 %, over pictures",
            "target": "predicted class",
            "ties": "drop",
            "intgrad": {"rule": "midpoint", "nodes": NODES["midpoint"]},
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
        "command": _command(arguments),
    }
    timing = {
        "seconds": round(sum(sum(found["seconds"].values()) for found in cells)),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }
    write_study(header, collect(cells, question.sparsities, REFERENCE), arguments.out, timing)
    Cells(folder, question.key(), print).drop(cell_name(*job) for job in jobs)
    _show(read_study(arguments.out))
    return 0


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pruneattr" / "paths"


def _open(name: str, root: Path | None) -> Dataset:
    if root is None and Path(name).is_dir():
        return load_dataset("folder", Path(name))
    return load_dataset(name, root)


def _command(arguments: argparse.Namespace) -> str:
    """What reproduces the run; folders of this machine are left out."""
    parts = ["python", "-m", "pruneattr_core", "paths"]
    for name in (
        "model",
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
    return shlex.join(parts)


def _show(found: Study) -> None:
    """Dead shares and overlaps as text."""
    print(f"{found.title}; dead share of all neurons {found.base.mean:.3f}")
    for sparsity in found.sparsities:
        print(f"sparsity {sparsity:g}; Jaccard with {', '.join(found.methods)}")
        for method in found.methods:
            dead, reached = found.dead(method, sparsity), found.reached(method, sparsity)
            if reached is None:
                continue
            others = (found.overlap(method, other, sparsity) for other in found.methods)
            row = " ".join("  -  " if one is None else f"{one.mean:.3f}" for one in others)
            share = "  -  " if dead is None else f"{dead.mean:.3f}"
            print(f"  {method:11s} n {reached.n:3d}  reached {reached.mean:.3f}  dead {share}  Jaccard {row}")
