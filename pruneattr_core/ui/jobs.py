"""One engine for all work beside the pages: lanes, shared jobs, cancelling, partial results, one cache.

A job is named by its key. Who asks for a key that is being computed shares the job; it is cancelled when the
last viewer has left. A page either waits for a job (`Jobs.run`) or starts it and looks again (`Jobs.start`,
`Jobs.watch`). Nobody is refused: what waits is no more than what open pages ask for.
"""

from __future__ import annotations

import atexit
import math
import threading
import time
import uuid
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from cachetools import LRUCache

from pruneattr_core.errors import Cancelled, PruneAttrError
from pruneattr_core.heap import Rest
from pruneattr_core.leaving import staying

#: Threads a lane, the quickest first. "quick": what takes one pass, such as an answer; "coarse": a first look
#: at a map; "page": what a page waits for, seconds; "long": what is watched and cancelled by hand, minutes;
#: "fetch": a network that comes from a hub first, for as long as that takes.
LANES = {"quick": 1, "coarse": 1, "page": 1, "long": 2, "fetch": 4}
#: Work stands aside at each step for that of a quicker lane: so many seconds at most, and so many times what
#: the step took. A sweep beside fifty answers makes all fifty late, and is itself no sooner done.
ASIDE, _TIMES = 0.5, 3
#: Seconds after which a session that stopped asking counts as gone (hidden tabs ask about once a minute).
PATIENCE = 150.0
#: Seconds after which it counts as away: what only such sessions asked for stands aside, see `Job.unwatched`.
AWAY = 10.0
#: Failed jobs remembered until somebody reads their message.
_FAILURES_KEPT = 32


@dataclass(frozen=True)
class Failed:
    """What is kept in place of a result that there is none of: why, one sentence for the user."""

    text: str
    nbytes: int = 200


class Cache:
    """Results by key, the least recently used going first once `limit` is exceeded.

    Args:
        limit: in the units of `size`.
        size: of one result; 1 each by default.
    """

    def __init__(self, limit: int, size: Callable[[Any], int] = lambda _: 1) -> None:
        """See the class."""
        self.limit, self.size = limit, size
        self._items: LRUCache[Hashable, Any] = LRUCache(limit, getsizeof=size)
        self.waiting: set[int] = set()  # threads in which one waits for what another one computes
        self._lock = threading.Lock()
        self._busy: dict[Hashable, threading.Event] = {}

    def get(self, key: Hashable) -> Any:
        """The result, or None."""
        with self._lock:
            return self._items.get(key)

    def put(self, key: Hashable, value: Any) -> None:
        """Keep a result; one too large for the cache is not kept."""
        with self._lock:
            try:
                self._items[key] = value
            except ValueError:  # what cachetools says of it
                self._items.pop(key, None)

    def once(self, key: Hashable, compute: Callable[[], Any], wait: Callable[[], object] = bool) -> Any:
        """The result for `key`, computed by who asks first while the others wait; a failure is tried again.

        A computation may ask for what it rests on, never for what rests on it.

        Args:
            key: explicit values that name the result.
            compute: makes it; what it raises is the matter of this caller, and the next one computes.
            wait: called every few moments while another one computes; may raise to stop waiting. By default
                nothing happens then.
        """
        while True:
            with self._lock:
                kept, busy = self._items.get(key), self._busy.get(key)
                if kept is not None and not isinstance(kept, Failed):
                    return kept
                if busy is None:
                    mine = self._busy[key] = threading.Event()
                    break
            self.waiting.add(threading.get_ident())
            try:
                while not busy.wait(0.02):
                    wait()
            finally:
                self.waiting.discard(threading.get_ident())
        try:
            value = compute()
            self.put(key, value)
            return value
        finally:
            with self._lock:
                del self._busy[key]
            mine.set()

    def drop(self, key: Hashable) -> None:
        """Forget one result, if it is there."""
        with self._lock:
            self._items.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._items.clear()

    def names(self) -> list[Hashable]:
        """What is held; asking does not count as use."""
        with self._lock:
            return list(self._items)


