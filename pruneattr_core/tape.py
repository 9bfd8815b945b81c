"""The tape: see, name and gate every activation of one forward pass, leaving nothing on the model.

Activations are read inside a `TorchFunctionMode`, whose stack is thread-local: any number of threads
may explain one shared model at once. The tape sees *calls*, so modules, functional forms, in-place
forms and modules used twice are all the same to it.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from pruneattr_core.activations import ACTIVATIONS as ACTIVATIONS
from pruneattr_core.activations import PIECEWISE_LINEAR, Reader
from pruneattr_core.company import in_company, refuse_chance, refuse_company
from pruneattr_core.errors import ArgumentTypeError, InputError, ModelError, PruneAttrError
from pruneattr_core.fitness import QUESTIONS, Doubts
from pruneattr_core.flow import Flow, Role, Roles, without_changing_constants
from pruneattr_core.heads import outputs_in
from pruneattr_core.naming import module_name, numbered, owner_of
from pruneattr_core.norms import batch_norm
from pruneattr_core.opening import Opening

#: What outputs come out of that are probabilities already.
_NORMALISERS = {F.softmax, torch.softmax, Tensor.softmax, F.sigmoid, torch.sigmoid, Tensor.sigmoid}

#: A gate takes (index of the call, activation) and returns the activation the network goes on with.
Gate = Callable[[int, Tensor], Tensor]


@dataclass(frozen=True)
class Record:
    """What one forward pass showed.

    Attributes:
        logits: (B, classes), or (B, classes, H, W) of a network that answers maps; attached to the graph.
        activations: one tensor (B, *shape) per call of neurons, as the network went on with it,
            attached to the graph.
        names: one name per call, such as `layer3.2.relu#2` (second call of that module).
        piecewise_linear: per call; where all are, SCP's local linearity (Prop. 4, 5) holds.
        calls: place of each among all activation calls of the pass, those that are no neurons included.
        total: number of all activation calls of the pass.
        normalised: whether the logits are what a softmax or a sigmoid gave.
        doubts: what the pass gave reason to doubt.
    """

    logits: Tensor
    activations: tuple[Tensor, ...]
    names: tuple[str, ...]
    piecewise_linear: tuple[bool, ...]
    calls: tuple[int, ...]
    total: int
    normalised: bool
    doubts: Doubts


class _Tape(TorchFunctionMode):
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
    ) -> None:
        super().__init__()
        self.reader = Reader(spelled)
        self.opening = opening
        self.gate, self.clone, self.kept, self.rewritten, self.flow = gate, clone, kept, rewritten, flow
        modules = dict(model.named_modules())
        self.names_of = names_of = {id(module): name for name, module in modules.items()}
        self.calls: list[tuple[str, tuple[int, ...]]] = []
        self.seen: list[Tensor] = []
        self.versions: list[int] = []
        self.piecewise_linear: list[bool] = []
        self.normalised: Tensor | None = None
        # Not by way of the tape, which holds every activation: a circle would keep them until Python looks.
        self.doubts = Doubts(model, modules, lambda frame: owner_of(frame, names_of)[0], written)

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in QUESTIONS:
            return func(*args, **kwargs)
        if func is not F.batch_norm or self._sees_pictures(args):
            self.doubts.before(func, args, kwargs)
        with self.doubts.in_memory() if self.doubts.hooked() else nullcontext():
            return self._carried_out(func, args, kwargs, sys._getframe(1))

    def _carried_out(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any], caller: FrameType) -> Any:
        found = self.reader.read(func, args, kwargs)
        if found is None:
            result = batch_norm(args, kwargs) if func is F.batch_norm else func(*args, **kwargs)
            self.doubts.after(func, args, kwargs, result)
            if func in _NORMALISERS:
                self.normalised = result
            return result
        call = len(self.calls)
        if self.flow is not None:
            self.flow.recording = True
        activation = self.doubts.activation(found.compute, self.kept is None or call in self.kept)
        if self.flow is not None:
            self.flow.recording = False
            self.flow.mark(call, activation, found.before if found.in_place else None)
        name = module_name(caller, self.names_of, func.__name__.strip("_"))
        self.calls.append((name, tuple(activation.shape[1:])))
        if self.kept is None or call in self.kept:
            if self.gate is not None:
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
        return any(a._version != v for a, v in zip(self.seen, self.versions, strict=True))


def run(
    model: nn.Module,
    inputs: Tensor,
    gate: Gate | None = None,
    rows: int | None = None,
    class_scores: bool = False,
    opening: Opening | None = None,
) -> Record:
    """One forward pass of `model` under the tape.

    Only neurons are recorded and gated: activations that come from the input and on which something learned
    still acts (see `roles_of`).

    Args:
        model: network in eval mode; nothing on it is changed.
        inputs: (B, ...) as the model takes it.
        gate: replaces each activation by what it returns; None leaves them alone.
        rows: number of logit rows to expect where a gate changes the batch size; None for that of `inputs`.
        class_scores: whether activations that nothing learned follows count as neurons, as in the authors'
            released code.
        opening: whether gradients pass the rectifiers of class scores that are not counted.

    Returns:
        The record; graph attached when gradients are enabled and something requires them.

    Raises:
        ArgumentTypeError: not a module, a scripted module, or no logits come out.
        ModelError: training mode, compiled in place, or no activation was called.
        InputError: the model refuses inputs of this shape, dtype or device, or a gate sends it another way.
    """
    network, rows = unwrap(model), len(inputs) if rows is None else rows
    roles = _way(network, inputs)
    refusal: InputError | None = None
    for _ in range(2):
        try:
            tape, logits = _played(network, inputs, gate, rows, roles, class_scores, opening)
        except InputError as error:
            refusal, calls = error, None
        else:
            calls = tuple(tape.calls)
        if calls == roles.calls:
            return _record(tape, logits, roles, class_scores)
        # Another way than was known of the network, or than the gate leaves open.
        before, _ = roles, _learn(network, inputs)
        roles = _way(network, inputs)
        if roles.calls == before.calls:
            break
    raise refusal or InputError(
        "The pruned network took another way than the original: which activations it calls depends on "
        "their values, so its neurons cannot be compared. Explain a network without such branches."
    )


def _way(network: nn.Module, inputs: Tensor) -> Roles:
    """The way that these inputs take, where several are known; it costs a pass then."""
    ways = _ways(network, inputs)
    if len(ways) == 1:
        return ways[0]
    with torch.inference_mode(False), torch.no_grad():
        tape, _ = _forward(_Tape(network, None, clone=True), network, inputs.clone(), len(inputs))
    own = [way for way in ways if way.calls == tuple(tape.calls)]
    return own[0] if own else ways[0]


def _record(tape: _Tape, logits: Tensor, roles: Roles, class_scores: bool) -> Record:
    kept = roles.kept(class_scores)
    names = tuple(roles.names[call] for call in kept)
    normalised = tape.normalised is not None and tape.normalised.data_ptr() == logits.data_ptr()
    found = tuple(tape.seen), names, tuple(tape.piecewise_linear)
    return Record(logits, *found, kept, len(roles.calls), normalised, tape.doubts)


def _played(
    network: nn.Module,
    inputs: Tensor,
    gate: Gate | None,
    rows: int,
    roles: Roles,
    class_scores: bool,
    opening: Opening | None = None,
) -> tuple[_Tape, Tensor]:
    """A pass that records what `roles` say, on copies where the network works in place on an activation."""
    kept = roles.kept(class_scores)
    if not kept:
        raise ModelError(roles.no_neurons(type(network).__name__))

    def play(clone: bool) -> tuple[_Tape, Tensor]:
        known = frozenset(kept), roles.rewritten, None, opening, roles.spelled
        tape = _Tape(network, gate, clone, *known, written=roles.written)
        return _forward(tape, network, inputs, rows)

    try:
        tape, logits = play(clone=False)
        in_place = tape.changed_in_place()
    except InputError:
        in_place = True  # perhaps: autograd refuses in-place work on what a gate returns
    return play(clone=True) if in_place else (tape, logits)


_known: weakref.WeakKeyDictionary[nn.Module, dict[Any, tuple[Roles, ...]]] = weakref.WeakKeyDictionary()
_guard = threading.Lock()
#: Share of the largest logit by which another order of the same sums may move one, with room.
_ROUNDING = 1e-4
#: Input shapes remembered per network, and ways through it per shape.
_SHAPES, _WAYS = 8, 4


def roles_of(model: nn.Module, inputs: Tensor) -> tuple[Roles, ...]:
    """What every activation call is, for each way through the network that is known, the latest first.

    Found in one pass over the first input that follows what flows where, and remembered as long as the model
    lives and keeps its modules.

    Args:
        model: network in eval mode.
        inputs: (B, ...) as the model takes it; only the first is run.

    Raises:
        ArgumentTypeError: as `run`.
        ModelError: as `run`.
        InputError: as `run`.
    """
    return _ways(unwrap(model), inputs)


def _ways(network: nn.Module, inputs: Tensor) -> tuple[Roles, ...]:
    with _guard:
        found = _known.get(network, {}).get(_state(network, inputs))
    return found or (_learn(network, inputs),)


def _state(network: nn.Module, inputs: Tensor) -> Any:
    modules = tuple((id(m), m.training) for m in network.modules())
    return tuple(inputs.shape[1:]), inputs.dtype, inputs.device, modules


def _learn(network: nn.Module, inputs: Tensor) -> Roles:
    """Follow one pass and remember its way."""
    if any(m.training and getattr(m, "track_running_stats", False) for m in network.modules()):
        # Such a layer would count this batch before the tape could stop it.
        raise ModelError("The model is in training mode. Call model.eval() first.")
    roles = _followed(network, inputs, frozenset())
    if roles.rewritten:
        roles = _followed(network, inputs, roles.rewritten)
    state = _state(network, inputs)
    with _guard:
        shapes = _known.setdefault(network, {})
        ways = tuple(way for way in shapes.pop(state, ()) if way.calls != roles.calls)
        shapes[state] = (roles, *ways[: _WAYS - 1])
        while len(shapes) > _SHAPES:
            del shapes[next(iter(shapes))]
    return roles


def _followed(network: nn.Module, inputs: Tensor, rewritten: frozenset[int]) -> Roles:
    with torch.inference_mode(False), torch.no_grad():
        first = inputs[:1].detach().clone(memory_format=torch.contiguous_format)
        names_of = {id(module): name for name, module in network.named_modules()}
        flow = Flow(network, first, lambda frame: owner_of(frame, names_of)[0])
        tape = _Tape(network, None, clone=True, rewritten=rewritten, flow=flow)
        with flow:
            tape, logits = _forward(tape, network, first, 1)
        refuse_chance(network, first, tape.doubts.draws)
        roles = _by_value(network, first, tape, logits, flow.roles(tape.seen, logits))
        fast = _takes_any_layout(network, first, tape, logits)
        if not fast:
            _refuse_company(network, first, tape, logits)
    names = numbered([name for name, _ in tape.calls])
    rewritten = rewritten | frozenset(flow.rewritten)
    unseen, spelled = tuple(dict.fromkeys(flow.unseen)), tuple(tape.reader.said)
    written = frozenset(tape.doubts.written)
    return Roles(tuple(tape.calls), names, roles, rewritten, unseen, spelled, written, fast)


def _by_value(
    network: nn.Module, first: Tensor, tape: _Tape, logits: Tensor, roles: Sequence[Role]
) -> tuple[Role, ...]:
    """The roles, where values went a way that no trace follows (through numpy, say): such calls are neurons.

    A "constant" that changes with the input comes from it; "unused" ones that change the output reach it.
    """
    found = tuple(roles)
    if "constant" in roles:
        again = _again(network, tape)
        other, _ = _forward(again, network, first / 2, 1)
        if other.calls == tape.calls:
            found = without_changing_constants(roles, tape.seen, other.seen)
    unused = frozenset(call for call, role in enumerate(roles) if role == "unused")
    if unused:
        halved = _again(network, tape, lambda index, a: a / 2, unused)
        if not torch.equal(_forward(halved, network, first.clone(), 1)[1], logits):
            found = tuple("neuron" if role == "unused" else role for role in found)
    return found


def _again(
    network: nn.Module, tape: _Tape, gate: Gate | None = None, kept: Collection[int] | None = None
) -> _Tape:
    """For another pass of the way that a tape saw."""
    return _Tape(network, gate, True, kept, tape.rewritten, spelled=tape.reader.said)


def _takes_any_layout(network: nn.Module, first: Tensor, tape: _Tape, logits: Tensor) -> bool:
    """Whether the answer is the same, but for rounding, in channels-last memory and in company."""
    if first.ndim != 4 or first.dtype != torch.float32 or first.device.type == "mps":
        return False
    beside, three = _again(network, tape), in_company(first)
    with suppress(PruneAttrError):
        _, both = _forward(beside, network, three.contiguous(memory_format=torch.channels_last), len(three))
        moved = (both[0] - logits[0]).abs().max() if both.shape[1:] == logits.shape[1:] else torch.inf
        return beside.calls == tape.calls and bool(moved <= _ROUNDING * logits.abs().max())
    return False


def _refuse_company(network: nn.Module, first: Tensor, tape: _Tape, logits: Tensor) -> None:
    """See that an answer does not depend on what else is in the batch."""
    beside, three = _again(network, tape), in_company(first)
    try:
        _, both = _forward(beside, network, three, len(three))
    except PruneAttrError:
        return  # takes one input at a time, which is its own matter
    if beside.calls == tape.calls:
        refuse_company(network, first, logits, both)


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


def _forward(tape: _Tape, network: nn.Module, inputs: Tensor, rows: int) -> tuple[_Tape, Tensor]:
    try:
        with tape.doubts, tape:
            output = network(inputs)
    except Exception as error:  # a network is anybody's code
        if isinstance(error, (PruneAttrError, MemoryError, torch.OutOfMemoryError)):
            raise
        said = repr(error) if isinstance(error, KeyError) else error  # whose text is a bare key
        raise InputError(
            f"The model refuses inputs of shape {tuple(inputs.shape)}, {inputs.dtype} on {inputs.device}: "
            f"{said}" + (". It is given one tensor." if isinstance(error, TypeError) else "")
        ) from error
    tape.doubts.check()
    return tape, outputs_in(output, rows)
