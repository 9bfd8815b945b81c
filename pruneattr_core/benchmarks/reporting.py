"""How far a cell has come: a word from inside a long one to whoever runs it, when somebody listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: Called with the share in [0, 1] of a cell that is done; what it raises stops the cell.
Listener = Callable[[float], None]

_LISTENER: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """While the block runs, `report` in this thread calls `listener`; other threads have their own."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def report(share: float) -> None:
    """Say that `share` of the cell is done."""
    if (listener := _LISTENER.get()) is not None:
        listener(share)
