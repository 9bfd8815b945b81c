"""Progress of any method, and a way to stop it: every activation call of every pass is counted.

What computes a map may be ours, Captum's or Zennit's; what they have in common is that they run the network.
A thread-local mode sees each activation call on the way, so nothing has to be told to the methods, and
stopping acts within one layer of one pass.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch.overrides import TorchFunctionMode

from pruneattr_core.activations import activation_of
from pruneattr_core.own_functions import OwnFunctions

#: Takes the share of the work that is done, in [0, 1]; what it raises, as `errors.Cancelled`, stops the work.
Progress = Callable[[float], None]


class _Count(TorchFunctionMode):
    def __init__(self, progress: Progress, expected: float) -> None:
        super().__init__()
        self.own_functions = OwnFunctions()
        self.progress, self.expected, self.seen = progress, max(1.0, expected), 0
        self.raised: Exception | None = None

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        inside = self.own_functions.around(sys._getframe(1))
        found = None if inside else activation_of(func, args, kwargs or {})
        if found is not None:
            self.seen += len(found.before)
            self.tell(share_done(self.seen / self.expected))
        return func(*args, **(kwargs or {}))

    def tell(self, share: float) -> None:
        """What `progress` raises is raised at every call after it too: a pass may be tried another way."""
        try:
            if self.raised is None:
                self.progress(share)
        except Exception as error:
            self.raised = error
        if self.raised is not None:
            raise self.raised


def share_done(ratio: float) -> float:
    """Share of the work done, from what was seen relative to what was expected; always below 1."""
    return 0.9 * ratio if ratio <= 1 else 1 - 0.1 / ratio


@contextmanager
def watched(progress: Progress | None, expected: float) -> Iterator[None]:
    """Report every activation call of this thread while inside.

    Args:
        progress: called with a share that never falls, and with 1 at the end; may raise to stop. None for
            nobody who wants to know.
        expected: activation calls times inputs of one pass, times passes.
    """
    if progress is None:
        yield
        return
    with _Count(progress, expected) as count:
        try:
            yield
        except Exception:
            if count.raised is None:
                raise
    if count.raised is not None:
        raise count.raised  # as it is, not as what a network does that refuses its inputs
    progress(1.0)
