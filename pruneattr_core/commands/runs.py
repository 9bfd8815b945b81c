"""Runs on disk: `list` them as Markdown, `rank` the methods in them, `verify` one, `migrate` older ones."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from pruneattr_core.assets import published
from pruneattr_core.benchmarks.command import command_of
from pruneattr_core.benchmarks.evidence import (
    listing,
    order_table,
    paired_table,
    retraining_table,
    same_pictures,
)
from pruneattr_core.benchmarks.run import Run, read_run, run_from_zip
from pruneattr_core.benchmarks.scoreboard import markdown, rankings
from pruneattr_core.benchmarks.sources import Source
from pruneattr_core.benchmarks.verify import verify
from pruneattr_core.commands.arguments import add_device, add_json, add_seed, count, say, show
from pruneattr_core.commands.migration import migrate
from pruneattr_core.commands.network import add_own_files, own_files
from pruneattr_core.errors import InputError
from pruneattr_core.models import OWN
from pruneattr_core.runs.reading import RUN_LIMIT
from pruneattr_core.runs.stored import HEADER
from pruneattr_core.store import write_atomically

BEGIN, END = "<!-- begin: written by `python -m pruneattr_core runs list --write` -->", "<!-- end -->"
_GRADIENT, _OURS = "Gradient (saliency)", "PruneGrad"
_SIGNED, _MAGNITUDE, _SUM = "signed value", "magnitude", "sum of magnitudes"
#: (method, order, other, other's order): the same order for both, then the mixture.
_PAIRS = (
    *((_GRADIENT, order, _OURS, order) for order in (_SIGNED, _MAGNITUDE, _SUM)),
    *((_GRADIENT, _SIGNED, _OURS, order) for order in (_MAGNITUDE, _SUM)),
    ("Random map", _SIGNED, _OURS, _SIGNED),
    ("Random map", _SIGNED, _OURS, _MAGNITUDE),
    ("Edge detector", _MAGNITUDE, _OURS, _MAGNITUDE),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `runs`."""
    actions = parser.add_subparsers(dest="action", required=True)
    line = "what a folder of benchmark runs holds, as Markdown"
    listed = actions.add_parser("list", help=line, description=line)
    listed.add_argument("folder", type=Path, help="folder of runs, such as assets/runs/bench")
    listed.add_argument("--write", action="store_true", help="into the marked part of the folder's README.md")
    line = "a scoreboard: methods ranked per network, data and measure, with intervals and the controls"
    ranked = actions.add_parser("rank", help=line, description=line)
    ranked.add_argument("places", type=Path, nargs="+", help="runs (folders or zips), or folders of runs")
    line = "compute some cells of a run again, here, and compare them with what it says"
    checked = actions.add_parser("verify", help=line, description=line)
    checked.add_argument("place", type=Path, help="the run, a folder or a zip")
    checked.add_argument("--cells", type=count, default=4, metavar="N", help="how many cells (default 4)")
    add_seed(checked, "the choice of cells")
    add_own_files(checked, "the file, where the run's network has weights of somebody's own")
    checked.add_argument("--root", type=Path, help="where the data set lies")
    own = "methods of the run that are code, and that you allow to run"
    add_device(checked)
    checked.add_argument("--method", nargs="+", default=[], metavar="FILE.py:FUNCTION", help=own)
    line = "bring runs of earlier versions to today's format, in their places, the numbers unchanged"
    migrated = actions.add_parser("migrate", help=line, description=line)
    migrated.add_argument("places", type=Path, nargs="+", help="runs, or folders with runs in them")
    for action in (listed, ranked, checked, migrated):
        add_json(action)


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked."""
    if arguments.action == "migrate":
        count = sum(migrate(place, partial(say, arguments)) for place in arguments.places)
        told = f"{count} runs migrated" if count else "nothing to migrate: all runs are of today's format"
        show(arguments, told, {"migrated": count})
        return 0
    return {"list": _listed, "rank": _ranked, "verify": _verified}[arguments.action](arguments)


def _ranked(arguments: argparse.Namespace) -> int:
    """Print the scoreboard."""
    runs: dict[str, Run] = {}
    for place in arguments.places:
        runs |= _found(place)
    if not runs:
        raise InputError(f"{arguments.places[0]} holds no runs: make one with the command bench.")
    found = rankings(runs)
    text = markdown(found) or "No run here judges maps: pixels, sanity, localise and roar do."
    show(arguments, text, {"rankings": [asdict(one) for one in found]})
    return 0


def _verified(arguments: argparse.Namespace) -> int:
    """Say whether a run holds; the exit status says it too."""
    found = _found(arguments.place)
    if len(found) != 1:
        raise InputError(f"{arguments.place} holds {len(found)} runs: name one.")
    [(name, run)] = found.items()
    torch.set_num_threads(int(run.plan.versions.get("threads", "1")))
    weights, classes = own_files(arguments)
    model = run.plan.model["id"]
    source = Source(
        # The values are compared, so that another wrapping of the same ones serves as well.
        model=model if weights is None else model.partition(OWN)[0],
        data=run.plan.data["id"],
        root=None if arguments.root is None else str(arguments.root),
        device=arguments.device,
        weights=weights,
        classes=classes,
    )
    verdict = verify(run, source, arguments.cells, arguments.seed, arguments.method, partial(say, arguments))
    versions = "the same" if verdict.same_versions else "other"
    average = "holds on average (another processor swaps what ranks nearly the same)"
    said = "holds" if verdict.close else average if verdict.holds else "does NOT hold"
    show(
        arguments,
        f"{name}: {verdict.exact} of {verdict.cells} cells bit for bit, largest difference "
        f"{verdict.worst:.3g} relative to 1 + |value|, mean {verdict.mean:.2g}, {versions} versions here: "
        f"{said}",
        {"run": name, "holds": verdict.holds, **asdict(verdict)},
    )
    return 0 if verdict.holds else 1


def _found(place: Path) -> dict[str, Run]:
    """Runs at a place: a run's folder, its zip, or a folder of such."""
    if place.is_file():
        if place.stat().st_size > RUN_LIMIT:
            raise InputError(f"{place} is larger than any run: name the zip that a run was exported as.")
        return {place.stem: run_from_zip(place.read_bytes())}
    if (place / HEADER).exists():
        return {place.name: read_run(place)}
    inside = [*(file.parent for file in place.glob(f"*/{HEADER}")), *place.glob("*.zip")]
    return {name: run for one in sorted(inside) for name, run in _found(one).items()}


