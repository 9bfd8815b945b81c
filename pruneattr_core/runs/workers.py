"""Parts of a long computation on several processes: any order, the same values."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing.connection import wait
from typing import TypeVar

import torch

from pruneattr_core.runtime import MEMORY_BUDGET

Job = TypeVar("Job")
Result = TypeVar("Result")


def each(
    function: Callable[[Job], Result], jobs: Sequence[Job], workers: int = 1, threads: int | None = None
) -> Iterator[tuple[Job, Result]]:
    """(job, what `function` makes of it), as they come; in the order of `jobs` with one worker.

    Args:
        function: pure, and importable by name (or a partial of such) where there are several workers.
        jobs: what it is called with.
        workers: processes; 1 computes here.
        threads: of torch in each process; None leaves what it takes by itself.

    Raises:
        Whatever `function` raises; jobs that have not begun are then left.
    """
    if workers == 1 or len(jobs) < 2:
        for job in jobs:
            yield job, function(job)
        return
    fresh = multiprocessing.get_context("spawn")  # a fork of a process that has begun CUDA or threads hangs
    with ProcessPoolExecutor(count := min(workers, len(jobs)), fresh, _begin, (threads, count)) as pool:
        waiting = {pool.submit(function, job): job for job in jobs}
        try:
            for done in as_completed(waiting):
                yield waiting[done], done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _begin(threads: int | None, count: int) -> None:
    MEMORY_BUDGET["cuda"] //= count  # one card for all; a CPU's batches stay, and with them the last bits
    if (parent := multiprocessing.parent_process()) is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    if threads is not None:
        torch.set_num_threads(threads)


def _end_with(parent: int) -> None:
    """A killed parent leaves its workers waiting for ever: they end themselves."""
    wait([parent])
    os._exit(1)
