"""Tiny networks, one per way in which real ones call their activations; float64, seeded, eval."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruneattr_core import tape

CLASSES = 5
SHAPE = (3, 10, 10)


class _Head(nn.Module):
    """Ends in global average pooling and a linear layer."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x.mean((2, 3)))


def _conv(inside: int, out: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inside, out, 3, stride, 1)


class Functional(nn.Module):
    """F.relu and Tensor.relu."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.head = _conv(3, 6), _conv(6, 8, 2), _Head(8)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.two(F.relu(self.one(x))).relu())


class Reused(nn.Module):
    """One nn.ReLU called three times."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList([_conv(3, 6), _conv(6, 6), _conv(6, 6, 2)])
        self.relu, self.head = nn.ReLU(), _Head(6)

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = self.relu(conv(x))
        return self.head(x)


class InPlace(nn.Module):
    """Works in place on an activation after it was called, which a recording must survive."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.head = _conv(3, 6), _conv(6, 6), _Head(6)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.one(x))
        x += 0.5
        x = torch.relu_(self.two(x))
        return self.head(x)


class Residual(nn.Module):
    """Two blocks with additions, batch norm and in-place ReLU, as in ResNets."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.a, self.b, self.c = _conv(3, 6), _conv(6, 6), _conv(6, 6), _conv(6, 6)
        self.norm, self.relu, self.head = nn.BatchNorm2d(6), nn.ReLU(inplace=True), _Head(6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.stem(x)))
        x = self.relu(x + self.b(self.relu(self.a(x))))
        return self.head(self.relu(x + self.c(x)))


class Concatenating(nn.Module):
    """Branches joined by torch.cat, as in SqueezeNet and DenseNet."""

    def __init__(self) -> None:
        super().__init__()
        self.squeeze, self.left, self.right = _conv(3, 4), nn.Conv2d(4, 5, 1), _conv(4, 5)
        self.head = _Head(10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.squeeze(x), inplace=True)
        return self.head(torch.cat([F.relu(self.left(x), True), F.relu(self.right(x), True)], 1))


class Branching(nn.Module):
    """Tensors that go on besides their ReLU (pre-activation) and pooling (Inception); windows overlap."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.one, self.two, self.side = _conv(3, 6), _conv(6, 6), _conv(6, 6), _conv(6, 4)
        self.pool, self.head = nn.MaxPool2d(3, 2, 1), _Head(10)

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        h += self.one(F.relu(h))
        h = h + self.two(F.relu(h))
        h = torch.cat([self.side(h), F.max_pool2d(h, 3, 1, 1)], 1)
        return self.head(F.relu(self.pool(h)))


class Inverted(nn.Module):
    """ReLU6 as in MobileNetV2: expand, depthwise, project, add; some activations are at the ceiling."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.expand, self.project = _conv(3, 4), nn.Conv2d(4, 8, 1), nn.Conv2d(8, 4, 1)
        self.depthwise, self.norm = nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.BatchNorm2d(8)
        self.clip, self.head = nn.ReLU6(inplace=True), _Head(4)
        with torch.no_grad():
            self.stem.weight *= 8
            self.expand.weight *= 4

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu6(self.stem(x))
        inside = self.clip(self.norm(self.depthwise(self.clip(self.expand(x)))))
        return self.head(F.hardtanh(x + self.project(inside), 0, 2))


class Scored(nn.Module):
    """Ends in a ReLU over maps of class scores and their mean, as SqueezeNet."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.scores = _conv(3, 6), _conv(6, 6), nn.Conv2d(6, CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.scores(F.relu(self.two(F.relu(self.one(x)))))).mean((2, 3))


class Stems(nn.Module):
    """Two activations that no other precedes."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.two, self.head = _conv(3, 4), _conv(3, 5), _conv(9, 6), _Head(6)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.two(torch.cat([F.relu(self.left(x)), F.relu(self.right(x))], 1))))


class Spelled(nn.Module):
    """Rectifiers in other words; with `plainly` the same network in ReLU."""

    def __init__(self, plainly: bool = False) -> None:
        super().__init__()
        self.convs, self.head = nn.ModuleList([_conv(3, 4), *(_conv(4, 4) for _ in range(8))]), _Head(4)
        forms: list[Callable[[Tensor], Tensor]] = [
            lambda h: h.clamp(min=0),
            lambda h: torch.clamp_min(h, 0.0),
            lambda h: F.threshold(h, 0, 0),
            lambda h: torch.maximum(h, torch.zeros((), dtype=h.dtype)),
            lambda h: torch.where(h > 0, h, torch.zeros_like(h)),
            lambda h: h * (h > 0),
            lambda h: F.rrelu(h, 0.0, 0.0),
            lambda h: torch.where(h <= 0, torch.zeros_like(h), h),
            lambda h: h.masked_fill(h < 0, 0),
        ]
        self.forms = [F.relu] * len(forms) if plainly else forms

    def forward(self, x: Tensor) -> Tensor:
        for conv, form in zip(self.convs, self.forms, strict=True):
            x = form(conv(x))
        return self.head(x)


