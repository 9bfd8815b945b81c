"""What callers may hand in: inputs and targets."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from pruneattr_core.classes import classes_in
from pruneattr_core.errors import ArgumentTypeError, InputError, ModelError, TargetError
from pruneattr_core.given import check_default_device, check_held
from pruneattr_core.leaving import answering
from pruneattr_core.response import Asked, Response
from pruneattr_core.response import Target as Target
from pruneattr_core.values import Contributions

#: What functions take that read one class per input and nothing else.
Classes = int | Sequence[int] | Tensor | None


#: How many values of a weight say which it is.
_READ = 1024

#: First convolution of a network -> the shape of a batch it takes.
_SHAPES: dict[type[nn.Module], tuple[int, str]] = {
    nn.Conv1d: (3, "(B, C, L)"),
    nn.Conv2d: (4, "(B, C, H, W)"),
    nn.Conv3d: (5, "(B, C, D, H, W)"),
}


def check_inputs(model: nn.Module, inputs: Any) -> Tensor:
    """`inputs` as a detached tensor that the model can take.

    Raises:
        ArgumentTypeError: not a floating-point tensor.
        InputError: no batch, NaN or infinite values, or another device or dtype than the model's.
        ModelError: the model has no weights, or was made under inference_mode.
    """
    if not isinstance(inputs, Tensor):
        raise ArgumentTypeError(f"Expected inputs as a tensor (B, C, H, W), got {type(inputs).__name__}.")
    if not inputs.is_floating_point():
        raise ArgumentTypeError(f"Expected normalised floating-point inputs, got {inputs.dtype}.")
    check_default_device()
    check_held("inputs", inputs)
    inputs = inputs.as_subclass(Tensor)  # fastai's and torchvision's own kinds hide from a tape what is done
    modules = model.modules() if isinstance(model, nn.Module) else ()
    kinds = (kind for module in modules for kind in _SHAPES if isinstance(module, kind))
    dimensions, shape = _SHAPES.get(next(kinds, nn.Module), (0, "(B, C, H, W)"))
    if inputs.ndim < 2 or inputs.ndim == dimensions - 1 or inputs.numel() == 0:
        one = "Add the batch dimension with inputs[None] for a single input."
        advice = one if inputs.numel() else _emptiness(inputs, shape)
        raise InputError(f"Expected a batch {shape} with B >= 1, got shape {tuple(inputs.shape)}. {advice}")
    if isinstance(model, nn.Module) and any(map(is_lazy, (*model.parameters(), *model.buffers()))):
        raise ModelError("The model has lazy layers without weights. Run it once on a batch first.")
    parameter = _first_floating(model)
    if parameter is not None and parameter.is_meta:
        raise ModelError("The model is on the meta device, which holds no weights. Load them first.")
    if parameter is not None and (
        parameter.device != inputs.device
        or (parameter.dtype != inputs.dtype and not _takes(model, inputs[:1]))
    ):
        other = ""  # where inputs are made by somebody else, as in the app, the model is what can be changed
        if inputs.dtype in (torch.float32, torch.float64):
            other = f", or give model.to({str(inputs.device)!r}, {inputs.dtype})"
        raise InputError(
            f"The inputs are {inputs.dtype} on {inputs.device} but the model is {parameter.dtype} on "
            f"{parameter.device}. Use inputs.to({str(parameter.device)!r}, {parameter.dtype}){other}."
        )
    if not bool(torch.isfinite(inputs).all()):
        rows = (~torch.isfinite(inputs)).flatten(1).any(1).nonzero().flatten().tolist()
        raise InputError(f"The inputs hold NaN or infinite values{_which(rows)}. Check the preprocessing.")
    if parameter is not None and parameter.is_inference():
        raise ModelError(
            "The model was made under torch.inference_mode, so nothing can be differentiated through it. "
            "Make or load it outside of that."
        )
    return inputs.clone() if inputs.is_inference() else inputs.detach()


def _which(rows: Sequence[int]) -> str:
    """Rows of a batch in brackets."""
    return f" (rows {', '.join(map(str, rows[:4]))}{' and more' if len(rows) > 4 else ''})"


def _emptiness(inputs: Tensor, shape: str) -> str:
    """What is said of an input without values."""
    if not len(inputs):
        return "An empty batch has no map."
    names = shape.strip("()").split(", ")
    known = len(names) == inputs.ndim
    empty = [f"{k} ({names[k]})" if known else str(k) for k, size in enumerate(inputs.shape) if size == 0]
    which = f"Dimension {empty[0]} is" if len(empty) == 1 else f"Dimensions {' and '.join(empty)} are"
    return f"{which} 0, so there is no value in it: see what cut the inputs."


def _takes(model: nn.Module, inputs: Tensor) -> bool:
    """Whether a network casts what it is given to its own precision."""
    if any(module.training for module in model.modules()):
        return False  # a pass would write into its buffers
    try:
        with answering(), torch.no_grad():
            model(inputs.clone())
    except Exception:
        return False
    return True


def _first_floating(model: nn.Module) -> Tensor | None:
    """Integers, as of quantised weights, say nothing about the inputs."""
    parameters = model.parameters() if isinstance(model, nn.Module) else ()
    return next((one for one in parameters if one.is_floating_point()), None)


def fingerprints(inputs: Tensor) -> Tensor:
    """(B, ...) -> (B,) int64 by which an input is known again, also on another device or in more digits."""
    rows = inputs.detach().float().cpu().flatten(1).contiguous().numpy()
    return torch.tensor([zlib.crc32(row) for row in rows])


def network_fingerprint(model: nn.Module) -> int:
    """By which a network is known again, also wrapped, on another device or in more digits.

    Its layers by kind, and of each weight up to `_READ` values spread over it: all of them would take as long
    as a good part of a pass.
    """
    leaves = [type(one).__qualname__ for one in model.modules() if not any(one.children())]
    found, plain = zlib.crc32(" ".join(leaves).encode()), (Tensor, nn.Parameter, nn.Buffer)
    for one in (*model.parameters(), *model.buffers()):
        if type(one) in plain and one.is_floating_point() and one.layout == torch.strided:
            flat = one.detach().flatten()[:: one.numel() // _READ + 1]
            found = zlib.crc32(flat.float().cpu().numpy().tobytes(), found)
    return found


def check_scores(model: nn.Module, scores: Any, inputs: Tensor) -> None:
    """See that contributions are those of a network for a checked batch.

    Raises:
        ArgumentTypeError: they are no contributions.
        InputError: they were computed for other inputs, or with another network.
    """
    if not isinstance(scores, Contributions):
        raise ArgumentTypeError(
            f"Expected scores as what contributions(model, inputs) gives, got {type(scores).__name__}."
        )
    if len(scores.target) != len(inputs):
        raise InputError(f"Expected scores of the {len(inputs)} inputs, got scores of {len(scores.target)}.")
    if scores.fingerprints is None:
        return
    if scores.network not in (None, network_fingerprint(model)):
        raise InputError(
            "The scores are of another network, or of this one before its weights changed: give those that "
            "contributions(model, inputs) finds with the network that is explained."
        )
    others = (scores.fingerprints != fingerprints(inputs)).nonzero().flatten().tolist()
    if others:
        raise InputError(
            f"The scores are of other inputs{_which(others)}: give those that contributions(model, inputs) "
            "finds for what is explained."
        )


def check_target(target: Target, batch: int) -> Tensor | None:
    """`target` as (batch,) int64, or None for the predicted classes.

    Raises:
        TargetError: another length than the batch.
        ArgumentTypeError: not integers.
    """
    if target is None:
        return None
    if isinstance(target, Response | Asked) or (callable(target) and not isinstance(target, Tensor)):
        raise ArgumentTypeError(
            "Expected classes as int, list of ints or tensor: this computation reads the probability of one "
            "class, and takes no other response."
        )
    chosen = torch.tensor(classes_in("target", target), dtype=torch.int64)
    if chosen.numel() == 1:
        chosen = chosen.repeat(batch)
    if chosen.numel() != batch:
        raise TargetError(f"Expected one target or {batch} (one per input), got {chosen.numel()}.")
    return chosen


def resolve_target(logits: Tensor, target: Tensor | None) -> Tensor:
    """The class to explain for every input, (B,) int64 on the device of the (B, classes) logits.

    Raises:
        TargetError: a class that the model does not have.
    """
    if target is None:
        return logits.detach().argmax(1)
    classes = logits.shape[1]
    wrong = target[(target < 0) | (target >= classes)]
    if wrong.numel():
        raise TargetError(
            f"Target {int(wrong[0])} does not exist: this model has classes 0 to {classes - 1}."
        )
    return target.to(logits.device)