def _listed(arguments: argparse.Namespace) -> int:
    """Print the text, or write it."""
    runs = runs_in(arguments.folder)
    text = text_of(runs)
    if not arguments.write:
        show(arguments, text, {"runs": [_record(name, run) for name, run in runs.items()]})
        return 0
    file = arguments.folder / "README.md"
    old = file.read_text("utf-8")
    if BEGIN not in old or END not in old:
        raise InputError(f"{file} has no marked part: put the lines {BEGIN} and {END} into it.")
    head, tail = old.split(BEGIN)[0], old.split(END)[-1]
    write_atomically(file, f"{head}{BEGIN}\n{text}\n{END}{tail}".encode())
    show(arguments, f"wrote {file}", {"file": str(file)})
    return 0


def _record(name: str, run: Run) -> dict[str, Any]:
    plan = run.plan
    return {
        "name": name, "benchmark": plan.benchmark, "model": plan.model["id"], "data": plan.data["id"],
        "n": plan.n, "methods": list(plan.labels), "command": command_of(plan),
    }  # fmt: skip


def runs_in(folder: Path) -> dict[str, Run]:
    """The runs of a folder by their names; every run is checked as it is read.

    Raises:
        InputError: no runs in it.
        StoreError: a run that was changed.
    """
    runs: dict[str, Run] = {
        file.parent.name: read_run(file.parent) for file in sorted(folder.glob(f"*/{HEADER}"))
    }
    if not runs:
        raise InputError(f"{folder} holds no runs: make one with the command bench.")
    return runs


def text_of(runs: Mapping[str, Run]) -> str:
    """The Markdown for a folder of runs."""
    lines = ["## The runs", "", *listing(runs)]
    orders = same_pictures(runs)
    if len(orders) > 1:
        lines += ["", "## LeRF area by order of the pixels", "", *order_table(orders, _published("lerf_auc"))]
        lines += ["", "## Paired over the pictures", "", *paired_table(orders, _PAIRS)]
    learnt = retraining_table(runs, _published("roar_auc"))
    lines += ["", "## Test accuracy after retraining", *learnt] if learnt else []
    lines += ["", "## Their commands", ""]
    lines += [f"- {name}: `{command_of(run.plan)}`" for name, run in runs.items()]
    return "\n".join(lines)


def _published(table: str) -> dict[str, float]:
    """Method id -> the papers' figure for CIFAR-10."""
    figures: dict[str, float] = published("published_benchmarks")[table]["data"]["CIFAR10"]
    return figures
