"""What makes an answer unfit to be explained: chance, a gradient that ends on the way; see also `company`.

Judged by what the network does in a pass, not by what it is: a `Doubts` sees its calls, and `connected`
judges the ends of gradients that it saw.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruneattr_core.chance import put_back, random_state
from pruneattr_core.errors import ModelError
from pruneattr_core.exits import EXITS, Entry, Traffic
from pruneattr_core.hooks import Hooks
from pruneattr_core.loose import Trail
from pruneattr_core.nodes import ends_here, node_of

#: Calls with a training flag -> its place among the positional arguments.
_FLAGGED: dict[Any, int] = {
    **dict.fromkeys((F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, torch.dropout), 2),
    **dict.fromkeys((F.alpha_dropout, F.feature_alpha_dropout), 2),
    F.batch_norm: 5,
    **dict.fromkeys((F.rrelu, F.rrelu_, torch.rrelu), 3),
    F.multi_head_attention_forward: 13,
}
#: Those of them whose flag is on unless it is given.
_TRAINING_BY_DEFAULT = {F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.multi_head_attention_forward}
#: Calls that draw, whatever the mode.
_DRAWING = {
    *(torch.bernoulli, torch.multinomial, torch.normal, torch.poisson, torch.rand, torch.rand_like),
    *(torch.randint, torch.randint_like, torch.randn, torch.randn_like, torch.randperm),
    *(Tensor.bernoulli, Tensor.bernoulli_, Tensor.cauchy_, Tensor.exponential_, Tensor.geometric_),
    *(Tensor.log_normal_, Tensor.multinomial, Tensor.normal_, Tensor.random_, Tensor.uniform_),
    *(torch.native_dropout, F.gumbel_softmax, F.fractional_max_pool2d, F.fractional_max_pool3d),
}
#: Calls whose result has the shape of a tensor but nothing of its values.
_SHAPE_ONLY = {
    *(torch.zeros_like, torch.ones_like, torch.empty_like, torch.full_like, torch.rand_like),
    *(torch.randn_like, Tensor.new_zeros, Tensor.new_ones, Tensor.new_empty, Tensor.new_full),
}
#: Calls by which real numbers become whole ones, which is rounding.
_CASTS = {
    *(Tensor.to, Tensor.type, Tensor.int, Tensor.long, Tensor.short, Tensor.char, Tensor.byte),
    *(Tensor.type_as, Tensor.view),
}
#: Calls that ask about a tensor, and for nothing of its values.
QUESTIONS = {
    *(Tensor.dim, Tensor.numel, Tensor.size, Tensor.is_floating_point, Tensor.is_contiguous),
    *(getattr(Tensor, name).__get__ for name in ("shape", "ndim", "dtype", "device")),
}

#: The first of this thread's `left_alone` that are open.
_outermost = threading.local()


@dataclass(frozen=True)
class End:
    """A call after which a value goes on and its gradient does not.

    Attributes:
        where: module and function.
        nodes: of the autograd graph, of the values that went in.
        node: of the value that goes on, where it has one that passes no gradient.
        choice: whether what goes on only says which: truth values and places, whose derivative is 0.
    """

    where: str
    nodes: tuple[Any, ...]
    node: Any = None
    choice: bool = False


class Doubts:
    """What one pass gives reason to doubt; a context in which the pass runs.

    Attributes:
        ends: calls after which the gradient does not go on, in order.
        neurons: per recorded activation call, its module and how many `ends` there were before it.
        blind: where activations were computed without a graph although one was asked for.
        draws: where random numbers were drawn in eval mode.
        derived: where the network took a derivative through neurons, or "".
        trail: of values that go on after an end.
        traffic: of values that leave PyTorch and come back.
        hooks: that the network sets on values.
        modules: of the network, by name.
        state: the buffer that a module in training mode changed, or "". It is put back.
        watched: names of buffers that are put back if the pass changes them; None for all.
        written: those of them that it has changed.
        graded: whether a graph is asked for.
    """

    def __init__(
        self,
        network: nn.Module,
        modules: Mapping[str, nn.Module],
        where: Callable[[FrameType | None], str],
        watched: Collection[str] | None,
        moves: bool = False,
        entries: Collection[Entry] | None = (),
    ) -> None:
        """Watch `network`, whose modules are these.

        Args:
            network: what is run.
            modules: its modules by name.
            where: names the innermost of them on a call stack.
            watched: see the attribute.
            moves: whether it is known to move the random state, which is put back then.
            entries: see `Traffic`.
        """
        self.ends: list[End] = []
        self.neurons: list[tuple[str, int]] = []
        self.blind: list[str] = []
        self.draws: list[str] = []
        self.derived = ""
        self.trail, self.traffic, self.hooks = Trail(), Traffic(entries), Hooks()
        self.state = ""
        self.watched = watched
        self.written: list[str] = []
        self._network, self.modules, self._where = network, modules, where
        self.graded = torch.is_grad_enabled()
        self._random = random_state() if moves else None
        self._kept: list[tuple[str, nn.Module, Tensor, int, Tensor]] = []

    def __enter__(self) -> Doubts:
        """Remember what modules in training mode could change, and what is watched."""
        for name, module in self.modules.items():
            if module.training or self.watched is None or self.watched:
                for key, buffer in module.named_buffers(prefix=name, recurse=False):
                    if module.training or self.watched is None or key in self.watched:
                        self._kept.append((key, module, buffer, _version(buffer), buffer.clone()))
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        """Put back the random state and buffers; what is interrupted may have written and not counted it."""
        if self._random is not None:
            put_back(self._random)
        for name, module, buffer, version, before in self._kept:
            own = name.rpartition(".")[2]
            same = module._buffers.get(own) is buffer and _version(buffer) == version
            if same and (error is None or _equal(buffer, before)):
                continue
            with torch.no_grad():
                if buffer.shape == before.shape:
                    buffer.copy_(before)
                else:  # observers of quantisation give theirs another
                    buffer.set_(before)  # type: ignore[call-overload]
            module._buffers[own] = buffer
            self.written.append(name)
            self.state = self.state or name * module.training
        self._kept.clear()

    def forget_if_over(self, around: Doubts | None) -> None:
        """Put nothing back if `around` already has: values of the middle of its passes would come back."""
        if around is not None and not around._kept:
            self._kept.clear()

    @property
    def training(self) -> bool:
        """Whether any module is in training mode."""
        return any(module.training for module in self.modules.values())

    def check(self) -> None:
        """Raise ModelError if a module in training mode changed its state."""
        if self.state:
            raise ModelError(
                f"The model is in training mode and would change {self.state} at every pass. "
                "Call model.eval() first."
            )

    def before(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Look at a call of the network that is about to be made.

        Raises:
            ModelError: the answer would depend on chance or on the rest of the batch.
        """
        if func in _FLAGGED:
            self._refuse_flag(func, args, kwargs)
        elif func in _DRAWING or (func is F.scaled_dot_product_attention and _dropout_of(args, kwargs)):
            self._drawn(func)
        if self.graded and not self.traffic.idle:
            self._pass_by(func, args, kwargs)

    def after(
        self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any, inside: str = ""
    ) -> None:
        """Look at what a call of the network gave; `inside` names the own function that made it, if any."""
        if self.graded:
            self._follow(func, args, kwargs, result, inside)

    def activation(self, compute: Callable[[], Tensor], neurons: bool) -> Tensor:
        """The result of an activation call, watched; `neurons` says whether they are some."""
        result = compute()
        if neurons and self.graded:
            if not torch.is_grad_enabled():
                self.blind.append(self._name("", without_graph=True))
            self.neurons.append((self._name(""), len(self.ends)))
        return result

    def derive(self, func: Any) -> None:
        """Note that the network takes a derivative through neurons by this call."""
        self.derived = self.derived or self._called(func)

    def went_on(self, before: Tensor, after: Tensor) -> None:
        """Tell what the network goes on with after an activation call, and what went into that."""
        if self.ends and self.graded:
            self.trail.carry(None, [before], [after], str)

    def looking(self, hook: Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
        """A hook that the network sets on a value, looked at."""
        return self.hooks.looked_at(hook, self._name(""))

    def _refuse_flag(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        place, name = _FLAGGED[func], func.__name__
        default = func in _TRAINING_BY_DEFAULT
        flag = kwargs.get("training", kwargs.get("train", args[place] if len(args) > place else default))
        rate: Any = 1.0
        if func is F.multi_head_attention_forward:
            rate = kwargs.get("dropout_p", args[10] if len(args) > 10 else 0.0)
        elif place == 2:
            rate = kwargs.get("p", args[1] if len(args) > 1 else 0.5)
        if not flag or not rate:
            return
        if self.training:
            raise ModelError(
                f"The model is in training mode (it called {name} with training=True), so its answer "
                "depends on chance or on the rest of the batch. Call model.eval() first."
            )
        where = self._name(name)
        if func is F.batch_norm:
            raise ModelError(
                f"{where} normalises by the batch it is given, since it keeps no running statistics, so "
                "an answer depends on the rest of the batch. Use track_running_stats=True, or a norm that "
                "looks at one input at a time such as GroupNorm."
            )
        raise ModelError(
            f"{where} draws random numbers in eval mode too: it is called with training=True whatever the "
            "mode. Call it with training=self.training, or use nn.Dropout."
        )

    def _drawn(self, func: Any) -> None:
        name = getattr(func, "__name__", str(func))
        if self.training:
            raise ModelError(
                f"The model is in training mode ({self._name(name)} draws random numbers), so its answer "
                "depends on chance. Call model.eval() first."
            )
        if self._random is None:
            self._random = random_state()
        self.draws.append(self._name(name))

    def _pass_by(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Note what leaves PyTorch by a call, or comes back."""
        traffic, trail = self.traffic, self.trail
        if func not in EXITS:
            if traffic.left:
                traced = lambda one: bool(trail.of(one)[0])  # noqa: E731
                frame = sys._getframe(3)
                traffic.look(lambda: self._where(frame), frame, func, {"": args, **kwargs}, traced)
            return
        for one in _tensors(args[:1]):
            before = [end for i, end in enumerate(self.ends) if trail.of(one)[0] >> i & 1]
            nodes = [node_of(one)] if one.requires_grad else [n for end in before for n in end.nodes]
            if nodes:
                traffic.left, traffic.out = True, traffic.out | 1 << len(self.ends)
                self.ends.append(End(self._name(EXITS[func]), tuple(nodes)))

    def _follow(
        self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any, inside: str
    ) -> None:
        if func in _SHAPE_ONLY:
            return
        if func is Tensor.new_tensor:
            args = args[1:]  # the first only says of what kind
        # Of several, only real numbers: which values were the largest, say, is beside them.
        several = (one for one in _tensors((result,)) if one is result or one.is_floating_point())
        made = next(filter(ends_here, several), None)
        if made is None and not self.ends:
            return
        everything, end = list(_tensors((*args, *kwargs.values()))), 0
        nodes = tuple(node_of(one) for one in everything if one.requires_grad)
        if made is not None and nodes:
            end = 1 << len(self.ends)
            where = self._name(inside) if inside else self._called(func)
            real = made.is_floating_point() or made.is_complex() or made.is_quantized or func in _CASTS
            self.ends.append(End(where, nodes, made.grad_fn, not real))
        if self.traffic.entering:
            end |= self.traffic.out
        if self.ends:
            came = _tensors((args[0],) if func is Tensor.__setitem__ else (result,))
            # What an own function computes has no graph, but its result has a node: no weights act loosely.
            self.trail.carry(None if inside else func, everything, came, lambda: self._called(func), end)

    def _called(self, func: Any) -> str:
        return self._name(getattr(func, "__name__", str(func)), not torch.is_grad_enabled())

    def _name(self, func: str, without_graph: bool = False) -> str:
        frame: FrameType | None = sys._getframe(2)
        if without_graph and _reentrant(frame):
            return f"{self._where(frame) or 'the model'} (gradient checkpointing with use_reentrant=True)"
        name = self._where(frame) or type(self._network).__name__
        if without_graph:
            return f"{name} (under torch.no_grad)"
        func = {"__get__": "data"}.get(func, func)
        return f"{name} ({func})" if func else name


def in_memory() -> AbstractContextManager[object]:
    """Hides the hooks of gradient checkpointing, if it looks on: what it computes again misses the modes."""
    if torch._C._autograd._top_saved_tensors_default_hooks(False) is None:
        return nullcontext()
    return torch.autograd.graph.saved_tensors_hooks(_same, _same)


@contextmanager
def left_alone(network: nn.Module) -> Iterator[Doubts]:
    """Puts back the buffers that a network writes meanwhile, as observers of quantisation do in eval mode."""
    around: Doubts | None = getattr(_outermost, "doubts", None)
    with Doubts(network, dict(network.named_modules()), lambda _: "", watched=None) as doubts:
        if around is None:
            _outermost.doubts = doubts
        try:
            yield doubts
        except GeneratorExit:  # left open, and collected: after an error as late as that is
            doubts.forget_if_over(around)
            raise
        finally:
            if around is None:
                _outermost.doubts = None


def _version(buffer: Tensor) -> int:
    return 0 if buffer.is_inference() else buffer._version


def _equal(buffer: Tensor, before: Tensor) -> bool:
    with suppress(Exception):  # of sparse ones, and such without values
        return torch.equal(buffer, before)
    return True


def _same(tensor: Tensor) -> Tensor:
    return tensor


def _dropout_of(args: Sequence[Any], kwargs: Mapping[str, Any]) -> float:
    return float(kwargs.get("dropout_p", args[4] if len(args) > 4 else 0.0))


def _tensors(values: Sequence[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _reentrant(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_name == "forward" and frame.f_globals.get("__name__") == "torch.utils.checkpoint":
            return True
        frame = frame.f_back
    return False
