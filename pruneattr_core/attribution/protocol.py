"""One protocol for all methods: model, inputs and target in, a map out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pruneattr_core import tape
from pruneattr_core.arrays import as_numpy
from pruneattr_core.attribution.answering import answered
from pruneattr_core.attribution.calls import calls_of
from pruneattr_core.attribution.captum_methods import logits_of
from pruneattr_core.attribution.collapse import collapse
from pruneattr_core.attribution.options import checked
from pruneattr_core.attribution.support import any_network
from pruneattr_core.attribution.table import METHODS, meant
from pruneattr_core.attribution.watch import Progress, watched
from pruneattr_core.chance import noticed
from pruneattr_core.checks import Target, check_inputs
from pruneattr_core.errors import InputError, ModelError
from pruneattr_core.fitness import left_alone
from pruneattr_core.given import check_progress
from pruneattr_core.graph import Graph, bytes_each
from pruneattr_core.heads import Head, check_head, outputs_in
from pruneattr_core.one_of import is_one_of
from pruneattr_core.response import Asked, asked_of, joined, resolved
from pruneattr_core.runtime import chunks, own_modes
from pruneattr_core.values import Attribution


@own_modes()
def explain(
    model: nn.Module,
    inputs: Tensor,
    target: Target = None,
    method: str = "prunegrad",
    progress: Progress | None = None,
    head: Head | None = None,
    **options: Any,
) -> Attribution:
    """The map of one method, the same way for all of them.

    The model is left as it was, any number of threads may explain it at once, the global random state
    does not move, and in float64 on the CPU a batch equals its single images bit for bit.

    Args:
        model: classifier in eval mode.
        inputs: normalised batch (B, C, H, W); methods without a layer or window take any shape (B, ...).
        target: None for the predicted classes; int, list or tensor as in Captum; a response (`difference`,
            `group`, `region`); or a function of the outputs, (R, K) -> (R,).
        method: a key of `METHODS`.
        progress: called at every activation call of every pass with the share done, in [0, 1] and never
            falling (an estimate until the end); may raise `Cancelled`, which leaves no trace either.
        head: how the outputs are read, where a method reads probabilities; None for what is known or seen.
        **options: those of the method, see `METHODS[method].options`.

    Returns:
        Values of the shape of the inputs, or (B, 1, H, W) where the method has no channels; the targets;
        the method and every option, defaults included.

    Raises:
        InputError: an unknown method or option, a value out of range, inputs the model cannot take.
        TargetError: a target out of range.
        ModelError: training mode, no activations, or a network that the method does not fit.
        Cancelled: `progress` raised it.

    Example:
        >>> from pruneattr_core import explain, load_model, model_card
        >>> from pruneattr_core.datasets import load_dataset
        >>> model, card = load_model("scenes-net"), model_card("scenes-net")
        >>> inputs = card.preprocess(load_dataset("scenes")[3].image)
        >>> found = explain(model, inputs, method="integrated_gradients", steps=20)
        >>> found.values.shape, card.classes[int(found.target)]
        (torch.Size([1, 3, 128, 128]), 'star')
    """
    check_progress(progress)
    if not is_one_of(method, METHODS):
        raise InputError(f"Expected method in {', '.join(METHODS)}; got {method!r}.{meant(method)}")
    entry = METHODS[method]
    settings = checked(entry.title, entry.options, options)
    batch = check_inputs(model, inputs)
    chosen = asked_of(target, len(batch), None if head is None else check_head(head))
    with left_alone(tape.unwrap(model)):
        parts = list(chunks(len(batch), int(entry.memory * bytes_each(batch)), batch))
        goes_back = entry.backward and entry.passes > 0 and not entry.paths
        at_once = goes_back and len(batch) == 1 and entry.supports is any_network
        targets = [_asked(model, batch[part], chosen[part], at_once) for part in parts]
        if entry.supports is not any_network:
            calls_of(model, batch, again=True, taken=True)  # what was known of the network may be out of date
        if entry.passes > 1 and not entry.paths:
            tape.refuse_mixing(model, batch)  # its passes of one input are run in batches
        reason = entry.supports(model, batch)
        if reason:
            raise ModelError(f"{entry.title} does not fit this network: {reason}")
        if goes_back and not at_once:
            Graph(model, batch[:1], targets[0][:1])  # raises where the gradient ends on the way
        if goes_back and any(one.dtype == torch.float16 for one in model.parameters()):
            for part, own in zip(parts, targets, strict=True):
                Graph(model, batch[part], own).check_room()
        values = []
        passes = 0.0 if progress is None else entry.forwards(max(batch.shape[2:], default=1), **options) + 1
        with watched(progress, passes and passes * len(batch) * _activation_calls(model, batch)):
            for part, own in zip(parts, targets, strict=True):
                values.append(answered(entry, model, batch[part], own, settings))
    asked = joined(targets)
    record = settings if head is None else {**settings, "head": head}
    if not asked.plain:
        record = {**record, "response": asked.response.setting()}
    return Attribution(torch.cat(values), asked.target, method, record, asked, batch.detach())


def _activation_calls(model: nn.Module, inputs: Tensor) -> int:
    return sum(call.activation for call in calls_of(model, inputs))


def _asked(model: nn.Module, inputs: Tensor, asked: Asked, goes_back: bool) -> Asked:
    """What is explained of inputs; `goes_back`: their gradient is seen to go all the way in the same pass."""
    if goes_back:
        return Graph(model, inputs, asked).asked
    with torch.no_grad():
        return resolved(tape.run(model, inputs.clone()).logits, asked)


@own_modes()
def completeness_gap(model: nn.Module, inputs: Tensor, attribution: Attribution) -> Tensor | None:
    """How far the sum of a map is from what its method promises: (B,), signed, in units of the response f.

    sum of values - (f(x) - f(baseline)), or - f(x) for relevance methods.

    Args:
        model: the network that was explained.
        inputs: the inputs that were explained.
        attribution: what `explain` returned.

    Returns:
        None where the method promises nothing.
    """
    promise = METHODS[attribution.method].completeness
    if promise is None:
        return None
    with torch.no_grad(), noticed(), left_alone(tape.unwrap(model)):
        forward, rows = logits_of(model), len(inputs)
        logits = outputs_in(forward(inputs), rows)
        asked = resolved(logits, attribution.target if attribution.asked is None else attribution.asked)
        expected = asked.of(logits)
        if promise == "difference":
            reference = torch.full_like(inputs, float(attribution.settings["baseline"]))
            expected = expected - asked.of(outputs_in(forward(reference), rows))
    return attribution.values.flatten(1).sum(1) - expected


def explain_func(
    model: nn.Module,
    inputs: np.ndarray | Tensor,
    targets: np.ndarray | Tensor | int | None,
    method: str = "prunegrad",
    reduce: str | None = None,
    **options: Any,
) -> np.ndarray:
    """`explain` in the shape of a Quantus `explain_func`: arrays in, an array out.

    Args:
        model: classifier in eval mode.
        inputs: (B, C, H, W) array or tensor; moved to the model's device and dtype.
        targets: (B,) or one class, None for the predicted ones.
        method: a key of `METHODS`.
        reduce: a rule of `collapse` for one channel, "signed_max" say; None keeps all channels.
        **options: of the method; Quantus' own `device` is accepted and ignored, the model's counts.

    Returns:
        (B, C, H, W), or (B, 1, H, W) when reduced or where the method has no channels.

    Example:
        >>> quantus.MaxSensitivity()(  # doctest: +SKIP
        ...     model, x, y, explain_func=explain_func, explain_func_kwargs={"method": "prunegrad"}
        ... )
    """
    options.pop("device", None)
    like = next(model.parameters(), torch.zeros(()))
    batch = torch.as_tensor(inputs).to(like.device, like.dtype)
    chosen = targets if targets is None or isinstance(targets, int) else torch.as_tensor(targets)
    values = explain(model, batch, chosen, method, **options).values
    if reduce is not None:
        values = collapse(values, reduce).unsqueeze(1)
    return as_numpy(values)
