"""What the C library keeps of memory that is free again (glibc); elsewhere nothing is done."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

#: `M_ARENA_MAX` of glibc's malloc.h.
_ARENAS = -8


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
