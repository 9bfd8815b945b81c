"""Measure the bundled networks: how often they are right, and whether their maps point at the shape.

PYTHONPATH=. python perf/bundled.py [--pictures 200] [--data ../shared/data] [--sparsity 0.9] [--mode zero].
Bars of the project: ResNet-8 >= 85 % right, scenes network >= 97 % right, and the maximum of its PruneGrad
map inside the shape for >= 90 % of the pictures it has right. Scenes are of a series nobody trained on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from pruneattr_core import PruneGrad, load_model
from pruneattr_core.attribution.collapse import collapse
from pruneattr_core.datasets import load_dataset
from pruneattr_core.models import model_card
from pruneattr_core.recipes import BUNDLED, cifar10
from pruneattr_core.training import accuracy


def main() -> None:
    """Print one line a bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=200, help="scenes to explain")
    parser.add_argument("--data", type=Path, help="folder of CIFAR-10; as in load_dataset without it")
    parser.add_argument("--sparsity", type=float, default=0.9)
    parser.add_argument("--mode", choices=("zero", "freeze"), default="zero")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    test = cifar10(options.data, "test", 0)
    right = accuracy(load_model("resnet8-cifar10"), test, BUNDLED["resnet8-cifar10"].recipe)
    print(f"resnet8-cifar10: {right:.2%} right, n = {len(test.labels)} ({test.name})")
    scenes(options.pictures, options.sparsity, options.mode)


def scenes(count: int, sparsity: float, mode: str) -> None:
    """Accuracy and place of the maximum on the first `count` scenes that the app shows."""
    card, model, shown = model_card("scenes-net"), load_model("scenes-net"), load_dataset("scenes")
    right, inside, share = 0, [], []
    for index in range(count):
        sample = shown[index]
        inputs = card.preprocess(sample.image)
        with torch.no_grad():
            if int(model(inputs).argmax()) != sample.label:
                continue
        right += 1
        maps = PruneGrad(model).attribute(inputs, sparsity=sparsity, mode=mode)
        map_ = collapse(maps)[0].abs().numpy()
        inside.append(bool(sample.mask[np.unravel_index(map_.argmax(), map_.shape)]))
        share.append(map_[sample.mask].sum() / map_.sum())
    print(f"scenes-net: {right / count:.2%} right, n = {count}")
    print(
        f"PruneGrad, {mode}, sparsity {sparsity}: maximum inside the shape for {np.mean(inside):.1%}; "
        f"{np.mean(share):.0%} of the map lies inside"
    )


if __name__ == "__main__":
    main()
