"""Functions with a derivative of their author's: inside of one nothing has a graph, it is one call."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import FrameType
from typing import Any

import torch

#: Packages whose functions are looked into: checkpointing runs parts of a network in one.
_OPEN = {"torch", "pruneattr_core"}


class OwnFunctions:
    """The `torch.autograd.Function`s that there are as this is made, but for PyTorch's and ours."""

    def __init__(self) -> None:
        """Look which there are."""
        self._names = dict(_forwards(torch.autograd.Function))

    def around(self, frame: FrameType | None) -> str:
        """Name of the one in whose `forward` a call is made, "" outside of all."""
        while self._names and frame is not None:
            if frame.f_code.co_name == "forward" and (name := self._names.get(id(frame.f_code))):
                return name
            frame = frame.f_back
        return ""


def transform() -> str:
    """What a call is inside of whose values are not those of one batch, as those of `torch.vmap`, or ""."""
    return "torch.func" if torch._C._are_functorch_transforms_active() else ""


def made_by(node: Any) -> str:
    """Name of the function whose node of the autograd graph this is, "" for PyTorch's and ours."""
    kind = getattr(type(node), "_forward_cls", None)
    return "" if kind is None or kind.__module__.partition(".")[0] in _OPEN else kind.__name__


def _forwards(kind: Any) -> Iterator[tuple[int, str]]:
    for one in kind.__subclasses__():
        yield from _forwards(one)
        if one.__module__.partition(".")[0] not in _OPEN:
            code = getattr(inspect.unwrap(one.forward), "__code__", None)
            yield id(code), one.__name__
