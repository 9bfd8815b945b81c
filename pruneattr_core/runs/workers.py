"""Parts of a long computation on several processes: any order, the same values."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing.connection import Connection, wait
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
        Whatever `function` raises; all other jobs are then left, as when the caller stops asking.
    """
    if workers == 1 or len(jobs) < 2:
        for job in jobs:
            yield job, function(job)
        return
    fresh = multiprocessing.get_context("spawn")  # a fork of a process that has begun CUDA or threads hangs
    count, (theirs, ours) = min(workers, len(jobs)), fresh.Pipe(duplex=False)
    with ours, theirs, ProcessPoolExecutor(count, fresh, _begin, (threads, count, theirs)) as pool:
        try:
            waiting = {pool.submit(function, job): job for job in jobs}
            for done in as_completed(waiting):
                yield waiting[done], done.result()
        except BaseException:  # an end that was asked for waits for no job that is being computed
            ours.close()
            pool.shutdown(cancel_futures=True)
            raise


def _begin(threads: int | None, count: int, line: Connection) -> None:
    MEMORY_BUDGET["cuda"] //= count  # one card for all; a CPU's batches stay, and with them the last bits
    if (parent := multiprocessing.parent_process()) is not None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent answers Ctrl-C, and closes the line
        threading.Thread(target=_end_with, args=((parent.sentinel, line),), daemon=True).start()
    if threads is not None:
        torch.set_num_threads(threads)


def _end_with(parent: Sequence[int | Connection]) -> None:
    """A killed parent leaves its workers waiting for ever: they end themselves."""
    wait(parent)
    os._exit(1)
