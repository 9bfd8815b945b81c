"""What Captum does with networks as they come, beside ours: `PYTHONPATH=. python perf/peers.py`.

Guided backpropagation, for which both have a rule at every ReLU, on two networks of the same function: one
with a module for every ReLU, one that calls the functional ReLU; then one network asked by several threads.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import captum
import torch
import torch.nn.functional as F
from captum.attr import GuidedBackprop
from torch import Tensor, nn

from pruneattr_core import explain
from pruneattr_core.runtime import provenance

THREADS, ROUNDS = 4, 40


class Net(nn.Module):
    """Two convolutions; `functional` says how their ReLUs are called."""

    def __init__(self, functional: bool) -> None:
        super().__init__()
        self.functional = functional
        self.first, self.second, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(8, 4)
        self.relus = nn.ModuleList([nn.ReLU(), nn.ReLU()])

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 4)."""
        for k, layer in enumerate((self.first, self.second)):
            x = F.relu(layer(x)) if self.functional else self.relus[k](layer(x))
        return self.head(x.mean((2, 3)))


def captums(net: nn.Module, x: Tensor) -> Tensor:
    return GuidedBackprop(net).attribute(x.clone().requires_grad_(), target=1).detach()


def ours(net: nn.Module, x: Tensor) -> Tensor:
    return explain(net, x, 1, "guided_backprop").values


def differing(method: Callable[[nn.Module, Tensor], Tensor], net: nn.Module, inputs: list[Tensor]) -> str:
    """How many maps of threads that share a network are not those of one thread."""
    alone = [method(net, x) for x in inputs]
    failed = wrong = 0
    with ThreadPoolExecutor(THREADS) as pool:
        for x, result in zip(alone, [pool.submit(method, net, x) for x in inputs], strict=True):
            if result.exception() is not None:
                failed += 1
            else:
                wrong += not torch.equal(x, result.result())
    return f"{wrong} of {len(inputs)} maps differ, {failed} raised"


def main() -> None:
    """Print both comparisons."""
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    modules, functional = Net(False).eval(), Net(True).eval()
    functional.load_state_dict(modules.state_dict())
    x = torch.randn(1, 3, 16, 16)
    print(f"captum {captum.__version__}, {provenance('cpu')}")
    for name, method in (("Captum", captums), ("PruneAttr", ours)):
        try:
            gap = float((method(functional, x) - method(modules, x)).abs().max())
            said = f"largest difference between the two networks {gap:.3g}"
        except Exception as error:
            said = f"refuses the functional one: {error}"
        print(f"{name}: {said}")
        inputs = [torch.randn(1, 3, 16, 16) for _ in range(ROUNDS)]
        print(f"{name}, {THREADS} threads: {differing(method, modules, inputs)}")


if __name__ == "__main__":
    main()
