"""Long computations beside the page: started on request, watched from a fragment, cancelled by hand.

The worker's queue serves what a page waits for; a minute of optimisation there would block every other
session. These tasks run on a few threads of their own, and go on while their page is used.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, cast

from pruneattr_core.errors import Cancelled, PruneAttrError
from pruneattr_core.ui.worker import QUEUE_LIMIT, Job, Shelf, Work

#: Tasks that run at the same time.
LANES = 2
#: Seconds after which a session that stopped asking counts as gone (hidden tabs ask about once a minute).
PATIENCE = 150.0
#: Failed tasks remembered until somebody reads their message.
_FAILURES_KEPT = 32


@dataclass(eq=False)
class Task(Job):
    """A job with what a watcher needs.

    Attributes:
        viewers: session -> when it last asked (time.monotonic).
        started: when its thread took it, None while it waits.
        partial: the latest intermediate result, replaced as a whole by the work.
    """

    viewers: dict[str, float] = field(default_factory=dict)
    started: float | None = None
    partial: Any = None

    def tick(self, done: int, total: int) -> None:
        """Report progress; stop here when cancelled or when every viewer is gone.

        Raises:
            Cancelled: nobody wants the result.
        """
        now = time.monotonic()
        if all(now - last > PATIENCE for last in list(self.viewers.values())):
            self.cancelled.set()
        super().tick(done, total)

    @property
    def remaining(self) -> float | None:
        """Seconds left at the present pace; None before the first step."""
        if self.started is None or not self.done:
            return None
        return (time.monotonic() - self.started) / self.done * (self.total - self.done)


class Background:
    """Tasks by key on `LANES` threads; results go to a shelf."""

    def __init__(self, results: Shelf) -> None:
        """Start no thread yet."""
        self.results = results
        self.tasks: dict[Hashable, Task] = {}
        self.lock = threading.Lock()
        atexit.register(self.close)  # a thread inside torch while the interpreter ends aborts the process

    def close(self, seconds: float = 10.0) -> None:
        """Cancel everything and wait for the threads, at most so long for all of them."""
        with self.lock:
            tasks = list(self.tasks.values())
            for task in tasks:
                task.cancelled.set()
        end = time.monotonic() + seconds
        for task in tasks:
            if task.started is not None:
                task.finished.wait(max(0.0, end - time.monotonic()))

    def start(self, key: Hashable, work: Callable[[Task], Any], viewer: str) -> None:
        """Let `work` run for `viewer`, unless its result is there or it runs already.

        Args:
            key: explicit values that name the result.
            work: called with its task; reports through `Task.tick` and `Task.partial`.
            viewer: name of the session.

        Raises:
            PruneAttrError: too many tasks wait.
        """
        if self.results.get(key) is not None:
            return
        with self.lock:
            known = self.tasks.get(key)
            if known is not None and not known.finished.is_set() and not known.cancelled.is_set():
                known.viewers[viewer] = time.monotonic()
                return
            alive = [task for task in self.tasks.values() if not task.finished.is_set()]
            if len(alive) >= QUEUE_LIMIT:
                raise PruneAttrError(f"{len(alive)} long computations wait already. Try again in a minute.")
            task = Task(key, cast(Work, work), viewers={viewer: time.monotonic()})
            self.tasks[key] = task
            self._forget_failures()
            self._fill_lanes()

    def watch(self, key: Hashable, viewer: str) -> Task | None:
        """The unfinished or failed task for `key`, noting that `viewer` still looks."""
        with self.lock:
            task = self.tasks.get(key)
            if task is None or viewer not in task.viewers:
                return None
            task.viewers[viewer] = time.monotonic()
            return task

    def leave(self, key: Hashable, viewer: str) -> None:
        """`viewer` does not want the result (or has read the failure); the last one to leave cancels."""
        with self.lock:
            task = self.tasks.get(key)
            if task is None:
                return
            task.viewers.pop(viewer, None)
            if not task.viewers:
                task.cancelled.set()
                if task.started is None or task.finished.is_set():
                    del self.tasks[key]

    def place(self, task: Task) -> int:
        """Tasks that wait before this one; 0 when it runs."""
        if task.started is not None:
            return 0
        with self.lock:
            waiting = [other for other in self.tasks.values() if other.started is None]
            return waiting.index(task) + 1 if task in waiting else 0

    def _fill_lanes(self) -> None:
        running = sum(task.started is not None and not task.finished.is_set() for task in self.tasks.values())
        for task in self.tasks.values():
            if running >= LANES:
                return
            if task.started is None and not task.cancelled.is_set():
                task.started, running = time.monotonic(), running + 1
                threading.Thread(target=self._run, args=(task,), name="pruneattr-long", daemon=True).start()

    def _run(self, task: Task) -> None:
        try:
            task.result = task.work(task)
            self.results.put(task.key, task.result)
        except BaseException as error:
            # A traceback would keep the tensors of the computation alive.
            error.__traceback__ = None if isinstance(error, PruneAttrError) else error.__traceback__
            task.error = error
        with self.lock:
            task.finished.set()
            kept = task.error is not None and not isinstance(task.error, Cancelled) and task.viewers
            if not kept and self.tasks.get(task.key) is task:
                del self.tasks[task.key]
            self._fill_lanes()

    def _forget_failures(self) -> None:
        failed = [key for key, task in self.tasks.items() if task.finished.is_set()]
        for key in failed[:-_FAILURES_KEPT]:
            del self.tasks[key]
