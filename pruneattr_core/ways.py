"""What every activation call of a network is, found in passes that follow its values, and remembered."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from pruneattr_core.arranged import arrangement, note, settings_of
from pruneattr_core.chance import RandomState, chance_kept, moved, put_back, random_state, stirred, tell_moved
from pruneattr_core.company import (
    Precision,
    companies,
    graded,
    in_company,
    mixes,
    own_rows,
    refuse_chance,
    refuse_company,
    refuse_graded,
    refuse_memory,
)
from pruneattr_core.errors import ModelError, PruneAttrError
from pruneattr_core.exits import Entry, come_back
from pruneattr_core.fitness import left_alone
from pruneattr_core.flow import ELSEWHERE, Flow, Role, Roles, Unseen, without_changing_constants
from pruneattr_core.heads import outputs_in
from pruneattr_core.naming import numbered, owner_of
from pruneattr_core.nodes import node_of
from pruneattr_core.reaching import bends_in, ends_in, places_in
from pruneattr_core.recording import ENTRIES, Gate, Tape, forward, unwrap

_known: weakref.WeakKeyDictionary[nn.Module, dict[Any, tuple[Roles, ...]]] = weakref.WeakKeyDictionary()
_guard = threading.Lock()
#: Share of the largest logit by which another order of the same sums may move one, with room.
_ROUNDING = 1e-4
#: Input shapes remembered per network, and ways through it per shape.
_SHAPES, _WAYS = 8, 4


def roles_of(model: nn.Module, inputs: Tensor) -> tuple[Roles, ...]:
    """What every activation call is, for each way through the network that is known, the latest first.

    Found in one pass over the first input that follows what flows where, and remembered as long as the model
    lives and stays as it is arranged.

    Args:
        model: network in eval mode.
        inputs: (B, ...) as the model takes it; only the first is run.

    Raises:
        ArgumentTypeError: as `run`.
        ModelError: as `run`.
        InputError: as `run`.
    """
    return ways_of(unwrap(model), inputs)


def ways_of(network: nn.Module, inputs: Tensor) -> tuple[Roles, ...]:
    """As `roles_of`, of what is behind a model."""
    state = _state(network, inputs)
    with _guard:
        found = _known.get(network, {}).get(state)
    return found or (learn(network, inputs),)


def _state(network: nn.Module, inputs: Tensor) -> Any:
    return tuple(inputs.shape[1:]), inputs.dtype, inputs.device, arrangement(network)


@chance_kept()
def learn(network: nn.Module, inputs: Tensor) -> Roles:
    """Follow one pass and remember its way."""
    if any(m.training and getattr(m, "track_running_stats", False) for m in network.modules()):
        # Such a layer would count this batch before the tape could stop it.
        raise ModelError("The model is in training mode. Call model.eval() first.")
    before = settings_of(network)
    roles = _followed(network, inputs, frozenset())
    if roles.rewritten:
        roles = _followed(network, inputs, roles.rewritten)
    note(network, before)
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
        given = first.clone()  # which a network may normalise in place
        flow = Flow(network, given, lambda frame: owner_of(frame, names_of)[0])
        tape = Tape(network, None, clone=True, rewritten=rewritten, flow=flow)
        before = random_state()
        try:
            since = stirred()
            with flow:
                tape, logits = forward(tape, network, given, 1)
            moves = _refuse_chance(network, first, tape, since)
        except BaseException:
            put_back(before)
            raise
        if not moves:
            put_back(before)
        tape.entries = _entries(network, first, tape)
        roles = _by_value(network, first, tape, logits, flow.roles(tape.seen, logits))
        fast, loose, elsewhere = _takes_any_layout(network, first, tape, logits)
        mixed = False
        if not fast or tape.asks:
            mixed, loose, elsewhere = _mixes(network, first, tape, logits, flow.precision)
    unseen = flow.unseen(logits) or elsewhere
    names = numbered([name for name, _ in tape.calls])
    rewritten = rewritten | frozenset(flow.rewritten)
    spelled = tuple(tape.reader.said)
    written = frozenset(tape.doubts.written)
    found = tuple(tape.calls), names, roles, rewritten, unseen, spelled, written
    rest = loose, frozenset(tape.entries or ()), tape.doubts.derived
    return Roles(*found, fast, moves, tape.asks, mixed, *rest)


def _refuse_chance(network: nn.Module, first: Tensor, tape: Tape, since: RandomState) -> bool:
    """Whether passes move the random state, though the answer does not depend on it.

    Draws that no tape sees (of numpy, `torch.ops`, in C++) are seen by what they leave.
    """
    draws = tape.doubts.draws
    if not draws and not moved(since):
        return False
    tell_moved()
    refuse_chance(network, first, draws or [type(network).__name__])
    since = stirred()  # once more: it may have been another thread, or weights made in a first call
    again, _ = forward(_again(network, tape), network, first.clone(), 1)
    return bool(again.doubts.draws) or moved(since)


def _by_value(
    network: nn.Module, first: Tensor, tape: Tape, logits: Tensor, roles: Sequence[Role]
) -> tuple[Role, ...]:
    """The roles, where values went a way that no trace follows (through numpy, say): such calls are neurons.

    A "constant" that changes with the input comes from it; "unused" ones that change the output reach it.
    """
    found = tuple(roles)
    if "constant" in roles:
        again = _again(network, tape)
        other, _ = forward(again, network, first / 2, 1)
        if other.calls == tape.calls:
            found = without_changing_constants(roles, tape.seen, other.seen)
    unused = frozenset(call for call, role in enumerate(roles) if role == "unused")
    if unused:
        halved = _again(network, tape, lambda index, a: a / 2, unused)
        if not torch.equal(forward(halved, network, first.clone(), 1)[1], logits):
            found = tuple("neuron" if role == "unused" else role for role in found)
    return found


def _again(
    network: nn.Module,
    tape: Tape,
    gate: Gate | None = None,
    kept: Collection[int] | None = None,
    apart: bool = False,
    nudged: int | None = None,
) -> Tape:
    """For another pass of the way that a tape saw."""
    return Tape(
        *(network, gate, True, kept, tape.rewritten),
        spelled=tape.reader.said,
        apart=apart,
        nudged=nudged,
        entries=tape.entries,
    )


def _entries(network: nn.Module, first: Tensor, tape: Tape) -> frozenset[Entry]:
    """Where values come back that have left PyTorch."""
    seen = []
    for inputs in (first, first, first / 2, -first) if tape.asks else ():
        learning = _again(network, tape, kept=())
        learning.doubts.traffic.entries = None
        with suppress(Exception), torch.enable_grad(), left_alone(network):
            learning.doubts.graded = True
            forward(learning, network, graded(inputs), 1)
        seen.append(learning.doubts.traffic.seen)
    return come_back(seen) if seen else frozenset()


def _loose(network: nn.Module, first: Tensor, tape: Tape, found: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `found` that reach the answer: what is detached lies in the memory of what it was cut from.

    Passes of their own, since a network may write by that way into the memory that the two share. An answer
    may have nothing by what reaches it, as a softmax has by what shifts it; what stays off for one input may
    be on for another.
    """
    if not found:
        return ()

    def passed(given: Tensor, nudged: int | None = None) -> tuple[Tape, Tensor]:
        return forward(_again(network, tape, kept=(), apart=True, nudged=nudged), network, given, 1)

    sure: set[str] = set()
    with suppress(Exception), torch.enable_grad(), left_alone(network):
        for inputs in (first, -first):
            given = graded(inputs)
            start = node_of(given)
            again, answer = passed(given)
            for place, where in places_in(answer, start, again.doubts).items():
                if where not in sure:
                    left = again.doubts.traffic.out >> place & 1
                    moved = (passed(graded(inputs), ENTRIES if left else place)[1] - answer).abs().max()
                    sure |= set() if moved <= _ROUNDING * answer.abs().max() else {where}
        return tuple(one for one in found if one in sure)
    return found


