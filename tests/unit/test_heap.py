"""One heap for all threads, seen in a process of its own: glibc counts its arenas."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from pruneattr_core import cli
from pruneattr_core.commands import app

THREADS = """
import ctypes, sys, threading
from pruneattr_core.heap import give_back, one_heap
if sys.argv[1] == "one":
    one_heap()
c = ctypes.CDLL(None)
c.malloc.restype, c.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
meet = threading.Barrier(4)

def work():
    kept = [c.malloc(1000) for _ in range(100)]
    meet.wait()
    for one in kept:
        c.free(one)

threads = [threading.Thread(target=work) for _ in range(4)]
for one in threads: one.start()
for one in threads: one.join()
give_back()
c.malloc_stats()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library, which keeps no arenas")
@pytest.mark.parametrize(("how", "alone"), [("one", True), ("as it is", False)])
def test_threads_share_one_heap(how: str, alone: bool) -> None:
    told = subprocess.run([sys.executable, "-c", THREADS, how], capture_output=True, text=True, check=True)
    assert (told.stderr.count("Arena ") == 1) is alone


FIRST = """
import sys
from pruneattr_core import heap
heap.one_heap = lambda: print("starlette" in sys.modules)
import app
"""


def test_the_server_shares_one_heap_before_it_begins_to_load() -> None:
    told = subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[:1] == ["False"]


def test_the_app_is_started_with_one_heap_unless_somebody_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(app, "_served", lambda _, given: seen.append(given["MALLOC_ARENA_MAX"]) or 0)
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    cli.main(["app"])
    monkeypatch.setenv("MALLOC_ARENA_MAX", "4")
    cli.main(["app"])
    assert seen == ["1", "4"]
