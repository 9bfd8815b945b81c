"""A class of thirty on one link: how long after its teacher each of them has a step, and whether counts hold.

    python -m perf.class_link --clients 30

All lessons one after the other, or those that `--lesson` names. Every member of the class speaks the
browser's own protocol over a websocket of its own, runs what the server asks it to run again, and presses
buttons; it only draws nothing, so that thirty of them fit on the machine that serves. Reported are, step by
step, the seconds from the moment at which the teacher's screen has it to the moments at which a pupil's has
its text, and all of it, its view included, and what the server computed for it. The machine's load is told:
where it is twice its cores all of this takes twice as long.

Exit status 1 where a page shows an error, a step does not come, a count is wrong, or a step is late.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from perf.serving import faults, served
from perf.soak import PATIENCE, View, Visit, visitor
from pruneattr_core.lessons.text import Lesson, names, read
from pruneattr_core.runtime import provenance

#: Bar: seconds after which everybody has the teacher's step, its view included.
LATEST = 1.0
#: Seconds between the answers and the next step; nobody turns pages faster.
BETWEEN = 3.0


class Member(Visit):
    """A session that stays: it runs parts of the page again when their time has come, as a browser does.

    Attributes:
        step: number of the lesson's step that stands on the screen, 0 before there is one.
        since: when its text came.
        whole: when all of it had come, 0 before.
        drawn: whether a run of the whole page has begun since its text came, or brought it.
        partly: whether the run that is going is of a part of the page.
        query: of the address, as the app writes it.
    """

    step, since, whole, drawn, partly, query = 0, 0.0, 0.0, False, False, ""

    async def stay(self, query: str) -> None:
        """Come to the page Lessons and stay there until cancelled."""
        self.query = query
        await self.ask(View("lessons", query))
        due: dict[str, float] = {}
        while True:
            wait = min(due.values(), default=float("inf")) - time.perf_counter()
            try:
                async with asyncio.timeout(max(0.0, wait) if due else None):
                    data = await self.line.recv()
            except TimeoutError:
                for fragment, when in due.items():
                    if when <= time.perf_counter():
                        await self.ask(View("lessons", self.query), fragment)
                        due[fragment] += self.clocks[fragment]
                continue
            self._read(ForwardMsg.FromString(data))  # type: ignore[arg-type]
            now = time.perf_counter()
            due = {one: due.get(one, now + seconds) for one, seconds in self.clocks.items()}

    def _read(self, message: ForwardMsg) -> None:
        self.take(message)
        if message.WhichOneof("type") == "page_info_changed":
            self.query = message.page_info_changed.query_string
        element = message.delta.new_element
        kind, part = message.WhichOneof("type"), bool(message.metadata.run.fragment_ids)
        # The end of a run may never be told, on a busy server, only that a part of the page runs after it.
        ended = (kind == "script_finished" and not part) or (kind == "new_session" and part)
        if ended and self.drawn and self.step:
            self.complain()
            self.whole = self.whole or time.perf_counter()
        if kind == "new_session":
            self.drawn = self.drawn or not part
            self.partly = part
        found = re.match(r"Step (\d+) of \d+$", element.progress.text)
        if found and int(found[1]) != self.step:
            self.step, self.since, self.whole = int(found[1]), time.perf_counter(), 0.0
            self.drawn = not self.partly

    async def press(self, label: str) -> None:
        """Press the button with this text."""
        buttons = (one.button for _, _, one in self.elements.values() if one.WhichOneof("type") == "button")
        pressed = next(one.id for one in buttons if one.label == label)
        await self.ask(View("lessons", self.query), press=pressed)

    def said(self) -> set[str]:
        """What progress bars, captions and boxes of code on the page say."""
        return {
            text
            for _, _, one in self.elements.values()
            for text in (one.progress.text, one.markdown.body, one.code.code_text)
            if text
        }


async def until(holds: Callable[[], object], what: str) -> None:
    """Wait for it.

    Raises:
        TimeoutError: it does not come.
    """
    ends = time.perf_counter() + PATIENCE
    while not holds():
        if time.perf_counter() > ends:
            raise TimeoutError(f"did not come: {what}")
        await asyncio.sleep(0.003)


async def lead(
    url: str, lesson: Lesson, pupils: int, steps: int, between: float, busy: Callable[[], float] = lambda: 0.0
) -> dict[str, Any]:
    """Lead a class through a lesson while every pupil answers every question.

    Args:
        url: of the served app.
        lesson: in English.
        pupils: how many follow.
        steps: how many are gone through, two at least; the views of a teacher who prepares are there already.
        between: seconds that a step stands after the answers.
        busy: seconds that the server has computed so far.

    Raises:
        TimeoutError: a step or a count does not come.
        ExceptionGroup: of ValueError, where an error stands on somebody's page.
    """
    chance, turned, polls = random.Random(0), list[dict[str, Any]](), 0
    async with AsyncExitStack() as lines, asyncio.TaskGroup() as group:

        async def member(query: str) -> Member:
            found = Member(await lines.enter_async_context(visitor(url)))
            staying.append(group.create_task(found.stay(query)))
            return found

        staying: list[asyncio.Task[None]] = []
        teacher = await member(f"lesson={lesson.name}")
        await until(lambda: teacher.whole, "the teacher's page")
        await teacher.press("Open a class")
        await until(lambda: any("?class=" in one for one in teacher.said()), "the class")
        code = next(one for one in teacher.said() if "?class=" in one).rpartition("=")[2]
        followers = [await member(f"class={code}") for _ in range(pupils)]
        await until(lambda: all(one.whole for one in followers), "the pupils' pages")
        for number, step in enumerate(lesson.steps[:steps], 1):
            if number > 1:
                before = busy()
                await teacher.press("Next")
                await until(
                    lambda at=number: all(one.step == at and one.whole for one in (teacher, *followers)),
                    f"step {number} for all",
                )
                text = [one.since - teacher.since for one in followers]
                whole = [one.whole - teacher.whole for one in followers]
                turned.append(
                    {"step": number, "page": step.page, "text": _spread(text), "view": _spread(whole),
                     "CPU of the server": round(busy() - before, 2)}
                )  # fmt: skip
            if step.choices:
                given = [chance.choice(step.choices).text for _ in followers]
                for one, choice in zip(followers, given, strict=True):
                    await one.press(choice)
                wanted = {f"{given.count(one.text)} · {one.text}" for one in step.choices}
                await until(lambda right=wanted: right <= teacher.said(), f"the counts {sorted(wanted)}")
                polls += 1
            await asyncio.sleep(between)
        for task in staying:
            task.cancel()
    return {
        "pupils": pupils, "lesson": lesson.name, "steps turned": steps - 1, "polls, all counts right": polls,
        "longest": max(max(one[kind]["longest"] for kind in ("text", "view")) for one in turned),
        "steps": turned,
    }  # fmt: skip


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    return {"median": round(statistics.median(seconds), 3), "longest": round(max(seconds), 3)}


def _busy(pid: int) -> float:
    """Seconds of processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def prepare(url: str, lesson: Lesson) -> None:
    """Open every step once, alone."""
    for number in range(1, len(lesson.steps) + 1):
        async with visitor(url) as line:
            await Visit(line).open(View("lessons", f"lesson={lesson.name}&lesson_step={number}"))


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=30)
    parser.add_argument("--lesson", nargs="*", default=names("en"), help="all of them by default")
    parser.add_argument("--out", type=Path, help="write the figures here, too (JSON)")
    options = parser.parse_args()
    found: dict[str, Any] = {"lessons": []}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log.txt")
        with served(log) as (server, url):
            for lesson in map(read, options.lesson):
                asyncio.run(prepare(url, lesson))
                load, steps = os.getloadavg()[0], len(lesson.steps)
                busy = partial(_busy, server.pid)
                led = asyncio.run(lead(url, lesson, options.clients, steps, BETWEEN, busy))
                found["lessons"].append({**led, "load before, after": [load, os.getloadavg()[0]]})
                print(json.dumps(found["lessons"][-1], indent=1), flush=True)
        found["fault of the server"] = faults(log.read_text("utf-8", "replace"))
    found |= {"cores": os.cpu_count(), "made with": provenance()}
    print(json.dumps({key: found[key] for key in found if key != "lessons"}, indent=1))
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    late = max(one["longest"] for one in found["lessons"]) > LATEST
    return int(bool(found["fault of the server"]) or late)


if __name__ == "__main__":
    sys.exit(main())
