"""The measured visitor's answer is of the page it opened, and whole."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

pytest.importorskip("playwright")  # of what `perf.soak` serves with
soak = pytest.importorskip("perf.soak")


class Line:
    """A websocket that says what it is given, a number being seconds; then it is silent."""

    def __init__(self, messages: Sequence[ForwardMsg | float]) -> None:
        self.left = list(messages)

    async def send(self, _: bytes) -> None:
        """Hear nothing."""

    async def recv(self) -> bytes:
        """The next message."""
        if not self.left:
            await asyncio.Event().wait()
        if isinstance(self.left[0], float):
            await asyncio.sleep(self.left.pop(0))
        return self.left.pop(0).SerializeToString()


def run_of(page: str, number: int, part: str = "") -> list[ForwardMsg]:
    """What a run of a page says from its beginning to its end, or of a part of it."""
    said = []
    for kind in ("new_session", "script_finished") if part else ("new_session", "navigation", "finished"):
        message = ForwardMsg()
        message.metadata.run.script_run_id = f"{page} {number}"
        message.metadata.run.fragment_ids.extend([part] if part else [])
        if kind == "new_session":
            message.new_session.page_script_hash = page
        elif kind == "navigation":
            message.navigation.page_script_hash = page
            for one in ("compare", "paths"):
                message.navigation.app_pages.add(page_script_hash=one, url_pathname=one)
        else:
            message.script_finished = ForwardMsg.FINISHED_SUCCESSFULLY
        said.append(message)
    return said


def test_a_late_answer_of_the_page_before_is_none_of_the_page_that_is_opened() -> None:
    late = [*run_of("compare", 2, "clock"), *run_of("compare", 3)]
    line = Line([*run_of("compare", 1), *late, *run_of("paths", 4)])

    async def both() -> str:
        visit = soak.Visit(line)
        await visit.open(soak.View("compare", ""))
        await asyncio.wait_for(visit.open(soak.View("paths", "")), 5)
        return visit.run

    assert asyncio.run(both()) == "paths 4"


def test_a_page_that_runs_again_is_no_answer_before_it_has_run() -> None:
    clock = ForwardMsg()
    clock.auto_rerun.fragment_id, clock.auto_rerun.interval = "clock", 0.01
    begun, *rest = run_of("compare", 2)
    line = Line([*run_of("compare", 1)[:2], clock, run_of("compare", 1)[2], begun, 0.3, *rest])

    async def one() -> None:
        await asyncio.wait_for(soak.Visit(line).open(soak.View("compare", "")), 5)

    asyncio.run(one())
    assert line.left == []
