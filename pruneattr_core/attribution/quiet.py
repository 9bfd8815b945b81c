"""Silence named warnings of a library while it works, from any number of threads."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_inside = 0
_catcher: warnings.catch_warnings[None] | None = None

#: Said at every call by Captum, about hooks that here are set on private modules.
_MESSAGES = (
    r"Setting backward hooks on ReLU activations",
    r"Setting forward, backward hooks and attributes on non-linear",
)


@contextmanager
def quiet() -> Iterator[None]:
    """Ignore `_MESSAGES` until the last thread inside has left.

    `warnings.catch_warnings` alone restores a process-wide list, which threads would restore in the wrong
    order; here the first one in saves it and the last one out puts it back.
    """
    global _inside, _catcher
    with _lock:
        if _inside == 0:
            _catcher = warnings.catch_warnings()
            _catcher.__enter__()
            for message in _MESSAGES:
                warnings.filterwarnings("ignore", message=message)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0 and _catcher is not None:
                _catcher.__exit__(None, None, None)
                _catcher = None
