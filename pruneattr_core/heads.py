"""How the outputs of a network are read: as one of many, each by itself, already normalised, or as values.

| head            | probability of class k | what is answered                                    |
|-----------------|------------------------|-----------------------------------------------------|
| `softmax`       | softmax(z)_k           | the class of the largest output                     |
| `sigmoid`       | sigmoid(z_k)           | every class by itself: yes above 1/2, several may be |
| `probabilities` | z_k                    | as softmax; where rows do not sum to 1, as sigmoid  |
| `values`        | z_k, no probability    | the outputs themselves (regression)                 |
"""

from __future__ import annotations

import weakref
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.errors import ArgumentTypeError, InputError
from pruneattr_core.one_of import is_one_of

Head = Literal["softmax", "sigmoid", "probabilities", "values"]
Answering = Literal["one", "each", "values"]
#: The answer of a network of several answers that the class asked about is none of them.
NOT_IT = -1
HEADS: tuple[Head, ...] = get_args(Head)

#: How far rows of probabilities may be from summing to 1; half precision is that coarse.
_SUM_TOLERANCE = 1e-2

_declared: weakref.WeakKeyDictionary[nn.Module, Head] = weakref.WeakKeyDictionary()


def declare(model: nn.Module, head: Head) -> None:
    """Remember how the outputs of this model object are read; `load_model` does it from the card."""
    _declared[model] = check_head(head)


def declared(model: nn.Module) -> Head | None:
    """What was said about this model object, also where it is wrapped; None if nothing."""
    for one in (model, getattr(model, "_orig_mod", None), getattr(model, "module", None)):
        if isinstance(one, nn.Module) and one in _declared:
            return _declared[one]
    return None


def check_head(head: str) -> Head:
    """`head`, if it is one.

    Raises:
        InputError: there is no such head.
    """
    if not is_one_of(head, HEADS):
        raise InputError(f"Expected head in {', '.join(HEADS)}; got {head!r}.")
    return head


def agreed_head(model: nn.Module, said: Any) -> Head | None:
    """What settings say of a model, or else what its own code declared; None if nobody said anything.

    Args:
        model: as its code made it.
        said: in the settings; None if they say nothing.

    Raises:
        InputError: there is no such head, or the two say different ones.
    """
    head, known = None if said is None else check_head(str(said)), declared(model)
    if None not in (head, known) and head != known:
        raise InputError(f"the settings say head {head}, and its code declares {known}: say one of them")
    return head or known


def head_of(model: nn.Module, logits: Tensor, given: str | None = None, normalised: bool = False) -> Head:
    """How to read the outputs of `model`.

    Args:
        model: the network; what `declare` said about it counts.
        logits: (B, K, ...) it answered, to look at when nothing was said.
        given: the caller's word, which counts most.
        normalised: whether the network ended in a softmax or a sigmoid (`Record.normalised`).

    Returns:
        `given`, else what was declared, else what the outputs look like: "probabilities" after a softmax or
        sigmoid, or when several columns lie in [0, 1] and sum to 1; "sigmoid" for one column; else "softmax".

    Raises:
        InputError: there is no such head.
    """
    if given is not None:
        return check_head(given)
    if (known := declared(model)) is not None:
        return known
    if normalised:
        return "probabilities"
    if logits.shape[1] == 1:
        return "sigmoid"
    return "probabilities" if _sum_to_one(logits) else "softmax"


def _sum_to_one(logits: Tensor) -> bool:
    values = logits.detach().float()
    inside = bool(((values >= 0) & (values <= 1)).all())
    return inside and bool(((values.sum(1) - 1).abs() < _SUM_TOLERANCE).all())


def exclusive(logits: Tensor, head: Head) -> bool:
    """Whether exactly one class is answered, as against each by itself.

    Args:
        logits: (B, K, ...).
        head: how they are read.
    """
    if head == "probabilities":
        return logits.shape[1] > 1 and _sum_to_one(logits)
    return head == "softmax"


def answering(logits: Tensor, head: Head) -> Answering:
    """Whether one of many is answered, each by itself, or values.

    Args:
        logits: (B, K, ...).
        head: how they are read.
    """
    if head == "values":
        return "values"
    return "one" if exclusive(logits, head) else "each"


def answered(kind: Answering, target: Any, largest: NDArray[Any], probability: NDArray[Any]) -> NDArray[Any]:
    """What is answered about a target: a class, or `NOT_IT` where each is answered by itself.

    Args:
        kind: see `answering`; values are no answers that could change.
        target: class, or (B,) classes.
        largest: (K,) or (K, B), the class of the largest output.
        probability: of the same shape, the target's.
    """
    if kind == "values":
        return np.full_like(largest, target)
    return largest if kind == "one" else np.where(probability > 0.5, target, NOT_IT)


