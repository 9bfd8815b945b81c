"""Nodes of the autograd graph: which made a value, which a gradient reaches, and where it goes no further."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import torch
from torch import Tensor

#: (node of the autograd graph, place among its inputs) to which its backward gives nothing.
Silent = Collection[tuple[Any, int]]


def cut_off(result: Any, given: Iterable[Tensor]) -> bool:
    """Whether a result is one of what went in, in the same memory, without its gradient, as by `detach`."""
    if not isinstance(result, Tensor) or (result.requires_grad and not ends_here(result)):
        return False
    place = result.untyped_storage().data_ptr()
    return any(one.requires_grad and one.untyped_storage().data_ptr() == place for one in given)


#: Functions that are constant wherever they have a derivative.
_FLAT = {f"{name}Backward{i}" for name in ("Round", "Floor", "Ceil", "Trunc", "Sign") for i in (0, 1)}


def is_end(node: Any) -> bool:
    """Whether an operation has no derivative (those of quantised layers), or 0 for one (rounding, sign)."""
    if node is None:
        return False
    name = node.name()
    return name in _FLAT or "NotImplemented" in type(node).__name__ + name


def ends_here(made: Tensor) -> bool:
    """Whether a gradient does not go back through what was just made."""
    if not made.requires_grad or is_end(made.grad_fn):
        return True
    # A view says that it requires one, as what it is a view of does, and under no_grad has none all the same.
    return made.grad_fn is None and made._is_view() and not torch.is_grad_enabled()


def node_of(tensor: Tensor) -> Any:
    """The node of the autograd graph that made a tensor; that collects its gradient, for a leaf."""
    if tensor.grad_fn is not None:
        return tensor.grad_fn
    if not tensor.requires_grad:
        return None
    with torch.inference_mode(False), torch.enable_grad():  # the network may be under neither
        view = tensor.view_as(tensor).grad_fn
    return None if view is None else view.next_functions[0][0]


def _before(node: Any, silent: Silent) -> list[Any]:
    """Nodes to which a node hands a gradient on."""
    following = () if is_end(node) else enumerate(node.next_functions)
    return [one for place, (one, _) in following if one is not None and (node, place) not in silent]


def reached(*starts: Any, silent: Silent = ()) -> set[Any]:
    """Every node of the autograd graph that a gradient from these nodes reaches."""
    found, waiting = set(), [start for start in starts if start is not None]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(_before(node, silent))
    return found


def reaching(ends: Collection[Any], nodes: Collection[Any], silent: Silent = ()) -> set[Any]:
    """Those of these nodes of the autograd graph from which a gradient reaches one of `ends`; these, too."""
    after: dict[Any, list[Any]] = {}
    for node in nodes:
        for before in _before(node, silent):
            after.setdefault(before, []).append(node)
    found, waiting = set(), list(ends)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(after.get(node, ()))
    return found
