"""Time PruneGrad on ResNet-50 against plain PyTorch passes of the same model, in one run.

PYTHONPATH=. python perf/maps.py [--repeats 7] [--threads 2] [--device cpu]. Random weights: time does not
depend on them. Prints medians and ratios by the clock and by this process's CPU time, which other work on the
machine stretches less, and the load average. Bars of the project: zero <= 0.75, freeze <= 0.55, sweep <= 0.3
of 20 single maps.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn
from torchvision.models import resnet50

from pruneattr_core import PruneGrad
from pruneattr_core.runtime import device_for, provenance


def main() -> None:
    """Measure in rounds, so that a drifting machine speed meets every contestant alike."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    device = device_for(options.device)
    plain = resnet50().eval().to(device)
    ours = resnet50().eval().to(device=device, memory_format=torch.channels_last).requires_grad_(False)
    x = torch.randn(1, 3, 224, 224, device=device)
    method = PruneGrad(ours)
    levels = [0.5, *[1 - 0.5 * 0.8**k for k in range(1, 20)]]

    contestants: dict[str, Callable[[], object]] = {
        "2 plain passes": lambda: [plain_pass(plain, x) for _ in range(2)],
        "zero map": lambda: method.attribute(x, 1, sparsity=0.9, mode="zero"),
        "freeze map": lambda: method.attribute(x, 1, sparsity=0.9, mode="freeze"),
        "freeze sweep, 20 levels": lambda: method.sweep(x, 1, levels, mode="freeze"),
    }
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    for _ in range(options.repeats + 1):
        for name, run in contestants.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            if device.type == "cuda":
                torch.cuda.synchronize()
            seconds[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    print(f"ResNet-50, 1x3x224x224 float32, {options.threads} threads, seed 0, {provenance(device)}")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    for clock, what in enumerate(("clock", "CPU")):
        median = {name: statistics.median(v[clock] for v in values[1:]) for name, values in seconds.items()}
        for name, value in median.items():
            ratio = value / median["2 plain passes"]
            print(f"{what:5s} {name:26s} {value:7.3f} s   x{ratio:.2f} of two plain passes")
        sweep, maps = median["freeze sweep, 20 levels"], 20 * median["freeze map"]
        print(f"{what:5s} freeze sweep / 20 single freeze maps = {sweep / maps:.2f}")


def plain_pass(model: nn.Module, x: torch.Tensor) -> None:
    """What a user of PyTorch writes: forward, then backward() with every gradient."""
    model.zero_grad()
    model(x.clone().requires_grad_())[0, 1].backward()


if __name__ == "__main__":
    main()