def _elsewhere(answer: Tensor, tape: Tape) -> tuple[Unseen, ...]:
    """Activations in the graph of an answer that were computed where no mode of this thread sees them."""
    return tuple(Unseen("", f"{one}{ELSEWHERE}") for one in bends_in(answer) - tape.bent)


def _takes_any_layout(
    network: nn.Module, first: Tensor, tape: Tape, logits: Tensor
) -> tuple[bool, tuple[str, ...], tuple[Unseen, ...]]:
    """Whether the answer is the same, but for rounding, in other memory and company; loose; `_elsewhere`."""
    if first.ndim != 4 or first.dtype != torch.float32 or first.device.type == "mps":
        return False, (), ()
    several = in_company(first)
    with suppress(PruneAttrError), torch.enable_grad():
        beside = _again(network, tape, kept=())
        given = graded(several.contiguous(memory_format=torch.channels_last))
        start = node_of(given)  # before the network works in place on it
        _, both = forward(beside, network, given, len(several))
        alike = both.shape[1:] == logits.shape[1:]
        moved = (own_rows(both) - logits).abs().max() if alike else torch.inf
        same = beside.calls == tape.calls and bool(moved <= _ROUNDING * logits.abs().max())
        loose = _loose(network, first, tape, ends_in(both, start, beside.doubts))
        return same, loose, _elsewhere(both, beside)
    return False, (), ()


def _mixes(
    network: nn.Module, first: Tensor, tape: Tape, logits: Tensor, precision: Precision
) -> tuple[bool, tuple[str, ...], tuple[Unseen, ...]]:
    """Whether an answer depends on the rest of the batch, as values choose a way; loose; `_elsewhere`."""
    answers: list[Tensor] = []
    loose: tuple[str, ...] = ()
    elsewhere: tuple[Unseen, ...] = ()
    several = list(companies(first, tape.asks))
    # The first with gradients on, too, as maps are computed; some networks cannot be run so.
    for together, on in [*((one, True) for one in several[:1]), *((one, False) for one in several)]:
        # What fails takes one input at a time, or none like these, which is its own matter.
        with suppress(Exception), torch.set_grad_enabled(on):
            beside = _again(network, tape, kept=())
            given = graded(together)
            start = node_of(given)
            _, both = forward(beside, network, given, len(together))
            loose = loose or _loose(network, first, tape, ends_in(both, start, beside.doubts))
            elsewhere = elsewhere or _elsewhere(both, beside)
            if [name for name, _ in beside.calls] != [name for name, _ in tape.calls]:
                with left_alone(network):  # another way: as it is
                    both = outputs_in(network(graded(together)), len(together))
            answers.append(both.detach())
    if not mixes(logits, answers, precision):
        return False, loose, elsewhere
    refuse_memory(network, first)
    refuse_graded(network, first, logits, precision)
    if not tape.asks:
        refuse_company(network)
    return True, loose, elsewhere
