"""Time ROAR's trainings as one group against one plain loop after another, same machine, same networks.

PYTHONPATH=. python perf/roar.py [--networks 4] [--width 64] [--pictures 1024] [--batch 256] [--device cpu]
[--threads 2]. Random pictures: time does not depend on them. One epoch each, after a warm-up of both; then
the largest difference between weights that both ways end with. Bar on a GPU: ratio >= 3. On the CPU the group
wins nothing, which is why `bench roar` takes turns there.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from pruneattr_core.benchmarks.roar import Recipe, train_alone, train_together
from pruneattr_core.models.architectures import ResNet8
from pruneattr_core.runtime import device_for, provenance

Result = TypeVar("Result")


def main() -> None:
    """Warm up, measure both, compare the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=4)
    parser.add_argument("--width", type=int, default=64, help="of ResNet-8, 64 in the papers")
    parser.add_argument("--pictures", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = device_for(options.device)
    random = torch.Generator().manual_seed(0)
    x = torch.randn(options.pictures, 3, 32, 32, generator=random).to(device)
    y = torch.randint(10, (options.pictures,), generator=random).to(device)
    seeds, recipe = list(range(options.networks)), Recipe(epochs=1, batch=options.batch)

    def build() -> nn.Module:
        return ResNet8(10, options.width)

    def plain(pictures: Tensor, labels: Tensor) -> list[nn.Module]:
        return [train_alone(build, pictures, labels, seed, recipe) for seed in seeds]

    def grouped(pictures: Tensor, labels: Tensor) -> dict[str, Tensor]:
        return train_together(build, [pictures] * len(seeds), labels, seeds, recipe)[0]

    print(f"{options.networks} x ResNet-8 of width {options.width}, {options.pictures} pictures, batch "
          f"{options.batch}, {options.threads} threads, {provenance(device)}")  # fmt: skip
    warm = slice(0, options.batch)
    for way in (plain, grouped):
        way(x[warm], y[warm])
    alone, slow = timed(lambda: plain(x, y), device)
    group, fast = timed(lambda: grouped(x, y), device)
    rate = options.pictures * options.networks
    print(f"one after another {slow:.2f} s, {rate / slow:.0f} pictures a second")
    print(f"as one group      {fast:.2f} s, {rate / fast:.0f} pictures a second")
    print(f"ratio {slow / fast:.2f} (bar on a GPU: 3)")
    gap = max(
        float((group[name][place] - weight.detach()).abs().max())
        for place, network in enumerate(alone)
        for name, weight in network.named_parameters()
    )
    print(f"largest difference between their weights after one epoch: {gap:.1e}")


def timed(run: Callable[[], Result], device: torch.device) -> tuple[Result, float]:
    """What `run` returns and its seconds, the device's queue included."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    found = run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return found, time.perf_counter() - start


if __name__ == "__main__":
    main()
