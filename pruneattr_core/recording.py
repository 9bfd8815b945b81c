"""One pass of a network under a `TorchFunctionMode` that sees, names and gates its activations.

The mode's stack is thread-local: any number of threads may run one shared model at once.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from types import FrameType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from pruneattr_core.activations import PIECEWISE_LINEAR, Activation, Reader
from pruneattr_core.deriving import DERIVING, Derivatives, refuse_derivative
from pruneattr_core.eager import eagerly
from pruneattr_core.errors import ArgumentTypeError
from pruneattr_core.exits import EXITS, Entry, moved_by, nudged
from pruneattr_core.fitness import QUESTIONS, Doubts, in_memory
from pruneattr_core.flow import Flow, tensors_in
from pruneattr_core.heads import outputs_in
from pruneattr_core.naming import module_name, owner_of
from pruneattr_core.nodes import cut_off
from pruneattr_core.norms import batch_norm
from pruneattr_core.opening import Opening
from pruneattr_core.own_functions import OwnFunctions
from pruneattr_core.reaching import bend_of
from pruneattr_core.refusing import refusing

#: What outputs come out of that are probabilities already.
_NORMALISERS = {F.softmax, torch.softmax, Tensor.softmax, F.sigmoid, torch.sigmoid, Tensor.sigmoid}

#: What values whose gradient has ended are multiplied by, to see whether the answer minds.
_NUDGE = 1.125
#: Stands for the place of all values that have left PyTorch and come back.
ENTRIES = -1

#: Calls by which Python learns what is in a tensor, and may go another way for it.
_ASKED = {
    *EXITS,
    *(torch.is_nonzero, torch.equal, Tensor.equal, torch.allclose, Tensor.allclose),
}

#: A gate takes (index of the call, activation) and returns the activation the network goes on with.
Gate = Callable[[int, Tensor], Tensor]


class Joined(ABC):
    """A gate that computes some activations itself, where that spares passes over their values."""

    @abstractmethod
    def __call__(self, index: int, activation: Tensor) -> Tensor:
        """As any gate."""

    @abstractmethod
    def joined(self, index: int, found: Activation) -> Callable[[], Tensor] | None:
        """What computes the activation and gates it; None where the two go one after the other."""


class Tape(TorchFunctionMode):
    """Calls `gate` at every activation that is kept, and keeps what it saw."""

    def __init__(
        self,
        model: nn.Module,
        gate: Gate | None,
        clone: bool,
        kept: Collection[int] | None = None,
        rewritten: Collection[int] = (),
        flow: Flow | None = None,
        opening: Opening | None = None,
        spelled: Sequence[bool] = (),
        written: Collection[str] | None = None,
        moves: bool = False,
        apart: bool = False,
        nudged: int | None = None,
        entries: Collection[Entry] | None = (),
    ) -> None:
        super().__init__()
        # What is cut off gets memory of its own, to be told apart there.
        self.apart, self.nudged, self.entries = apart, nudged, entries
        self.reader = Reader(spelled)
        self.opening, self.own_functions, self.derivatives = opening, OwnFunctions(), Derivatives()
        self.gate, self.clone, self.kept, self.rewritten, self.flow = gate, clone, kept, rewritten, flow
        modules = dict(model.named_modules())
        self.names_of = names_of = {id(module): name for name, module in modules.items()}
        self.calls: list[tuple[str, tuple[int, ...]]] = []
        self.seen: list[Tensor] = []
        self.bent = Counter[str]()
        self.versions: list[int] = []
        self.piecewise_linear: list[bool] = []
        self.normalised: Tensor | None = None
        self.asks = False
        # Not by way of the tape, which holds every activation: a circle would keep them until Python looks.
        where = lambda frame: owner_of(frame, names_of)[0]  # noqa: E731
        self.doubts = Doubts(model, modules, where, written, moves, entries)

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in QUESTIONS:
            return func(*args, **kwargs)
        if func is Tensor.register_hook:
            return func(args[0], self.doubts.looking(kwargs.get("hook", args[-1])))
        if func in DERIVING and self.derivatives.through(func, args, kwargs, self.seen):
            self.doubts.derive(func)
            if self.gate is not None:
                refuse_derivative(self.doubts.derived)
        if func in _ASKED and not self.asks:
            self.asks = self.flow is not None and any(map(self.flow.from_input, tensors_in((args, kwargs))))
        if func is not F.batch_norm or self._sees_pictures(args):
            self.doubts.before(func, args, kwargs)
        entering = self.doubts.traffic.entering
        if entering and self.nudged == ENTRIES:
            args, kwargs = _pushed(args, kwargs, entering)
        if inside := self.own_functions.around(sys._getframe(1)):
            result = func(*args, **kwargs)
            self.doubts.after(func, args, kwargs, result, inside)
            return result
        with in_memory() if self.doubts.graded else nullcontext():
            return self._carried_out(func, args, kwargs, sys._getframe(1))

    def _carried_out(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any], caller: FrameType) -> Any:
        found = self.reader.read(func, args, kwargs)
        if found is None:
            result = batch_norm(args, kwargs) if func is F.batch_norm else func(*args, **kwargs)
            if self.apart and cut_off(result, tensors_in((args, kwargs))):
                result = result.clone()
            known = len(self.doubts.ends)
            self.doubts.after(func, args, kwargs, result)
            if known == self.nudged and len(self.doubts.ends) > known:
                result = _moved(result)
            if func in _NORMALISERS:
                self.normalised = result
            return result
        call = len(self.calls)
        kept, whole = self.kept is None or call in self.kept, None
        if self.flow is not None:
            self.flow.recording = True
        elif kept and isinstance(self.gate, Joined):
            whole = self.gate.joined(len(self.seen), found)
        activation = self.doubts.activation(whole or found.compute, kept)
        self.bent.update(bend for bend in [bend_of(activation.grad_fn)] if bend)
        if self.flow is not None:
            self.flow.recording = False
            self.flow.mark(call, activation, found.before if found.in_place else None)
        name = module_name(caller, self.names_of, func.__name__.strip("_"))
        self.calls.append((name, tuple(activation.shape[1:])))
        if kept:
            if self.gate is not None and whole is None:
                activation = self.gate(len(self.seen), activation)
            self.seen.append(activation)
            self.versions.append(activation._version)
            self.piecewise_linear.append(found.plain in PIECEWISE_LINEAR)
            activation = activation.clone() if self.clone else activation
        elif self.opening is not None and call not in self.rewritten:
            activation = self.opening.around(found, activation)
        # Most networks go on with what the call returns; some with the argument that it overwrites.
        result = found.before.copy_(activation) if call in self.rewritten else activation
        self.doubts.went_on(found.before, result)
        return result

    def _sees_pictures(self, args: Sequence[Any]) -> bool:
        """Whether this normalises what comes from the input, and not weights (weight standardisation)."""
        return self.flow is not None and self.flow.from_input(args[0])

    def changed_in_place(self) -> bool:
        """Whether the network has worked in place on a recorded activation."""
        return any(a._version != v for a, v in zip(self.seen, self.versions, strict=True))


def _moved(result: Any) -> Any:
    """A tensor, or all of several, moved."""
    if isinstance(result, Tensor):
        return moved_by(result, _NUDGE)
    return type(result)(map(_moved, result)) if isinstance(result, (list, tuple)) else result


def _pushed(args: Any, kwargs: Any, paths: Collection[tuple[Any, ...]]) -> tuple[Any, dict[str, Any]]:
    moved = nudged({"": tuple(args), **kwargs}, paths, _NUDGE)
    return moved.pop(""), moved


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
    return network


def forward(tape: Tape, network: nn.Module, inputs: Tensor, rows: int) -> tuple[Tape, Tensor]:
    """A pass under a tape: it, and the (rows, classes) that the network answered.

    Raises:
        ArgumentTypeError: no logits come out.
        ModelError: training mode, an answer that depends on chance, or code that ends the program.
        InputError: the model refuses the inputs.
    """
    with refusing(inputs), eagerly(), tape.doubts, tape:
        output = network(inputs)
    tape.doubts.check()
    return tape, outputs_in(output, rows)
