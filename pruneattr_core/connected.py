"""Whether a gradient goes from a response to all that it was computed from."""

from __future__ import annotations

from typing import Any, NoReturn

import torch
from torch import Tensor

from pruneattr_core.errors import ModelError
from pruneattr_core.fitness import Doubts, End
from pruneattr_core.hooks import has_changed, hooked, is_around
from pruneattr_core.nodes import Silent, node_of, reached, reaching
from pruneattr_core.own_functions import made_by
from pruneattr_core.tape import Record

#: Operations by which weights act on values, as autograd names their nodes.
_LEARNED = (
    *("Convolution", "deform_conv", "Addmm", "MmBackward", "Linear", "Trilinear", "Rnn"),
    *("BatchNorm", "LayerNorm", "GroupNorm"),
)


_ADVICE = (
    "Remove torch.no_grad or detach there, give torch.autograd.grad create_graph=True, or use the "
    "floating-point network of a quantised one; rounding, signs, choices and what goes through numpy, lists "
    "or numbers of Python have no derivative."
)
_PART = "The response depends differentiably on part of the network only:"


def _silenced(response: Tensor, wanted: list[Tensor], doubts: Doubts) -> set[tuple[Any, int]]:
    """Where functions of an author's own give None as a gradient, which only a backward pass shows.

    Raises:
        ModelError: hooks of the network change gradients on the way.
    """
    nodes = reached(node_of(response))
    own = [node for node in nodes if made_by(node)]
    around = [node for node in nodes if is_around(node)]
    found: set[tuple[Any, int]] = set()
    changed: list[str] = doubts.hooks.changed

    def look(node: Any) -> Any:
        def hook(before: tuple[Any, ...], after: tuple[Any, ...]) -> None:
            if any(one is not None for one in after):
                found.update((node, place) for place, one in enumerate(before) if one is None)

        return node.register_hook(hook)

    def look_around(node: Any) -> Any:
        def hook(before: tuple[Any, ...], after: tuple[Any, ...]) -> None:
            if has_changed(after, before):
                changed.append(hooked(doubts.modules))

        return node.register_hook(hook)

    if (own or around or doubts.hooks.some) and wanted:
        handles = [*map(look, own), *map(look_around, around)]
        try:
            torch.autograd.grad(response, wanted, retain_graph=True, allow_unused=True)
        finally:
            for handle in handles:
                handle.remove()
    if changed:
        raise ModelError(
            f"A backward hook of {changed[-1]} changes gradients on their way, so that of the response is "
            "not the derivative of what the network answers. Take it off: what registered it gave a handle, "
            "which has remove()."
        )
    return found


def check_connected(response: Tensor, given: Tensor, record: Record) -> None:
    """See that a gradient goes from the response to all that it was computed from.

    Args:
        response: what is differentiated.
        given: what the network was given, attached if a gradient shall reach it.
        record: of the pass.

    Raises:
        ModelError: the response is not connected, or only through part of the network, or hooks change its
            gradient.
    """
    activations, doubts = record.activations, record.doubts
    if any("use_reentrant" in where for where in doubts.blind):
        raise ModelError(
            f"{doubts.blind[0]} hides its graph, so no gradient of part of the network can be taken. Switch "
            "gradient checkpointing off, or use use_reentrant=False."
        )
    attached = [a for a in activations if a.requires_grad]
    silent = _silenced(response, [*attached, *([given] if given.requires_grad else [])], doubts)
    nodes = reached(node_of(response), silent=silent)
    silences = [
        End(f"{made_by(node)}, whose backward gives None", (node.next_functions[place][0],))
        for node, place in silent
        if node in nodes
    ]
    if not nodes or all(node_of(one) not in nodes for one in ([given] if given.requires_grad else attached)):
        what = (
            "input" if given.requires_grad or not nodes or not attached else "neurons of " + record.names[0]
        )
        raise ModelError(
            f"The response does not depend differentiably on the {what}: the gradient ends at "
            f"{_first(response, record, silences)}. {_ADVICE}"
        )
    if doubts.blind:
        _refuse(f"the gradient ends at {doubts.blind[0]}")
    for end in (*doubts.ends, *silences):
        lost = reached(*end.nodes) - nodes
        if end.node in nodes and "NotImplemented" in end.node.name():
            _refuse(f"the gradient ends at {end.where}")
        if lost and any(node_of(a) in lost for a in attached):
            _refuse(f"the gradient ends at {end.where}")
    if given.requires_grad and not doubts.derived:  # a neuron's value may have no part in a derivative
        _check_neurons_reached(node_of(given), nodes, record, silent)
    starts = [given] if given.requires_grad else attached
    what = "the input" if given.requires_grad else "the neurons"
    _check_nothing_loose(what, {node_of(one) for one in starts}, nodes, record, silent, silences)


