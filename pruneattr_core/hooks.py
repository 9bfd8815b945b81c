"""Hooks of backward passes: a network may have some that look, and none that change gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

#: What `register_full_backward_hook` and its like put around a module: the same values on both sides.
_AROUND = "BackwardHookFunctionBackward"


class Hooks:
    """Hooks that a network sets on its values in a pass.

    Attributes:
        some: whether it has set any.
        changed: where one gave another gradient than it got, in the backward passes since.
    """

    def __init__(self) -> None:
        """Begin a pass."""
        self.some = False
        self.changed: list[str] = []

    def looked_at(self, hook: Callable[[Tensor], Any], where: str) -> Callable[[Tensor], Any]:
        """The hook of a value, and a note if it changes something; `where` says in which module."""
        self.some, changed = True, self.changed

        def both(gradient: Tensor) -> Any:
            given = gradient.clone()
            found = hook(gradient)
            if not _alike(given, gradient if found is None else found):
                changed.append(where)
            return found

        return both


def is_around(node: Any) -> bool:
    """Whether a node of the autograd graph is where hooks of a module are called."""
    return bool(node.name() == _AROUND)


def has_changed(given: Sequence[Tensor | None], handed_on: Sequence[Tensor | None]) -> bool:
    """Whether hooks of a module gave other gradients than they got, at such a node."""
    pairs = zip(given, handed_on, strict=False)  # one that the module needs no gradient of comes last
    return any(one is not None and not _alike(one, other) for one, other in pairs)


def hooked(modules: Mapping[str, nn.Module]) -> str:
    """Names of the modules with hooks of backward passes; those of all modules have no place."""
    own = [(name, one) for name, one in modules.items() if one._backward_hooks or one._backward_pre_hooks]
    return ", ".join(name or type(one).__name__ for name, one in own[:3]) or "all modules"


def _alike(one: Tensor, other: Any) -> bool:
    return isinstance(other, Tensor) and one.shape == other.shape and torch.equal(one, other.to(one.dtype))
