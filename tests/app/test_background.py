"""Long tasks: joined, cancelled, bounded, never blocking."""

from __future__ import annotations

import threading
import time

import pytest

from pruneattr_core.errors import InputError
from pruneattr_core.ui import background
from pruneattr_core.ui.background import LANES, Background, Task
from pruneattr_core.ui.worker import Shelf


def until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


@pytest.fixture
def lanes():
    found = Background(Shelf(10))
    yield found
    found.close()


def endless(task: Task) -> None:
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
    until(task.finished.is_set)
    assert lanes.tasks == {}
    assert lanes.results.get("key") is None


def test_lanes_are_bounded_and_a_waiting_task_can_leave(lanes):
    for key in range(LANES + 1):
        lanes.start(key, endless, "me")
    waiting = lanes.watch(LANES, "me")
    assert waiting.started is None
    assert lanes.place(waiting) == 1
    lanes.leave(LANES, "me")
    assert LANES not in lanes.tasks
    for key in range(LANES):
        lanes.leave(key, "me")
    until(lambda: not lanes.tasks)


def test_next_task_starts_when_a_lane_is_free(lanes):
    release = threading.Event()
    for key in range(LANES):
        lanes.start(key, lambda task: release.wait(5), "me")
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
    monkeypatch.setattr(background, "PATIENCE", 0.05)
    lanes.start("key", endless, "me")
    task = lanes.watch("key", "me")
    until(task.finished.is_set)
    assert task.cancelled.is_set()


def test_remaining_time_follows_the_pace(lanes):
    task = Task("key", endless)
    assert task.remaining is None
    task.started, task.done, task.total = time.monotonic() - 2, 10, 40
    assert task.remaining == pytest.approx(6, rel=0.05)
