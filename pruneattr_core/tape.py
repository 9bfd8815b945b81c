"""The tape: see, name and gate every activation of one forward pass, leaving nothing on the model.

Activations are read inside a `TorchFunctionMode`, whose stack is thread-local: any number of threads
may explain one shared model at once. The tape sees *calls*, so modules, functional forms, in-place
forms and modules used twice are all the same to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pruneattr_core.activations import ACTIVATIONS as ACTIVATIONS
from pruneattr_core.chance import chance_kept, tell_moved
from pruneattr_core.company import refuse_companions, refuse_company
from pruneattr_core.errors import InputError, ModelError
from pruneattr_core.fitness import Doubts
from pruneattr_core.flow import Roles
from pruneattr_core.opening import Opening
from pruneattr_core.recording import Gate as Gate
from pruneattr_core.recording import Joined as Joined
from pruneattr_core.recording import Tape, forward
from pruneattr_core.recording import unwrap as unwrap
from pruneattr_core.ways import learn, ways_of
from pruneattr_core.ways import roles_of as roles_of


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


@chance_kept()
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
        ModelError: training mode, or no activation was called.
        InputError: the model refuses inputs of this shape, dtype or device, or a gate sends it another way.
    """
    network, rows = unwrap(model), len(inputs) if rows is None else rows
    roles = _way(network, inputs)
    if roles.moves:
        tell_moved()
    if max(rows, len(inputs)) > 1:
        refuse_mixing(network, inputs)
    refusal: InputError | None = None
    for _ in range(2):
        try:
            tape, logits = _played(network, inputs, gate, rows, roles, class_scores, opening)
        except InputError as error:
            refusal, calls = error, None
        else:
            calls = tape.calls
        if calls is not None and roles.led_to(calls):
            if gate is None:
                see_companions(network, inputs, logits)
            return _record(tape, logits, roles, class_scores)
        # Another way than was known of the network, or than the gate leaves open.
        before, _ = roles, learn(network, inputs)
        roles = _way(network, inputs)
        if roles.calls == before.calls:
            break
    if refusal is None and _counts(network, inputs, roles):
        raise InputError(
            f"{type(network).__name__} calls other activations, or of other shapes, for several inputs than "
            "for one, so its neurons are not those of one input. Explain one input at a time."
        )
    raise refusal or InputError(
        "The pruned network took another way than the original: which activations it calls depends on "
        "their values, so its neurons cannot be compared. Explain a network without such branches."
    )


def _counts(network: nn.Module, inputs: Tensor, roles: Roles) -> bool:
    """Whether it is not the pruning but the number of inputs by which they take another way."""
    if len(inputs) == 1:
        return False
    with torch.inference_mode(False), torch.no_grad():
        tape, _ = forward(Tape(network, None, clone=True), network, inputs.clone(), len(inputs))
    return not roles.led_to(tape.calls)


def _way(network: nn.Module, inputs: Tensor) -> Roles:
    """The way that these inputs take, where several are known; it costs a pass then."""
    ways = ways_of(network, inputs)
    if len(ways) == 1:
        return ways[0]
    with torch.inference_mode(False), torch.no_grad():
        tape, _ = forward(Tape(network, None, clone=True), network, inputs.clone(), len(inputs))
    own = [way for way in ways if way.led_to(tape.calls)]
    return own[0] if own else ways[0]


def refuse_mixing(model: nn.Module, inputs: Tensor) -> None:
    """Refuse a network whose way depends on all that is in a batch, where several are to be run in one.

    Raises:
        ModelError: it is one.
    """
    network = unwrap(model)
    if any(way.mixes for way in ways_of(network, inputs)):
        refuse_company(network)


def see_companions(model: nn.Module, inputs: Tensor, logits: Tensor) -> None:
    """See that inputs have the outputs that they have alone, where a network asks for their values.

    Raises:
        ModelError: one has not.
    """
    network = unwrap(model)
    if len(inputs) > 1 and any(way.asks for way in ways_of(network, inputs)):
        refuse_companions(network, inputs, logits)


def _record(tape: Tape, logits: Tensor, roles: Roles, class_scores: bool) -> Record:
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
) -> tuple[Tape, Tensor]:
    """A pass that records what `roles` say, on copies where the network works in place on an activation."""
    kept = roles.kept(class_scores)
    if not kept:
        raise ModelError(roles.no_neurons(type(network).__name__))

    def play(clone: bool) -> tuple[Tape, Tensor]:
        known = frozenset(kept), roles.rewritten, None, opening, roles.spelled
        tape = Tape(
            *(network, gate, clone, *known),
            written=roles.written,
            moves=roles.moves,
            entries=roles.entries,
        )
        return forward(tape, network, inputs, rows)

    try:
        tape, logits = play(clone=False)
        in_place = tape.changed_in_place()
    except InputError:
        in_place = True  # perhaps: autograd refuses in-place work on what a gate returns
    return play(clone=True) if in_place else (tape, logits)
