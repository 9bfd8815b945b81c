"""What other libraries do with networks as they come, beside ours: `PYTHONPATH=. python perf/peers.py`.

Guided backpropagation, for which several have a rule at every ReLU, on two networks of the same function: one
with a module for every ReLU, one that calls the functional ReLU. Then what a map leaves behind in the
network, and one network asked by several threads; both by Grad-CAM for libraries without that rule. Two
of them come with nothing of ours (`pip install grad-cam torchcam`); one that is not here is told as missing.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruneattr_core import explain
from pruneattr_core.runtime import provenance

THREADS, ROUNDS, TARGET = 4, 40, 1
#: Library -> its distribution.
PEERS = {
    "Captum": "captum",
    "Zennit": "zennit",
    "Quantus": "quantus",
    "pytorch-grad-cam": "grad-cam",
    "TorchCAM": "torchcam",
}
Method = Callable[[nn.Module, Tensor], Tensor]


class Net(nn.Module):
    """Two convolutions; `functional` says how their ReLUs are called."""

    def __init__(self, functional: bool) -> None:
        super().__init__()
        self.functional = functional
        self.first, self.second, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(8, 4)
        self.relus = nn.ModuleList() if functional else nn.ModuleList([nn.ReLU(), nn.ReLU()])

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 4)."""
        for k, layer in enumerate((self.first, self.second)):
            x = F.relu(layer(x)) if self.functional else self.relus[k](layer(x))
        return self.head(x.mean((2, 3)))


def captum_guided(net: nn.Module, x: Tensor) -> Tensor:
    from captum.attr import GuidedBackprop

    return GuidedBackprop(net).attribute(x.clone().requires_grad_(), target=TARGET).detach()


def zennit_guided(net: nn.Module, x: Tensor) -> Tensor:
    from zennit.attribution import Gradient
    from zennit.composites import GuidedBackprop

    with Gradient(model=net, composite=GuidedBackprop()) as attributor:
        return attributor(x.clone().requires_grad_(), torch.eye(4)[[TARGET]])[1].detach()


def quantus_cam(net: nn.Module, x: Tensor) -> Tensor:
    import quantus

    named = {"method": "LayerGradCam", "gc_layer": "list(model.modules())[-1]", "normalise": False}
    found = quantus.explain(net, x.numpy(), torch.tensor([TARGET]).numpy(), xai_lib="captum", **named)
    return torch.as_tensor(found).clamp(min=0)


def gradcams_guided(net: nn.Module, x: Tensor) -> Tensor:
    from pytorch_grad_cam import GuidedBackpropReLUModel

    found = GuidedBackpropReLUModel(net)(x.clone(), target_category=TARGET)
    return torch.as_tensor(found).permute(2, 0, 1)[None]


def torchcams_cam(net: nn.Module, x: Tensor) -> Tensor:
    from torchcam.methods import GradCAM

    with GradCAM(net, "relus.1", input_shape=tuple(x.shape[1:])) as made:
        return made(TARGET, net(x.clone().requires_grad_()))[0].detach()[:, None]


def our_guided(net: nn.Module, x: Tensor) -> Tensor:
    return explain(net, x, TARGET, "guided_backprop").values


#: Library -> its map, and whether that is guided backpropagation.
METHODS: dict[str, tuple[Method, bool]] = {
    "Captum": (captum_guided, True),
    "Zennit": (zennit_guided, True),
    "pytorch-grad-cam": (gradcams_guided, True),
    "TorchCAM": (torchcams_cam, False),
    "Quantus": (quantus_cam, False),
    "PruneAttr": (our_guided, True),
}


def network(functional: bool = False) -> Net:
    """A fresh one, always of the same weights."""
    torch.manual_seed(0)
    return Net(functional).eval()


def gap(method: Method, x: Tensor) -> str:
    """How far its maps of the two networks lie apart, as a share of the largest value."""
    try:
        right = method(network(), x)
        return f"{float((method(network(True), x) - right).abs().max() / right.abs().max()):.2g}"
    except Exception as error:
        return f"refused: {error}"


def left(method: Method, x: Tensor) -> str:
    """What a map has changed: of the network's modules and hooks, and of its parameters' gradients."""
    net = network()
    before = {name: id(module) for name, module in net.named_modules()}
    method(net, x)
    named = dict(net.named_modules())
    changed = [name for name, one in before.items() if name not in named or id(named[name]) != one]
    hooks = sum(len(one._forward_hooks) + len(one._forward_pre_hooks) for one in net.modules())
    gradients = sum(one.grad is not None for one in net.parameters())
    return f"{len(changed)} modules, {hooks} hooks, {gradients} gradients"


def differing(method: Method, inputs: list[Tensor]) -> str:
    """How many maps of threads that share a network are not those of one thread."""
    net = network()
    alone = [method(network(), x) for x in inputs]
    failed = wrong = 0
    with ThreadPoolExecutor(THREADS) as pool:
        for x, result in zip(alone, [pool.submit(method, net, x) for x in inputs], strict=True):
            if result.exception() is not None:
                failed += 1
            else:
                wrong += not torch.equal(x, result.result())
    return f"{wrong} of {len(inputs)} maps differ, {failed} raised"


def main() -> None:
    """Print a line a library."""
    warnings.simplefilter("ignore")
    print(provenance("cpu"))
    torch.manual_seed(1)
    inputs = [torch.randn(1, 3, 16, 16) for _ in range(ROUNDS)]
    for name, (method, guided) in METHODS.items():
        try:
            said = f"{name} {version(PEERS[name])}" if name in PEERS else name
        except PackageNotFoundError:
            print(f"{name}: pip install {PEERS[name]}")
            continue
        print(f"{said}, {'guided backpropagation' if guided else 'Grad-CAM'}")
        if guided:
            print(f"  two networks of one function: {gap(method, inputs[0])} of the largest value apart")
        print(f"  left behind by one map: {left(method, inputs[0])}")
        print(f"  {THREADS} threads: {differing(method, inputs)}", flush=True)


if __name__ == "__main__":
    main()
