"""What is explained: one number per input, made of the network's outputs.

A `Response` says it for any network and input; asked of a batch, and with "the predicted class" and "the
runner-up" filled in from the outputs, it is an `Asked`, which computes the number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from pruneattr_core import heads
from pruneattr_core.classes import one_each, optional_classes
from pruneattr_core.company import row_by_row, said_of
from pruneattr_core.errors import InputError, TargetError
from pruneattr_core.given import check_held
from pruneattr_core.heads import Head
from pruneattr_core.runlength import mask_of, runs
from pruneattr_core.selection import rows_at

Kind = Literal["class", "difference", "group", "region", "custom"]

#: Stands for a class that only the outputs tell: the predicted one, or the runner-up.
_OPEN = -(1 << 62)


@dataclass(frozen=True, eq=False)
class Response:
    """A rule that makes one number of a network's outputs; made by the functions below.

    Attributes:
        kind: "class", "difference", "group", "region" or "custom".
        target: of "class", "difference" and "region": one class, or one per input; None for the predicted
            one. Of "group": its classes.
        against: of "difference": what is subtracted; None for the runner-up.
        mask: of "region": bool (H, W), or (B, H, W) with one per input.
        function: of "custom": (R, K, ...) outputs -> (R,), row by row.
        name: of "custom", for people and records.
    """

    kind: Kind
    target: tuple[int, ...] | None = None
    against: tuple[int, ...] | None = None
    mask: Tensor | None = None
    function: Callable[[Tensor], Tensor] | None = None
    name: str = ""

    def setting(self) -> dict[str, Any]:
        """This response in JSON values, for records; `from_setting` reads it back."""
        record: dict[str, Any] = {"response": self.kind}
        if self.kind != "custom":
            record["target"] = None if self.target is None else list(self.target)
        if self.kind == "difference":
            record["against"] = None if self.against is None else list(self.against)
        if self.mask is not None:
            record["mask"] = runs(self.mask)
        if self.kind == "custom":
            record["name"] = self.name
        return record


def difference(
    target: int | Sequence[int] | None = None, against: int | Sequence[int] | None = None
) -> Response:
    """Score of one class minus that of another: why this *instead of* that.

    Args:
        target: the class, or one per input; None for the predicted one.
        against: what it is compared with; None for the runner-up, the strongest other class.

    Example:
        >>> pruneattr_core.difference(3, 1).setting()  # explain(model, inputs, difference(3, 1))
        {'response': 'difference', 'target': [3], 'against': [1]}
    """
    return Response("difference", optional_classes("target", target), optional_classes("against", against))


def group(classes: Sequence[int]) -> Response:
    """Mean score of several classes, all dogs say; one that is named again counts once.

    Raises:
        InputError: no class is named.

    Example:
        >>> pruneattr_core.group([0, 3]).setting()  # explain(model, inputs, group([0, 3]))
        {'response': 'group', 'target': [0, 3]}
    """
    found = tuple(dict.fromkeys(optional_classes("classes", classes) or ()))
    if not found:
        raise InputError("A group needs at least one class, got none.")
    return Response("group", found)


def region(mask: Tensor, target: int | Sequence[int] | None = None) -> Response:
    """Mean score of one class over a region, for networks that answer a map (B, K, H, W).

    Args:
        mask: bool (H, W) of the size of the answer, or (B, H, W) with one per input.
        target: the class, or one per input; None for the one that is strongest in the region.

    Raises:
        InputError: the mask is not boolean, has another number of dimensions, is empty or without values.

    Example:
        >>> pruneattr_core.region(torch.ones(4, 4, dtype=torch.bool), 1).kind
        'region'
    """
    check_held("region", mask)
    told = f"{getattr(mask, 'dtype', type(mask).__name__)} {tuple(getattr(mask, 'shape', ()))}"
    if "torch.bool" not in told or mask.ndim not in (2, 3) or not bool(mask.flatten(-2).any(-1).all()):
        raise InputError(
            f"Expected a region as a boolean mask (H, W) or (B, H, W), a position in each, got {told}."
        )
    return Response("region", optional_classes("target", target), mask=mask.detach())


def custom(function: Callable[[Tensor], Tensor], name: str = "") -> Response:
    """Any function (R, K, ...) outputs -> (R,), computed row by row: batches may be cut or repeated."""
    return Response("custom", function=function, name=name or getattr(function, "__name__", "function"))


def from_setting(record: Mapping[str, Any]) -> Response:
    """The response that `Response.setting` wrote.

    Raises:
        InputError: it is none, or a function, which no record can hold.
    """
    kind = record.get("response")
    if kind == "custom":
        raise InputError(
            f"The response {record.get('name', '')!r} was a Python function, which a record cannot hold. "
            "Give the function again."
        )
    try:
        target, against = (
            optional_classes("target", record["target"]),
            optional_classes("against", record.get("against")),
        )
        if kind == "group" and target is not None:
            return group(target)
        if kind == "region":
            return region(mask_of(record["mask"]), target)
        if kind in ("class", "difference"):
            return Response(kind, target, against)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"This is no response that was recorded ({error}).") from error
    raise InputError(f"This is no response that was recorded: its kind is {kind!r}.")


@dataclass(frozen=True, eq=False)
class Asked:
    """A response asked of every row of a batch.

    Attributes:
        response: what is asked.
        target: (B,) int64: the class whose probability is read, where there is one; -1 where there is none.
        against: (B,) int64 of a difference, else None.
        mask: of a region, bool (B, H, W), else None.
        head: how the outputs shall be read; None for what is known or seen of the network.
    """

    response: Response
    target: Tensor
    against: Tensor | None = None
    mask: Tensor | None = None
    head: Head | None = None

    def __len__(self) -> int:
        """Number of rows B."""
        return len(self.target)

    def __getitem__(self, part: slice | int) -> Asked:
        """The same for some rows (one row is still a batch)."""
        return self._map(lambda values: values[rows_at(part, len(self))])

    def repeat(self, times: int) -> Asked:
        """The same for the whole batch repeated, as `Tensor.repeat` does."""
        return self._map(lambda values: values.repeat(times, *[1] * (values.ndim - 1)))

    def cpu(self) -> Asked:
        """The same on the CPU."""
        return self._map(Tensor.cpu)

    def _map(self, change: Callable[[Tensor], Tensor]) -> Asked:
        against = None if self.against is None else change(self.against)
        mask = None if self.mask is None else change(self.mask)
        return replace(self, target=change(self.target), against=against, mask=mask)

    @property
    def plain(self) -> bool:
        """Whether it is a class, as Captum's targets."""
        return self.response.kind == "class"

    @property
    def linear(self) -> bool:
        """Whether it is a weighted sum of class scores, see `terms`."""
        return self.response.kind in ("class", "difference", "group")

    def terms(self) -> list[tuple[Tensor, float]]:
        """A linear response as (classes (B,), weight) pairs."""
        if self.against is not None:
            return [(self.target, 1.0), (self.against, -1.0)]
        if self.response.kind == "group":
            members = self.response.target or ()
            return [(torch.full_like(self.target, k), 1 / len(members)) for k in members]
        return [(self.target, 1.0)]

    def of(self, logits: Tensor) -> Tensor:
        """The number explained: (R,) for outputs (R, K, ...) of R = B rows, differentiable.

        Raises:
            InputError: a function that returns something else.
        """
        if self.linear:
            parts = [logits.gather(1, k.unsqueeze(1)).squeeze(1) * weight for k, weight in self.terms()]
            return torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]
        if self.mask is not None:
            return self._over_region(logits, self.target)
        function = self.response.function
        values = None if function is None else said_of(function, logits, self.response.name)
        if not isinstance(values, Tensor) or values.numel() != len(logits) or not values.is_floating_point():
            given = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise InputError(
                f"Expected the response {self.response.name!r} to return one number per input, "
                f"({len(logits)},) floats for outputs {tuple(logits.shape)}; got {given}."
            )
        if len(logits) > 1 and function is not None:
            row_by_row(function, logits, values, self.response.name)
        return values.reshape(len(logits))

    def _over_region(self, values: Tensor, target: Tensor) -> Tensor:
        assert self.mask is not None
        inside = self.mask.to(values)
        channel = values[torch.arange(len(values), device=values.device), target]
        return (channel * inside).sum((1, 2)) / inside.sum((1, 2))

    def probability(self, logits: Tensor, head: Head) -> Tensor:
        """What the head reads for it, (R,): of the class, of any class of a group, mean over a region.

        A group has the sum of its probabilities where one class is answered, else the largest of them. A
        function of maps has no class; its own value stands in.
        """
        if self.response.kind == "custom" and logits.ndim != 2:
            return self.of(logits)
        read = heads.probabilities(logits, head)
        if self.mask is not None:
            return self._over_region(read, self.target)
        if self.response.kind == "group":
            members = read[:, list(self.response.target or ())]
            return members.sum(1) if heads.exclusive(logits, head) else members.amax(1)
        return read.gather(1, self.target.unsqueeze(1)).squeeze(1)

    def prediction(self, logits: Tensor, head: Head) -> Tensor:
        """(R,) int64, the class answered: of the largest output, over a region of the largest mean.

        One output answers 0 (no) or 1 (yes); 0 also for a single value. -1 where a function reads maps.
        """
        if self.mask is not None and (logits.shape[1] > 1 or head == "values"):
            return _strongest(logits, self.mask)
        if self.mask is not None:
            return self._likely(logits, head).long()
        if logits.ndim != 2:
            return torch.full_like(self.target, -1)
        if logits.shape[1] == 1:
            return heads.yes(logits, head).squeeze(1).long()
        return logits.argmax(1)

    def changed(self, logits: Tensor, original: Tensor, head: Head) -> Tensor:
        """Bool (R,): whether the answer is another than the original network's, about what is explained.

        Where one class is answered: another class. Where each is by itself: the yes or no of the explained
        one. Values are no answers that could change.
        """
        if head == "values" or (self.response.kind == "custom" and logits.ndim != 2):
            return torch.zeros_like(self.target, dtype=torch.bool)
        if logits.shape[1] > 1 and heads.exclusive(original, head):
            return self.prediction(logits, head) != self.prediction(original, head)
        return self._likely(logits, head) != self._likely(original, head)

    def _likely(self, logits: Tensor, head: Head) -> Tensor:
        return self.probability(logits, head) > 0.5


