"""Time NeuronIntGrad against one pass per step with 50 uniform steps, at equal completeness, in one run.

PYTHONPATH=. python perf/intgrad.py [--images FOLDER --n 1] [--threads 2] [--device cpu]. SqueezeNet 1.0,
224x224, float32, weights where torch.hub finds them (set TORCH_HOME), else random, and then it says so. Both
sides score all 26 activation calls. Ours runs with more and more Gauss-Legendre nodes, up to the default,
until its completeness error, the mean over layers of |sum_j c_j - (f(x) - f(layer := 0))| /
|f(x) - f(layer := 0)|, is at most the other side's; then with the default. Bar: 10x faster at equal error.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models import squeezenet1_0

from pruneattr_core.errors import PruneAttrError
from pruneattr_core.models import load_model, model_card
from pruneattr_core.runtime import device_for, provenance
from pruneattr_core.scoring.intgrad import NODES, SignedContributions, completeness, intgrad_signed

Result = TypeVar("Result")
CANDIDATES = tuple(range(4, NODES + 1))


def main() -> None:
    """Time one pass per step, then ours with more and more nodes until the error is as small."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, help="folder of photographs; noise without it")
    parser.add_argument("--n", type=int, default=1, help="number of images")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    device = device_for(options.device)
    card = model_card("torchvision/squeezenet1_0")
    try:
        model, weights = load_model(card.id, str(device)), "ImageNet weights"
    except PruneAttrError:
        model, weights = squeezenet1_0().eval().requires_grad_(False).to(device), "RANDOM weights"
    if options.images is not None:
        files = sorted(options.images.glob("*.jpg"))[: options.n]
        batch = torch.cat([card.preprocess(Image.open(file)) for file in files]).to(device)
    else:
        batch = torch.randn(options.n, 3, 224, 224, device=device)
    print(
        f"SqueezeNet 1.0 ({weights}), {len(batch)} x 3x224x224 float32, {options.threads} threads,", end=" "
    )
    print(f"{provenance(device)}")

    images = [(image, int(model(image).argmax())) for image in batch.split(1)]
    slow, slow_seconds = timed(lambda: [one_pass_per_step(model, *one) for one in images], device)
    bar = error(model, batch, slow)
    print(f"one pass per step, 50 uniform steps: {slow_seconds}   error {bar:.5f}")
    equal = None
    for count in CANDIDATES:
        if equal is not None and count != NODES:
            continue
        fast, seconds = timed(partial(score, model, images, count), device)
        reached = error(model, batch, fast)
        ratios = f"{slow_seconds.wall / seconds.wall:.1f} wall, {slow_seconds.cpu / seconds.cpu:.1f} CPU"
        name = " (default)" if count == NODES else ""
        print(f"ours, {count} Gauss-Legendre nodes{name}: {seconds}   error {reached:.5f}   ratio {ratios}")
        equal = count if equal is None and reached <= bar else equal
    print(f"nodes for an error as small: {equal or f'more than {NODES}'}")


def score(model: nn.Module, images: list[tuple[Tensor, int]], count: int) -> list[SignedContributions]:
    """Ours, with `count` nodes."""
    return [intgrad_signed(model, image, target, count) for image, target in images]


@dataclass(frozen=True)
class Seconds:
    """Time on the wall, and of this process's CPU, which a busy machine does not stretch."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:8.2f} s wall {self.cpu:8.2f} s CPU"


def timed(work: Callable[[], Result], device: torch.device) -> tuple[Result, Seconds]:
    """The result of `work` and how long it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return result, Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def one_pass_per_step(model: nn.Module, image: Tensor, target: int, steps: int = 50) -> SignedContributions:
    """What a user of PyTorch writes: scale one ReLU's output, run, differentiate; 51 times a ReLU."""
    rectifiers = [module for module in model.modules() if isinstance(module, nn.ReLU)]
    layers, dead, logits = [], [], model(image)
    for rectifier in rectifiers:
        total: Tensor | float = 0.0
        for step in range(steps + 1):
            seen: list[Tensor] = []

            def scale(
                module: nn.Module, given: object, out: Tensor, step: int = step, seen: list[Tensor] = seen
            ) -> Tensor:
                seen.append(out.detach())
                seen.append((out.detach() * (step / steps)).requires_grad_())
                return seen[1]

            handle = rectifier.register_forward_hook(scale)
            try:
                logit = model(image)[0, target]
                (gradient,) = torch.autograd.grad(logit, seen[1])
            finally:
                handle.remove()
            total = total + gradient
        layers.append(seen[0] * total / (steps + 1))
        dead.append(seen[0] == 0)
    names = tuple(str(k) for k in range(len(layers)))
    return SignedContributions(names, tuple(layers), tuple(dead), torch.tensor([target]), logits)


def error(model: nn.Module, batch: Tensor, signed: list[SignedContributions]) -> float:
    """Mean over images and layers of the relative completeness error."""
    found = [completeness(model, x, signed=one) for x, one in zip(batch.split(1), signed, strict=True)]
    return float(torch.stack([one.relative.mean() for one in found]).mean())


if __name__ == "__main__":
    main()
