"""One picture's circuit curves: 12 sizes under 5 replacements, on ResNet-8. The bar: 2 s on two cores.

    PYTHONPATH=. python perf/circuits.py --root CIFAR10 [--repeats 5] [--threads 2]

Scores, the curves of the path, the rest and a random path, and the replacement of the picture itself (another
one's values, a blurred one's) count; the mean over 32 reference pictures is made once and does not. Processor
seconds stand beside those of the clock, since a busy machine stretches only the latter.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from torchvision.transforms.functional import gaussian_blur

from pruneattr_core import contributions, load_model, model_card
from pruneattr_core.circuits.curve import SIZES, circuit_curve
from pruneattr_core.circuits.replacement import activations_of, mean_of, zero
from pruneattr_core.datasets import load_dataset


def main() -> None:
    """Print one line a repeat, and the median."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="resnet8-cifar10")
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--root", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    card, model = model_card(given.model), load_model(given.model)
    data = load_dataset(given.data, given.root)
    pictures = [card.preprocess(data[k].image) for k in range(34)]
    means = [mean_of(model, pictures[2:], unit) for unit in ("neuron", "channel")]
    clock, processor = [], []
    for repeat in range(given.repeats + 1):
        wall, own = time.perf_counter(), time.process_time()
        x = pictures[0]
        scores = contributions(model, x)
        blurred = gaussian_blur(x, [17, 17], [8.0, 8.0])
        made = [zero(model, x), *means, activations_of(model, pictures[1]), activations_of(model, blurred)]
        for base in made:
            circuit_curve(model, x, scores.target, scores.layers, base)
        clock.append(time.perf_counter() - wall)
        processor.append(time.process_time() - own)
        said = "warm-up" if repeat == 0 else f"repeat {repeat}"
        print(f"{said}: {clock[-1]:.2f} s, {processor[-1]:.2f} s of processor", flush=True)
    at = sorted(range(1, len(clock)), key=lambda k: clock[k])[given.repeats // 2]
    print(f"median of {given.repeats}: {len(SIZES)} sizes x {len(made)} replacements in {clock[at]:.2f} s")


if __name__ == "__main__":
    main()