#: What every public function takes as its target.
Target = int | Sequence[int] | Tensor | Response | Asked | Callable[[Tensor], Tensor] | None


def asked_of(target: Target, batch: int, head: Head | None = None) -> Asked:
    """A target as every public function takes it, for `batch` inputs.

    Args:
        target: None for the predicted classes; classes; a response; or a function of the outputs.
        batch: number of inputs.
        head: how the outputs shall be read; None for what is known or seen of the network.

    Raises:
        TargetError: another number of classes than inputs.
        ArgumentTypeError: neither classes nor a response nor a function.
    """
    if isinstance(target, Asked):
        found = target._map(lambda values: one_each(values, batch, "target"))
        return found if head is None else replace(found, head=head)
    if callable(target) and not isinstance(target, Tensor):
        target = custom(target)
    if not isinstance(target, Response):
        target = Response("class", optional_classes("target", target))
    if target.kind in ("group", "custom"):
        return Asked(target, _spread(None, batch), head=head)
    given = target.mask
    mask = None if given is None else one_each(given if given.ndim == 3 else given[None], batch, "region")
    against = _spread(target.against, batch) if target.kind == "difference" else None
    return Asked(target, _spread(target.target, batch), against, mask, head)


def _spread(classes: tuple[int, ...] | None, batch: int) -> Tensor:
    chosen = torch.tensor([_OPEN] if classes is None else list(classes), dtype=torch.int64)
    return one_each(chosen, batch, "target")


