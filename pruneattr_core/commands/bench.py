"""`bench`: compute one of the papers' benchmarks and keep it as a run, resumable after a kill.

`bench all` computes every benchmark that needs no training; `roar`, which trains dozens of networks, joins it
on a GPU, or when `--setting` asks for it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from pruneattr_core.benchmarks.cluster import over_ray
from pruneattr_core.benchmarks.executor import execute, in_process, plan_run
from pruneattr_core.benchmarks.maps import STANDARD, fitting
from pruneattr_core.benchmarks.protocols import BENCHMARKS
from pruneattr_core.benchmarks.run import Run
from pruneattr_core.benchmarks.sources import Source, open_source
from pruneattr_core.benchmarks.summary import summary
from pruneattr_core.commands.source import add_source
from pruneattr_core.errors import InputError
from pruneattr_core.runtime import device_for

#: Arguments that are choices of a protocol.
_CHOICES = ("fill", "ties", "order_by", "variant", "collapse", "setting", "measure", "test", "repeats",
            "fractions", "epochs", "batch", "lr", "width", "reference")  # fmt: skip
#: Pictures of a run whose --n was left out.
_PICTURES = 16
#: PG2 fig. 7: PruneGrad and PrunePGD at these sparsities, and with dead neurons removed only ("50*").
_SPARSITIES = (0.0, 0.7, 0.8, 0.9, 0.95)
_FIG7 = (
    *(f"prunegrad:sparsity={sparsity}" for sparsity in _SPARSITIES),
    "active_subnet:attribution=gradient",
    *(f"prunepgd:sparsity={sparsity}" for sparsity in _SPARSITIES),
    "active_subnet",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `bench`."""
    parser.add_argument("benchmark", choices=[*BENCHMARKS, "all"], help="what to measure")
    add_source(parser)
    parser.add_argument(
        "--methods",
        nargs="+",
        default=["standard"],
        help="names, with options as prunegrad:sparsity=0.9,mode=freeze; standard, all or fig7 (default "
        "standard)",
    )
    parser.add_argument(
        "--n", type=int, help="number of pictures (default 16); roar: of training pictures (the setting's)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of pictures, weights, ties, noise (default 0)")
    parser.add_argument("--chunk", type=int, help="pictures of one cell (default 4); roar: repeats (all)")
    parser.add_argument("--fill", help="pixels: what replaces a pixel (mean, blur, noisy_linear)")
    parser.add_argument("--ties", help="pixels: raster or random")
    parser.add_argument("--order-by", help="pixels: what a map is sorted by (value, magnitude)")
    parser.add_argument("--variant", help="sanity: text (sd 0.01) or released (sd 0.1)")
    parser.add_argument("--collapse", help="from channels to one map: signed_max, abs_sum, sum")
    parser.add_argument("--reference", type=int, help="circuits: pictures that the means are over")
    roar = parser.add_argument_group("roar", "numbers that are left out are those of the setting")
    roar.add_argument("--setting", help="paper (default on a GPU) or reduced (default on the CPU)")
    roar.add_argument("--measure", help="roar (most relevant pixels go), kar (least relevant go) or both")
    roar.add_argument("--test", type=int, help="test pictures")
    roar.add_argument("--repeats", type=int, help="networks per method and fraction")
    roar.add_argument("--fractions", type=float, nargs="+", help="of the pixels, in (0, 1]")
    roar.add_argument("--epochs", type=int, help="of each training")
    roar.add_argument("--batch", type=int, help="pictures of one training step")
    roar.add_argument("--lr", type=float, help="Adam's learning rate at the start")
    roar.add_argument("--width", type=int, help="channels of ResNet-8's stem")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps or auto (default cpu)")
    parser.add_argument(
        "--ray-address", help="spread the cells over a Ray cluster: local, auto or an address"
    )
    parser.add_argument("--threads", type=int, help="CPU threads; other counts give other last bits")
    parser.add_argument(
        "--out", type=Path, required=True, help="new folder of the run; with all, of the runs"
    )


def run(arguments: argparse.Namespace) -> int:
    """Compute, or go on with, the runs that were asked for."""
    if arguments.threads:
        import torch

        torch.set_num_threads(arguments.threads)
    if arguments.benchmark != "all":
        _one(arguments, arguments.benchmark, arguments.out)
        return 0
    for name in BENCHMARKS:
        if name == "roar" and arguments.setting is None and not _on_gpu(arguments):
            print("left out: roar trains networks for hours on a CPU; add --setting reduced to include it")
        else:
            _one(arguments, name, arguments.out / name)
    return 0


def _on_gpu(arguments: argparse.Namespace) -> bool:
    return device_for(arguments.device).type == "cuda"


def _one(arguments: argparse.Namespace, name: str, out: Path) -> None:
    benchmark = BENCHMARKS[name]
    choices = _choices(arguments, name)
    source = Source(
        model=arguments.model,
        data=arguments.data,
        weights=None if arguments.weights is None else str(arguments.weights),
        root=None if arguments.root is None else str(arguments.root),
        device=arguments.device,
    )
    methods = _methods(name, arguments.methods, source)
    chunk = arguments.chunk or (4 if name != "roar" else 1_000)
    plan = plan_run(name, source, methods, arguments.n or _PICTURES, arguments.seed, choices, chunk)
    print(
        f"{benchmark.title}: {len(plan.methods)} methods, {plan.n} {benchmark.unit}, {len(plan.cells)} cells",
        flush=True,
    )
    for text in plan.protocol.get("reduction", ()):
        print(f"reduced: {text}")
    spread = in_process if arguments.ray_address is None else over_ray(arguments.ray_address)
    result = execute(source, plan, out, _progress, spread)
    print(file=sys.stderr)
    _report(result)
    print(f"run {result.id} in {out} ({result.timing['seconds']} s of computing)")


def _choices(arguments: argparse.Namespace, name: str) -> dict[str, Any]:
    """What was given of a protocol's choices; with `all` those of other benchmarks are left out."""
    given = {choice: getattr(arguments, choice) for choice in _CHOICES}
    choices = {choice: value for choice, value in given.items() if value is not None}
    if arguments.benchmark == "all":
        choices = {choice: value for choice, value in choices.items() if choice in BENCHMARKS[name].choices}
    if name == "roar":
        choices.setdefault("setting", "paper" if _on_gpu(arguments) else "reduced")
        if arguments.n is not None and arguments.benchmark == "roar":
            choices["train"] = arguments.n
    return choices


def _methods(benchmark: str, given: list[str], source: Source) -> list[str]:
    if rows := BENCHMARKS[benchmark].rows:
        return list(rows) if given in (["standard"], ["all"]) else given
    if given == ["fig7"]:
        return list(_FIG7)
    if given not in (["standard"], ["all"]):
        return given
    opened = open_source(source)
    names, reasons = fitting(opened.model, opened.inputs([0]), None if given == ["all"] else STANDARD)
    for reason in reasons:
        print(f"left out: {reason}")
    if not names:
        raise InputError("No method fits this network.")
    return names


def _progress(done: float, total: int) -> None:
    inside = f", {done % 1:.0%} of the next" if done % 1 else ""
    print(f"\r{int(done)} of {total} cells{inside:<17}", end="", file=sys.stderr, flush=True)


def _report(result: Run) -> None:
    rows: list[dict[str, Any]] = summary(result)
    width = max(len(row["method"]) for row in rows)
    for row in rows:
        numbers = "  ".join(f"{key} {value:.4f}" for key, value in row.items() if key != "method")
        print(f"{row['method']:<{width}}  {numbers}")
