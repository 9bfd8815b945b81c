"""The random state of the process: whether a network moves it, and how a caller's is put back."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

_outermost = threading.local()


class RandomState(NamedTuple):
    """Of PyTorch's generator on the CPU, numpy's and Python's."""

    torch: Tensor
    numpy: Any
    python: Any


def random_state() -> RandomState:
    """As it is now."""
    theirs = np.random.get_state()  # noqa: NPY002 -- that which networks draw from
    return RandomState(torch.get_rng_state(), theirs, random.getstate())


def put_back(state: RandomState) -> None:
    """Make it what it was."""
    torch.set_rng_state(state.torch)
    np.random.set_state(state.numpy)  # noqa: NPY002
    random.setstate(state.python)


def stirred() -> RandomState:
    """As it is after a draw from each: a network that seeds itself leaves what it left the time before."""
    torch.rand(1, device="cpu")
    np.random.random()  # noqa: NPY002
    random.random()
    return random_state()


def moved(since: RandomState) -> bool:
    """Whether somebody has drawn or seeded."""
    now = random_state()
    if not torch.equal(now.torch, since.torch) or now.python != since.python:
        return True
    return not all(np.array_equal(a, b) for a, b in zip(now.numpy, since.numpy, strict=True))


@contextmanager
def chance_kept() -> Iterator[None]:
    """Put the random state back at the end, if `tell_moved` was called meanwhile in this thread.

    Not in any case: what other threads have drawn would be drawn again.
    """
    if getattr(_outermost, "inside", False):
        yield
        return
    before, _outermost.inside, _outermost.moved = random_state(), True, False
    try:
        yield
    finally:
        _outermost.inside = False
        if _outermost.moved:
            put_back(before)


def tell_moved() -> None:
    """A network that is being run moves the random state."""
    _outermost.moved = True


@contextmanager
def noticed() -> Iterator[None]:
    """Tell whether a pass outside of any tape moves the random state."""
    before = random_state()
    try:
        yield
    finally:
        if moved(before):
            tell_moved()


@contextmanager
def drawn(seed: int) -> Iterator[None]:
    """All random numbers of the process begun anew from `seed`, and then as they were."""
    before = random_state()
    try:
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        random.seed(seed)
        yield
    finally:
        put_back(before)
