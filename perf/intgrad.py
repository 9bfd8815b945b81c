"""Time NeuronIntGrad against one pass per step with 50 uniform steps, at equal completeness, in one run.

python perf/intgrad.py [--images FOLDER --n 1] [--threads 2] [--device cpu]. SqueezeNet 1.0, 224x224, float32,
weights where torch.hub finds them (set TORCH_HOME), else random, and then it says so. Both sides score all 26
activation calls. Ours takes the fewest Gauss-Legendre nodes whose completeness error, the mean over layers of
|sum_j c_j - (f(x) - f(layer := 0))| / |f(x) - f(layer := 0)|, is at most the other side's. Bar: 10x faster.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models import squeezenet1_0

from pruneattr_core.errors import PruneAttrError
from pruneattr_core.models import load_model, model_card
from pruneattr_core.runtime import device_for, provenance
from pruneattr_core.scoring.intgrad import SignedContributions, completeness, intgrad_signed

CANDIDATES = (2, 3, 4, 5, 6, 8, 10, 12)


def main() -> None:
    """Find the nodes needed, then time both sides in turn."""
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

    for image in batch.split(1):
        target = int(model(image).argmax())
        start = time.perf_counter()
        slow = one_pass_per_step(model, image, target)
        synchronise(device)
        slow_seconds = time.perf_counter() - start
        bar = error(model, image, slow)
        print(f"one pass per step, 50 uniform steps: {slow_seconds:8.2f} s   error {bar:.5f}")
        for count in CANDIDATES:
            start = time.perf_counter()
            fast = intgrad_signed(model, image, target, count)
            synchronise(device)
            seconds = time.perf_counter() - start
            reached = error(model, image, fast)
            print(f"ours, {count:2d} Gauss-Legendre nodes:        {seconds:8.2f} s   error {reached:.5f}")
            if reached <= bar:
                print(f"ratio at equal completeness: {slow_seconds / seconds:.1f}")
                break
        start = time.perf_counter()
        same = intgrad_signed(model, image, target, 50, "uniform")
        synchronise(device)
        seconds = time.perf_counter() - start
        gap = max(
            float((a - b).abs().max() / b.abs().max()) for a, b in zip(same.layers, slow.layers, strict=True)
        )
        print(f"ours, the same 51 uniform nodes:     {seconds:8.2f} s   differs by {gap:.1e} of the maximum")


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


def error(model: nn.Module, image: Tensor, signed: SignedContributions) -> float:
    """Mean over layers of the relative completeness error."""
    return float(completeness(model, image, signed=signed).relative.mean())


def synchronise(device: torch.device) -> None:
    """Wait for a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