def probabilities(logits: Tensor, head: Head) -> Tensor:
    """The outputs as the head reads them, of the shape of the logits (B, K, ...).

    Half precision is read in float32, other types in their own.
    """
    exact = logits if logits.dtype in (torch.float32, torch.float64) else logits.float()
    if head == "softmax":
        return exact.softmax(1)
    return exact.sigmoid() if head == "sigmoid" else exact


def yes(logits: Tensor, head: Head) -> Tensor:
    """Bool (B, K, ...): which classes are answered; none for a head of values."""
    if head == "values":
        return torch.zeros_like(logits, dtype=torch.bool)
    if exclusive(logits, head):
        return torch.zeros_like(logits, dtype=torch.bool).scatter_(1, logits.argmax(1, keepdim=True), True)
    return logits > (0 if head == "sigmoid" else 0.5)


def distance(logits: Tensor, original: Tensor, head: Head) -> Tensor:
    """(B,) how far outputs are from the original ones, differentiable in the first.

    Cross entropy of what the head reads: over the classes where one is answered, summed over the yes and no
    of each where each is by itself; squared error of values. Networks that answer maps: mean over positions.

    Args:
        logits: (B, K, ...).
        original: (B, K, ...) of the network as it is.
        head: how both are read.
    """
    exact = logits if logits.dtype in (torch.float32, torch.float64) else logits.float()
    wanted, tiny = probabilities(original, head), torch.finfo(exact.dtype).tiny
    if head == "values":
        far = (exact - wanted).square()
    elif head == "softmax":
        far = -wanted * exact.log_softmax(1)
    elif head == "sigmoid":
        far = -wanted * F.logsigmoid(exact) - (1 - wanted) * F.logsigmoid(-exact)
    else:
        far = -wanted * exact.clamp(min=tiny).log()
        if not exclusive(original, head):
            far = far - (1 - wanted) * (1 - exact).clamp(min=tiny).log()
    return far.sum(1).flatten(1).mean(1) if far.ndim > 2 else far.sum(1)


def same_answer(logits: Tensor, original: Tensor, head: Head) -> Tensor:
    """Bool (B,): whether the answer is the original one; values are no answers that could change."""
    alike = yes(logits, head) == yes(original, head)
    return alike.flatten(1).all(1)


def outputs_in(answer: Any, rows: int) -> Tensor:
    """The outputs (rows, K) or (rows, K, H, W) in what a network returned.

    Taken are tensors, objects with `.logits` (Hugging Face, GoogLeNet), and mappings with "logits" or, as
    torchvision's segmentation, "out". (B,) becomes (B, 1), and (B, K, 1, 1) becomes (B, K).

    Args:
        answer: what the network returned.
        rows: number of inputs.

    Raises:
        ArgumentTypeError: there are no outputs in it.
        InputError: another number of rows.
    """
    logits = answer
    if isinstance(answer, dict):
        logits = next((answer[key] for key in ("logits", "out") if key in answer), answer)
    logits = getattr(logits, "logits", logits)
    if not isinstance(logits, Tensor):
        found = f"a dict with {', '.join(map(str, answer))}" if isinstance(answer, dict) else type(answer)
        name = found if isinstance(found, str) else found.__name__
        raise ArgumentTypeError(
            f'Expected the model to return logits: a tensor, a dict with "logits" or an object with .logits; '
            f"got {name}. Wrap the model in an nn.Module that returns the tensor."
        )
    if not logits.is_floating_point():
        raise ArgumentTypeError(
            f"Expected logits as real numbers, got {logits.dtype}. Let the model return its scores, not the "
            "classes chosen by them."
        )
    if logits.ndim == 0 or logits.shape[0] != rows:
        raise InputError(
            f"Expected logits (batch, classes) for {rows} inputs, got {tuple(logits.shape)}. "
            "The model must answer every input of a batch by one row of its own."
        )
    if logits.ndim == 1:
        return logits.unsqueeze(1)
    return logits.flatten(1) if logits[0, 0].numel() == 1 else logits


def answering_tensors(network: nn.Module) -> nn.Module:
    """The network itself, which from now on answers `outputs_in` its answers: what every caller can index.

    Only the forward of this one object changes, by a class of its own; names, modules and weights stay.
    Scripted and compiled modules are left as they are.

    Args:
        network: nobody else's yet.
    """
    kind = type(network)
    if isinstance(network, torch.jit.ScriptModule) or hasattr(network, "_orig_mod"):
        return network

    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Tensor:
        given = args[0] if args else next(iter(kwargs.values()))
        return outputs_in(kind.forward(self, *args, **kwargs), len(given))

    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    network.__class__ = type(kind.__name__, (kind,), {**names, "forward": forward})
    return network
