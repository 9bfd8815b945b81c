"""Work beside a page: started, shared, looked at again, stopped; and why it failed is remembered."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import streamlit as st

from pruneattr_core.errors import Cancelled, PruneAttrError
from pruneattr_core.share.words import counted
from pruneattr_core.ui.cache import engine
from pruneattr_core.ui.errors import APOLOGY, complain, logger
from pruneattr_core.ui.jobs import Job
from pruneattr_core.ui.state import viewer

#: Seconds between two looks at running work.
LOOK = 0.5


def begin(place: str, key: Hashable, work: Callable[[Job], Any], again: bool = False) -> bool:
    """Let `work` run beside the page, unless it has ended for this session already; a former job is left.

    What nobody looked at for long is cancelled, and begins again with the next look.

    Args:
        place: of the session, one for each kind of work.
        key: explicit values that name it.
        work: called with its job.
        again: start it also where it was stopped, has failed or is finished.

    Returns:
        Whether it was started or joined now.
    """
    former = _asked(place)
    if former and former["key"] != key:
        engine().jobs.leave(former["key"], viewer())
    elif former and not again and (former["ended"] or engine().jobs.watch(key, viewer()) is not None):
        return False
    asked = st.session_state[place] = {"key": key, "failure": "", "ended": False, "whole": False}

    def ending(job: Job) -> Any:
        found = work(job)
        asked["whole"], asked["ended"] = not asked["ended"], True
        return found

    engine().jobs.start(key, ending, viewer())
    return True


def running(place: str) -> Job | None:
    """The job that runs or waits here; a failed one is left, and why it failed is kept for `failure`."""
    asked = _asked(place)
    job = engine().jobs.watch(asked["key"], viewer()) if asked else None
    if job is None or not job.finished.is_set():
        return job
    engine().jobs.leave(job.key, viewer())
    asked["failure"], asked["ended"] = failure_of(job), True
    return None


def failure(place: str) -> str:
    """Why the last work here failed, one sentence; "" where it did not."""
    return str(_asked(place).get("failure", ""))


def came_to_its_end(place: str, key: Hashable) -> bool:
    """Whether the last work here was that of `key` and did all it could: neither stopped nor failed."""
    asked = _asked(place)
    return bool(asked) and asked["key"] == key and asked["whole"]


def asked_for(place: str) -> Hashable:
    """The key of what was asked for here last; None without any."""
    key: Hashable = _asked(place).get("key")
    return key


def stop(place: str) -> None:
    """Leave the work that runs here; it is not started again by itself."""
    asked = _asked(place)
    if asked:
        asked["ended"], asked["whole"] = True, False
        engine().jobs.leave(asked["key"], viewer())


def keep_only(place: str, key: Hashable | None) -> None:
    """Leave the work that runs here unless it is that of `key`, and remember nothing of it."""
    if asked_for(place) != key:
        stop(place)
        st.session_state[place] = None


def _asked(place: str) -> dict[str, Any]:
    found: dict[str, Any] = st.session_state.get(place) or {}
    return found


def failure_of(job: Job) -> str:
    """Why a finished job has no result: our own sentence, or an apology; "" where nobody wanted it."""
    if job.error is None or isinstance(job.error, Cancelled):
        return ""
    if isinstance(job.error, PruneAttrError):
        return str(job.error)
    logger.error("unexpected error in work beside a page", exc_info=job.error)
    return APOLOGY


def report_failure(key: Hashable, job: Job) -> None:
    """Show why a job failed, once."""
    if text := failure_of(job):
        complain(text)
    engine().jobs.leave(key, viewer())


def progress(job: Job, title: str, steps: str, key: str) -> None:
    """A running job's bar with the time that remains, and its cancel button."""
    place = engine().jobs.place(job)
    if place:
        text = f"{title} · waiting, {place} ahead"
    elif job.remaining is None:
        text = f"{title} · starting"
    else:
        text = f"{title} · {job.done} of {job.total} {steps} · {duration(job.remaining)} left"
    st.progress(min(1.0, job.done / max(1, job.total)), text=text)
    # On the press itself: a run that ends before it comes here would lose it.
    leave, args = engine().jobs.leave, (job.key, viewer())
    if st.button("Cancel", key=key, icon=":material/close:", on_click=leave, args=args):
        st.rerun()


def so_far(done: int, wanted: int, note: str) -> str:
    """How many maps are there, and what is being done, which is nothing yet at first."""
    return f"{done} of {counted(wanted, 'maps')}" + (f" · {note}" if note else "")


def duration(seconds: float) -> str:
    """A rough time in words."""
    if seconds < 1.5:
        return "1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
