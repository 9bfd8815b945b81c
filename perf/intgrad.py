"""NeuronIntGrad: how near its ranking comes to the true one, and how long it takes, in one run.

    PYTHONPATH=. python perf/intgrad.py [MODEL ...] [--data samples] [--n 1] [--threads 2] [--truth 600]

Truth is the midpoint rule with 600 nodes. A rule is judged by the Jaccard of its path with the true one, at
sparsities .8, .9 and .95: mean over the pictures, and the lowest of all. The default takes as many nodes as
its ranking needs; how many, and what it says of itself, is printed beside. With --slow the other side is
timed too, what a user of PyTorch writes: one pass per step and layer, the papers' 51 steps. SqueezeNet takes
its weights where torch.hub finds them (set TORCH_HOME). Bars: Jaccard >= 0.985 with the default; 10 times
faster than one pass per step; preview <= 1 s.
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
from torch import Tensor, nn

from pruneattr_core.datasets import load_dataset
from pruneattr_core.models import load_model, model_card
from pruneattr_core.runtime import device_for, provenance
from pruneattr_core.scoring.intgrad import SignedContributions, intgrad_signed, ranked
from pruneattr_core.scoring.quadrature import NODES, PREVIEW, Rule

Result = TypeVar("Result")
SPARSITIES = (0.8, 0.9, 0.95)
#: (what it is, rule, nodes)
CONTESTANTS: tuple[tuple[str, Rule | None, int | None], ...] = (
    ("preview", "midpoint", PREVIEW),
    ("", "midpoint", NODES["midpoint"]),
    ("default", None, None),
    ("", "gauss", NODES["gauss"]),
    ("papers", "uniform", NODES["uniform"]),
)


def main() -> None:
    """Compare the rules on every model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", default=["resnet8-cifar10", "torchvision/squeezenet1_0"])
    parser.add_argument("--data", default="samples", help="data set (default the sample photographs)")
    parser.add_argument("--root", type=Path, help="its folder")
    parser.add_argument("--n", type=int, default=1, help="number of pictures")
    parser.add_argument("--slow", action="store_true", help="time one pass per step and layer as well")
    parser.add_argument("--truth", type=int, default=600, help="midpoints of the truth")
    parser.add_argument("--nodes", type=int, nargs="*", default=[], help="midpoints to try as well")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device, data = device_for(options.device), load_dataset(options.data, options.root)
    print(f"{options.n} of {data.title}, float32, {options.threads} threads, {provenance(device)}")
    for name in options.models:
        card = model_card(name)
        model = load_model(name, str(device))
        batch = torch.cat([card.preprocess(data[k].image).to(device) for k in range(options.n)])
        print(f"{card.title}: {len(batch)} pictures of {tuple(batch.shape[1:])}", flush=True)
        _compare(model, batch, options.truth, options.nodes, options.slow)


def _compare(model: nn.Module, batch: Tensor, truth: int, more: list[int], by_hand: bool) -> None:
    model(batch[:1])  # the first pass of a process is slow
    slow = None
    if by_hand and _each_once(model, batch[:1]):
        slow = _timed(lambda: [one_pass_per_step(model, x, int(model(x).argmax())) for x in batch.split(1)])[
            1
        ]
        print(f"  one pass per step, 51 steps      {slow}", flush=True)
    found = [
        (name, rule, count, *_timed(partial(intgrad_signed, model, batch, None, count, rule)))
        for name, rule, count in (*CONTESTANTS, *(("", "midpoint", nodes) for nodes in more))
    ]
    true, took = _timed(lambda: intgrad_signed(model, batch, None, truth))
    print(f"  truth, {truth} midpoints            {took}")
    wanted = ranked(true).paths(SPARSITIES)
    for name, rule, count, signed, seconds in found:
        paths = ranked(signed).paths(SPARSITIES)
        alike = torch.stack([a.jaccard(b) for a, b in zip(paths, wanted, strict=True)])
        ratio = ""
        if slow is not None:
            ratio = f"   x{slow.wall / seconds.wall:.1f} clock, x{slow.cpu / seconds.cpu:.1f} CPU"
        means = " ".join(f"{value:.4f}" for value in alike.mean(1).tolist())
        what = f"  {rule or 'settled':8s} {count or '':3} {name:8s}"
        print(f"{what} Jaccard {means}, lowest {float(alike.min()):.4f}   {seconds}{ratio}")
        if signed.agreement is not None and signed.nodes is not None:
            said = " ".join(f"{value:.4f}" for value in signed.agreement.tolist())
            print(
                f"    it says {said}, lowest at each {' '.join(f'{v:.4f}' for v in alike.amin(0).tolist())}"
            )
            print(f"    nodes per layer {signed.nodes[:, 0].tolist()}")
    single = sum(int((nodes == 1).all()) for nodes in true.nodes) if true.nodes is not None else 0
    print(f"  layers of constant gradient: {single} of {len(true.names)}", flush=True)


@dataclass(frozen=True)
class Seconds:
    """Time on the wall, and of this process's CPU."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:7.2f} s clock {self.cpu:7.2f} s CPU"


def _timed(work: Callable[[], Result]) -> tuple[Result, Seconds]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return result, Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def _rectifiers(model: nn.Module) -> list[nn.ReLU]:
    return [module for module in model.modules() if isinstance(module, nn.ReLU)]


def _each_once(model: nn.Module, image: Tensor) -> bool:
    """Whether the network's rectifiers are modules that are called once each."""
    calls = intgrad_signed(model, image, None, 1).names
    return len(calls) == len(_rectifiers(model)) and not any("#" in name for name in calls)


def one_pass_per_step(model: nn.Module, image: Tensor, target: int, steps: int = 50) -> SignedContributions:
    """What a user of PyTorch writes: scale one ReLU's output, run, differentiate; 51 times a ReLU."""
    layers, dead, logits = [], [], model(image)
    for rectifier in _rectifiers(model):
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


if __name__ == "__main__":
    main()
