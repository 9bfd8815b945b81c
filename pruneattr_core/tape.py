"""The tape: see, name and gate every activation of one forward pass, leaving nothing on the model.

Activations are read inside a `TorchFunctionMode`, whose stack is thread-local: any number of threads
may explain one shared model at once. The tape sees *calls*, so modules, functional forms, in-place
forms and modules used twice are all the same to it.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from pruneattr_core.errors import ArgumentTypeError, InputError, ModelError
from pruneattr_core.heads import outputs_in

# Rectifiers and their smooth relatives; every one keeps 0 at 0, so "dead" means the same everywhere.
ACTIVATIONS: dict[Callable[..., Tensor], Callable[..., Tensor]] = {
    F.relu: F.relu,
    torch.relu: torch.relu,
    torch.relu_: torch.relu,
    Tensor.relu: torch.relu,
    Tensor.relu_: torch.relu,
    F.relu_: torch.relu,
    F.relu6: F.relu6,
    F.hardtanh: F.hardtanh,
    F.hardtanh_: F.hardtanh,
    F.leaky_relu: F.leaky_relu,
    F.leaky_relu_: F.leaky_relu,
    F.prelu: F.prelu,
    torch.prelu: torch.prelu,
    F.elu: F.elu,
    F.elu_: F.elu,
    F.selu: F.selu,
    torch.selu: torch.selu,
    torch.selu_: torch.selu,
    F.celu: F.celu,
    torch.celu: torch.celu,
    torch.celu_: torch.celu,
    F.gelu: F.gelu,
    F.silu: F.silu,
    F.mish: F.mish,
    F.hardswish: F.hardswish,
}
# How many positional arguments stand before the `inplace` flag, so that F.relu(x, True) is served too.
_BEFORE_INPLACE: dict[Any, int] = {
    F.relu: 1,
    F.relu6: 1,
    F.hardtanh: 3,
    F.leaky_relu: 2,
    F.elu: 2,
    F.selu: 1,
    F.celu: 2,
    F.silu: 1,
    F.mish: 1,
    F.hardswish: 1,
}
PIECEWISE_LINEAR = {F.relu, torch.relu, F.relu6, F.hardtanh, F.leaky_relu, F.prelu, torch.prelu}
_STOCHASTIC = {
    F.dropout,
    F.dropout1d,
    F.dropout2d,
    F.dropout3d,
    F.alpha_dropout,
    F.feature_alpha_dropout,
    F.batch_norm,
    F.rrelu,
    torch.dropout,
}

#: What outputs come out of that are probabilities already.
_NORMALISERS = {F.softmax, torch.softmax, Tensor.softmax, F.sigmoid, torch.sigmoid, Tensor.sigmoid}

#: A gate takes (index of the call, activation) and returns the activation the network goes on with.
Gate = Callable[[int, Tensor], Tensor]


@dataclass(frozen=True)
class Record:
    """What one forward pass showed.

    Attributes:
        logits: (B, classes), or (B, classes, H, W) of a network that answers maps; attached to the graph.
        activations: one tensor (B, *shape) per activation call, as the network went on with it,
            attached to the graph.
        names: one name per call, such as `layer3.2.relu#2` (second call of that module).
        piecewise_linear: per call; where all are, SCP's local linearity (Prop. 4, 5) holds.
        normalised: whether the logits are what a softmax or a sigmoid gave.
    """

    logits: Tensor
    activations: tuple[Tensor, ...]
    names: tuple[str, ...]
    piecewise_linear: tuple[bool, ...]
    normalised: bool = False


class _Tape(TorchFunctionMode):
    """Calls `gate` at every activation and keeps what it saw."""

    def __init__(self, model: nn.Module, gate: Gate | None, clone: bool) -> None:
        super().__init__()
        self.gate, self.clone = gate, clone
        self.names_of = {id(module): name for name, module in model.named_modules()}
        self.seen: list[Tensor] = []
        self.versions: list[int] = []
        self.names: list[str] = []
        self.piecewise_linear: list[bool] = []
        self.normalised: Tensor | None = None

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _STOCHASTIC:
            _refuse_training(func, args, kwargs)
        plain = ACTIVATIONS.get(func)
        if plain is None:
            result = func(*args, **kwargs)
            if func in _NORMALISERS:
                self.normalised = result
            return result
        if plain in _BEFORE_INPLACE:
            args = args[: _BEFORE_INPLACE[plain]]
            kwargs = {key: value for key, value in kwargs.items() if key != "inplace"}
        activation = plain(*args, **kwargs)
        if self.gate is not None:
            activation = self.gate(len(self.seen), activation)
        self.seen.append(activation)
        self.versions.append(activation._version)
        self.names.append(module_name(sys._getframe(1), self.names_of, func.__name__.rstrip("_")))
        self.piecewise_linear.append(plain in PIECEWISE_LINEAR)
        return activation.clone() if self.clone else activation

    def changed_in_place(self) -> bool:
        return any(a._version != v for a, v in zip(self.seen, self.versions, strict=True))


def _refuse_training(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
    position = {F.batch_norm: 5, F.rrelu: 3}.get(func, 2)
    training = kwargs.get("training", kwargs.get("train", args[position] if len(args) > position else None))
    rate = kwargs.get("p", args[1] if len(args) > 1 else 0.5) if func not in (F.batch_norm, F.rrelu) else 1
    if training and rate:
        raise ModelError(
            f"The model is in training mode (it called {func.__name__} with training=True), so its answer "
            "depends on chance or on the rest of the batch. Call model.eval() first."
        )


def module_name(frame: FrameType | None, names: dict[int, str], func: str) -> str:
    """Name of the innermost module of this model on the call stack; functional calls add `.func`."""
    functional = True
    while frame is not None:
        if frame.f_code.co_name == "forward":
            owner = frame.f_locals.get("self")
            if isinstance(owner, nn.Module) and id(owner) in names:
                name = names[id(owner)]
                functional = next(owner.children(), None) is not None or not name
                return ".".join(filter(None, (name, func))) if functional else name
        frame = frame.f_back
    return func


def numbered(names: Sequence[str]) -> tuple[str, ...]:
    """Names that occur more than once get their ordinal: `relu#1`, `relu#2`."""
    total, so_far = Counter(names), Counter[str]()
    out = []
    for name in names:
        so_far[name] += 1
        out.append(f"{name}#{so_far[name]}" if total[name] > 1 else name)
    return tuple(out)


def run(model: nn.Module, inputs: Tensor, gate: Gate | None = None, rows: int | None = None) -> Record:
    """One forward pass of `model` under the tape.

    Args:
        model: network in eval mode; nothing on it is changed.
        inputs: (B, ...) as the model takes it.
        gate: replaces each activation by what it returns; None leaves them alone.
        rows: number of logit rows to expect where a gate changes the batch size; None for that of `inputs`.

    Returns:
        The record; graph attached when gradients are enabled and something requires them.

    Raises:
        ArgumentTypeError: not a module, a scripted module, or no logits come out.
        ModelError: training mode, compiled in place, or no activation was called.
        InputError: the model refuses inputs of this shape, dtype or device.
    """
    network, rows = unwrap(model), len(inputs) if rows is None else rows
    if any(m.training and getattr(m, "track_running_stats", False) for m in network.modules()):
        # Such a layer would count this batch before the tape could stop it.
        raise ModelError("The model is in training mode. Call model.eval() first.")
    try:
        tape, logits = _forward(network, inputs, gate, rows, clone=False)
        in_place = tape.changed_in_place()
    except InputError:
        in_place = True  # perhaps: autograd refuses in-place work on what a gate returns
    if in_place:
        # The network works in place on an activation: give it copies, so that the record stands.
        tape, logits = _forward(network, inputs, gate, rows, clone=True)
    if not tape.seen:
        raise ModelError(
            f"{type(network).__name__} called no activation function (ReLU, GELU, SiLU, ...), so it has no "
            "neurons to prune. Use a network with activations; sigmoid and tanh do not count as neurons."
        )
    normalised = tape.normalised is not None and tape.normalised.data_ptr() == logits.data_ptr()
    return Record(logits, tuple(tape.seen), numbered(tape.names), tuple(tape.piecewise_linear), normalised)


def unwrap(model: nn.Module) -> nn.Module:
    """The eager module behind `model`; raises for what a tape cannot see into."""
    if isinstance(model, torch.jit.ScriptModule):
        raise ArgumentTypeError(
            "Scripted and traced modules hide their activations. Give the original eager nn.Module."
        )
    if not isinstance(model, nn.Module):
        raise ArgumentTypeError(f"Expected a torch.nn.Module, got {type(model).__name__}.")
    inner = getattr(model, "_orig_mod", None)  # torch.compile(model) keeps the eager module there
    network: nn.Module = inner if isinstance(inner, nn.Module) else model
    if any(getattr(module, "_compiled_call_impl", None) is not None for module in network.modules()):
        raise ModelError("model.compile() hides the activations. Give the uncompiled nn.Module.")
    return network


def _forward(
    network: nn.Module, inputs: Tensor, gate: Gate | None, rows: int, clone: bool
) -> tuple[_Tape, Tensor]:
    tape = _Tape(network, gate, clone)
    try:
        with tape:
            output = network(inputs)
    except (RuntimeError, ValueError, IndexError, AssertionError) as error:
        if isinstance(error, (InputError, ModelError, torch.OutOfMemoryError)):
            raise
        raise InputError(
            f"The model refuses inputs of shape {tuple(inputs.shape)}, {inputs.dtype} on {inputs.device}: "
            f"{error}"
        ) from error
    return tape, outputs_in(output, rows)


def activation_shapes(model: nn.Module, inputs: Tensor) -> dict[str, tuple[int, ...]]:
    """Names and shapes (without batch) of the activations of `model` for `inputs`, in call order."""
    with torch.no_grad(), warnings.catch_warnings():
        record = run(model, inputs[:1])
    return {n: tuple(a.shape[1:]) for n, a in zip(record.names, record.activations, strict=True)}
