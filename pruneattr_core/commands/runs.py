"""`runs list`: what a folder of benchmarks holds, as Markdown; `runs migrate`: older runs brought here."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from pruneattr_core.assets import ASSETS
from pruneattr_core.benchmarks.command import command_of
from pruneattr_core.benchmarks.evidence import (
    listing,
    order_table,
    paired_table,
    retraining_table,
    same_pictures,
)
from pruneattr_core.benchmarks.run import Run, read_run
from pruneattr_core.commands.migration import migrate
from pruneattr_core.errors import InputError
from pruneattr_core.runs.stored import HEADER
from pruneattr_core.store import write_atomically

BEGIN, END = "<!-- begin: written by `python -m pruneattr_core runs list --write` -->", "<!-- end -->"
_PUBLISHED = ASSETS / "published_benchmarks.json"
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
    line = "bring runs of earlier versions to today's format, in their places, the numbers unchanged"
    migrated = actions.add_parser("migrate", help=line, description=line)
    migrated.add_argument("places", type=Path, nargs="+", help="runs, or folders with runs in them")


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked."""
    if arguments.action == "migrate":
        count = sum(migrate(place, print) for place in arguments.places)
        print(f"{count} runs migrated" if count else "nothing to migrate: all runs are of today's format")
        return 0
    return _listed(arguments)


def _listed(arguments: argparse.Namespace) -> int:
    """Print the text, or write it."""
    text = text_of(arguments.folder)
    if not arguments.write:
        print(text)
        return 0
    file = arguments.folder / "README.md"
    old = file.read_text("utf-8")
    if BEGIN not in old or END not in old:
        raise InputError(f"{file} has no marked part: put the lines {BEGIN} and {END} into it.")
    head, tail = old.split(BEGIN)[0], old.split(END)[-1]
    write_atomically(file, f"{head}{BEGIN}\n{text}\n{END}{tail}".encode())
    return 0


def text_of(folder: Path) -> str:
    """The Markdown for a folder of runs; every run is checked as it is read.

    Raises:
        InputError: no runs in it.
        StoreError: a run that was changed.
    """
    runs: dict[str, Run] = {
        file.parent.name: read_run(file.parent) for file in sorted(folder.glob(f"*/{HEADER}"))
    }
    if not runs:
        raise InputError(f"{folder} holds no runs: make one with the command bench.")
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
    figures: dict[str, float] = json.loads(_PUBLISHED.read_text("utf-8"))[table]["data"]["CIFAR10"]
    return figures
