"""The local-linearity radius found fast against the exact one: seconds a picture, and how far apart.

    PYTHONPATH=. python perf/linearity.py --root CIFAR10 --n 4 [--exact] [--threads 2]

The bar: at most 5 s a picture on two cores, within 5 % of the exact radius. Processor seconds stand beside
those of the clock, since a busy machine stretches only the latter. The exact radius takes minutes a picture.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from pruneattr_core import contributions, load_model, model_card
from pruneattr_core.analysis.linearity import Radius, linear_radius
from pruneattr_core.datasets import load_dataset


def timed(*arguments: object, **options: object) -> tuple[Radius, float, float]:
    """The radius, seconds of the clock, seconds of the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    found = linear_radius(*arguments, **options)  # type: ignore[arg-type]
    return found, time.perf_counter() - wall, time.process_time() - processor


def main() -> None:
    """Print one line a picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="resnet8-cifar10")
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--root", type=Path)
    parser.add_argument("--n", type=int, default=4)
    parser.add_argument("--sparsity", type=float, default=0.9)
    parser.add_argument("--risk", type=float, default=0.001)
    parser.add_argument("--probes", type=int, default=24)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--exact", action="store_true", help="compute the exact radius too")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    card, model = model_card(given.model), load_model(given.model, given.device).double()
    data = load_dataset(given.data, given.root)
    for index in range(given.n):
        x = card.preprocess(data[index].image).double().to(given.device)
        path = contributions(model, x).path(given.sparsity)
        fast, wall, processor = timed(model, x, path, probes=given.probes, risk=given.risk)
        line = (
            f"picture {index}: radius {float(fast.value):.6g}, {int(fast.checked)} of {int(fast.neurons)} "
            f"neurons checked, risk {float(fast.risk):.1e}, {wall:.1f} s, {processor:.1f} s of processor"
        )
        if given.exact:
            exact, wall, processor = timed(model, x, path)
            line += (
                f"; exact {float(exact.value):.6g} (fast is {float(fast.value / exact.value) - 1:+.2%}), "
                f"{wall:.0f} s, {processor:.0f} s of processor"
            )
        print(line, flush=True)


if __name__ == "__main__":
    main()
