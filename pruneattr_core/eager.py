"""Compiled parts of a network, run as they were written while it is looked into.

A compiler looks at what is called once and for all, and would take our modes for a part of the network.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_guard = threading.Lock()
_inside = 0
_before: Any = None


@contextmanager
def eagerly() -> Iterator[None]:
    """What `torch.compile` made is called as it was written until the last thread inside has left.

    That holds for the process, of which PyTorch keeps one stance: other threads compute the same meanwhile,
    more slowly.
    """
    global _inside, _before
    compiler = sys.modules.get("torch._dynamo.eval_frame")  # nothing is compiled before it is loaded
    if compiler is None:
        yield
        return
    with _guard:
        if _inside == 0:
            _before = compiler._set_stance(compiler.DynamoStance("force_eager"))
        _inside += 1
    try:
        yield
    finally:
        with _guard:
            _inside -= 1
            if _inside == 0:
                compiler._set_stance(_before)
                _before = None