def resolved(logits: Tensor, asked: Asked | Tensor | None) -> Asked:
    """What is asked, with the classes that only the outputs tell filled in, on their device.

    Args:
        logits: (B, K, ...) of the original network.
        asked: from `asked_of`; classes (B,) int64; or None for the predicted classes.

    Raises:
        TargetError: a class that the network does not have.
        InputError: the outputs are maps and no region or function says what of them is explained.
    """
    logits = logits.detach()
    if asked is None or isinstance(asked, Tensor):
        asked = Asked(Response("class"), _spread(None, len(logits)) if asked is None else asked)
    asked = asked._map(lambda values: values.to(logits.device))
    kind, count = asked.response.kind, logits.shape[1]
    if kind == "region":
        return _of_region(logits, asked)
    if logits.ndim != 2:
        if kind == "custom":
            return replace(asked, target=torch.full_like(asked.target, -1))
        raise InputError(
            f"This network answers maps, {tuple(logits.shape)}: say what of them is explained by "
            "region(mask, target) (--region of a command) or by a function of the outputs."
        )
    if kind == "group":
        members = torch.tensor(asked.response.target, device=logits.device)
        _check_classes(members, count)
        return replace(asked, target=members[logits[:, members].argmax(1)])
    target = torch.where(asked.target == _OPEN, logits.argmax(1), asked.target)
    _check_classes(target, count)
    if asked.against is None:
        return replace(asked, target=target)
    if count < 2:
        raise TargetError("A difference needs two classes, and this model has one output.")
    others = logits.scatter(1, target.unsqueeze(1), -torch.inf)
    against = torch.where(asked.against == _OPEN, others.argmax(1), asked.against)
    _check_classes(against, count)
    if bool((same := against == target).any()):
        raise TargetError(
            f"A difference needs two classes, got class {int(target[same][0])} twice. Name another one."
        )
    return replace(asked, target=target, against=against)


def _of_region(logits: Tensor, asked: Asked) -> Asked:
    assert asked.mask is not None
    if logits.ndim != 4 or tuple(logits.shape[2:]) != tuple(asked.mask.shape[1:]):
        raise InputError(
            f"The region is {tuple(asked.mask.shape[1:])} but the model answers {tuple(logits.shape)}. "
            "Give a mask of the height and width of the answer."
        )
    target = torch.where(asked.target == _OPEN, _strongest(logits, asked.mask), asked.target)
    _check_classes(target, logits.shape[1])
    return replace(asked, target=target)


def _strongest(logits: Tensor, mask: Tensor) -> Tensor:
    return (logits * mask.to(logits).unsqueeze(1)).sum((2, 3)).argmax(1)


def _check_classes(classes: Tensor, count: int) -> None:
    wrong = classes[(classes < 0) | (classes >= count)]
    if wrong.numel():
        raise TargetError(f"Target {int(wrong[0])} does not exist: this model has classes 0 to {count - 1}.")


def joined(parts: Sequence[Asked]) -> Asked:
    """What is asked of a batch that was computed in parts."""
    against = [part.against for part in parts if part.against is not None]
    mask = [part.mask for part in parts if part.mask is not None]
    return replace(
        parts[0],
        target=torch.cat([part.target for part in parts]),
        against=torch.cat(against) if against else None,
        mask=torch.cat(mask) if mask else None,
    )
