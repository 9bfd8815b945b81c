"""One forward pass kept for several backward passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from pruneattr_core import tape
from pruneattr_core.connected import check_connected
from pruneattr_core.deriving import refuse_derivative
from pruneattr_core.errors import InputError, ModelError
from pruneattr_core.heads import Head, head_of
from pruneattr_core.opening import Opening
from pruneattr_core.response import Asked, resolved
from pruneattr_core.runtime import chunks
from pruneattr_core.selection import masked

#: Activations and what autograd keeps of them, in bytes per byte of input (ResNet-50: 190, ResNet-8: 290).
BYTES_PER_INPUT_BYTE = 300


def bytes_each(inputs: Tensor) -> int:
    """Rough memory one input of this batch needs in a forward and backward pass."""
    return inputs[0].numel() * inputs.element_size() * BYTES_PER_INPUT_BYTE


def forward_chunks(count: int, inputs: Tensor, copies: int = 1) -> Iterator[slice]:
    """Slices of `range(count)` for passes that go forward only.

    On the CPU a pass is kept to a quarter of the budget a core, for two to eight of them (a photograph or
    two; six on eight cores): larger results of a layer are mapped anew by every pass and their pages cleared.

    Args:
        count: of pictures, or of sets of them.
        inputs: (B, ...), says size and device of one.
        copies: pictures in a set.
    """
    each = copies * bytes_each(inputs)
    if inputs.device.type == "cpu":
        return chunks(count, 4 * each // min(max(2, torch.get_num_threads()), 8), inputs)
    return chunks(count, each // 2, inputs)  # nothing is kept for a backward pass


#: Powers of 2 by which float16 gradients are raised, the first by which none overflows.
_POWERS = (14, 7, 0)
#: Share of a gradient that may be lost in float16, above its rounding.
_LOST = 0.05


class Graph:
    """A recorded forward pass and the response, ready to be differentiated.

    Attributes:
        record: activations and logits, attached to the graph.
        asked: what is explained of every input.
        target: (B,) int64, the class whose probability is read.
        head: how the outputs are read.
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: Tensor,
        target: Tensor | Asked | None = None,
        *,
        gate: tape.Gate | None = None,
        to_input: bool = True,
        class_scores: bool = False,
        finite: bool = True,
    ) -> None:
        """Run the network once.

        Args:
            model: network in eval mode.
            inputs: checked batch (B, ...).
            target: classes (B,) int64, or another response; None for the predicted classes.
            gate: changes activations on the way (see `tape.run`).
            to_input: whether gradients will reach the input. Without it the backward pass ends at the
                first activation, which spares the stem.
            class_scores: whether class scores count as neurons (see `tape.run`).
            finite: whether to refuse answers that are not.
        """
        with torch.inference_mode(False), torch.enable_grad():
            self._leaf = _fast_layout(model, inputs).detach().clone().requires_grad_(to_input)
            # A clone, since a network may work in place on what it is given.
            given = self._leaf.clone()
            self._opening = Opening()
            self.record = tape.run(
                model,
                given,
                gate if to_input else _cut(gate),
                class_scores=class_scores,
                opening=self._opening,
            )
            logits = self.record.logits
            if gate is None and not to_input:
                tape.see_companions(model, inputs, logits)
            if finite and not bool(torch.isfinite(logits).all()):
                raise InputError("The model answers with NaN or infinite logits for these inputs.")
            self.asked = resolved(logits, target)
            self.target = self.asked.target
            self.head: Head = head_of(model, logits, self.asked.head, self.record.normalised)
            values = self.asked.of(logits)
            if finite and not bool(torch.isfinite(values).all()):
                raise InputError(
                    f"The response {self.asked.response.name!r} is NaN or infinite for these inputs."
                )
            self._objective = values.sum()
            check_connected(self._objective, self._leaf, self.record)

    def activation_gradients(self, calls: Sequence[int] | None = None) -> list[Tensor]:
        """D f / d activation, one (B, *shape) per call; zeros where the response f does not depend on it.

        Rectifiers of class scores are passed (see `Opening`).

        Args:
            calls: the backward pass ends at the first of these; None for all.

        Raises:
            ModelError: the network takes a derivative through neurons.
        """
        refuse_derivative(self.record.doubts.derived)
        all_of_them = self.record.activations
        activations = all_of_them if calls is None else [all_of_them[call] for call in calls]
        wanted = [a for a in activations if a.requires_grad]
        with self._opening:
            found = iter(self._gradients(wanted))
        gradients = [next(found) if a.requires_grad else None for a in activations]
        return [torch.zeros_like(a) if g is None else g for a, g in zip(activations, gradients, strict=True)]

    def input_gradient(self, masks: Sequence[Tensor] | None = None) -> Tensor:
        """D f / d input, contiguous, of the shape of the inputs.

        Args:
            masks: bool per call; where False no gradient passes, i.e. the neuron is a constant
                (mode freeze, SCP section 3.1). None lets all pass.
        """
        pairs = zip(self.record.activations, masks, strict=True) if masks is not None else ()
        handles = [a.register_hook(_pass_only(m)) for a, m in pairs if a.requires_grad]
        try:
            (gradient,) = self._gradients([self._leaf])
        finally:
            for handle in handles:
                handle.remove()
        found = torch.zeros_like(self._leaf) if gradient is None else gradient
        return as_given(found, self._leaf.dtype).contiguous()

    def check_room(self) -> None:
        """See that the gradients have room in float16, for what takes them as they are.

        Raises:
            InputError: some vanish or overflow.
        """
        wanted = [one for one in (self._leaf, *self.record.activations) if one.requires_grad]
        if not self._halves:
            return
        for plain, raised in zip(self._gradients(wanted, (0,)), self._gradients(wanted), strict=True):
            if plain is None or raised is None:
                continue
            if not bool(plain.isfinite().all()):
                raise InputError(
                    "The gradients of this response are too large for float16, in which the network "
                    "computes: they overflow on their way. Give it in float32, as model.float(), or in "
                    "bfloat16."
                )
            if _lost(plain, raised):
                raise InputError(
                    "The gradients of this response are too small for float16, in which the network "
                    "computes: they vanish on their way. Give it in float32, as model.float(), or in "
                    "bfloat16; prunegrad, which raises them meanwhile, takes it as it is."
                )

    @property
    def _halves(self) -> bool:
        on_the_way = (self._leaf, *self.record.activations, self.record.logits)
        return any(one.dtype == torch.float16 for one in on_the_way)

    def _gradients(
        self, wanted: Sequence[Tensor], powers: Sequence[int] | None = None
    ) -> list[Tensor | None]:
        """Of the objective; where float16 is on the way, raised by a power of 2 meanwhile.

        Below 6e-8 there is nothing in float16, which a small response's gradients are.
        """
        halves = self._halves
        found: list[Tensor | None] = []
        for power in (powers or _POWERS) if halves else (0,):
            # A number needs no 1 to start from, and checking one imports sympy: a second of the first map.
            raised = torch.full_like(self._objective, 2.0**power) if power else None
            found = list(
                torch.autograd.grad(self._objective, wanted, raised, retain_graph=True, allow_unused=True)
            )
            if power == 0 or all(bool(one.isfinite().all()) for one in found if one is not None):
                break
        return [one if one is None or not halves else one.float().mul_(2.0**-power) for one in found]


