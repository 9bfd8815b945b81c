"""Check the whole library on a device against the CPU, time it there, and write both as a run.

    PYTHONPATH=. python perf/gpu.py [--device cuda] [--out FOLDER] [--seconds 540]

Every method of the table explains a small network on the device in float64 and float32; both are compared
with the CPU's float64 map. Results must lie on the device of their inputs, and inputs from elsewhere must be
refused with a sentence. What a caller's bf16 autocast and TF32 change is measured by name. Then ResNet-50 of
random weights is timed (plain passes, maps, sweeps, NeuronIntGrad), and ROAR's training recorded against a
plain loop. Ends by itself soon after --seconds; what was left out is missing. Exit status 1 if a check
failed.
"""

from __future__ import annotations

import argparse
import csv
import io
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pruneattr_core import PruneGrad, contributions
from pruneattr_core.attribution import METHODS, explain
from pruneattr_core.benchmarks.training import Recipe, Recorded, train_alone
from pruneattr_core.errors import PruneAttrError
from pruneattr_core.models.architectures import ResNet8
from pruneattr_core.runs.stored import Stored, write_stored
from pruneattr_core.runtime import device_for, provenance

#: Columns of the run: errors against the CPU in float64, then seconds (median), then 1 for passed.
COLUMNS = ("float64", "float32", "seconds", "passed")
#: Differences that pass, as shares of the map's largest magnitude: the largest in float64, the mean in
#: float32, where a neuron at the threshold of a path may fall on either side.
BARS = {"float64": 1e-8, "float32": 2e-2}
Rows = dict[str, dict[str, float]]


def small_network() -> nn.Module:
    """Convolutions, an in-place and a functional ReLU, overlapping pooling, a sum; always the same bits."""
    torch.manual_seed(3)

    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(8, 8, 3, 1, 1)
            self.relu, self.pool, self.head = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1), nn.Linear(8, 5)

        def forward(self, x: Tensor) -> Tensor:
            x = self.pool(self.relu(self.first(x)))
            x = torch.relu(x + self.second(x))
            logits: Tensor = self.head(x.mean((2, 3)))
            return logits

    return Small().eval().requires_grad_(False)


def off(found: Tensor, true: Tensor, mean: bool = False) -> float:
    """Difference of two maps as a share of the true one's largest magnitude."""
    gap = (found.detach().cpu().double() - true.double()).abs()
    return float((gap.mean() if mean else gap.max()) / true.abs().max().clamp(min=1e-12))


