"""How a network is arranged, but for its numbers: by which what was found out about its passes stands."""

from __future__ import annotations

import weakref
from collections.abc import Hashable, Iterator
from contextlib import suppress
from typing import Any

import torch.nn.modules.module as torch_module
from torch import Tensor, nn

_PLAIN = frozenset({bool, int, float, str, type(None)})
#: Entries up to which a dictionary or an object holds settings: others are vocabularies and caches.
_SETTINGS = 2000
#: What every module has; of it only what is named in `arrangement` says what a pass does.
_EVERY = frozenset(vars(nn.Module()))
#: Attributes that passes themselves set, as (place of the module, name): they say nothing of the next pass.
_noted: weakref.WeakKeyDictionary[nn.Module, frozenset[tuple[int, str]]] = weakref.WeakKeyDictionary()


class _Itself:
    """An object by what it is, held weakly: when it has gone, its number may be another's."""

    def __init__(self, one: Any) -> None:
        self._number, self._one = id(one), None
        with suppress(TypeError):  # there are kinds that cannot be held so
            self._one = weakref.ref(one)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Itself) or self._number != other._number:
            return False
        if self is other or self._one is None or other._one is None:
            return True
        there = self._one()
        return there is not None and there is other._one()

    def __hash__(self) -> int:
        return self._number


def arrangement(network: nn.Module) -> Hashable:
    """What is another where somebody has changed what a network does, by more than its weights.

    Its modules, their flags, sizes and functions, hooks that stand on them, and what was taken from them.
    """
    noted, told = _noted.get(network), set[int]()
    found: list[Hashable] = [
        *torch_module._global_forward_pre_hooks,
        None,
        *torch_module._global_forward_hooks,
    ]
    for place, module in enumerate(network.modules()):
        hooks = *module._forward_pre_hooks, None, *module._forward_hooks
        gone = [name for name, one in module._buffers.items() if one is None]
        settings = [pair for pair in _settings(module, told) if not noted or (place, pair[0]) not in noted]
        kind = type(module)
        forward = _Itself(getattr(kind, "forward", None))  # scripted ones have none there
        found.append((_Itself(module), kind, forward, module.training, hooks, *gone, *settings))
    return tuple(found)


def settings_of(network: nn.Module) -> dict[tuple[int, str], Hashable]:
    """What is set on its modules, (place, name) -> value: `note` takes it after passes."""
    modules, told = enumerate(network.modules()), set[int]()
    return {(place, name): value for place, module in modules for name, value in _settings(module, told)}


def note(network: nn.Module, before: dict[tuple[int, str], Hashable]) -> None:
    """Leave out, from now on, what was set since `settings_of` gave `before`: counters, sizes of a batch."""
    after = settings_of(network)
    moved = {key for key in before.keys() | after.keys() if before.get(key, note) != after.get(key, note)}
    if moved:
        _noted[network] = _noted.get(network, frozenset()) | moved


def _settings(module: nn.Module, told: set[int]) -> Iterator[tuple[str, Hashable]]:
    """What is set on a module, and on what it holds settings in, each of them once: `told` are the others."""
    for name, value in list(vars(module).items()):  # others may run the network meanwhile
        if name in _EVERY:
            continue
        kind = type(value)
        if kind in _PLAIN:
            yield name, value
        elif kind in (tuple, list):
            if all(type(one) in _PLAIN for one in value):
                yield name, tuple(value)
        elif callable(value):
            yield name, _Itself(value)
        elif id(value) not in told and not isinstance(value, nn.Module | Tensor):
            told.add(id(value))
            held = value if kind is dict else getattr(value, "__dict__", {})
            if len(held) <= _SETTINGS:
                yield name, tuple((key, one) for key, one in list(held.items()) if type(one) in _PLAIN)
