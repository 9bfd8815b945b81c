"""What flows where in one forward pass: which activations come from the input, and what acts on them later.

A `TorchDispatchMode` sees every operation that is really carried out, also inside scripted parts and
autograd functions that a tape cannot look into. Every storage carries a tag: which activation calls, and
whether the input, went into it; on which of them something learned has acted on the way; and whether it is
itself learned, that is, made of parameters and buffers alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from pruneattr_core.company import Precision
from pruneattr_core.errors import ArgumentTypeError
from pruneattr_core.exits import Entry
from pruneattr_core.own_functions import OwnFunctions

#: Activations as the dispatcher calls them; one that no tape recorded is reported as unseen.
_ACTIVATIONS = {
    *("relu", "relu6", "hardtanh", "leaky_relu", "rrelu", "prelu", "elu", "selu", "celu", "gelu", "silu"),
    *("mish", "hardswish", "softplus", "log_sigmoid", "glu", "_prelu_kernel", "rrelu_with_noise", "abs"),
    *("log_sigmoid_forward", "threshold", "softshrink", "hardshrink", "sin", "clamp", "clamp_min"),
    *("clamp_max", "maximum", "minimum", "fmax", "fmin"),
}
#: Bounds from which on these only guard a division, or a precision.
_LEAST, _MOST = 1e-3, 1e3
#: Functions that gate an activation when they meet what went in -> what that is.
_GATES = {
    **dict.fromkeys(("sigmoid", "tanh", "erf", "hardsigmoid", "softplus"), "product with its own sigmoid"),
    **dict.fromkeys(("gt", "ge", "lt", "le", "sign", "heaviside"), "choice by its own sign"),
}
#: Where a gate acts.
_GATED = {"mul", "where", "masked_fill", "index_put"}
#: What a sum or difference with a gate is; with a sigmoid it is none.
_ADDED = {"sub": "difference from its own tanh", "add": "sum with its own tanh"}
_ELEMENTWISE = {"mul", "add", "sub", "div", "neg", "pow", "exp", "rsub", "clone", "_to_copy"}
#: Whose operations are taken apart here, or only move and weigh.
_KNOWN = {
    "aten",
    "prim",
    "prims",
    "quantized",
    "_quantized",
    "torchvision",
    "mkldnn",
    "mkl",
    "xnnpack",
    "profiler",
}
#: Said of an activation inside of a function whose derivative is its author's: methods leave that as it is.
OWN_DERIVATIVE = " (a function with its own derivative)"
#: Said of one that is computed where no mode is.
ELSEWHERE = " in a thread of its own"
_INPUT = 1  # bit of the input; activation call i has bit i + 1


class Tag(NamedTuple):
    """What is known of one storage; masks have bit 0 for the input and bit i + 1 for activation call i.

    Attributes:
        after: what went into it.
        acted: of these, the ones on which something learned has acted since.
        learned: made of parameters and buffers alone.
        root: the storage it is an elementwise function of.
        gates: storages whose function of `_GATES` it is, and what it is when both meet.
        missed: which of `Flow.missed` went into it, a bit each.
        alive: keeps the storage's address from being used again.
    """

    after: int = 0
    acted: int = 0
    learned: bool = False
    root: int = 0
    gates: tuple[tuple[int, str], ...] = ()
    missed: int = 0
    alive: Any = None


_NOTHING = Tag()


@dataclass(frozen=True)
class Unseen:
    """A nonlinearity whose values are no neurons, because no recording sees it as an activation.

    Attributes:
        where: name of the module whose `forward` calls it, "" for the network itself.
        what: the function, or a value of `_GATES`.
    """

    where: str
    what: str


#: What an activation call is. Something learned still acts on a *neuron* on its way to the output; a *class
#: score* is followed by nothing learned; *constant*: no input goes in (a table of positions); *folded*: the
#: batch is not its first dimension; *unused*: it does not reach the output.
Role = Literal["neuron", "class score", "constant", "folded", "unused"]


@dataclass(frozen=True)
class Roles:
    """What each activation call of a network is, for one input shape and one way through the network.

    Attributes:
        calls: (name of the module, shape without its first dimension) of every call, in order.
        names: of the calls, made unique.
        roles: of the calls.
        rewritten: calls in place whose argument the network uses again, so that it has to be overwritten.
        unseen: nonlinearities that are no activation calls.
        spelled: what `Reader.said` of its calls.
        written: buffers that a pass changes; what is run here puts them back.
        fast: whether it answers the same in channels-last memory, in which convolutions are faster.
        moves: whether a pass moves the random state, though the answer does not depend on it.
        asks: whether Python asks for values that come from the input, so that its way may depend on them.
        mixes: whether that way depends on the whole batch: an input can only be run alone.
        loose: calls whose values go on to the answer and whose gradient does not go on to the input.
        entries: where values come back that have left PyTorch.
        derived: where it takes a derivative through neurons, or "".
    """

    calls: tuple[tuple[str, tuple[int, ...]], ...]
    names: tuple[str, ...]
    roles: tuple[Role, ...]
    rewritten: frozenset[int]
    unseen: tuple[Unseen, ...]
    spelled: tuple[bool, ...]
    written: frozenset[str]
    fast: bool
    moves: bool
    asks: bool
    mixes: bool
    loose: tuple[str, ...]
    entries: frozenset[Entry]
    derived: str

    def led_to(self, calls: Sequence[tuple[str, tuple[int, ...]]]) -> bool:
        """Whether a pass of any number of inputs that made these calls went this way."""
        if tuple(name for name, _ in calls) != tuple(name for name, _ in self.calls):
            return False
        folded = (role == "folded" for role in self.roles)  # their shape changes with the batch
        return all(a == b or skip for (_, a), (_, b), skip in zip(calls, self.calls, folded, strict=True))

    def kept(self, class_scores: bool) -> tuple[int, ...]:
        """The calls that are recorded and gated.

        Raises:
            ArgumentTypeError: `class_scores` is neither True nor False.
        """
        if not isinstance(class_scores, bool):
            raise ArgumentTypeError(f"Expected class_scores as True or False, got {class_scores!r}.")
        wanted = ("neuron", "class score") if class_scores else ("neuron",)
        return tuple(i for i, role in enumerate(self.roles) if role in wanted)

    def no_neurons(self, name: str) -> str:
        """Why nothing of a network of this name can be pruned."""
        found = set(self.roles)
        if not found:
            bends = sorted({f"{one.what} in {one.where or 'the network itself'}" for one in self.unseen})[:3]
            unseen = f" What it has instead is not seen as one: {', '.join(bends)}." if bends else ""
            return (
                f"{name} called no activation function (ReLU, GELU, SiLU, ...), so it has no neurons to "
                f"prune.{unseen} Use a network with activations; sigmoid and tanh do not count as neurons."
            )
        if "class score" in found:
            return (
                f"The only activations of {name} are its class scores: nothing learned follows them, so it "
                "has no neurons to prune. Give class_scores=True to count them as neurons, as published code "
                "does."
            )
        return (
            f"{name} has no neurons to prune: its activations do not depend on the input, do not reach the "
            f"output or do not have the batch as their first dimension ({', '.join(sorted(found))})."
        )


class Flow(TorchDispatchMode):
    """Tags everything while it is entered.

    Attributes:
        recording: set by the tape while it computes an activation of its own.
        missed: nonlinearities met outside of recorded calls.
        rewritten: activation calls made in place whose argument was used again afterwards.
        precision: the least precise in which something was computed.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Asked by PyTorch, which else loads its compiler at the first call: two seconds for nothing."""
        return False  # what is compiled is refused before

    def __init__(self, network: nn.Module, inputs: Tensor, name: Callable[[FrameType | None], str]) -> None:
        super().__init__()
        self._own_functions = OwnFunctions()
        self._name, self._tags, self._overwritten = name, dict[int, Tag](), dict[int, int]()
        self.recording, self.missed, self.rewritten = False, list[Unseen](), set[int]()
        self.precision: Precision = "double"
        learned: list[Tensor] = [p for p in network.parameters() if p.numel() > 1 or p.ndim > 1]
        # A single number, such as a temperature, scales class scores and makes no neurons of them.
        learned += [b for b in network.buffers() if b.is_floating_point() and b.numel() > 1]
        self.something_learned = bool(learned)
        for tensor in learned:
            self._set(tensor, Tag(learned=True))
        self._set(inputs, Tag(after=_INPUT))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = list(tensors_in((args, kwargs)))
        tags = [self._of(tensor) for tensor in given]
        found = func(*args, **(kwargs or {}))
        name = func._schema.name.split("::")[-1]
        name = name if name.startswith("_") else name.rstrip("_")
        for tensor in given:
            call = self._overwritten.get(storage_key(tensor))
            if call is not None and not self.recording:
                self.rewritten.add(call)
        after, acted, missed = 0, 0, 0
        for tag in tags:
            after, acted, missed = after | tag.after, acted | tag.acted, missed | tag.missed
        packed = "quantized" in func._schema.name or any(isinstance(a, torch.ScriptObject) for a in args)
        rounds = any(word in func._schema.name for word in ("round", "fake_quantize"))  # as if quantised
        self.precision = "coarse" if packed or rounds else _least(self.precision, tensors_in(found))
        learned = any(tag.learned for tag in tags)
        if learned or packed:
            acted |= after
        before = len(self.missed)
        root, gates = self._shape_of(name, func._schema.name, given, tags, args)
        missed |= (1 << len(self.missed)) - (1 << before)
        for tensor in tensors_in(found):
            self._set(tensor, Tag(after, acted, learned and not after, root, gates, missed))
        return found

    def _shape_of(
        self, name: str, whole: str, given: Sequence[Tensor], tags: Sequence[Tag], values: Sequence[Any]
    ) -> tuple[int, tuple[tuple[int, str], ...]]:
        """Root and gates of a result; notes what no tape would see."""
        if not tags or not any(tag.after for tag in tags):
            return 0, ()
        roots = {tag.root or storage_key(tensor) for tensor, tag in zip(given, tags, strict=True)}
        gates = tuple(gate for tag in tags for gate in tag.gates)
        seen = "" if self.recording else name
        if seen in _ACTIVATIONS and not (name.startswith("clamp") and _guards(values)):
            self._miss(name.removesuffix("_with_noise").removesuffix("_forward"))
        elif seen and whole.partition("::")[0] not in _KNOWN:
            self._miss(f"{whole} (an operation of its author's own)")
        if name in _GATES:
            return 0, gates or tuple((root, _GATES[name]) for root in roots)
        own = [what for root, what in gates if root in roots]
        if seen in _GATED and own:
            self._miss(own[0])
            return 0, ()
        if seen in _ADDED and own and own[0] == _GATES["tanh"] and len(roots) == 2:
            self._miss(_ADDED[seen])
            return 0, ()
        if seen not in _ELEMENTWISE:
            return 0, ()
        if gates:
            return 0, gates if len(tags) == 1 else ()
        return (roots.pop(), ()) if len(roots) == 1 else (0, ())

    def _miss(self, what: str) -> None:
        frame = sys._getframe(3)
        inside = self._own_functions.around(frame)
        said = f"{inside}{OWN_DERIVATIVE}" if inside else what
        self.missed.append(Unseen(self._name(frame), said))

    def mark(self, call: int, activation: Tensor, overwritten: Tensor | None) -> None:
        """Tell that `activation` is that of a call, and which tensor it was to be written into, if any."""
        tag = self._of(activation)
        self._set(activation, tag._replace(after=tag.after | (2 << call), root=0, gates=()))
        if overwritten is not None:
            self._overwritten[storage_key(overwritten)] = call

    def from_input(self, tensor: Tensor) -> bool:
        """Whether the input went into it."""
        return bool(self._of(tensor).after & _INPUT)

    def unseen(self, output: Tensor) -> tuple[Unseen, ...]:
        """What was missed on the way to the output; all of it where the trace is lost."""
        end = self._of(output)
        kept = end.missed if end.after & _INPUT else -1
        return tuple(dict.fromkeys(one for place, one in enumerate(self.missed) if kept >> place & 1))

    def roles(self, activations: Sequence[Tensor], output: Tensor) -> tuple[Role, ...]:
        """What each activation call of a pass of one input is, given its output."""
        end, found = self._of(output), list[Role]()
        # Where nothing is learned, or the trace is lost, class scores cannot be told from neurons.
        connected = bool(end.after & _INPUT)
        for call, activation in enumerate(activations):
            if not self.from_input(activation):
                found.append("constant")
            elif activation.ndim == 0 or activation.shape[0] != 1:
                found.append("folded")
            elif connected and not end.after >> (call + 1) & 1:
                found.append("unused")
            else:
                scored = connected and self.something_learned and not end.acted >> (call + 1) & 1
                found.append("class score" if scored else "neuron")
        return tuple(found)

    def _of(self, tensor: Tensor) -> Tag:
        return self._tags.get(storage_key(tensor), _NOTHING)

    def _set(self, tensor: Tensor, tag: Tag) -> None:
        try:
            alive: Any = StorageWeakRef(tensor.untyped_storage())
        except (NotImplementedError, RuntimeError):
            alive = tensor
        self._tags[storage_key(tensor)] = tag._replace(alive=alive)


def _least(precision: Precision, found: Iterable[Tensor]) -> Precision:
    """The least of a precision and those of values; off the CPU float32 may be TF32."""
    for one in found if precision != "coarse" else ():
        single = one.dtype in (torch.float32, torch.complex64)
        if one.dtype in (torch.bfloat16, torch.float16) or (single and one.device.type != "cpu"):
            return "coarse"
        precision = "single" if single else precision
    return precision


def _guards(values: Sequence[Any]) -> bool:
    """Whether the arguments of a clamp have bounds that no activation has: a tiny one, or very large ones."""
    bounds = [one for one in values[1:] if one is not None]
    if not all(isinstance(one, (int, float)) for one in bounds):
        return False
    return all(0 < one <= _LEAST or abs(one) >= _MOST for one in bounds)


def without_changing_constants(
    roles: Sequence[Role], one: Sequence[Tensor], two: Sequence[Tensor]
) -> tuple[Role, ...]:
    """The roles; a "constant" whose values in passes of two inputs differ gets the role of its shape."""
    found = list(roles)
    for call, (a, b) in enumerate(zip(one, two, strict=True)):
        if roles[call] == "constant" and _differ(a, b):
            found[call] = "neuron" if a.ndim and a.shape[0] == 1 else "folded"
    return tuple(found)


def _differ(one: Tensor, two: Tensor) -> bool:
    try:
        return not torch.equal(one, two)
    except RuntimeError:
        return False  # of torch.func: values that cannot be looked at


def storage_key(tensor: Tensor) -> int:
    """What is the same for two tensors where one is a view of the other, as long as one is alive."""
    try:
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError):
        return id(tensor)  # sparse and MKL-DNN tensors have no storage


def tensors_in(values: Any) -> Iterator[Tensor]:
    """The tensors of a tensor, or of lists, tuples and dicts of such, however nested."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from tensors_in(value)
    elif isinstance(values, dict):
        yield from tensors_in(list(values.values()))
