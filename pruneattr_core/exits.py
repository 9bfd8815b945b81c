"""Values that leave PyTorch in a pass, by numpy, a list or a number of Python, and come back without a trace.

Nothing tells what is made of them outside. So passes of two inputs are laid side by side: what comes back
is what no trace explains, and other for another input.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

#: Calls by which values leave -> what that is.
EXITS: dict[Any, str] = {
    **dict.fromkeys((Tensor.numpy, Tensor.__array__), "numpy"),
    Tensor.tolist: "a list",
    **dict.fromkeys((Tensor.item, Tensor.__float__, Tensor.__int__, Tensor.__index__), "a number of Python"),
    Tensor.__bool__: "a truth value of Python",
    Tensor.__dlpack__: "DLPack",
    **dict.fromkeys((Tensor.untyped_storage, Tensor.data_ptr), "its memory"),
}


@dataclass(frozen=True)
class Entry:
    """A place where values come back.

    Attributes:
        module: name of the innermost module.
        func: what is called.
        line: of the code that calls it: its object and place.
        argument: which of what goes in: indices and names.
    """

    module: str
    func: str
    line: tuple[int, int]
    argument: tuple[Any, ...]


@dataclass
class Traffic:
    """What goes out and comes back in one pass.

    Attributes:
        entries: where values come back; None to learn it.
        seen: while it is learned: what stands there at each call.
        out: bit per end of a gradient that left.
        entering: arguments of the call being made that came back.
    """

    entries: Collection[Entry] | None
    seen: dict[Entry, list[Any]] = field(default_factory=dict)
    out: int = 0
    left: bool = False
    entering: tuple[tuple[Any, ...], ...] = ()

    @property
    def idle(self) -> bool:
        """Whether nothing comes back."""
        return self.entries is not None and not self.entries

    def look(
        self,
        where: Callable[[], str],
        frame: FrameType | None,
        func: Any,
        given: Any,
        traced: Callable[[Tensor], bool],
    ) -> None:
        """Look at a call that is about to be made, after values have left."""
        self.entering = ()
        loose = [(path, one) for path, one in _values(given) if not _explained(one, traced)]
        if not loose or frame is None:
            return
        place = where(), getattr(func, "__name__", str(func)), (hash(frame.f_code), frame.f_lasti)
        made = [(Entry(*place, path), path, one) for path, one in loose]
        if self.entries is None:
            for entry, _, one in made:
                self.seen.setdefault(entry, []).append(_print(one))
        else:
            self.entering = tuple(path for entry, path, _ in made if entry in self.entries)


def come_back(passes: Sequence[Mapping[Entry, list[Any]]]) -> frozenset[Entry]:
    """Where values come back that hang on the input.

    Args:
        passes: `Traffic.seen` of two passes of one input and of others.
    """
    one, again, *others = passes
    same = [entry for entry, values in one.items() if again.get(entry) == values]
    return frozenset(e for e in same if any(e in other and other[e] != one[e] for other in others))


def nudged(given: Any, paths: Collection[tuple[Any, ...]], factor: float, here: tuple[Any, ...] = ()) -> Any:
    """Arguments, with those of these paths moved, see `moved_by`."""
    if here in paths:
        return moved_by(given, factor)
    if isinstance(given, dict):
        return {key: nudged(one, paths, factor, (*here, key)) for key, one in given.items()}
    if type(given) in (list, tuple):
        return type(given)(nudged(one, paths, factor, (*here, i)) for i, one in enumerate(given))
    return given


def moved_by(one: Any, factor: float) -> Any:
    """Real numbers times a factor, whole ones plus 1; truth values as they are."""
    if isinstance(one, Tensor):
        if one.dtype == torch.bool or one.is_quantized:
            return one
        return one * factor if one.is_floating_point() or one.is_complex() else one + 1
    if isinstance(one, (bool, np.bool_)):
        return one
    return one + 1 if isinstance(one, (int, np.integer)) else one * factor


def _values(given: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(given, (Tensor, int, float, complex, np.ndarray, np.generic)):
        yield path, given
    elif isinstance(given, (list, tuple, dict)):
        pairs: Iterable[Any] = given.items() if isinstance(given, dict) else enumerate(given)
        for key, one in pairs:
            yield from _values(one, (*path, key))


def _explained(one: Any, traced: Callable[[Tensor], bool]) -> bool:
    return isinstance(one, Tensor) and (one.requires_grad or isinstance(one, nn.Parameter) or traced(one))


def _print(one: Any) -> Any:
    """What is equal for equal values."""
    try:
        if isinstance(one, Tensor):
            flat = one.detach().resolve_conj().resolve_neg().cpu().contiguous().reshape(-1)
            return tuple(one.shape), hash(flat.view(torch.uint8).numpy().tobytes())
        return (one.shape, one.tobytes()) if isinstance(one, np.ndarray) else repr(one)
    except Exception:  # sparse, quantised, on its way through a transform
        return None
