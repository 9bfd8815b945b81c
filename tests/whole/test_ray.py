"""Cells over a Ray cluster of this machine: the bits of one process, also when a worker is killed."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
from pathlib import Path

import pytest

from pruneattr_core.benchmarks import cluster
from pruneattr_core.benchmarks.cluster import over_ray, timed_cell
from pruneattr_core.benchmarks.executor import compute_cell, execute, plan_run
from pruneattr_core.benchmarks.sources import Source
from pruneattr_core.errors import InputError, StoreError

SCENES = Source("scenes-net", "scenes")


def ours(process: int) -> bool:
    """Whether a process descends from this one."""
    while process > 1:
        if process == os.getpid():
            return True
        process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    return False


def workers() -> list[int]:
    """Process ids of our Ray workers, those that compute first."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                title = (folder / "cmdline").read_bytes()
                # Ray's agents are called ray::... as well, and without them the whole node ends.
                if title.startswith((b"ray::timed_cell", b"ray::IDLE")) and ours(int(folder.name)):
                    found.append((b"timed_cell" not in title, int(folder.name)))
            except OSError:  # it ended meanwhile
                continue
    return [process for _, process in sorted(found)]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.filterwarnings("ignore")  # Ray's own
@pytest.mark.timeout(600)  # starting Ray and its workers takes 15 s, many times that on a busy machine
def test_a_killed_worker_changes_no_bit(tmp_path):
    pytest.importorskip("ray", reason="optional: pip install -r requirements-ray.txt")
    import ray

    plan = plan_run("pixels", SCENES, ["prunegrad", "random"], n=4, chunk=1)
    killed: list[int] = []

    def kill_one(done: float, total: int, label: str) -> None:
        if done and not killed:
            killed.extend(workers()[:1])
            os.kill(killed[0], signal.SIGKILL)

    spread = execute(SCENES, plan, tmp_path / "spread", kill_one, over_ray("local"))
    here = execute(SCENES, plan, tmp_path / "here")
    assert killed
    assert not ray.is_initialized()
    assert spread.id == here.id
    assert spread.values.tobytes() == here.values.tobytes()
    assert len(plan.cells) == 8


def test_a_worker_with_other_libraries_is_refused():
    plan = plan_run("pixels", SCENES, ["random"], n=1)
    number, values, seconds = timed_cell(SCENES, plan, 0)
    assert number == 0
    assert seconds > 0
    assert values.tobytes() == compute_cell(SCENES, plan, 0).tobytes()
    other = dataclasses.replace(plan, versions=plan.versions | {"torch": "1.0"})
    with pytest.raises(StoreError, match=r"not 1\.0"):
        timed_cell(SCENES, other, 0)


class Slow:
    """Stands for Ray on a machine so busy that the first nodes are not up in time."""

    def __init__(self, late: int) -> None:
        self.late, self.begun, self.ended = late, 0, 0

    def init(self, **_: object) -> None:
        self.begun += 1
        if self.begun <= self.late:
            raise Exception("The current node timed out during startup.")

    def shutdown(self) -> None:
        self.ended += 1


@pytest.mark.parametrize(
    ("address", "late", "begun"), [("local", 1, 2), ("local", 2, 2), ("ray://there:1", 1, 1)]
)
def test_a_node_that_is_late_is_started_again(monkeypatch, address, late, begun):
    """It came out raw: Ray raises a plain Exception then."""
    slow = Slow(late)
    monkeypatch.setitem(sys.modules, "ray", slow)
    monkeypatch.setattr(cluster, "_results", lambda *_: iter(["done"]))
    asked = cluster.over_ray(address)(SCENES, None, [])
    if late < begun:
        assert list(asked) == ["done"]
    else:
        with pytest.raises(InputError, match="timed out"):
            list(asked)
    assert slow.begun == begun
    assert slow.ended == begun


def test_without_ray_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"requirements-ray\.txt"):
        over_ray("local")
