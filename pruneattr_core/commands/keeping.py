"""Commands about single pictures: computed on several processes, gone on with after a kill, kept as a run."""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pruneattr_core.analysis.table_run import Table, write_table
from pruneattr_core.benchmarks.command import data_words
from pruneattr_core.benchmarks.sources import Opened
from pruneattr_core.commands.arguments import add_workers, say
from pruneattr_core.commands.left import left
from pruneattr_core.commands.progress import Progress
from pruneattr_core.commands.source import tell_left_out
from pruneattr_core.runs.cells import Cells
from pruneattr_core.runs.workers import each
from pruneattr_core.runtime import provenance
from pruneattr_core.store import refuse_unwritable, with_ending

Record = dict[str, Any]
#: Arguments that decide no number, or that the header says elsewhere.
_ASIDE = (
    *("command", "further", "json", "result", "out", "graph", "workers", "threads", "device"),
    *("model", "weights", "classes", "data", "root"),
)


def add_keeping(parser: argparse.ArgumentParser) -> None:
    """Declare --out and --workers."""
    add_workers(parser)
    parser.add_argument("--out", type=Path, help="new or empty folder: keep the result as a run")


def kept(arguments: argparse.Namespace) -> str:
    """What is there after an interruption; "" without a folder for it, and while it is empty."""
    return "" if arguments.out is None else left("Its pictures", _work(arguments), "*.cell")


def over_pictures(
    arguments: argparse.Namespace,
    opened: Opened,
    indices: Sequence[int],
    compute: Callable[[argparse.Namespace, int], Record],
) -> list[Record]:
    """What `compute` says of every picture, in their order; with --out finished pictures survive a kill.

    Args:
        arguments: of the command, with --out and --workers.
        opened: network and pictures.
        indices: of the pictures.
        compute: importable by name; from the arguments and one picture's number, as JSON holds it.

    Returns:
        The records, each with the "seconds" it took.

    Raises:
        StoreError: --out cannot be written.
    """
    tell_left_out(opened.data)
    found: dict[int, Record] = {}
    cells = None
    if arguments.out is not None:
        refuse_unwritable(arguments.out, new_folder=True)
        asked = {**config(arguments), "weights": opened.weights, "data": opened.data.data_hash()}
        asked |= {"command": arguments.command, "pictures": list(indices)}
        identity = hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()
        cells = Cells(_work(arguments), identity, lambda line: print(line, file=sys.stderr))
        found = {i: dict(known) for i in indices if (known := cells.get(f"{i:06d}")) is not None}
    tick, missing = Progress("pictures"), [i for i in indices if i not in found]
    timed = partial(_timed, compute, arguments)
    tick(len(found), len(indices))
    for index, record in each(timed, missing, arguments.workers, arguments.threads):
        found[index] = record
        if cells is not None:
            cells.put(f"{index:06d}", record)
        tick(len(found), len(indices))
    return [found[i] for i in indices]


def _timed(
    compute: Callable[[argparse.Namespace, int], Record], arguments: argparse.Namespace, index: int
) -> Record:
    start = time.perf_counter()
    return compute(arguments, index) | {"seconds": time.perf_counter() - start}


def keep(
    arguments: argparse.Namespace,
    opened: Opened,
    indices: Sequence[int],
    rows: Mapping[tuple[str, ...], Sequence[float]],
    texts: Sequence[str],
    numbers: Sequence[str],
    seconds: float,
) -> None:
    """Write the run, if there is a place for it.

    Args:
        arguments: of the command.
        opened: network and pictures.
        indices: of the pictures.
        rows: texts of a row -> its numbers.
        texts: names of the text columns.
        numbers: names of the columns of numbers.
        seconds: of computing.
    """
    if arguments.out is None:
        return
    header = {
        "benchmark": arguments.command,
        "config": config(arguments),
        "texts": list(texts),
        "numbers": list(numbers),
        "model": {
            "id": opened.card.id,
            "title": opened.card.title,
            "weights_sha256": opened.weights,
            **opened.card.origin,
            "note": opened.card.weights_note(),
        },
        "data": {
            "id": opened.data.id,
            "title": opened.data.title,
            "sha256": opened.data.data_hash(),
            "indices": list(indices),
            "names": [opened.data[i].name for i in indices],
        },
        "versions": provenance(opened.device),
        "command": command_line(arguments, opened),
    }
    values = np.array(list(rows.values()), np.float64).reshape(len(rows), len(numbers))
    date = time.strftime("%Y-%m-%d", time.gmtime())
    timing = {"seconds": round(seconds, 1), "date": date}
    write_table(Table(header, tuple(rows), values, timing), arguments.out)
    Cells(_work(arguments), "", print).clear()
    say(arguments, f"The run is in {arguments.out}.")


def config(arguments: argparse.Namespace) -> dict[str, Any]:
    """What was asked, as JSON holds it; folders of this machine are left out."""
    asked = {name: value for name, value in vars(arguments).items() if name not in _ASIDE}
    if asked.get("of_class") is None:  # runs from before it could be asked say nothing of it
        asked.pop("of_class", None)
    return asked


def command_line(arguments: argparse.Namespace, opened: Opened) -> str:
    """What computes the run again; without --root, --weights and --classes, which say where things lie."""
    words = ["python", "-m", "pruneattr_core", "paths", arguments.command]
    words += ["--model", opened.card.id, *data_words(opened.data.id)]
    for name, value in config(arguments).items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(option)
        elif value is not None and value is not False:
            words += [option, *map(str, value if isinstance(value, list) else [value])]
    return shlex.join([*words, "--device", arguments.device])


def _work(arguments: argparse.Namespace) -> Path:
    return with_ending(arguments.out, ".partial")