def _first(response: Tensor, record: Record, silences: list[End]) -> str:
    """Where a gradient that goes nowhere ends: at the first end whose values go on to the outputs."""
    if record.logits.requires_grad and not response.requires_grad:
        return "the response itself, which is computed without one"
    doubts, (there, _) = record.doubts, record.doubts.trail.of(record.logits)
    reaching_it = [end.where for place, end in enumerate(doubts.ends) if there >> place & 1]
    others = [end.where for end in (*silences, *doubts.ends)]
    return next(iter((*reaching_it, *others)), "an operation without one")


def _check_neurons_reached(given: Any, nodes: set[Any], record: Record, silent: Silent) -> None:
    """See that a gradient goes from the response to all neurons, and from them to the input.

    Args:
        given: node of the input.
        nodes: that the gradient reaches.
        record: of the pass.
        silent: see `nodes.Silent`.
    """
    doubts, joined = record.doubts, reaching([given], nodes, silent)
    for activation, (name, ends) in zip(record.activations, doubts.neurons, strict=True):
        node = node_of(activation)
        if node not in joined:
            before = f" to the input (it ends at {doubts.ends[ends - 1].where})" if ends else " to the input"
            way = before if node is None or node in nodes else " from the response to it"
            _refuse(f"the neurons of {name} act on it, but no gradient goes{way}")


def _check_nothing_loose(
    what: str, starts: set[Any], nodes: set[Any], record: Record, silent: Silent, silences: list[End]
) -> None:
    """See that nothing learned acts on values whose gradient has ended, of what is differentiated by.

    Args:
        what: that is: the input, or the neurons where the gradient goes no further.
        starts: its nodes.
        nodes: that the gradient reaches.
        record: of the pass.
        silent: see `nodes.Silent`.
        silences: the same as ends.
    """
    doubts = record.doubts
    ends, acts = doubts.trail.of(record.logits)
    loose = 0
    for place, end in enumerate((*doubts.ends, *silences)):
        counts = place >= len(doubts.ends) or ends >> place & 1
        behind = reached(*end.nodes) if counts else set()
        if starts.isdisjoint(behind):
            continue
        loose |= 1 << place
        chosen = place < len(doubts.ends) and doubts.ends[place].choice
        if not chosen and any(_acts(node) for node in (behind - nodes) & reaching(starts, behind)):
            _refuse(f"the gradient ends at {end.where}")
    joined = reaching(starts, nodes, silent) if loose else set()
    for place, act in enumerate(doubts.trail.acts):
        if acts >> place & 1 and act.ends & loose and act.node not in joined:
            end = next(end for i, end in enumerate(doubts.ends) if act.ends & loose & 1 << i)
            _refuse(f"{act.where} acts on it, but no gradient goes to {what} (it ends at {end.where})")


def _acts(node: Any) -> bool:
    return any(kind in node.name() for kind in _LEARNED)


def _refuse(why: str) -> NoReturn:
    raise ModelError(f"{_PART} {why}. {_ADVICE}")