def as_given(found: Tensor, dtype: torch.dtype) -> Tensor:
    """A map in the precision of its inputs.

    Raises:
        InputError: it has no room there.
    """
    made = found.to(dtype)
    if dtype == torch.float16 and found.dtype != dtype and _lost(made.float(), found):
        raise InputError(
            "The values of this map have no room in float16, in which the inputs are: they vanish or "
            "overflow. Give the network and the inputs in float32 or bfloat16."
        )
    return made


def _lost(rounded: Tensor, exact: Tensor) -> bool:
    """Whether values have lost more than rounding; what is not finite is told of elsewhere."""
    if not bool(exact.any()) or not bool(exact.isfinite().all()):
        return False
    return not bool((rounded - exact).double().norm() <= _LOST * exact.double().norm())


def _pass_only(mask: Tensor) -> Callable[[Tensor | None], Tensor | None]:
    def passed(gradient: Tensor | None) -> Tensor | None:
        # None comes from a function of the author's own that says it has no derivative.
        return None if gradient is None else masked(gradient, mask)

    return passed


def _cut(gate: tape.Gate | None) -> tape.Gate:
    """Start the graph at the activations that nothing recorded precedes."""

    def start(index: int, activation: Tensor) -> Tensor:
        if not activation.is_floating_point() and not activation.is_complex():
            raise ModelError(
                f"The network computes neurons in {activation.dtype}, which has no gradient. Give it as it "
                "was before it was quantised."
            )
        if index == 0 or not activation.requires_grad:
            activation = activation.detach().requires_grad_()
        return activation if gate is None else gate(index, activation)

    return start


def _fast_layout(model: nn.Module, inputs: Tensor) -> Tensor:
    if tape.roles_of(model, inputs)[0].fast:
        return inputs.contiguous(memory_format=torch.channels_last)
    return inputs
