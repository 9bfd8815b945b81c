"""A stranger's configuration makes a network no larger than the weights that came with it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from pruneattr_core.errors import ModelError

#: Values of parameters that this thread may still make; absent where nobody counts.
_left = threading.local()


@contextmanager
def at_most(values: int) -> Iterator[None]:
    """A context in which this thread can register parameters of so many values in all, and no more.

    A network is refused at the parameter that is too much, before its values are drawn: a configuration
    can ask for a million blocks, or for one of a terabyte.

    Raises:
        ModelError: a network of more values is made.
    """
    _watch()
    _left.values = values
    try:
        yield
    finally:
        del _left.values


@lru_cache(maxsize=1)
def _watch() -> None:
    # Once and for good: another thread that makes a network goes through the hooks at any moment.
    register_module_parameter_registration_hook(_count)


def _count(module: nn.Module, name: str, parameter: Any) -> None:
    if parameter is None or not hasattr(_left, "values"):
        return
    _left.values -= parameter.numel()
    if _left.values < 0:
        raise ModelError(
            f"The configuration makes a larger network than its weights are for (at {name} of a "
            f"{type(module).__name__}): choose a repository whose files belong together."
        )
