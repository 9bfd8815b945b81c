"""What every data set offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pruneattr_core.brief import brief


@dataclass(frozen=True, eq=False)
class Sample:
    """One picture with what is known about it.

    Attributes:
        image: RGB.
        name: within its data set.
        labels: every class that is right for it, as indices into the data set's `classes`; may be empty.
        mask: True (H, W) on the labelled object, the size of the picture; None where nobody drew one.
        credit: whom to thank for the picture, or "".
    """

    image: Image.Image
    name: str
    labels: tuple[int, ...] = ()
    mask: NDArray[np.bool_] | None = None
    credit: str = ""

    __repr__ = brief

    @property
    def label(self) -> int | None:
        """The first label, or None."""
        return self.labels[0] if self.labels else None


class Dataset(Protocol):
    """A sequence of samples in a fixed order, decoded when asked for.

    Attributes:
        id: what `load_dataset` takes.
        title: for people.
        classes: names for the labels; empty where there are none.
        problems: file name -> one sentence, for files that were left out.
    """

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def title(self) -> str: ...  # noqa: D102
    @property
    def classes(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def problems(self) -> Mapping[str, str]: ...  # noqa: D102

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample:
        """The sample at `index`; negative ones count from the end.

        Raises:
            IndexError: there is none.
            ImageError: the picture is damaged behind its header.
        """
        ...

    def name(self, index: int) -> str:
        """The name of the sample at `index`, also of a damaged one: no file is decoded for it."""
        ...

    def data_hash(self) -> str:
        """SHA-256, in hexadecimal, that changes when the data set does."""
        ...


def left_out(problems: Mapping[str, str]) -> str:
    """How many files a data set left out, and why the first three; "" where it left out none."""
    if not problems:
        return ""
    why = " ".join(list(problems.values())[:3])
    return f"{len(problems)} {'file was' if len(problems) == 1 else 'files were'} left out: {why}"
