"""What the C library keeps of memory that is free again (glibc); elsewhere nothing is done."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

#: `M_ARENA_MAX` of glibc's malloc.h.
_ARENAS = -8
#: Seconds without work after which freed memory goes back to the system, see `Rest`.
TIDY = 2.0


def one_heap() -> None:
    """Let the threads that begin from now on share one heap; glibc gives each its own.

    What a thread frees stays in its heap, so that those of many hold several times what is in use.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(_ARENAS, 1)


def give_back() -> None:
    """Return freed memory to the system where the C library keeps it for later (glibc); nothing elsewhere.

    Loading networks and dropping them leaves as much again as the largest of them in its heap otherwise.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


class Rest:
    """Gives freed memory back once nothing has been computed for a while.

    The C library keeps what a computation frees for the next one: after one sweep of a network on
    photographs that is twice what all its results take.

    Args:
        working: whether something is being computed.
    """

    def __init__(self, working: Callable[[], bool]) -> None:
        """Begin nothing yet."""
        self._working = working
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def begin(self) -> None:
        """Memory was freed: give it back in a while, unless work has begun by then."""
        with self._lock:
            if self._timer is None and not self._working():
                self._timer = threading.Timer(TIDY, self._end)
                self._timer.daemon = True
                self._timer.start()

    def cancel(self) -> None:
        """Give nothing back any more."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()

    def _end(self) -> None:
        with self._lock:
            self._timer = None
        if not self._working():  # else the end of that work begins a rest
            give_back()
