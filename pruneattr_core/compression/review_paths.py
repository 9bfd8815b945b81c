"""Do teacher and student decide through the same neurons? Overlap where their layers correspond."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pruneattr_core.brief import brief
from pruneattr_core.likeness import jaccard
from pruneattr_core.same import same
from pruneattr_core.scoring import contributions


@dataclass(frozen=True, eq=False)
class Overlap:
    """Critical paths of one student against its teacher.

    Attributes:
        names: activation calls that correspond, in order.
        jaccard: float64 (sparsities, calls, B); nan where both paths are empty.
        reason: why calls are left out, or "".
        nbytes: of the numbers.
    """

    names: tuple[str, ...]
    jaccard: Tensor
    reason: str

    __repr__ = brief
    __eq__ = same

    @property
    def nbytes(self) -> int:
        """Bytes of the numbers."""
        return int(self.jaccard.nbytes) + 1000


def correspondence(
    teacher: Sequence[tuple[int, ...]],
    student: Sequence[tuple[int, ...]],
    kept: Sequence[Sequence[int]] = (),
) -> dict[int, Tensor | None]:
    """Which activation calls can be compared, and how.

    Calls are matched by their order. A call of equal shape corresponds as it is (None); one with fewer
    channels corresponds through the list of the teacher's channels that were kept. Channels of a network that
    was trained anew correspond to nothing, so calls that differ in shape without such a list are left out.

    Args:
        teacher: shape (C, ...) per call.
        student: likewise.
        kept: per call, the teacher's channels in the student's order; empty where nothing was cut.

    Returns:
        Call -> None, or the teacher's channels (C_student,).
    """
    found: dict[int, Tensor | None] = {}
    if len(teacher) != len(student):
        return found
    for call, (one, other) in enumerate(zip(teacher, student, strict=True)):
        channels = kept[call] if call < len(kept) else ()
        if one == other:
            found[call] = None
        elif one[1:] == other[1:] and len(channels) == other[0] and max(channels, default=0) < one[0]:
            found[call] = torch.tensor(list(channels))
    return found


def path_overlap(
    teacher: nn.Module,
    student: nn.Module,
    inputs: Tensor,
    targets: Sequence[int],
    sparsities: Sequence[float],
    kept: Sequence[Sequence[int]] = (),
) -> Overlap:
    """Jaccard |A and B| / |A or B| per corresponding call between the critical paths of two networks.

    Both paths keep the same fraction of their own network's neurons, ranked network-wide by Taylor
    contribution (PG2 eq. 3). Neurons that the student lacks count as not kept by it, and lie in the union
    where the teacher kept them.

    Args:
        teacher: in eval mode.
        student: likewise.
        inputs: (B, C, H, W), the same for both.
        targets: B classes.
        sparsities: fractions removed.
        kept: see `correspondence`.
    """
    wanted = torch.tensor(list(targets))
    one, other = contributions(teacher, inputs, wanted), contributions(student, inputs, wanted)
    shapes = [[tuple(layer.shape[1:]) for layer in found.layers] for found in (one, other)]
    pairs = correspondence(shapes[0], shapes[1], kept)
    if not pairs:
        return Overlap(
            (), torch.empty(len(sparsities), 0, len(targets)), _reason(len(shapes[0]), len(shapes[1]))
        )
    levels = []
    for left, right in zip(one.paths(sparsities), other.paths(sparsities), strict=True):
        levels.append(torch.stack([_jaccard(left.layers[k], right.layers[k], pairs[k]) for k in pairs]))
    missing = len(shapes[0]) - len(pairs)
    reason = "" if not missing else f"{missing} of {len(shapes[0])} calls differ in shape and are left out."
    return Overlap(tuple(one.names[k] for k in pairs), torch.stack(levels), reason)


def _jaccard(teacher: Tensor, student: Tensor, channels: Tensor | None) -> Tensor:
    """(B,) float64."""
    if channels is not None:
        whole = torch.zeros_like(teacher)
        whole[:, channels.to(teacher.device)] = student
        student = whole
    both, either = (teacher & student).flatten(1).sum(1), (teacher | student).flatten(1).sum(1)
    return jaccard(both, either, empty=math.nan).cpu()


def _reason(teacher: int, student: int) -> str:
    if teacher != student:
        return f"The networks have {teacher} and {student} activation calls: their layers do not correspond."
    return (
        "No layer has the same shape, and no channels were carried over: a student trained anew has neurons "
        "of its own."
    )


def kept_by_call(teacher: nn.Module, kept: Mapping[str, Sequence[int]]) -> list[Sequence[int]]:
    """The kept channels in the order of the activation calls, for `correspondence`.

    Args:
        teacher: a network in which one activation follows every convolution, in the order of its modules.
        kept: convolution -> the teacher's channels that the student kept.
    """
    return [kept.get(name, ()) for name, module in teacher.named_modules() if isinstance(module, nn.Conv2d)]
