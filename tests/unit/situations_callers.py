"""Situations about callers: what they give, in which mode, and what they do with the result."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from captum.attr import NoiseTunnel
from captum.metrics import infidelity, sensitivity_max
from torch import Tensor, nn

from pruneattr_core import PruneGrad, explain
from situations import Body, Situation, body, nested


def _attribute(**options: Any) -> Any:
    return lambda net, x: PruneGrad(net).attribute(x, 1, sparsity=0.0, **options)


def _tunnel(net: nn.Module, x: Tensor) -> Tensor:
    return NoiseTunnel(PruneGrad(net)).attribute(x, nt_samples=1, stdevs=0.0, target=1, sparsity=0.0)


def _metrics(net: nn.Module, x: Tensor) -> Tensor:
    method = PruneGrad(net)

    def explained(inputs: Any) -> Any:
        return method.attribute(inputs, 1, sparsity=0.0)

    assert torch.isfinite(sensitivity_max(explained, x, n_perturb_samples=2)).all()
    noise = lambda inputs: (0.01 * torch.ones_like(inputs), inputs - 0.01)  # noqa: E731
    assert torch.isfinite(infidelity(net, noise, x, explained(x), target=1, n_perturb_samples=2)).all()
    return explained(x)


def _own_autocast(self: Any, x: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16, enabled=True):
        h = self.features(x)
    return self.linear(h.float().mean((2, 3)))


RIGHT = (
    Situation("torch-cam#26: no_grad", Body, under=torch.no_grad),
    Situation("mmpretrain#1151: inference_mode", Body, under=torch.inference_mode),
    Situation("captum#1199: autocast", Body, under=lambda: torch.autocast("cpu", torch.bfloat16)),
    Situation("all of them", Body, under=lambda: nested(torch.no_grad, torch.inference_mode)),
    Situation(
        "freeze under inference_mode", Body, under=torch.inference_mode, call=_attribute(mode="freeze")
    ),
    Situation("intgrad under no_grad", Body, under=torch.no_grad, call=_attribute(contribution="intgrad")),
    Situation(
        "saliency under inference_mode",
        Body,
        under=torch.inference_mode,
        call=lambda net, x: explain(net, x, 1, "saliency").values,
    ),
    Situation("inseq#156: the type of the result", lambda: Body().double(), given=lambda x: x.double()),
    Situation("channels_last", Body, given=lambda x: x.contiguous(memory_format=torch.channels_last)),
    Situation("a transposed input", Body, given=lambda x: x.transpose(2, 3)),
    Situation("an expanded input", Body, given=lambda x: x[:1].expand(2, -1, -1, -1)),
    Situation(
        "captum#1346: an input that requires gradients", Body, given=lambda x: x.clone().requires_grad_()
    ),
    Situation("an input that is no leaf", Body, given=lambda x: x.clone().requires_grad_() * 2),
    Situation("NoiseTunnel", Body, call=_tunnel),
    Situation("captum.metrics in float32", Body, call=_metrics),
    Situation("a tuple, as Captum allows", Body, call=lambda net, x: _attribute()(net, (x,))[0]),
    Situation("captum#816: one target each", Body, target=[1, 1]),
    Situation("targets of a data loader", Body, target=torch.tensor([[1], [1]])),
    Situation("numpy's integer", Body, target=np.int64(1)),
    Situation(
        "pytorch-grad-cam#233: time series",
        lambda: nn.Sequential(nn.Conv1d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(102, 3)),
        given=lambda x: x.flatten(2),
    ),
    Situation(
        "torch-cam#17: a volume",
        lambda: nn.Sequential(nn.Conv3d(2, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(150, 3)),
        given=lambda x: x.view(2, 2, 6, 3, 2).repeat(1, 1, 1, 2, 1).repeat(1, 1, 1, 1, 3)[:, :, :3],
    ),
    Situation(
        "tabular",
        lambda: nn.Sequential(nn.Linear(72, 5), nn.ReLU(), nn.Linear(5, 3)),
        given=lambda x: x.flatten(1),
    ),
)
REFUSED = (
    Situation("pytorch-grad-cam#144: no batch", Body, "inputs.None. for a single", given=lambda x: x[0]),
    Situation(
        "pytorch-grad-cam#518: a signal without a batch",
        lambda: nn.Sequential(nn.Conv1d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(102, 3)),
        r"\(B, C, L\)",
        given=lambda x: x[0, :, 0],
    ),
    Situation("an empty batch", Body, "empty batch", given=lambda x: x[:0]),
    Situation("pytorch-grad-cam#189: infinite inputs", Body, "NaN or infinite", given=lambda x: x / 0),
    Situation("bytes instead of floats", Body, "floating-point inputs", given=lambda x: x.to(torch.uint8)),
    Situation("Quantus#155: numpy", Body, "as a tensor", given=lambda x: x.numpy()),
    Situation("pytorch-grad-cam#329: half inputs", Body, r"Use inputs\.to", given=lambda x: x.half()),
    Situation("pytorch-grad-cam#98: another device", Body, "the meta device", given=lambda x: x.to("meta")),
    Situation(
        "pytorch-grad-cam#114: channels last in the shape",
        Body,
        "refuses inputs of shape",
        given=lambda x: x.permute(0, 2, 3, 1),
    ),
    Situation(
        "captum#352: class 1 of one output", lambda: Body(1), "does not exist: this model has classes 0 to 0"
    ),
    Situation("a class too many", Body, "does not exist", target=3),
    Situation("a negative class", Body, "does not exist", target=-1),
    Situation("too many targets", Body, "one target or 2", target=[1, 1, 1]),
    Situation("a probability as target", Body, "target as integers", target=0.5),
    Situation("a name as target", Body, "target as int", target="cat"),
    Situation("a response of another shape", Body, "one number per input", target=lambda z: z.sum()),
    Situation(
        "a response without a graph",
        Body,
        "does not depend differentiably",
        target=lambda z: z.detach()[:, 1],
    ),
    Situation(
        "made under inference_mode",
        lambda: body(Body.forward),
        "made under torch.inference_mode",
        call=lambda net, x: _inferred(x),
    ),
)


def _inferred(x: Tensor) -> Tensor:
    with torch.inference_mode():
        net = Body().eval()
    return PruneGrad(net).attribute(x, 1)
