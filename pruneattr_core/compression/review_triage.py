"""Which pictures a reviewer sees first: those whose map changed most although the answer did not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.brief import brief
from pruneattr_core.errors import InputError
from pruneattr_core.one_of import is_one_of
from pruneattr_core.same import same

ORDERS = {
    "series": "As they come",
    "cosine": "Most deformed, cosine",
    "l2": "Most deformed, l2",
}
SHOWN = {
    "all": "All pictures",
    "right": "Both are right",
    "left": "Maximum left the mask",
    "changed": "Answer changed",
}
#: What a picture without labels or an answer gets as target.
NO_TARGET = -1


@dataclass(frozen=True, eq=False)
class Triage:
    """Numbers of n pictures and one student against its teacher; no maps.

    Attributes:
        target: int32 (n,), class explained, `NO_TARGET` where nothing was.
        labels: bool (n, classes): what the pictures show; all False where nobody said.
        cosine: (n,), similarity of the maps.
        l2: (n,), distance of the maps of norm 1.
        teacher_right: bool (n,): the teacher predicts the target, and it is a label where labels are known.
        student_right: bool (n,).
        teacher_point: (n,): whether the maximum lies in the mask; nan without a mask.
        student_point: (n,).
        problems: position -> why a picture could not be read.
    """

    target: NDArray[np.int32]
    labels: NDArray[np.bool_]
    cosine: NDArray[np.float32]
    l2: NDArray[np.float32]
    teacher_right: NDArray[np.bool_]
    student_right: NDArray[np.bool_]
    teacher_point: NDArray[np.float32]
    student_point: NDArray[np.float32]
    problems: dict[int, str]

    __repr__ = brief
    __eq__ = same

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.target)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(int(value.nbytes) for value in vars(self).values() if isinstance(value, np.ndarray))

    def matches(self, shown: str) -> NDArray[np.bool_]:
        """(n,): the pictures of one filter.

        right: teacher and student both predict the target correctly; AP measures deformation only there.
        left: of those, the teacher's maximum lies in the mask and the student's does not.
        changed: the teacher is right and the student is not.

        Raises:
            InputError: there is no such filter.
        """
        both = self.teacher_right & self.student_right
        if shown == "all":
            found = np.ones(len(self), bool)
        elif shown == "right":
            found = both
        elif shown == "left":
            found = both & (self.teacher_point >= 0.5) & (self.student_point < 0.5)
        elif shown == "changed":
            found = self.teacher_right & ~self.student_right
        else:
            raise InputError(f"Expected a filter out of {', '.join(SHOWN)}, got {shown!r}.")
        return np.asarray(found & (self.target != NO_TARGET))

    def order(self, by: str, shown: str = "all", target: int | None = None) -> list[int]:
        """Positions of the pictures that pass the filter, in the order asked for.

        Deformation is compared at equal correct prediction: pictures on which teacher and student are both
        right come first, from the most to the least deformed, then the others.

        Args:
            by: key of `ORDERS`.
            shown: key of `SHOWN`.
            target: only pictures explained for this class.

        Raises:
            InputError: an unknown order or filter.
        """
        if not is_one_of(by, ORDERS):
            raise InputError(f"Expected an order out of {', '.join(ORDERS)}, got {by!r}.")
        chosen = self.matches(shown)
        if target is not None:
            chosen &= self.target == target
        places = np.flatnonzero(chosen)
        if by == "series":
            return [int(place) for place in places]
        worse = -self.cosine if by == "cosine" else self.l2
        both = (self.teacher_right & self.student_right)[places]
        size = np.nan_to_num(worse[places], nan=-np.inf)
        ranked = np.lexsort((places, -size, ~both))
        return [int(place) for place in places[ranked]]

    def counts(self) -> dict[str, int]:
        """Filter -> how many pictures pass it."""
        return {shown: int(self.matches(shown).sum()) for shown in SHOWN}


def empty_triage(count: int, classes: int) -> dict[str, Any]:
    """The fields of a `Triage` of `count` pictures, to be filled chunk by chunk."""
    unknown = [np.full(count, np.nan, np.float32) for _ in range(4)]
    return {
        "target": np.full(count, NO_TARGET, np.int32),
        "labels": np.zeros((count, classes), bool),
        "cosine": unknown[0],
        "l2": unknown[1],
        "teacher_right": np.zeros(count, bool),
        "student_right": np.zeros(count, bool),
        "teacher_point": unknown[2],
        "student_point": unknown[3],
        "problems": {},
    }
