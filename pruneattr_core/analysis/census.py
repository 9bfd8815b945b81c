"""A census: which neurons of a network there are, and what of it no recording sees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pruneattr_core import tape
from pruneattr_core.brief import brief
from pruneattr_core.checks import check_inputs
from pruneattr_core.flow import Role, Unseen
from pruneattr_core.response import Target
from pruneattr_core.runtime import own_modes
from pruneattr_core.same import same
from pruneattr_core.scoring import contributions

_ROLES: dict[Role, str] = {
    "class score": "hold class scores, which nothing learned follows",
    "constant": "do not depend on the input",
    "folded": "do not have the batch as their first dimension",
    "unused": "do not reach the output",
}


@dataclass(frozen=True)
class Call:
    """One call of an activation function.

    Attributes:
        name: such as `layer3.2.relu#2`.
        shape: of one input's activation.
        role: "neuron", or why its values are none (see `flow.Role`).
    """

    name: str
    shape: tuple[int, ...]
    role: Role


@dataclass(frozen=True, eq=False)
class Census:
    """Neurons of a network and of B inputs.

    Attributes:
        calls: every activation call, in order.
        unseen: nonlinearities that no recording sees as activations: their values cannot be pruned.
        loose: calls whose values go on to the answer and whose gradient ends there, such as `detach`: what
            the input does by that way is in no map. Ways through numpy, lists or integers are not followed.
        neurons: of one input.
        dead: (B,) int64, neurons whose activation is 0.
        contributing: (B,) int64, neurons whose contribution is above 0.
    """

    calls: tuple[Call, ...]
    unseen: tuple[Unseen, ...]
    loose: tuple[str, ...]
    neurons: int
    dead: Tensor
    contributing: Tensor

    __repr__ = brief
    __eq__ = same

    @property
    def class_scores(self) -> tuple[str, ...]:
        """Names of the activation calls that hold class scores."""
        return tuple(call.name for call in self.calls if call.role == "class score")

    def words(self) -> list[str]:
        """Sentences for people: what was seen, and what was not."""
        counts = Counter(call.role for call in self.calls)
        lines = [f"{counts['neuron']} activation calls with {self.neurons:,} neurons."]
        lines += [f"{counts[role]} more {text}." for role, text in _ROLES.items() if counts[role]]
        return [line for line in (*lines, unseen_words(self.unseen), loose_words(self.loose)) if line]


def unseen_words(unseen: Sequence[Unseen]) -> str:
    """A sentence about nonlinearities that are no neurons, "" without any."""
    places = _some([f"{one.what} in {one.where or 'the network itself'}" for one in unseen])
    return f"Not seen as neurons: {places}." if unseen else ""


def loose_words(loose: Sequence[str]) -> str:
    """A sentence about values that reach the answer without their gradient, "" without any."""
    return (
        f"In no map is what the answer has by values whose gradient ends at {_some(loose)}." if loose else ""
    )


def _some(places: Sequence[str]) -> str:
    return ", ".join(places[:4]) + (f" and {len(places) - 4} more" if len(places) > 4 else "")


@own_modes()
def census(model: nn.Module, inputs: Tensor, target: Target = None, contribution: str = "taylor") -> Census:
    """Count the neurons of a network, and those that are dead or contribute for these inputs.

    Args:
        model: network in eval mode; left untouched.
        inputs: normalised batch (B, C, H, W).
        target: what is explained, as `contributions` takes it.
        contribution: how neurons are scored, see `contributions`.

    Raises:
        InputError: inputs that the model cannot take.
        ModelError: training mode.

    Example:
        >>> from pruneattr_core import census, load_model, model_card
        >>> from pruneattr_core.datasets import load_dataset
        >>> model, card = load_model("scenes-net"), model_card("scenes-net")
        >>> inputs = card.preprocess(load_dataset("scenes")[3].image)
        >>> found = census(model, inputs)
        >>> found.words()
        ['9 activation calls with 577,536 neurons.']
        >>> int(found.contributing) < found.neurons
        True
    """
    inputs = check_inputs(model, inputs)
    roles = tape.roles_of(model, inputs)[0]
    calls = tuple(
        Call(name, shape, role)
        for name, (_, shape), role in zip(roles.names, roles.calls, roles.roles, strict=True)
    )
    nobody = torch.zeros(len(inputs), dtype=torch.int64, device=inputs.device)
    if "neuron" not in roles.roles:
        return Census(calls, roles.unseen, roles.loose, 0, nobody, nobody)
    scores = contributions(model, inputs, target, contribution)
    dead = torch.stack([layer.flatten(1).sum(1) for layer in scores.dead]).sum(0)
    return Census(calls, roles.unseen, roles.loose, scores.neurons, dead, scores.contributing)
