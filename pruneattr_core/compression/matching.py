"""Weighted collapsed attribution matching (AP, section 3): EWA, SWA and SSWA.

A map M = V(sum_c U_c T(A_c)) is taken from the activation A (B, C, H, W) of a layer of teacher and student:

    EWA   T = square,   U = 1 / C,              V = identity
    SWA   T = identity, U_c = sum over positions of dy/dA_c,  V = ReLU
    SSWA  as SWA, with some of the teacher's channels left out in each batch: each by an independent Bernoulli
          draw (masks "bernoulli", AP eq. 6), or a fixed number of them (masks "fixed", the released code)

y is the logit of the teacher's largest output, for both networks. Where several layers are matched their
losses add up. As in the released code the squared difference of the normalised maps is averaged over the
batch and the positions, where the paper's equation sums over positions, and EWA averages over channels.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.errors import ModelError
from pruneattr_core.one_of import is_one_of

#: Matching -> weight beta of its loss in the paper.
BETA = {"none": 0.0, "ewa": 100.0, "swa": 50.0, "sswa": 50.0}
#: Share of the teacher's channels that SSWA leaves out.
DROP = 0.3
#: How SSWA chooses them.
MASKS = ("fixed", "bernoulli")
#: Distillation: temperature, and weight of the soft targets.
TEMPERATURE, ALPHA = 4.0, 0.9


def ewa_map(activation: Tensor) -> Tensor:
    """Mean over channels of the squares: (B, C, H, W) -> (B, H, W)."""
    return activation.pow(2).mean(1)


def channel_weights(logits: Tensor, activation: Tensor, target: Tensor, create_graph: bool = False) -> Tensor:
    """Sum over positions of d logit_target / d activation: (B, C).

    Args:
        logits: (B, classes), made from `activation`.
        activation: (B, C, H, W).
        target: int64 (B,).
        create_graph: so that the weights can be differentiated once more (the student's).
    """
    score = logits.gather(1, target[:, None]).sum()
    (gradient,) = torch.autograd.grad(score, activation, create_graph=create_graph, retain_graph=True)
    return gradient.sum((2, 3))


def swa_map(activation: Tensor, weights: Tensor) -> Tensor:
    """ReLU of the weighted sum over channels: (B, C, H, W), (B, C) -> (B, H, W)."""
    return F.relu((weights[:, :, None, None] * activation).sum(1))


def dropped_channels(
    channels: int, rate: float, rng: np.random.Generator, masks: str = "fixed"
) -> NDArray[np.int64]:
    """The channels of the teacher that SSWA leaves out of one batch.

    Args:
        channels: number of channels.
        rate: share of them.
        rng: source of chance.
        masks: "fixed" leaves out int(rate * channels), as the released code; "bernoulli" each channel with
            probability `rate`, independently (AP eq. 6).
    """
    if masks == "bernoulli":
        return np.flatnonzero(rng.random(channels) < rate)
    return rng.choice(channels, int(channels * rate), replace=False)


def matching_loss(teacher_map: Tensor, student_map: Tensor) -> Tensor:
    """Mean over batch and positions of (M_t / ||M_t|| - M_s / ||M_s||)^2, norms over positions.

    Args:
        teacher_map: (B, ...), not differentiated by the callers here.
        student_map: as many positions.
    """
    return (F.normalize(teacher_map.flatten(1)) - F.normalize(student_map.flatten(1))).pow(2).mean()


def task_loss(logits: Tensor, labels: Tensor, multi_label: bool) -> Tensor:
    """`MultiLabelSoftMarginLoss`, or the cross entropy where each picture has one class.

    Args:
        logits: (B, classes).
        labels: (B, classes), 1 where the class is right.
        multi_label: see `LabelledMasks`.
    """
    if multi_label:
        return F.multilabel_soft_margin_loss(logits, labels)
    return F.cross_entropy(logits, labels.argmax(1))


def distillation_loss(
    logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    multi_label: bool,
    temperature: float = TEMPERATURE,
    alpha: float = ALPHA,
) -> Tensor:
    """(1 - alpha) task loss + alpha T^2 KL(teacher || student) of the softened outputs (Hinton et al. 2015).

    With several labels every class is a pair (sigmoid(z / T), 1 - sigmoid(z / T)), the divergence is averaged
    over pairs, and 1e-7 is added inside the student's logarithm, as in the released code; with one label
    the outputs are the softmax over classes and the divergence is averaged over the batch.
    """
    hard = task_loss(logits, labels, multi_label)
    if multi_label:
        student = torch.sigmoid(logits / temperature).unsqueeze(2)
        teacher = torch.sigmoid(teacher_logits / temperature).unsqueeze(2)
        log_student = torch.log(torch.cat((student, 1 - student), 2) + 1e-7).view(-1, 2)
        soft = F.kl_div(log_student, torch.cat((teacher, 1 - teacher), 2).view(-1, 2), reduction="batchmean")
    else:
        log_student = F.log_softmax(logits / temperature, 1)
        soft = F.kl_div(log_student, F.softmax(teacher_logits / temperature, 1), reduction="batchmean")
    return alpha * temperature**2 * soft + (1 - alpha) * hard


def matched_layer(model: nn.Module, inputs: Tensor) -> str:
    """Name of the ReLU module that is the last to give maps of more than one position: where AP explains.

    Args:
        model: any network; it is run once on the first picture.
        inputs: (B, 3, H, W).

    Raises:
        ModelError: it has no such module, so a layer must be named.
    """
    found = ""

    def look(name: str) -> object:
        def hook(module: nn.Module, given: object, out: Tensor) -> None:
            nonlocal found
            if out.ndim == 4 and out.shape[2] * out.shape[3] > 1:
                found = name

        return hook

    rectifiers = [(name, one) for name, one in model.named_modules() if isinstance(one, nn.ReLU)]
    handles = [one.register_forward_hook(look(name)) for name, one in rectifiers]  # type: ignore[arg-type]
    try:
        with torch.no_grad():
            model(inputs[:1])
    finally:
        for handle in handles:
            handle.remove()
    if not found:
        raise ModelError("This network has no nn.ReLU module with maps: name the layer to match (--layer).")
    return found


def seen(model: nn.Module, inputs: Tensor, layer: str, leaf: bool = False) -> tuple[Tensor, Tensor]:
    """Logits and the output of the module `layer`, for one forward pass; see `seen_at`.

    Args:
        model: private to the caller.
        inputs: (B, 3, H, W).
        layer: name of a module, as in `named_modules`.
        leaf: cut the graph there, so that gradients reach the activation and nothing before it (teacher).

    Raises:
        ModelError: there is no such module.
    """
    logits, (activation,) = seen_at(model, inputs, [layer], leaf)
    return logits, activation


def seen_at(
    model: nn.Module, inputs: Tensor, layers: Sequence[str], leaf: bool = False
) -> tuple[Tensor, list[Tensor]]:
    """Logits and the outputs of the modules `layers`, for one forward pass.

    The hooks are taken off again at once; the model must not be shared with another thread.

    Args:
        model: private to the caller.
        inputs: (B, 3, H, W).
        layers: names of modules, as in `named_modules`.
        leaf: see `seen`; of several layers, gradients end at the last one before them.

    Raises:
        ModelError: there is no such module.
    """
    kept: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, object, Tensor], Tensor]:
        def hook(module: nn.Module, given: object, out: Tensor) -> Tensor:
            kept[name] = out.detach().requires_grad_() if leaf else out
            return kept[name]

        return hook

    modules, handles = dict(model.named_modules()), []
    for layer in layers:
        if not layer or not is_one_of(layer, modules):
            near = ", ".join(difflib.get_close_matches(layer, list(modules), 5, 0)) or "none"
            raise ModelError(f"There is no layer {layer!r} in {type(model).__name__}: it has {near}.")
    try:
        handles += [modules[layer].register_forward_hook(keep(layer)) for layer in layers]
        logits = model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return logits, [kept[layer] for layer in layers]