class Aside(nn.Module):
    """Has things beside the road from the picture to the answer.

    A rectified table of positions, weights standardised by batch_norm, a second head, an in-place ReLU whose
    result is read from its argument, and x * sigmoid(1.702 x).
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.two, self.head, self.second = _conv(3, 6), _conv(6, 6), _Head(6), _Head(6)
        self.table = nn.Parameter(torch.randn(1, 6, 10, 10))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        flat = self.stem.weight.reshape(1, 6, -1)
        weight = F.batch_norm(flat, None, None, training=True).reshape_as(self.stem.weight)
        h = F.conv2d(x, weight, self.stem.bias, 1, 1)
        F.relu(h, inplace=True)
        h = self.two(h + F.relu(self.table))
        h = h * torch.sigmoid(1.702 * h)
        return {"aux": self.second(F.relu(h)), "logits": self.head(h)}


def _headed(outputs: int, *last: nn.Module) -> nn.Module:
    """Ends in `outputs` numbers and what is done to them."""
    body = (_conv(3, 6), nn.ReLU(), _conv(6, 8, 2), nn.ReLU(), nn.Flatten())
    return nn.Sequential(*body, nn.Linear(200, outputs), *last)


def _sequential(activation: Callable[[], nn.Module]) -> nn.Module:
    return nn.Sequential(
        _conv(3, 6), activation(), _conv(6, 8, 2), activation(), nn.Flatten(), nn.Linear(200, CLASSES)
    )


_BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "plain": lambda: _sequential(nn.ReLU),
    "functional": Functional,
    "reused": Reused,
    "in_place": InPlace,
    "residual": Residual,
    "concatenating": Concatenating,
    "branching": Branching,
    "inverted": Inverted,
    "gelu": lambda: _sequential(nn.GELU),
    "silu": lambda: _sequential(nn.SiLU),
}
NAMES = tuple(_BUILDERS)
#: Networks whose outputs are no plain class scores.
_HEADS: dict[str, Callable[[], nn.Module]] = {
    "one_output": lambda: _headed(1),
    "multi_label": lambda: _headed(CLASSES),
    "softmax_inside": lambda: _headed(CLASSES, nn.Softmax(1)),
    "sigmoid_inside": lambda: _headed(CLASSES, nn.Sigmoid()),
    "regression": lambda: _headed(2),
    "segmenting": lambda: nn.Sequential(_conv(3, 6), nn.ReLU(), _conv(6, 6), nn.ReLU(), _conv(6, CLASSES)),
}
#: Networks with activations that are no neurons, or no plain calls.
_ROLES: dict[str, Callable[[], nn.Module]] = {
    "scored": Scored,
    "stems": Stems,
    "spelled": Spelled,
    "aside": Aside,
}


def network(name: str, dtype: torch.dtype = torch.float64) -> nn.Module:
    """The network called `name`, with the same weights at every call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(sum(map(ord, name)))
        net = {**_BUILDERS, **_HEADS, **_ROLES}[name]()
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 1.5)
    if name in (*_BUILDERS, "stems", "spelled"):
        _centre(net.eval())
    return net.to(dtype).eval()


def _centre(net: nn.Module) -> None:
    """Take the mean class scores of some noise off the last bias, so that inputs differ in their class."""
    last = [module for module in net.modules() if isinstance(module, nn.Linear)][-1]
    with torch.no_grad():
        last.bias -= net(inputs(64, 5, torch.float32)).mean(0)


def inputs(count: int = 2, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """A batch of noise that the networks take."""
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def state(net: nn.Module) -> list[object]:
    """Everything a computation could have left on a network."""
    left: list[object] = []
    for name, module in net.named_modules():
        left.append((name, module.training, sorted(vars(module))))
        left.extend(len(getattr(module, key)) for key in sorted(vars(module)) if key.endswith("_hooks"))
    for name, tensor in [*net.named_parameters(), *net.named_buffers()]:
        left.append((name, id(tensor), tensor.requires_grad, tensor.grad is None, tensor._version))
        left.append(tensor.detach().clone().numpy().tobytes())
    return left


def activation_shapes(model: nn.Module, inputs: Tensor) -> dict[str, tuple[int, ...]]:
    """Names and shapes (without batch) of the activations of `model` for `inputs`, in call order."""
    with torch.no_grad():
        record = tape.run(model, inputs[:1])
    return {n: tuple(a.shape[1:]) for n, a in zip(record.names, record.activations, strict=True)}
