"""Jobs: joined, cancelled, bounded, never blocking what is quick; and the cache of their results."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from pruneattr_core import heap
from pruneattr_core.errors import InputError
from pruneattr_core.ui import jobs
from pruneattr_core.ui.jobs import LANES, Cache, Job, Jobs

LONG = LANES["long"]
#: Seconds; a machine with load is slow, so this only ends what stands still.
PATIENT = 600.0


def until(condition, seconds=PATIENT):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


@pytest.fixture
def lanes():
    found = Jobs(Cache(10))
    yield found
    found.close()


def endless(task: Job) -> None:
    for step in range(10**6):
        task.tick(step, 10**6)
        time.sleep(0.002)


def test_result_goes_to_the_shelf_and_is_not_computed_twice(lanes):
    calls = []
    for _ in range(2):
        lanes.start("key", lambda task: calls.append(1) or "value", "me")
        until(lambda: lanes.results.get("key") == "value")
    assert calls == [1]
    until(lambda: lanes.watch("key", "me") is None)


def test_two_sessions_share_a_task_and_only_the_last_to_leave_cancels(lanes):
    lanes.start("key", endless, "me")
    lanes.start("key", endless, "you")
    task = lanes.watch("key", "me")
    assert task is lanes.watch("key", "you")
    lanes.leave("key", "me")
    assert not task.cancelled.is_set()
    assert lanes.watch("key", "me") is None
    lanes.leave("key", "you")
    until(lambda: task.finished.is_set() and lanes.jobs == {})
    assert lanes.results.get("key") is None


def test_lanes_are_bounded_and_a_waiting_task_can_leave(lanes):
    for key in range(LONG + 1):
        lanes.start(key, endless, "me")
    waiting = lanes.watch(LONG, "me")
    assert waiting.started is None
    assert lanes.place(waiting) == 1
    lanes.leave(LONG, "me")
    assert LONG not in lanes.jobs
    for key in range(LONG):
        lanes.leave(key, "me")
    until(lambda: not lanes.jobs)


def test_next_task_starts_when_a_lane_is_free(lanes):
    release = threading.Event()
    for key in range(LONG):
        lanes.start(key, lambda task: release.wait(PATIENT), "me")
    lanes.start("late", lambda task: "done", "me")
    assert lanes.results.get("late") is None
    release.set()
    until(lambda: lanes.results.get("late") == "done")


def test_failure_is_kept_until_it_was_read(lanes):
    def fail(task):
        raise InputError("expected this")

    lanes.start("key", fail, "me")
    until(lambda: lanes.watch("key", "me").error is not None)
    assert str(lanes.watch("key", "me").error) == "expected this"
    lanes.leave("key", "me")
    assert lanes.watch("key", "me") is None


def test_task_stops_when_its_viewers_are_gone(lanes, monkeypatch):
    lanes.start("key", endless, "me")
    task = lanes.watch("key", "me")
    monkeypatch.setattr(jobs, "PATIENCE", 0.05)
    until(task.finished.is_set)
    assert task.cancelled.is_set()


def test_remaining_time_follows_the_pace(monkeypatch):
    task = Job("key", endless)
    assert task.remaining is None
    monkeypatch.setattr(jobs, "time", SimpleNamespace(monotonic=lambda: 102.0))
    task.started, task.done, task.total = 100.0, 10, 40
    assert task.remaining == pytest.approx(6)


def test_freed_memory_goes_back_after_every_rest_and_never_beside_work(lanes, monkeypatch):
    given = []
    monkeypatch.setattr(heap, "TIDY", 0.01)
    monkeypatch.setattr(heap, "give_back", lambda: given.append(list(lanes.jobs)))
    lanes.start("long", endless, "me")
    lanes.run("quick", lambda job: 1, lambda *_: None, "quick")
    lanes.rest._end()  # as if that had begun a rest before the long one came
    assert not given
    lanes.leave("long", "me")
    until(lambda: given)
    for work in (
        lambda: lanes.run("quick too", lambda job: 1, lambda *_: None, "quick"),
        lanes.rest.begin,  # as after a page that computes nothing
    ):
        until(lambda: lanes.rest._timer is None)
        before = len(given)
        work()
        until(lambda: len(given) > before)  # noqa: B023
    assert not any(given)


def test_what_is_quick_never_waits_behind_what_is_not(lanes):
    release = threading.Event()
    for key in range(12):
        lanes.start(key, lambda job: release.wait(PATIENT), "me", ("coarse", "page", "long")[key % 3])
    assert lanes.run("answer", lambda job: "said", lambda *_: None, "quick") == "said"
    assert not release.is_set()
    release.set()


@pytest.mark.parametrize(("slow", "quick"), [("coarse", "quick"), ("page", "coarse"), ("long", "page")])
def test_what_is_slow_stands_aside_for_what_is_quicker(lanes, monkeypatch, slow, quick):
    monkeypatch.setattr(jobs, "ASIDE", PATIENT)
    monkeypatch.setattr(jobs, "_TIMES", 1e9)
    release = threading.Event()
    lanes.start("slow", endless, "me", slow)
    task = lanes.watch("slow", "me")
    until(lambda: task.done > 2)
    lanes.start("quick", lambda job: release.wait(PATIENT), "me", quick)
    time.sleep(0.05)  # the step that it was in
    stands = task.done
    time.sleep(0.2)
    assert task.done == stands
    release.set()
    until(lambda: task.done > stands + 2)


def test_who_stands_aside_can_be_cancelled_and_gets_on_in_the_end(lanes, monkeypatch):
    release = threading.Event()
    lanes.start("quick", lambda job: release.wait(PATIENT), "me", "quick")
    monkeypatch.setattr(jobs, "ASIDE", PATIENT)
    monkeypatch.setattr(jobs, "_TIMES", 1e9)
    lanes.start("left", endless, "me")
    task = lanes.watch("left", "me")
    lanes.leave("left", "me")
    until(task.finished.is_set)
    monkeypatch.setattr(jobs, "ASIDE", 0.01)
    monkeypatch.setattr(jobs, "_TIMES", 3)
    assert lanes.run("slow", lambda job: [job.tick(step, 20) for step in range(20)], lambda *_: None)
    assert not release.is_set()
    release.set()


def test_nobody_stands_aside_for_who_waits_for_him(lanes, monkeypatch):
    monkeypatch.setattr(jobs, "ASIDE", 0.5)
    monkeypatch.setattr(jobs, "_TIMES", 1e9)
    begun, asked = threading.Event(), threading.Event()

    def slow(job):
        def compute():
            begun.set()
            assert asked.wait(PATIENT)
            start = time.monotonic()
            for step in range(50):
                job.tick(step, 50)
            return time.monotonic() - start

        return lanes.results.once("shared", compute, lambda: job.tick(0, 1))

    def quick(job):
        return lanes.results.once("shared", lambda: 1 / 0, lambda: (asked.set(), job.tick(0, 1)))

    lanes.start("slow", slow, "me")
    assert begun.wait(PATIENT)
    assert lanes.run("quick", quick, lambda *_: None, "coarse") < 12  # 25 if each step stood aside


def test_those_who_wait_for_one_key_share_one_computation(lanes):
    calls, release = [], threading.Event()

    def work(job):
        calls.append(1)
        release.wait(PATIENT)
        return "value"

    found = []
    threads = [
        threading.Thread(target=lambda: found.append(lanes.run("key", work, lambda *_: None)))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    until(lambda: "key" in lanes.jobs and len(lanes.jobs["key"].viewers) == 5)
    release.set()
    for thread in threads:
        thread.join(PATIENT)
    assert (calls, found) == ([1], ["value"] * 5)


def test_who_stops_waiting_leaves_and_the_job_ends(lanes):
    class Superseded(BaseException):
        pass

    def show(job, place):
        raise Superseded

    with pytest.raises(Superseded):
        lanes.run("key", endless, show, every=0.001)
    until(lambda: not lanes.jobs)


def test_what_a_page_leaves_to_begin_anew_is_kept_for_it_and_not_for_long(lanes):
    class BegunAnew(BaseException):
        pass

    begun, release = [], threading.Event()

    def work(job):
        begun.append(job)
        while not release.wait(0.002):
            job.tick(0, 1)
        return "value"

    def leave(seconds):
        def show(job, place):
            lanes.hold(job, "me", seconds)
            raise BegunAnew

        with pytest.raises(BegunAnew):
            lanes.run("key", work, show, every=0.001)

    leave(PATIENT)
    leave(PATIENT)
    until(lambda: begun)
    assert len(lanes.jobs) == 1
    release.set()
    assert lanes.run("key", work, lambda *_: None) == "value"
    assert len(begun) == 1
    until(lambda: not lanes.jobs)  # its thread has ended, too
    lanes.results.clear()
    release.clear()
    leave(0.01)
    until(lambda: not lanes.jobs)  # nobody came back


def test_partial_results_are_there_before_the_end(lanes):
    release = threading.Event()

    def work(job):
        job.partial = "three levels"
        release.wait(PATIENT)
        return "all levels"

    lanes.start("key", work, "me", "page")
    until(lambda: lanes.watch("key", "me").partial == "three levels")
    release.set()
    until(lambda: lanes.results.get("key") == "all levels")


def test_the_cache_drops_what_was_used_least_recently_and_counts_bytes():
    cache = Cache(10, len)
    cache.put("a", "xxxx")
    cache.put("b", "xxxx")
    assert cache.get("a") == "xxxx"
    cache.put("c", "xx")
    assert set(cache.names()) == {"a", "b", "c"}
    cache.put("d", "x")
    assert set(cache.names()) == {"a", "c", "d"}
    cache.put("a", "x" * 11)
    assert set(cache.names()) == {"c", "d"}


def test_a_network_that_is_fetched_stands_aside_for_nobody(lanes, monkeypatch):
    """It waits for the wire, and those beside whom it would stand may wait for it."""
    asked = []
    monkeypatch.setattr(lanes, "_more_urgent", lambda job: asked.append(job.lane) or False)
    for lane in ("long", "fetch"):
        lanes._aside(Job("key", lambda job: None, lane=lane))
    assert asked == ["long"]


def test_what_only_those_who_are_away_want_holds_nobody_up(lanes, monkeypatch):
    """Curves of visitors who had gone held Decode up for as long as they took."""
    monkeypatch.setattr(jobs, "_TIMES", 1e9)
    lanes.start("left", endless, "gone", "page")
    left = lanes.watch("left", "gone")
    until(lambda: left.done > 2)
    lanes.start("left too", lambda job: "left too", "gone", "page")
    lanes.start("mine", endless, "me", "page")
    mine = lanes.watch("mine", "me")
    assert lanes.place(mine) == 2
    for key in ("left", "left too"):
        lanes.jobs[key].viewers["gone"] -= jobs.AWAY  # as if so long had passed
    assert lanes.place(mine) <= 1
    until(lambda: mine.done > 2)
    began, stands, ahead = time.monotonic(), left.done, mine.done
    until(lambda: mine.done > ahead + 50)
    assert left.done <= stands + 1 + (time.monotonic() - began) / jobs.ASIDE
    assert lanes.jobs["left too"].started is None
    lanes.watch("left", "gone")  # who comes back goes on
    until(lambda: left.done > stands + 2)
    lanes.leave("mine", "me")
    lanes.leave("left", "gone")
    until(lambda: lanes.results.get("left too") == "left too")


def test_beside_what_is_unwatched_one_more_runs_and_not_a_crowd(lanes):
    for key in range(LONG + 4):
        lanes.start(key, endless, str(key))
    for job in list(lanes.jobs.values())[:LONG]:
        job.viewers[str(job.key)] -= jobs.AWAY
    until(lambda: sum(job.started is not None for job in lanes.jobs.values()) == LONG + 1)
    time.sleep(0.1)
    assert sum(job.started is not None for job in lanes.jobs.values()) == LONG + 1


def test_what_is_unwatched_does_not_stand_aside_for_who_waits_for_its_end(lanes):
    """Two who had gone, one after the other, filled the lane and waited for a third: it waited for them."""
    for key in ("left", "left later"):
        lanes.start(key, endless, "gone", "page")
        until(lambda key=key: lanes.jobs[key].running)
        lanes.jobs[key].viewers["gone"] -= jobs.AWAY  # as if so long had passed
    later = lanes.jobs["left later"]
    lanes.start("mine", endless, "me", "page")
    assert lanes.jobs["mine"].started is None
    assert not lanes._more_urgent(lanes.jobs["left"])
    assert not lanes._more_urgent(later)
    lanes.leave("left", "gone")
    until(lambda: lanes.jobs["mine"].running)
    assert lanes._more_urgent(later)
