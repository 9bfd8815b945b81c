"""`bench`: compute one of the papers' benchmarks and keep it as a run, resumable after a kill.

`bench all` computes every benchmark that needs no training; `roar`, which trains dozens of networks, and
`fidelity`, which fine-tunes one, join it on a GPU, or when `--setting` asks for them.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pruneattr_core.benchmarks.cluster import over_ray
from pruneattr_core.benchmarks.executor import execute, in_process, in_processes, plan_run
from pruneattr_core.benchmarks.maps import SCORECARD, STANDARD, fitting
from pruneattr_core.benchmarks.protocols import BENCHMARKS
from pruneattr_core.benchmarks.protocols.foreign import METRICS
from pruneattr_core.benchmarks.run import read_run
from pruneattr_core.benchmarks.scoreboard import markdown, rankings
from pruneattr_core.benchmarks.sources import Source, open_source
from pruneattr_core.benchmarks.summary import summary
from pruneattr_core.commands.arguments import (
    add_device,
    add_json,
    add_seed,
    add_threads,
    add_workers,
    count,
    number,
    say,
    show,
    use_threads,
    whole,
)
from pruneattr_core.commands.left import left
from pruneattr_core.commands.progress import Progress
from pruneattr_core.commands.source import add_source, source_of
from pruneattr_core.errors import InputError, NothingToMeasure
from pruneattr_core.runtime import device_for
from pruneattr_core.store import refuse_unwritable, with_ending

#: Choices of the protocols: option -> type, help.
_CHOICES: dict[str, tuple[Callable[[str], Any], str]] = {
    "fill": (str, "what replaces a pixel (default mean)"),
    "ties": (str, "order of equal pixels (default raster)"),
    "range": (
        str,
        "how many pixels go: 0.01 to 0.1 of them as published, or 0.02 to 0.9 (default published)",
    ),
    "order_by": (str, "what a map is sorted by (default value)"),
    "variant": (str, "text (PG2's: sd 0.01) or released (SCP's too: sd 0.1) (default text)"),
    "collapse": (str, "from channels to one map"),
    "frames": (str, "which pictures of a clip are taken (default all)"),
    "game": (str, "the grid pointing game beside the masks, or none (default grid)"),
    "masks": (str, "all counts an empty mask as 0 of the mass, usable leaves it out (default all)"),
    "control": (str, "wrong_class asks whether other classes become the answer too (default none)"),
    "reference": (count, "pictures that the means are over (default 64)"),
    "sizes": (
        str,
        "shares of neurons kept: twelve, 0.001 to 1, or five, 0.01 to 0.5 (default twelve)",
    ),
    "setting": (str, "paper (default on a GPU) or reduced (default on the CPU); what is left out is its own"),
    "measure": (str, "roar (most relevant pixels go), kar (least relevant go) or both (default roar)"),
    "test": (count, "test pictures"),
    "repeats": (count, "networks per method and fraction"),
    "fractions": (number(0, 1, open_low=True), "of the pixels, in (0, 1]"),
    "metrics": (str, f"of Quantus: {', '.join(METRICS)}"),
    "steps": (count, "of the fine-tuning (default 200)"),
    "epochs": (count, "of each training"),
    "batch": (count, "pictures of one training step"),
    "lr": (number(0, 1, open_low=True, open_high=True), "Adam's learning rate at the start"),
    "width": (whole(8), "channels of ResNet-8's stem"),
}
#: Benchmarks that `all` leaves out on a CPU, and why.
_TRAIN = {"roar": "trains networks for hours on a CPU", "fidelity": "fine-tunes the network for minutes"}
#: Pictures of a run whose --n was left out.
_PICTURES = 16
#: PG2 fig. 7: PruneGrad and PrunePGD at these sparsities, and with dead neurons removed only ("50*").
_SPARSITIES = (0.0, 0.7, 0.8, 0.9, 0.95)
FIG7 = (
    *(f"prunegrad:sparsity={sparsity}" for sparsity in _SPARSITIES),
    "active_subnet:attribution=gradient",
    *(f"prunepgd:sparsity={sparsity}" for sparsity in _SPARSITIES),
    "active_subnet",
)
#: PruneGrad at places of the dial, as shares of the contributing neurons, and in its variants.
DIAL = (
    "prunegrad:sparsity=0,of=all",
    *(f"prunegrad:sparsity={s},of=contributing" for s in (0.25, 0.5, 0.7, 0.8, 0.88, 0.95, 0.98, 0.99)),
    "prunegrad:sparsity=0.8,of=contributing,mode=freeze",
    "prunegrad:sparsity=0.7,of=all",
)
#: A scorecard's choices: signs give away no order, and nearly all pixels go.
FAIR = {"order_by": "magnitude", "range": "whole", "collapse": "abs_sum"}
#: Names for several methods at once.
LISTS = {"fig7": FIG7, "dial": DIAL}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `bench`: every benchmark has its own."""
    kinds = parser.add_subparsers(dest="benchmark", required=True, metavar="BENCHMARK")
    for name, benchmark in BENCHMARKS.items():
        line = f"{benchmark.title}: {benchmark.source}"
        _declare(kinds.add_parser(name, help=line, description=line), name, set(benchmark.choices))
    line = "every benchmark that needs no training; roar and fidelity too on a GPU, or with --setting"
    everything = {choice for benchmark in BENCHMARKS.values() for choice in benchmark.choices}
    _declare(kinds.add_parser("all", help=line, description=line), "all", everything)