@dataclass(eq=False)
class Job:
    """A piece of work with its progress.

    Attributes:
        key: explicit values that name the result.
        work: called with the job on a thread of its lane.
        lane: key of `LANES`.
        viewers: who wants it -> when it last asked (time.monotonic), infinite for a page that waits.
        started: when its thread took it, None while it waits.
        thread: which works on it, None while it waits.
        aside: called at each step; stands aside for quicker work.
        resumed: when it last did so (time.monotonic).
        done: steps finished of `total`.
        note: what is being done, a few words.
        partial: the latest intermediate result, replaced as a whole by the work.
    """

    key: Hashable
    work: Callable[[Job], Any]
    lane: str = "page"
    viewers: dict[str, float] = field(default_factory=dict)
    started: float | None = None
    thread: int | None = None
    aside: Callable[[Job], object] = lambda _: None
    resumed: float = -math.inf
    done: int = 0
    total: int = 1
    note: str = ""
    partial: Any = None
    result: Any = None
    error: BaseException | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    finished: threading.Event = field(default_factory=threading.Event)

    def tick(self, done: int, total: int) -> None:
        """Report progress; stop here when cancelled or when every viewer is gone.

        Raises:
            Cancelled: nobody wants the result.
        """
        self.done, self.total = done, total
        now = time.monotonic()
        viewers = list(self.viewers.values())
        if viewers and all(now - last > PATIENCE for last in viewers):
            self.cancelled.set()
        self.aside(self)
        if self.cancelled.is_set():
            raise Cancelled("Superseded by a newer request.")

    def go_on(self, note: str) -> None:
        """Say what is being done; stop here as `tick` does."""
        self.note = note
        self.tick(self.done, self.total)

    @property
    def running(self) -> bool:
        """Whether a thread is at work on it."""
        return self.started is not None and not self.finished.is_set()

    @property
    def unwatched(self) -> bool:
        """Whether everyone who wants it is away. Such a job stands aside in its own lane and starts last."""
        now = time.monotonic()
        return all(now - last > AWAY for last in list(self.viewers.values()))

    @property
    def remaining(self) -> float | None:
        """Seconds left at the present pace; None before the first step."""
        if self.started is None or not self.done:
            return None
        return (time.monotonic() - self.started) / self.done * (self.total - self.done)


