"""Situations about where gradients end: side branches that none reaches, and what only looks like one.

Everything that comes from the input by value and reaches the answer must be reached by the gradient too.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from situations import Body, Situation, body, changed


def _with_side(self: Any, x: Tensor, side: Tensor) -> Tensor:
    return self.linear((self.features(x) + self.relu(self.two(side))).mean((2, 3)))


def _first_blind(self: Any, x: Tensor) -> Tensor:
    with torch.no_grad():
        side = self.one(x)
    return _with_side(self, x, self.relu(side))


def _steps(values: Tensor) -> Tensor:
    return (values * 8).round() / 8


def _straight_through(self: Any, x: Tensor) -> Tensor:
    h = self.relu(self.one(x))
    h = h + (_steps(h) - h).detach()
    return self.linear(self.relu(self.two(h)).mean((2, 3)))


def _rounded(self: Any, x: Tensor) -> Tensor:
    return self.linear(self.relu(self.two(_steps(self.relu(self.one(x))))).mean((2, 3)))


def _gated(self: Any, x: Tensor) -> Tensor:
    h = self.relu(self.one(x))
    return self.linear((h * (self.relu(self.two(h)) > 0.2)).mean((2, 3)))


def _chosen(self: Any, x: Tensor) -> Tensor:
    h = self.features(x).mean((2, 3))
    return Body.forward(self, x) + self.linear(F.one_hot(h.argmax(1), 4).to(x.dtype))


def _plain_side(self: Any, x: Tensor, cut: Any, late: bool = False) -> Tensor:
    """A side branch without neurons; its gradient ends before its layer or after it."""
    side = self.one(x if late else cut(x)).mean((2, 3))
    return Body.forward(self, x) + (cut(side) if late else side)[:, :3]


def _wholly_blind_side(self: Any, x: Tensor) -> Tensor:
    with torch.no_grad():
        side = self.one(x).mean((2, 3))
    return Body.forward(self, x) + side[:, :3]


def _frozen(forward: Any) -> nn.Module:
    return changed(lambda m: m.requires_grad_(False), forward)


def _quantised_code(self: Any, x: Tensor) -> Tensor:
    """The nearest row of a learned table instead of each feature, with a straight-through gradient."""
    h = self.features(x).mean((2, 3))
    table = self.two.weight.flatten(1)[:, :4]
    code = table[torch.cdist(h, table).argmin(1)]
    return self.linear(h + (code - h).detach())


def _jump(self: Any, x: Tensor) -> Tensor:
    h = self.relu(self.one(x))
    return self.linear((h * (h > 0.2)).mean((2, 3)))


def _clamped_places(self: Any, x: Tensor) -> Tensor:
    """Features read at the places of their largest values, one to the left and kept inside."""
    h = self.features(x).flatten(2)
    return self.linear(h.gather(2, (h.argmax(2, keepdim=True) - 1).clamp(0, 35))[..., 0] + h.mean(2))


class _UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(2, 4, 3, 2, 1), nn.ConvTranspose2d(4, 4, 2, 2)
        self.join, self.linear = nn.Conv2d(6, 4, 3, 1, 1), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.down(x))
        wide = F.relu(self.up(h)) + F.interpolate(h, scale_factor=2, mode="bilinear")
        return self.linear(F.relu(self.join(torch.cat([x, wide], 1))).mean((2, 3)))


class _Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rows, self.one, self.linear = nn.LSTM(6, 5, batch_first=True), nn.Linear(5, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(F.relu(self.one(self.rows(x.flatten(1, 2))[0].mean(1))))


class _Experts(Body):
    """A mixture of experts: each input runs through the one that its features choose."""

    def __init__(self) -> None:
        super().__init__()
        self.route = nn.Linear(4, 2)
        self.experts = nn.ModuleList([nn.Linear(4, 4) for _ in range(2)])

    def forward(self, x: Tensor) -> Tensor:
        h = self.features(x).mean((2, 3))
        weight, chosen = self.route(h).softmax(1).topk(1, 1)
        each = torch.stack([F.relu(expert(h)) for expert in self.experts], 1)
        return self.linear(each.gather(1, chosen[:, :, None].expand(-1, -1, 4))[:, 0] * weight)


def _normed(values: Tensor) -> Tensor:
    return values / values.abs().sum((1, 2, 3), keepdim=True).detach()


RIGHT = (
    Situation("rounding with a straight-through gradient", lambda: body(_straight_through)),
    Situation("a straight-through code of a table (VQ)", lambda: body(_quantised_code)),
    Situation("JumpReLU: neurons that pass above a threshold", lambda: body(_jump)),
    Situation(
        "a detached norm times a learned scale, in brackets",
        lambda: body(lambda s, x: _scaled(s, x, lambda h, n: h * (n * s.scale[0])), scale=_one()),
    ),
    Situation(
        "a detached norm times a learned scale, one by one",
        lambda: body(lambda s, x: _scaled(s, x, lambda h, n: h * n * s.scale[0]), scale=_one()),
    ),
    Situation("a derivative along a direction beside loose values", lambda: body(_along)),
    Situation(
        "a layer's features that are centred by a detached mean",
        lambda: _frozen(lambda s, x: s.linear(s.relu(_centred(s.two(_centred(s.one(x))))).mean((2, 3)))),
    ),
    Situation(
        "a layer on the detached input beside the answer",
        lambda: _frozen(lambda s, x: {"logits": Body.forward(s, x), "aux": s.one(x.detach())}),
        read=lambda z: z["logits"][:, 1],
    ),
    Situation("a norm that is detached", lambda: body(lambda s, x: Body.forward(s, _normed(x)))),
    Situation(
        "an auxiliary head on a detached input",
        lambda: body(
            lambda s, x: {"logits": Body.forward(s, x), "aux": F.relu(s.one(x.detach())).mean((1, 2, 3))}
        ),
        read=lambda z: z["logits"][:, 1],
    ),
    Situation(
        "pytorch-grad-cam#254: every parameter frozen", lambda: changed(lambda m: m.requires_grad_(False))
    ),
    Situation("zennit#43: a U-Net", _UNet),
    Situation("places that are clamped from 0", lambda: body(_clamped_places)),
    Situation("captum#1176: a recurrent layer", _Recurrent),
    Situation("a mixture of experts", _Experts),
    Situation(
        "through the Fourier transform", lambda: body(lambda s, x: Body.forward(s, _there_and_back(x)))
    ),
    Situation(
        "backward hooks of the user",
        lambda: changed(lambda m: m.relu.register_full_backward_hook(lambda *given: None)),
    ),
)
REFUSED = (
    Situation(
        "a side branch of the detached input",
        lambda: body(lambda s, x: _with_side(s, x, F.relu(s.one(x.detach())))),
        r"part of the network only: the neurons of .*ends at Network \(detach\)",
    ),
    Situation(
        "a side branch of .data",
        lambda: body(lambda s, x: _with_side(s, x, F.relu(s.one(x.data)))),
        r"part of the network only: the neurons of .*ends at Network \(data\)",
    ),
    Situation(
        "a side branch that begins under no_grad",
        lambda: body(_first_blind),
        r"the neurons of relu act on it.*ends at one \(under torch.no_grad\)",
    ),
    Situation(
        "a side branch that begins in numpy",
        lambda: body(lambda s, x: _with_side(s, x, F.relu(s.one(torch.from_numpy(x.detach().numpy() * 2))))),
        r"part of the network only: the neurons of",
    ),
    Situation(
        "a side branch that ends in numpy",
        lambda: body(lambda s, x: Body.forward(s, x) + torch.from_numpy(Body.forward(s, x).detach().numpy())),
        r"part of the network only: the gradient ends at Network \(detach\)",
    ),
    Situation(
        "a layer on the detached input",
        lambda: body(lambda s, x: _plain_side(s, x, torch.detach)),
        r"part of the network only: one \(conv2d\) acts on it.*ends at Network \(detach\)",
    ),
    Situation(
        "a frozen layer on the detached input",
        lambda: _frozen(lambda s, x: _plain_side(s, x, torch.detach)),
        r"part of the network only: one \(conv2d\) acts on it.*ends at Network \(detach\)",
    ),
    Situation(
        "a layer that is detached",
        lambda: _frozen(lambda s, x: _plain_side(s, x, torch.detach, late=True)),
        r"part of the network only: the gradient ends at Network \(detach\)",
    ),
    Situation(
        "a layer under no_grad",
        lambda: _frozen(_wholly_blind_side),
        r"part of the network only: .*one \(under torch.no_grad\)",
    ),
    Situation(
        "a mean over the batch",
        lambda: body(lambda s, x: Body.forward(s, x - x.mean(0))),
        "depends on the rest of it",
        given=lambda x: x[:1],
    ),
    Situation(
        "a maximum over the batch",
        lambda: body(lambda s, x: Body.forward(s, x / x.abs().amax())),
        "depends on the rest of it",
        given=lambda x: x[:1],
    ),
    Situation(
        "a step without a derivative",
        lambda: body(lambda s, x: s.linear(_heaviside(s.relu(s.one(x))).mean((2, 3)))),
        r"gradient ends at Network \(heaviside\)",
    ),
    Situation(
        "JumpReLU alone",
        lambda: body(lambda s, x: s.linear((s.one(x) * (s.one(x) > 0.2)).mean((2, 3)))),
        "no activation function",
    ),
    Situation(
        "a side branch of a list",
        lambda: body(lambda s, x: _with_side(s, x, F.relu(s.one(torch.tensor(x.tolist()))))),
        r"no gradient goes to the input \(it ends at Network \(a list\)\)\. ",
    ),
    Situation("rounded activations", lambda: body(_rounded), r"gradient ends at Network \(round\)"),
    Situation(
        "the sign of the input",
        lambda: body(lambda s, x: Body.forward(s, x.sign())),
        r"not depend differentiably on the input: the gradient ends at Network \(sign\)",
    ),
    Situation(
        "features that only choose words of a table",
        lambda: body(lambda s, x: s.linear(F.embedding(_words(s, x), s.two.weight[:, :, 0, 0]))),
        r"gradient ends at Network \(long\)",
    ),
    Situation("neurons that only open gates", lambda: body(_gated), r"gradient ends at Network \(gt\)"),
    Situation("a branch behind argmax", lambda: body(_chosen), r"gradient ends at Network \(argmax\)"),
    Situation(
        "captum#978: another input than the given one",
        lambda: body(lambda s, x: Body.forward(s, torch.ones(len(x), 2, 6, 6))),
        "do not depend on the input",
    ),
    Situation(
        "two inputs", lambda: body(lambda s, x, y: Body.forward(s, x + y)), r"argument: 'y'.*given one tensor"
    ),
    Situation("lazy layers", lambda: nn.Sequential(nn.LazyConv2d(4, 3), nn.ReLU()), "Run it once"),
    Situation(
        "classes instead of scores", lambda: body(lambda s, x: Body.forward(s, x).argmax(1)), "real numbers"
    ),
)


def _words(self: Any, x: Tensor) -> Tensor:
    return (100 * self.features(x).mean((1, 2, 3))).long().clamp(0, 3)


def _centred(values: Tensor) -> Tensor:
    return values - values.mean((1, 2, 3), keepdim=True).detach()


def _one() -> nn.ParameterList:
    return nn.ParameterList([torch.ones(1)])


def _scaled(self: Any, x: Tensor, how: Any) -> Tensor:
    norm = x.flatten(1).norm(dim=1)[:, None, None, None].detach()
    return self.linear(how(self.features(x), norm).mean((2, 3)))


def _along(self: Any, x: Tensor) -> Tensor:
    h = self.features(x) + _centred(x).mean((1, 2, 3), keepdim=True)
    along: Tensor = torch.func.jvp(torch.tanh, (h,), (torch.ones_like(h),))[1]
    return self.linear((h + along).mean((2, 3)))


def _heaviside(values: Tensor) -> Tensor:
    return values * torch.heaviside(values - 0.2, torch.zeros(()))


def _there_and_back(x: Tensor) -> Tensor:
    real: Tensor = torch.fft.ifft2(torch.fft.fft2(x)).real
    return real
