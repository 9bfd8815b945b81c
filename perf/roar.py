"""Time ROAR's training recorded as a CUDA graph against the plain loop, same card, same network.

PYTHONPATH=. python perf/roar.py [--width 64] [--pictures 12800] [--batch 256] [--device cuda] [--networks 3]
Random pictures: time does not depend on them. One epoch a network, after one of each that is not counted (it
compiles and records). Bar on a GPU: ratio >= 3. On a CPU nothing is recorded and the ratio is near 1.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import nn

from pruneattr_core.benchmarks.training import Recipe, Recorded, train_alone
from pruneattr_core.models.architectures import ResNet8
from pruneattr_core.runtime import device_for, provenance


def main() -> None:
    """Warm up, measure both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=3)
    parser.add_argument("--width", type=int, default=64, help="of ResNet-8, 64 in the papers")
    parser.add_argument("--pictures", type=int, default=12_800)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    device = device_for(options.device)
    random = torch.Generator().manual_seed(0)
    x = torch.randn(options.pictures, 3, 32, 32, generator=random).to(device)
    y = torch.randint(10, (options.pictures,), generator=random).to(device)
    recipe = Recipe(epochs=1, batch=options.batch)

    def build() -> nn.Module:
        return ResNet8(10, options.width)

    print(f"ResNet-8 of width {options.width}, {options.pictures} pictures, batch {options.batch}, "
          f"{provenance(device)}")  # fmt: skip
    start = time.perf_counter()
    recorded = Recorded(build, x, y, recipe)
    print(f"recording took {time.perf_counter() - start:.1f} s")
    ways: dict[str, Callable[[int], object]] = {
        "plain loop": lambda seed: train_alone(build, x, y, seed, recipe),
        "recorded": lambda seed: recorded.learn(x, seed),
    }
    taken = {name: seconds(way, options.networks, device) for name, way in ways.items()}
    for name, one in taken.items():
        print(f"{name:12s} {one:.3f} s an epoch, {options.pictures / one:.0f} pictures a second")
    print(f"ratio {taken['plain loop'] / taken['recorded']:.2f} (bar on a GPU: 3)")


def seconds(way: Callable[[int], object], networks: int, device: torch.device) -> float:
    """Of one call, the device's queue included; the first call is not counted."""
    way(0)
    wait(device)
    start = time.perf_counter()
    for seed in range(networks):
        way(seed)
    wait(device)
    return (time.perf_counter() - start) / networks


def wait(device: torch.device) -> None:
    """For what the device still has to do."""
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