class Jobs:
    """Jobs by key on the threads of their lanes; results go to a cache.

    Attributes:
        results: finished ones, by key.
        rest: begun after each.
    """

    def __init__(self, results: Cache) -> None:
        """Start no thread yet."""
        self.results = results
        self.jobs: dict[Hashable, Job] = {}
        self.lock = threading.Lock()
        self._quieter = threading.Condition(self.lock)
        self.rest = Rest(self._working)
        atexit.register(self.close)  # a thread inside torch while the interpreter ends aborts the process

    def run(
        self,
        key: Hashable,
        work: Callable[[Job], Any],
        show: Callable[[Job, int], None],
        lane: str = "page",
        every: float = 0.05,
    ) -> Any:
        """The result for `key`, from the cache or computed by `work`; waits for it.

        Args:
            key: explicit values that name the result.
            work: called with its job.
            show: called every few moments with the job and its place in the lane (0 = running); it may
                raise (a superseded Streamlit run does), which leaves the job.
            lane: key of `LANES`.
            every: seconds between calls of `show`.

        Raises:
            PruneAttrError: whatever `work` raised.
        """
        kept = self.results.get(key)
        if kept is not None:
            return kept
        viewer = uuid.uuid4().hex
        job = self._join(key, work, viewer, lane, math.inf)
        try:
            while not job.finished.wait(every):
                show(job, self.place(job))
        finally:
            self._leave(job, viewer)
        if job.error is not None:
            raise job.error
        return job.result

    def start(self, key: Hashable, work: Callable[[Job], Any], viewer: str, lane: str = "long") -> None:
        """Let `work` run for `viewer`, unless its result is there or it runs already; see `run`."""
        if self.results.get(key) is None:
            self._join(key, work, viewer, lane, time.monotonic())

    def watch(self, key: Hashable, viewer: str) -> Job | None:
        """The unfinished or failed job for `key`, noting that `viewer` still looks."""
        with self.lock:
            job = self.jobs.get(key)
            if job is None or viewer not in job.viewers:
                return None
            job.viewers[viewer] = time.monotonic()
            return job

    def going(self, key: Hashable) -> bool:
        """Whether somebody's job for `key` runs or waits."""
        with self.lock:
            job = self.jobs.get(key)
            return job is not None and not job.finished.is_set() and not job.cancelled.is_set()

    def leave(self, key: Hashable, viewer: str) -> None:
        """`viewer` does not want the result (or has read the failure); the last one to leave cancels."""
        job = self.jobs.get(key)
        if job is not None:
            self._leave(job, viewer)

    def hold(self, job: Job, viewer: str, seconds: float = 2.0) -> None:
        """Keep what a page waits for, and is about to leave, until `viewer` asks again: so long at most."""
        with self.lock:
            job.viewers.setdefault(viewer, time.monotonic() - PATIENCE + seconds)

    def place(self, job: Job) -> int:
        """Jobs of its lane to be finished before this one starts; 0 when it runs."""
        if job.started is not None:
            return 0
        with self.lock:
            waiting = [one for one in self._waiting(job.lane) if one is job or not one.unwatched]
            return waiting.index(job) + 1 if job in waiting else 0

    def close(self, seconds: float = 10.0) -> None:
        """Cancel everything and wait for the threads, at most so long for all of them."""
        with self.lock:
            jobs = list(self.jobs.values())
            for job in jobs:
                job.cancelled.set()
            self._quieter.notify_all()
        self.rest.cancel()
        end = time.monotonic() + seconds
        for job in jobs:
            if job.started is not None:
                job.finished.wait(max(0.0, end - time.monotonic()))

    def _join(self, key: Hashable, work: Callable[[Job], Any], viewer: str, lane: str, asked: float) -> Job:
        with self.lock:
            job = self.jobs.get(key)
            if job is None or job.finished.is_set() or job.cancelled.is_set():
                self.jobs.pop(key, None)
                job = self.jobs[key] = Job(key, work, lane, aside=self._aside)
            job.viewers[viewer] = asked
            self._forget_failures()
            self._fill(job.lane)
            return job

    def _leave(self, job: Job, viewer: str) -> None:
        with self.lock:
            job.viewers.pop(viewer, None)
            if not job.viewers:
                job.cancelled.set()
                self._quieter.notify_all()
                if (job.started is None or job.finished.is_set()) and self.jobs.get(job.key) is job:
                    del self.jobs[job.key]

    def _fill(self, lane: str) -> None:
        """Start threads for what waits in a lane, one more beside what is unwatched; with the lock held."""
        for job in sorted(self._waiting(lane), key=lambda job: job.unwatched):
            running = [one for one in self.jobs.values() if one.lane == lane and one.running]
            beside = not job.unwatched and any(one.unwatched for one in running)
            if len(running) >= LANES[lane] + beside:
                return
            job.started = time.monotonic()
            threading.Thread(target=self._do, args=(job,), name=f"pruneattr-{lane}", daemon=True).start()

    def _waiting(self, lane: str) -> list[Job]:
        jobs = [job for job in self.jobs.values() if job.lane == lane and job.started is None]
        return [job for job in jobs if not job.cancelled.is_set()]

    def _aside(self, job: Job) -> None:
        """Wait while a quicker lane is at work, a moment at most: who asked for this waits too.

        A network that comes from a hub stands aside for nobody: it waits for the wire, others for it.
        """
        if job.lane == "fetch":
            return
        moment = min(ASIDE, _TIMES * (time.monotonic() - job.resumed))
        with self._quieter:
            if job.unwatched:
                self._fill(job.lane)
            self._quieter.wait_for(lambda: job.cancelled.is_set() or not self._more_urgent(job), moment)
        job.resumed = time.monotonic()

    def _more_urgent(self, job: Job) -> bool:
        """Whether there is such work that waits for none of other lanes: that may wait for who asks.

        In its own lane only what runs counts: what has no thread yet waits until one like this ends.
        """
        lanes = list(LANES)[: list(LANES).index(job.lane)]
        own = job.lane if job.unwatched else ""
        return any(
            (one.lane in lanes or (one.lane == own and one.running and not one.unwatched))
            and not one.finished.is_set()
            and one.thread not in self.results.waiting
            for one in self.jobs.values()
        )

    def _do(self, job: Job) -> None:
        job.thread = threading.get_ident()
        try:
            self._aside(job)
            with staying():
                job.result = job.work(job)
            if job.result is not None:
                self.results.put(job.key, job.result)
        except BaseException as error:
            # A traceback would keep the tensors of the computation alive.
            error.__traceback__ = None if isinstance(error, PruneAttrError) else error.__traceback__
            job.error = error
        with self.lock:
            job.finished.set()
            kept = job.error is not None and not isinstance(job.error, Cancelled) and job.viewers
            if not kept and self.jobs.get(job.key) is job:
                del self.jobs[job.key]
            self._fill(job.lane)
            self._quieter.notify_all()
        self.rest.begin()

    def _working(self) -> bool:
        with self.lock:
            return not all(job.finished.is_set() for job in self.jobs.values())

    def _forget_failures(self) -> None:
        failed = [key for key, job in self.jobs.items() if job.finished.is_set()]
        for key in failed[:-_FAILURES_KEPT]:
            del self.jobs[key]
