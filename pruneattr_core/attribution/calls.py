"""What a network calls, and the network with some of those calls carried out by private modules.

Captum's and Zennit's methods set hooks on modules and expect every activation to be a module of its own,
not in place and not used twice. `Substituted` gives them that for any network: while the shared model
runs, its calls are intercepted (thread-locally, as the tape does) and handed to modules that belong to
this one explanation. Hooks, flags and changed weights land on those, never on the shared model, so no
lock is needed and nothing has to be put back.
"""

from __future__ import annotations

import math
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from pruneattr_core import tape
from pruneattr_core.activations import FUNCTIONS, activation_of
from pruneattr_core.arranged import arrangement
from pruneattr_core.attribution.listen import (
    ADDITIONS,
    NEUTRAL,
    Call,
    Listen,
    ceiling_of,
    in_front,
    plain_name,
)
from pruneattr_core.attribution.stand_ins import ClippedReLU
from pruneattr_core.deriving import refuse_derivative
from pruneattr_core.eager import eagerly
from pruneattr_core.errors import ModelError
from pruneattr_core.fitness import Doubts, in_memory, left_alone
from pruneattr_core.flow import ELSEWHERE, OWN_DERIVATIVE, Roles
from pruneattr_core.heads import outputs_in
from pruneattr_core.naming import numbered
from pruneattr_core.own_functions import OwnFunctions, transform
from pruneattr_core.refusing import refusing

#: Makes the module that stands for one call, from the call's arguments; None leaves the call alone.
Maker = Callable[..., nn.Module | None]
#: (place in `calls_of`, torch function) -> its maker, or None.
Choice = Callable[[int, Any], Maker | None]

_known: weakref.WeakKeyDictionary[nn.Module, dict[Any, tuple[Call, ...]]] = weakref.WeakKeyDictionary()
_guard = threading.Lock()


def calls_of(model: nn.Module, inputs: Tensor, again: bool = False, taken: bool = False) -> tuple[Call, ...]:
    """Every call of one forward pass, in order; remembered per model object and input shape.

    Args:
        model: network in eval mode.
        inputs: (B, ...), only its first item is run.
        again: whether to run it in any case: a network whose calls depend on its values may call something
            else than what is remembered.
        taken: whether the tape has just run these inputs, which is not done twice then.

    Raises:
        InputError: the model refuses these inputs.
        ModelError: as `tape.run`.
    """
    network = tape.unwrap(model)
    key = _key(network, inputs)
    with _guard:
        found = None if again else _known.get(network, {}).get(key)
    if found is None:
        with torch.no_grad():
            if not taken:
                tape.run(network, inputs[:1].clone())  # raises what is wrong with model or inputs
            first = inputs[:1].clone()
            listen = Listen(network, first)
            with eagerly(), refusing(first), listen.hidden, listen:
                network(first)
        ways = tape.roles_of(network, inputs)
        found = _with_roles(_numbered(listen.calls), ways)
        found = (*found, *_unheard(listen.hidden.found, ways, found))
        key = _key(network, inputs)  # what the passes themselves set is left out of it now
        with _guard:
            _known[network] = {key: found}  # one entry a model: bounded
    return found


def _key(network: nn.Module, inputs: Tensor) -> Any:
    return tuple(inputs.shape[1:]), arrangement(network)


def _numbered(calls: Sequence[Call]) -> tuple[Call, ...]:
    """Names made unique, activations by themselves: they are then the tape's."""
    names = {
        kind: iter(numbered([call.name for call in calls if call.activation is kind]))
        for kind in (True, False)
    }
    return tuple(replace(call, name=next(names[call.activation])) for call in calls)


def _rewritten(model: nn.Module, inputs: Tensor) -> frozenset[int]:
    """Places in `calls_of` of activations in place whose argument the network goes on with."""
    calls, ways = calls_of(model, inputs), tape.roles_of(model, inputs)
    for way in ways:
        refuse_derivative(way.derived)  # which the rule would change too, and with it the answer
    own = _own_way(calls, ways)
    places = [place for place, call in enumerate(calls) if call.activation]
    return frozenset() if own is None else frozenset(places[call] for call in own.rewritten)


def _own_way(calls: Sequence[Call], ways: Sequence[Roles]) -> Roles | None:
    names = tuple(call.name for call in calls if call.activation)
    return next((way for way in ways if way.names == names), None)


def _with_roles(calls: tuple[Call, ...], ways: Sequence[Roles]) -> tuple[Call, ...]:
    own = _own_way(calls, ways)
    roles = iter(() if own is None else own.roles)
    return tuple(replace(call, role=next(roles, "neuron")) if call.activation else call for call in calls)


def _unheard(carried_out: Iterable[str], ways: Sequence[Roles], calls: Sequence[Call]) -> list[Call]:
    own = _own_way(calls, ways)
    unseen = () if own is None else own.unseen
    bends = {one.what: one.where for one in unseen if OWN_DERIVATIVE not in one.what}
    return [
        *(Call("", name, (), activation=False, hidden="operation") for name in carried_out),
        *(Call("", what, (), activation=False, hidden="operation") for what in bends if ELSEWHERE in what),
        *(Call(where, what, (), activation=False, hidden="bend") for what, where in bends.items()),
    ]


_UNLIKE = "The calls of this network differ from pass to pass, so they cannot be told apart."


