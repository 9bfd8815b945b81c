"""Situations about networks: how they are built, what they return, what they do in a pass."""

from __future__ import annotations

import warnings
from collections import namedtuple
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune
from torch.nn.utils import spectral_norm as old_spectral_norm
from torch.utils.checkpoint import checkpoint
from torchvision.models.googlenet import GoogLeNetOutputs
from torchvision.ops import StochasticDepth

from pruneattr_core import difference, group, region
from situations import Body, Situation, body, changed, head, noisy, reuse, training

Pair = namedtuple("Pair", "scores extra")
MASK = torch.zeros(6, 6, dtype=torch.bool)
MASK[1:4, 2:5] = True


def _checkpointed(self: Any, x: Tensor, reentrant: bool = False) -> Tensor:
    h = checkpoint(lambda one: self.relu(self.two(self.relu(self.one(one)))), x, use_reentrant=reentrant)
    return self.linear(h.mean((2, 3)))


def _quantised() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = nn.Sequential(nn.Flatten(), nn.Linear(72, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
        return torch.ao.quantization.quantize_dynamic(made, {nn.Linear}, dtype=torch.qint8)


def _standardised(self: Any, x: Tensor) -> Tensor:
    weight = self.two.weight
    even = F.batch_norm(weight.reshape(1, 4, -1), None, None, training=True).reshape_as(weight)
    return self.linear(self.relu(F.conv2d(self.relu(self.one(x)), even, None, 1, 1)).mean((2, 3)))


def _half_blind(self: Any, x: Tensor) -> Tensor:
    with torch.no_grad():
        left = self.relu(self.one(x))
    return self.linear((left + self.relu(self.two(self.relu(self.one(x))))).mean((2, 3)))


def _blind(self: Any, x: Tensor) -> Tensor:
    with torch.no_grad():
        h = self.features(x)
    return self.linear(F.relu(self.two(h)).mean((2, 3)))


def _branching(self: Any, x: Tensor) -> Tensor:
    h = self.relu(self.one(x))
    h = self.relu(self.two(h)) if bool(h.detach().sum() > 20) else h
    return self.linear(h.mean((2, 3)))


def _stable_softmax(self: Any, x: Tensor) -> Tensor:
    h = self.features(x)
    h = (h - h.amax((2, 3), keepdim=True).detach()).exp()
    return self.linear(h.mean((2, 3)))


def _silenced(one: Body) -> None:
    with torch.no_grad():
        one.two.weight.zero_()
        one.two.bias.fill_(-1)


def _sequence(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, 4, 3, 1, 1), *layers, nn.Flatten(), nn.Linear(144, 3))


DROPPED = "training mode.*dropout"
RIGHT = (
    Situation("captum#578: functional ReLU", lambda: body(reuse)),
    Situation("captum#199, #1082: one ReLU module used twice", Body),
    Situation("zennit#236: ReLU used in place", lambda: _sequence(nn.ReLU(inplace=True))),
    Situation(
        "captum#1104: adjacent rectifier and pool", lambda: _sequence(nn.ReLU(), nn.MaxPool2d(3, 1, 1))
    ),
    Situation("captum#200: a pool used twice", lambda: _sequence(nn.ReLU(), *[nn.MaxPool2d(3, 1, 1)] * 2)),
    Situation("torch-cam#17: LeakyReLU", lambda: _sequence(nn.LeakyReLU(0.1))),
    Situation("captum#979: PReLU and ELU", lambda: _sequence(nn.PReLU(4), nn.ELU())),
    Situation("pytorch-grad-cam#511: GELU, SiLU, Hardswish", lambda: _sequence(nn.GELU(), nn.SiLU())),
    Situation("torch-cam#133: ReLU6", lambda: _sequence(nn.ReLU6())),
    Situation("captum#1082: DataParallel", lambda: nn.DataParallel(Body())),
    Situation("kazuto1011/grad-cam-pytorch#30: a wrapper", lambda: nn.Sequential(nn.Sequential(Body()))),
    Situation(
        "pytorch-grad-cam#257: Hugging Face output",
        lambda: head(lambda s, z: SimpleNamespace(logits=z)),
        read=lambda z: z.logits[:, 1],
    ),
    Situation(
        "pytorch-grad-cam#386: a dict with logits",
        lambda: head(lambda s, z: {"logits": z, "loss": None}),
        read=lambda z: z["logits"][:, 1],
    ),
    Situation(
        "torchvision GoogLeNet: a named tuple",
        lambda: head(lambda s, z: GoogLeNetOutputs(z, None, None)),
        read=lambda z: z.logits[:, 1],
    ),
    Situation(
        "torch-cam#171: a fully convolutional head",
        lambda: head(lambda s, z: z[:, :, None, None]),
        read=lambda z: z[:, 1, 0, 0],
    ),
    Situation("captum#352: one output", lambda: Body(1), target=None, read=lambda z: z[:, 0]),
    Situation(
        "captum#475: one output, squeezed",
        lambda: body(lambda s, x: Body.forward(s, x).squeeze(1), 1),
        target=0,
        read=lambda z: z,
    ),
    Situation(
        "pytorch-grad-cam#325: one sigmoid",
        lambda: body(lambda s, x: Body.forward(s, x).sigmoid(), 1),
        target=None,
        read=lambda z: z[:, 0],
    ),
    Situation("captum#249: softmax inside", lambda: head(lambda s, z: z.softmax(1))),
    Situation("captum#355: log-softmax inside", lambda: head(lambda s, z: F.log_softmax(z, 1))),
    Situation(
        "pytorch-grad-cam#246: segmentation, a function",
        lambda: body(lambda s, x: s.features(x)),
        target=lambda z: z[:, 1].mean((1, 2)),
        read=lambda z: z[:, 1].mean((1, 2)),
    ),
    Situation(
        "captum#377: segmentation, a region",
        lambda: body(lambda s, x: {"out": s.features(x)}),
        target=region(MASK, 1),
        read=lambda z: z["out"][:, 1, 1:4, 2:5].mean((1, 2)),
    ),
    Situation(
        "torch-cam FinerCAM: a class against another",
        Body,
        target=difference(1, 2),
        read=lambda z: z[:, 1] - z[:, 2],
    ),
    Situation(
        "pytorch-grad-cam#368: a group of classes",
        Body,
        target=group([0, 2]),
        read=lambda z: z[:, [0, 2]].mean(1),
    ),
    Situation("captum#1358: no target given", Body, target=None, read=lambda z: z.amax(1)),
    Situation(
        "spectral_norm, parametrised", lambda: changed(lambda m: parametrizations.spectral_norm(m.two))
    ),
    Situation("weight_norm, parametrised", lambda: changed(lambda m: parametrizations.weight_norm(m.two))),
    Situation("spectral_norm by hook", lambda: changed(lambda m: old_spectral_norm(m.two))),
    Situation(
        "Torch-Pruning#328: torch's prune",
        lambda: changed(lambda m: prune.l1_unstructured(m.two, "weight", 0.5)),
    ),
    Situation("timm nfnet: standardised weights", lambda: body(_standardised)),
    Situation(
        "captum#415: hooks of the user",
        lambda: changed(lambda m: m.two.register_forward_hook(lambda module, given, out: 2 * out)),
    ),
    Situation(
        "vit: LayerNorm, GroupNorm, InstanceNorm",
        lambda: _sequence(
            nn.GroupNorm(2, 4), nn.ReLU(), nn.LayerNorm((4, 6, 6)), nn.InstanceNorm2d(4), nn.ReLU()
        ),
    ),
    Situation("dropout in eval", lambda: _sequence(nn.ReLU(), nn.Dropout(), nn.ReLU())),
    Situation("training mode that changes nothing", lambda: training(Body())),
    Situation("timm#2435: checkpointing without re-entrance", lambda: body(_checkpointed)),
    Situation("a shift that is detached", lambda: body(_stable_softmax)),
    Situation("pytorch-grad-cam#108: an all-zero map", lambda: changed(_silenced)),
)
REFUSED = (
    Situation(
        "pytorch-grad-cam#216: a tuple", lambda: head(lambda s, z: (z, z)), "to return logits.*got tuple"
    ),
    Situation(
        "a named tuple without logits", lambda: head(lambda s, z: Pair(z, z)), "to return logits.*got Pair"
    ),
    Situation("a dict without logits", lambda: head(lambda s, z: {"cls": z}), "got a dict with cls"),
    Situation("torch-cam#171: maps and a class", lambda: body(lambda s, x: s.features(x)), "answers maps"),
    Situation(
        "outputs per token",
        lambda: body(lambda s, x: Body.forward(s, x).repeat(5, 1)),
        "rows? of its own|every input of a batch",
    ),
    Situation(
        "pytorch-grad-cam#473: a backbone under no_grad",
        lambda: body(_blind),
        r"gradient ends at the model|gradient ends at .*no_grad",
    ),
    Situation(
        "torch-cam#26: a detached backbone",
        lambda: body(lambda s, x: s.linear(F.relu(s.two(s.features(x).detach())).mean((2, 3)))),
        r"gradient ends at .*detach",
    ),
    Situation(
        "pytorch-grad-cam#80: .data",
        lambda: body(lambda s, x: s.linear(s.features(x).data.mean((2, 3)))),
        r"gradient ends at .*data",
    ),
    Situation("one branch under no_grad", lambda: body(_half_blind), r"part of the network only.*no_grad"),
    Situation(
        "one branch detached",
        lambda: body(lambda s, x: s.linear((s.features(x).detach() + s.relu(s.one(x))).mean((2, 3)))),
        r"part of the network only.*detach",
    ),
    Situation("PTQ4ViT#6: dynamic quantisation", _quantised, "gradient ends at"),
    Situation(
        "timm: re-entrant checkpointing",
        lambda: body(lambda s, x: _checkpointed(s, x, True)),
        r"use_reentrant=False",
    ),
    Situation(
        "OmniXAI#114: dropout in training mode", lambda: training(_sequence(nn.ReLU(), nn.Dropout())), DROPPED
    ),
    Situation(
        "torch-cam: the CAM changes on every run",
        lambda: body(lambda s, x: s.linear(F.dropout(s.features(x), 0.5).mean((2, 3)))),
        "training=self.training",
    ),
    Situation(
        "swin_t().train(): stochastic depth",
        lambda: training(_sequence(nn.ReLU(), StochasticDepth(0.5, "row"))),
        "training mode.*draws random numbers",
    ),
    Situation("captum#830: noise in eval", lambda: body(noisy), "answer changes from run to run"),
    Situation(
        "batch norm in training mode",
        lambda: training(_sequence(nn.BatchNorm2d(4), nn.ReLU())),
        "training mode",
    ),
    Situation(
        "batch norm without statistics",
        lambda: _sequence(nn.BatchNorm2d(4, track_running_stats=False), nn.ReLU()),
        "rest of the batch.*track_running_stats",
    ),
    Situation(
        "spectral_norm in training mode",
        lambda: training(changed(lambda m: parametrizations.spectral_norm(m.two))),
        r"training mode.*would change",
    ),
    Situation(
        "spectral_norm by hook in training mode",
        lambda: training(changed(lambda m: old_spectral_norm(m.two))),
        r"training mode.*would change",
    ),
    Situation(
        "weights that are NaN", lambda: changed(lambda m: m.linear.weight.data.fill_(torch.nan)), "NaN"
    ),
    Situation(
        "no activations at all", lambda: nn.Sequential(nn.Flatten(), nn.Linear(72, 3)), "no activation"
    ),
    Situation("captum: a scripted network", lambda: torch.jit.script(Body().eval()), "eager nn.Module"),
    Situation("a way that depends on values", lambda: body(_branching), "another way"),
)