def check_methods(device: torch.device, side: int = 32) -> Iterator[tuple[str, dict[str, float]]]:
    """Every method that fits, in float64 and float32, against the CPU in float64."""
    x = torch.randn(2, 3, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    reference = small_network().double()
    with torch.no_grad():
        target = reference(x).argmax(1)
    for name, method in METHODS.items():
        if method.supports(reference, x):
            continue
        true = explain(reference, x, target, name).values
        row: dict[str, float] = {}
        for dtype in (torch.float64, torch.float32):
            network = small_network().to(device, dtype)
            found = explain(network, x.to(device, dtype), target.to(device), name).values
            if found.device.type != device.type:
                raise SystemExit(f"{name}: the map lies on {found.device}, its input on {device}.")
            key = str(dtype).removeprefix("torch.")
            row[key] = off(found, true, mean=dtype == torch.float32)
        if "seed" in method.options:  # the picture's bytes choose the numbers, and float32 has others
            row["float32"] = float("nan")
        row["passed"] = float(not any(row[key] > bar for key, bar in BARS.items()))
        yield f"method {name}", row


def check_mixing(device: torch.device) -> Iterator[tuple[str, dict[str, float]]]:
    """An input on another device than the network ("meta" beside the CPU) is refused by our own sentence."""
    other = torch.device("cpu") if device.type != "cpu" else torch.device("meta")
    try:
        PruneGrad(small_network().to(device)).attribute(torch.randn(1, 3, 32, 32, device=other), 0)
        passed = 0.0
    except PruneAttrError:
        passed = 1.0
    yield "devices mixed are refused", {"passed": passed}


def check_precision(device: torch.device) -> Iterator[tuple[str, dict[str, float]]]:
    """What bf16 autocast and TF32 change of a PruneGrad map; both are named, neither is on by itself."""
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    true = PruneGrad(small_network().double()).attribute(x.double(), 0, mode="freeze")
    method = PruneGrad(small_network().to(device))
    with torch.autocast(device.type, torch.bfloat16):
        found = method.attribute(x.to(device), 0, mode="freeze")
    yield "bf16 autocast, PruneGrad", {"float32": off(found, true, mean=True)}
    if device.type == "cuda":
        with tf32():
            found = method.attribute(x.to(device), 0, mode="freeze")
        yield "TF32, PruneGrad", {"float32": off(found, true, mean=True)}


@contextmanager
def tf32() -> Iterator[None]:
    """TF32 on, then as it was."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def time_maps(device: torch.device, repeats: int) -> Iterator[tuple[str, dict[str, float]]]:
    """ResNet-50, 224 x 224, float32: what maps take beside plain passes."""
    from torchvision.models import resnet50

    torch.manual_seed(0)
    network = resnet50().eval().requires_grad_(False).to(device=device, memory_format=torch.channels_last)
    x, method = torch.randn(1, 3, 224, 224, device=device), PruneGrad(network)
    levels = [0.5, *[1 - 0.5 * 0.8**k for k in range(1, 20)]]

    def plain() -> None:
        for _ in range(2):
            leaf = x.clone().requires_grad_()
            torch.autograd.grad(network(leaf)[0, 1], leaf)

    def intgrad() -> object:
        return contributions(network, x, 1, "intgrad_midpoint")

    runs: dict[str, Callable[[], object]] = {
        "ResNet-50, two plain passes": plain,
        "ResNet-50, zero map": lambda: method.attribute(x, 1, sparsity=0.9),
        "ResNet-50, freeze map": lambda: method.attribute(x, 1, sparsity=0.9, mode="freeze"),
        "ResNet-50, freeze sweep of 20": lambda: method.sweep(x, 1, levels, mode="freeze"),
        "ResNet-50, zero sweep of 20": lambda: method.sweep(x, 1, levels),
        "ResNet-50, NeuronIntGrad of 32 nodes": intgrad,
    }
    for name, run in runs.items():
        yield name, {"seconds": median_seconds(run, device, 1 if run is intgrad else repeats)}


def time_roar(device: torch.device, pictures: int = 12_800) -> Iterator[tuple[str, Any]]:
    """An epoch of ROAR's ResNet-8, as a plain loop and recorded."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(pictures, 3, 32, 32, generator=random).to(device)
    y = torch.randint(10, (pictures,), generator=random).to(device)
    recipe = Recipe(epochs=1)
    recorded = Recorded(ResNet8, x, y, recipe)
    ways: dict[str, Callable[[], object]] = {
        "ROAR, one epoch, plain loop": lambda: train_alone(ResNet8, x, y, 0, recipe),
        "ROAR, one epoch, recorded": lambda: recorded.learn(x, 0),
    }
    for name, run in ways.items():
        yield name, {"seconds": median_seconds(run, device, 2)}


def median_seconds(run: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Wall time, the device's queue included; the first call is not counted where there are several."""
    seconds = []
    for _ in range(repeats + (repeats > 1)):
        start = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[repeats > 1 :])


def measured(device: torch.device, limit: float, checks_only: bool = False, repeats: int = 7) -> Rows:
    """All rows, by what they are about; rows after the limit are left out.

    Args:
        device: what is checked.
        limit: seconds.
        checks_only: whether nothing is timed.
        repeats: of each timing.
    """
    stages = [check_methods(device), check_mixing(device), check_precision(device)]
    if not checks_only:
        stages += [time_maps(device, repeats), time_roar(device)]
    rows, start = Rows(), time.perf_counter()
    for stage in stages:
        for name, row in stage:
            rows[name] = row
            print(f"{name:42s} " + ", ".join(f"{key} {value:.3g}" for key, value in row.items()), flush=True)
            if time.perf_counter() - start > limit:
                print("The time is up: the rest is left out.", flush=True)
                return rows
    return rows


def stored(rows: Rows, device: torch.device) -> Stored:
    """The rows as a run: values (rows, columns)."""
    values = np.array([[row.get(column, np.nan) for column in COLUMNS] for row in rows.values()])
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["row", *COLUMNS])
    writer.writerows([name, *map(repr, line)] for name, line in zip(rows, values.tolist(), strict=True))
    header = {
        "benchmark": "device",
        "rows": list(rows),
        "columns": list(COLUMNS),
        "bars": BARS,
        "seed": 0,
        "provenance": provenance(device),
    }
    return Stored(
        header, values, out.getvalue().encode(), timing={"date": time.strftime("%Y-%m-%d", time.gmtime())}
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--out", type=Path, help="new folder for the run")
    parser.add_argument("--seconds", type=float, default=540.0)
    parser.add_argument("--checks", action="store_true", help="only compare, time nothing")
    options = parser.parse_args()
    device = device_for(options.device)
    print(provenance(device), flush=True)
    rows = measured(device, options.seconds, options.checks)
    if options.out is not None:
        write_stored(stored(rows, device), options.out)
    failed = [name for name, row in rows.items() if row.get("passed", 1.0) == 0]
    print(f"FAILED: {', '.join(failed)}" if failed else "Every check passed.")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
