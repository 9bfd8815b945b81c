"""One worker a device: jobs wait in a queue, can be cancelled, and their results are kept within bounds."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from pruneattr_core.errors import Cancelled, PruneAttrError

#: Jobs that may wait; beyond it a request is refused politely.
QUEUE_LIMIT = 24

Work = Callable[["Job"], Any]


@dataclass(eq=False)
class Job:
    """A piece of work with its progress.

    Attributes:
        key: explicit values that name the result.
        done: steps finished of `total`.
        note: what is being done, a few words.
        waiters: runs that wait for it; without any it is cancelled.
    """

    key: Hashable
    work: Work
    done: int = 0
    total: int = 1
    note: str = ""
    waiters: int = 0
    result: Any = None
    error: BaseException | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    finished: threading.Event = field(default_factory=threading.Event)

    def tick(self, done: int, total: int) -> None:
        """Report progress; stop here if nobody waits any more.

        Raises:
            Cancelled: the job was superseded.
        """
        self.done, self.total = done, total
        if self.cancelled.is_set():
            raise Cancelled("Superseded by a newer request.")


class Shelf:
    """Results by key, the least recently used going first once `limit` is exceeded.

    Args:
        limit: in the units of `size`.
        size: of one result; 1 each by default.
    """

    def __init__(self, limit: int, size: Callable[[Any], int] = lambda _: 1) -> None:
        """See the class."""
        self.limit, self.size = limit, size
        self.items: OrderedDict[Hashable, Any] = OrderedDict()
        self.lock = threading.Lock()

    def get(self, key: Hashable) -> Any:
        """The result, or None."""
        with self.lock:
            if key in self.items:
                self.items.move_to_end(key)
            return self.items.get(key)

    def put(self, key: Hashable, value: Any) -> None:
        """Keep a result; one too large for the shelf is not kept."""
        with self.lock:
            self.items[key] = value
            self.items.move_to_end(key)
            while self.items and sum(map(self.size, self.items.values())) > self.limit:
                self.items.popitem(last=False)


class Worker:
    """A thread that owns one device.

    The same key asked for by several runs is computed once; a job whose last waiter leaves is
    cancelled, in the queue or at its next `Job.tick`.
    """

    def __init__(self, results: Shelf) -> None:
        """Start the thread; finished results go to `results`."""
        self.results = results
        self.queue: deque[Job] = deque()
        self.running: Job | None = None
        self.change = threading.Condition()
        threading.Thread(target=self._loop, name="pruneattr-worker", daemon=True).start()

    def run(self, key: Hashable, work: Work, show: Callable[[Job, int], None], every: float = 0.05) -> Any:
        """The result for `key`, from the shelf or computed by `work` on the worker's thread.

        Args:
            key: explicit values that name the result.
            work: called with its job.
            show: called every few moments with the job and its place in the queue (0 = running); it may
                raise (a superseded Streamlit run does), which leaves the job.
            every: seconds between calls of `show`.

        Raises:
            PruneAttrError: the queue is full, or whatever `work` raised.
        """
        kept = self.results.get(key)
        if kept is not None:
            return kept
        job = self._join(key, work)
        try:
            while not job.finished.wait(every):
                show(job, self.place(job))
        finally:
            self._leave(job)
        if job.error is not None:
            raise job.error
        return job.result

    def place(self, job: Job) -> int:
        """Jobs to be finished before this one starts; 0 when it runs."""
        with self.change:
            if job not in self.queue:
                return 0
            return self.queue.index(job) + (self.running is not None)

    def _join(self, key: Hashable, work: Work) -> Job:
        with self.change:
            alive = [self.running, *self.queue] if self.running else list(self.queue)
            for job in alive:
                if job.key == key and not job.cancelled.is_set():
                    job.waiters += 1
                    return job
            if len(self.queue) >= QUEUE_LIMIT:
                raise PruneAttrError(
                    f"{len(self.queue)} computations are waiting for this device. Try again in a minute."
                )
            job = Job(key, work, waiters=1)
            self.queue.append(job)
            self.change.notify()
            return job

    def _leave(self, job: Job) -> None:
        with self.change:
            job.waiters -= 1
            if job.waiters == 0 and not job.finished.is_set():
                job.cancelled.set()
                if job in self.queue:
                    self.queue.remove(job)

    def _loop(self) -> None:
        while True:
            with self.change:
                while not self.queue:
                    self.change.wait()
                self.running = job = self.queue.popleft()
            try:
                job.result = job.work(job)
                self.results.put(job.key, job.result)
            except BaseException as error:
                error.__traceback__ = None if isinstance(error, Cancelled) else error.__traceback__
                job.error = error
            with self.change:
                self.running = None
            job.finished.set()
            del job