def _declare(parser: argparse.ArgumentParser, name: str, choices: set[str]) -> None:
    add_source(parser)
    named = (
        "names, with options as prunegrad:sparsity=0.9,mode=freeze; standard, all, fig7 or dial "
        "(default standard)"
    )
    rows = () if name == "all" else BENCHMARKS[name].rows
    if rows:
        named = f"out of {', '.join(rows)} (default all)"
        parser.set_defaults(method=[])
    parser.add_argument("--methods", nargs="+", default=["standard"], metavar="METHOD", help=named)
    if not rows:
        parser.add_argument(
            "--method", nargs="+", default=[], metavar="FILE.py:FUNCTION",
            help="methods of your own, measured beside a few of the table: function(model, inputs, target) "
            "answers one map for every picture",
        )  # fmt: skip
    roar = name == "roar"
    few = "training pictures (default the setting's)" if roar else f"pictures (default {_PICTURES})"
    parser.add_argument("--n", type=count, metavar="N", help=f"number of {few}")
    add_seed(parser, "pictures, weights, ties, noise")
    cell = "repeats of one cell (default all)" if roar else "pictures of one cell (default 4)"
    parser.add_argument("--chunk", type=count, metavar="N", help=cell)
    having = BENCHMARKS.values() if name == "all" else [BENCHMARKS[name]]
    for choice, (kind, text) in _CHOICES.items():
        if choice in choices:
            allowed = {value for one in having for value in one.allowed.get(choice, ())}
            several = "+" if choice in ("fractions", "metrics") else None
            shown = None if allowed else "NAME" if choice == "metrics" else "N"
            parser.add_argument(
                f"--{choice.replace('_', '-')}", type=kind, choices=sorted(allowed) or None, help=text,
                metavar=shown, nargs=several,
            )  # fmt: skip
    add_device(parser)
    parser.add_argument(
        "--ray-address",
        metavar="ADDRESS",
        help="spread the cells over a Ray cluster: local, auto or an address",
    )
    add_threads(parser)
    add_workers(parser)
    add_json(parser)
    parser.add_argument(
        "--out", type=Path, required=True, help="new or empty folder of the run; with all, of the runs"
    )


def kept(arguments: argparse.Namespace) -> str:
    """What is there after an interruption."""
    if arguments.benchmark == "all":
        return left("Finished runs and cells", arguments.out, "*/*.cell", "*/header.json")
    return left("Finished cells", with_ending(arguments.out, ".partial"), "*.cell")


def run(arguments: argparse.Namespace) -> int:
    """Compute, or go on with, the runs that were asked for."""
    use_threads(arguments)
    found = {}
    if arguments.benchmark != "all":
        found[arguments.benchmark] = _one(arguments, arguments.benchmark, arguments.out)
    else:
        for name in BENCHMARKS:
            if name in _TRAIN and arguments.setting is None and not _on_gpu(arguments):
                say(arguments, f"left out: {name} {_TRAIN[name]}; add --setting reduced to include it")
            elif name == "quantus" and not arguments.metrics:
                say(arguments, "left out: quantus; name --metrics to include it")
            elif not (arguments.method and BENCHMARKS[name].rows):  # those compare no methods
                try:
                    found[name] = _one(arguments, name, arguments.out / name)
                except NothingToMeasure as error:  # the others ask for other things
                    say(arguments, f"left out: {name}: {error}")
    if arguments.method and arguments.benchmark == "all" and not arguments.json:
        print(markdown(rankings({name: read_run(arguments.out / name) for name in found})))
    if arguments.json:
        show(arguments, "", {"runs": found})
    return 0