class _Swap(TorchFunctionMode):
    """Hand chosen calls to modules: made on the first run, used again on the next."""

    def __init__(
        self,
        choose: Choice,
        modules: dict[int, nn.Module] | None,
        rewritten: frozenset[int],
        of: dict[int, Any] | None = None,
    ) -> None:
        super().__init__()
        self.choose, self.rewritten = choose, rewritten
        self.known, self.made = modules, {} if modules is None else modules
        self.of = {} if of is None else of  # the function that each module stands for
        self.count, self.own_functions = 0, OwnFunctions()

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        inside = self.own_functions.around(sys._getframe(1)) or transform()
        self.count += bool(inside)
        with in_memory():
            if inside or plain_name(func) in NEUTRAL:
                return func(*args, **kwargs)
            return self._carried_out(func, args, kwargs)

    def _carried_out(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        index, self.count = self.count, self.count + 1
        given, named = in_front(args, kwargs)
        if self.known is None:
            make = self.choose(index, func)
            module = None if make is None else make(*given, **named)
            if module is not None:
                self.made[index], self.of[index] = module.eval(), func
        module = self.made.get(index)
        if module is None:
            return func(*args, **kwargs)
        if self.of[index] is not func:
            raise ModelError(_UNLIKE)
        tensors = given[:2] if func in ADDITIONS else given[:1]
        if func in FUNCTIONS and (activation := activation_of(func, args, kwargs)) is not None:
            tensors = (activation.before,)
        if not all(isinstance(t, Tensor) for t in tensors):
            raise ModelError(_UNLIKE)  # another call than the one for which the module was made
        if torch.is_grad_enabled() and not any(t.requires_grad for t in tensors):
            return func(*args, **kwargs)  # no gradient will come back here: a table, or a branch of its own
        # Tensors of its own go in: hooks on the network's would also rule whatever else is done with them, as
        # in h + conv(relu(h)). Copies, since the network may go on in place; ReLU remembers its result only.
        viewed = type(module) is nn.ReLU
        result: Tensor = module(*(t.view_as(t) if viewed else t.clone() for t in tensors)).clone()
        return tensors[0].copy_(result) if index in self.rewritten else result


class Substituted(nn.Module):
    """A network whose calls in a table are carried out by modules of its own.

    `calls` holds them in order; `count` is that of all calls. The shared network stays outside the module
    tree, so nothing that walks over modules or parameters can reach it.
    """

    def __init__(self, model: nn.Module, inputs: Tensor, choose: Choice) -> None:
        """Run the network once to make the modules.

        Args:
            model: network in eval mode.
            inputs: (B, ...), only its first item is run.
            choose: which calls to replace, and by what.
        """
        super().__init__()
        self._shared = (tape.unwrap(model),)  # in a tuple: not registered as a child
        self._before = ExitStack()
        self._watch: Doubts | None = None
        self._as_it_was()
        self._rewritten = _rewritten(model, inputs)
        swap = self._first(choose, inputs[:1])
        if self._as_it_was():  # the calls of an observer hang on what it has seen: let it see the same
            swap = self._first(choose, inputs)
        self._made, self._of, self.count = swap.made, swap.of, swap.count
        self.calls = nn.ModuleList(swap.made.values())
        self.eval()

    def module_at(self, index: int) -> nn.Module:
        """The module that stands for one call of `calls_of`."""
        return self._made[index]

    def replace(self, change: Callable[[nn.Module], nn.Module]) -> None:
        """Let another module, made from the one that did, carry out each call."""
        self._made = {index: change(module) for index, module in self._made.items()}
        self.calls = nn.ModuleList(self._made.values())

    def _first(self, choose: Choice, inputs: Tensor) -> _Swap:
        swap = _Swap(choose, None, self._rewritten)
        with torch.no_grad(), refusing(inputs), swap:
            self._shared[0](inputs.clone())
        return swap

    def _as_it_was(self) -> bool:
        """Give the network the buffers that its passes have written; whether there are any."""
        self._before.close()
        wrote = self._watch is not None and bool(self._watch.written)
        self._watch = self._before.enter_context(left_alone(self._shared[0]))
        return wrote

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, ...) -> logits (B, classes)."""
        self._as_it_was()
        swap, given = _Swap(_nothing, self._made, self._rewritten, self._of), inputs.clone()
        with refusing(inputs), swap:
            output = self._shared[0](given)
        if swap.count != self.count:
            raise ModelError(_UNLIKE)
        return outputs_in(output, len(inputs))


def _nothing(index: int, func: Any) -> None:
    return None


def rectifiers() -> dict[Any, Maker]:
    """Every form of ReLU and of ReLU with a ceiling -> the module that does the same."""

    def maker(func: Any) -> Maker:
        def make(*args: Any, **kwargs: Any) -> nn.Module | None:
            ceiling = ceiling_of(func, args, kwargs)
            if ceiling is None:
                return None
            return nn.ReLU() if ceiling == math.inf else ClippedReLU(ceiling)

        return make

    return {func: maker(func) for func in FUNCTIONS}


def functions(calls: Iterable[Call], keep: Callable[[Call], bool]) -> list[str]:
    """Sorted names of the functions of the calls that `keep` picks."""
    return sorted({call.function for call in calls if keep(call)})