def _on_gpu(arguments: argparse.Namespace) -> bool:
    return device_for(arguments.device).type == "cuda"


def _one(arguments: argparse.Namespace, name: str, out: Path) -> dict[str, Any]:
    benchmark = BENCHMARKS[name]
    if not out.exists():  # what is there may be a run that is finished, or its own to go on with
        refuse_unwritable(out, new_folder=True)
    choices = _choices(arguments, name)
    source = source_of(arguments)
    methods = _methods(name, arguments, source)
    chunk = arguments.chunk or (4 if name != "roar" else 1_000)
    tell = partial(say, arguments)
    plan = plan_run(name, source, methods, arguments.n or _PICTURES, arguments.seed, choices, chunk, tell)
    cells = f"{len(plan.methods)} methods, {plan.n} {benchmark.unit}, {len(plan.cells)} cells"
    say(arguments, f"{benchmark.title}: {cells}")
    if name == "sanity":
        say(arguments, f"{len(plan.x) - 1} layers, last to first: {', '.join(map(str, plan.x[1:]))}")
    for text in plan.protocol.get("reduction", ()):
        say(arguments, f"reduced: {text}")
    here = in_process if arguments.workers == 1 else in_processes(arguments.workers)
    spread = here if arguments.ray_address is None else over_ray(arguments.ray_address)
    result = execute(source, plan, out, Progress("cells"), spread, lambda line: print(line, file=sys.stderr))
    rows: list[dict[str, Any]] = summary(result)
    if not arguments.json:
        _report(rows)
    say(arguments, f"run {result.id} in {out} ({result.timing['seconds']} s of computing)")
    return {"id": result.id, "folder": str(out), "seconds": result.timing["seconds"], "summary": rows}


def _choices(arguments: argparse.Namespace, name: str) -> dict[str, Any]:
    """What was given of a protocol's choices; with `all` those of other benchmarks are left out."""
    given = {choice: getattr(arguments, choice, None) for choice in _CHOICES}
    choices = {choice: value for choice, value in given.items() if value is not None}
    if arguments.benchmark == "all":
        fair = FAIR if arguments.method else {}
        own = BENCHMARKS[name].choices
        choices = {choice: value for choice, value in {**fair, **choices}.items() if choice in own}
    if name == "roar":
        choices.setdefault("setting", "paper" if _on_gpu(arguments) else "reduced")
        if arguments.n is not None and arguments.benchmark == "roar":
            choices["train"] = arguments.n
    return choices


def _methods(benchmark: str, arguments: argparse.Namespace, source: Source) -> list[str]:
    given: list[str] = arguments.methods
    if rows := BENCHMARKS[benchmark].rows:
        # Their rows are no methods of the table: with `all` the names given are for the other benchmarks.
        foreign = arguments.benchmark == "all" and not set(given) <= set(rows)
        return list(rows) if foreign or given in (["standard"], ["all"]) else given
    given = [name for one in given for name in LISTS.get(one, (one,))]
    if given not in (["standard"], ["all"]):
        return [*arguments.method, *given]
    opened = open_source(source)
    table = None if given == ["all"] else SCORECARD if arguments.method else STANDARD
    names, reasons = fitting(opened.model, opened.inputs([0]), table)
    for reason in reasons:
        say(arguments, f"left out: {reason}")
    if not names and not arguments.method:
        raise InputError("No method fits this network.")
    return [*arguments.method, *names]


def _report(rows: list[dict[str, Any]]) -> None:
    width = max(len(row["method"]) for row in rows)
    for row in rows:
        numbers = "  ".join(f"{key} {_written(value)}" for key, value in row.items() if key != "method")
        print(f"{row['method']:<{width}}  {numbers}")


def _written(value: float | None) -> str:
    if value is None:
        return "not reached"
    return f"{value:.4f}" if math.isfinite(value) else "undefined"
