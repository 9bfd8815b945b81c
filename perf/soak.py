"""Many visitors at once, over Streamlit's own websocket: no error, no wrong answer, no memory kept.

    python -m perf.soak --clients 50 --minutes 10 --out soak.json

First one visitor alone opens every view of a list on a server of its own: these answers are the right ones.
Then, on a fresh server, every client walks through the list in an order of its own, four views a session, as
by the browser's history, and leaves some views before they are done. An answer is what components and charts
of the page are sent, without times and tokens; it must be the single visitor's to the last byte. All go, the
server's memory is read; the same crowd comes once more, and it is read again.

Exit status 1 where an answer is wrong or does not come, a page shows an error, the server writes a traceback,
or its memory has grown to more than 1.1 times by the second crowd.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets import ConnectionClosed
from websockets.asyncio.client import ClientConnection, connect

from perf.serving import faults, resident, served
from pruneattr_core.runtime import provenance

#: Seconds for an answer; a page that needs longer counts as an error.
PATIENCE = 600.0
#: Bar: memory afterwards, as a share of that before.
GROWTH = 1.1
#: Times to answer that are reported.
SHARES = {"median": 0.5, "95 %": 0.95, "longest": 1.0}
#: Fields of a header that differ between two visits to one view; `mark` is a hash of a cell with its time.
PASSING = {"token", "seconds", "mark"}
Answer = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class View:
    """An address of the app.

    Attributes:
        page: its path, "" for the first one.
        query: what follows the question mark.
    """

    page: str
    query: str

    def __str__(self) -> str:
        return f"/{self.page}?{self.query}"


def views(pictures: int) -> list[View]:
    """All pages, two models, so many pictures; what computes within seconds on a quiet core."""
    found = []
    for model, source in (("scenes-net", "scenes"), ("resnet8-cifar10", "cifar10")):
        for picture in range(pictures):
            base = f"model={model}&source={source}&picture={picture}"
            found += [
                View("", base),
                View("", f"{base}&mode=freeze&at=0.9"),
                View("compare", f"{base}&methods=prunegrad,saliency,gradcam,edges"),
                View("paths", f"{base}&paths=taylor,random"),
                View("sanity", f"{base}&sane_methods=saliency,edges"),
                View("removal", f"{base}&gone_methods=saliency"),
            ]
    found += [View("decoding", "model=scenes-net&source=scenes&steps=32&paths=taylor")]
    found += [View("benchmarks", "bench_run=scenes-pixels"), View("benchmarks", "bench=calibrate")]
    return [
        *found,
        View("review", "review=soak&desk_count=24"),
        View("reproduction", ""),
        View("lessons", ""),
    ]


def essence(value: Any) -> Any:
    """A header without what differs between two visits to one view."""
    if isinstance(value, dict):
        if value.get("label") == "Time":
            return None
        return {key: essence(one) for key, one in value.items() if key not in PASSING}
    return [essence(one) for one in value] if isinstance(value, list) else value


@dataclass
class Visit:
    """A session of one visitor on one connection.

    Attributes:
        line: the websocket.
        elements: what stands on the page, by its place: (run that drew it, fragment, element).
        clocks: fragment -> seconds after which the browser runs it again.
        script: hash of the page that is open, "" from asking for one until it runs.
        pages: hash -> address of those that there are.
        run: the one whose elements are coming.
        running: whether more of them may come.
    """

    line: ClientConnection
    elements: dict[tuple[int, ...], tuple[str, str, Any]] = field(default_factory=dict)
    clocks: dict[str, float] = field(default_factory=dict)
    script: str = ""
    pages: dict[str, str] = field(default_factory=dict)
    run: str = ""
    running: bool = False

    async def open(self, view: View) -> Answer:
        """The answer, when nothing on the page is still to come.

        Raises:
            TimeoutError: it does not come.
            ValueError: an error stands on the page.
        """
        ends = time.monotonic() + PATIENCE
        await self.ask(view)
        await asyncio.wait_for(self._page(view), PATIENCE)
        while True:
            self.complain()
            if not self.clocks and not self.running:
                return self._answer()
            seconds = 0.0
            if self.clocks:
                fragment, seconds = next(iter(self.clocks.items()))
                await asyncio.sleep(seconds)
                await self.ask(view, fragment)
            # As a browser's clock does, which asks again whether or not it was answered.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._run(), max(seconds, 0.1))
            if time.monotonic() >= ends:
                raise TimeoutError

    async def ask(self, view: View, fragment: str = "", press: str = "") -> None:
        """Have the page run, a part of it, or a button pressed that the server knows by this name."""
        said = BackMsg()
        said.rerun_script.query_string = view.query
        if fragment:
            said.rerun_script.page_script_hash = self.script
            said.rerun_script.fragment_id, said.rerun_script.is_auto_rerun = fragment, True
        elif press:
            said.rerun_script.page_script_hash = self.script
            said.rerun_script.widget_states.widgets.add(id=press, trigger_value=True)
        else:
            # As Back does, so that what an address leaves out is the default, not what the session had.
            said.rerun_script.is_history_navigation = bool(self.run)
            said.rerun_script.page_name = view.page
            self.script = ""
        await self.line.send(said.SerializeToString())

    async def _run(self) -> None:
        """Take in messages until a run has ended that is not followed by another one at once."""
        while not self.take(ForwardMsg.FromString(await self.line.recv())):  # type: ignore[arg-type]
            pass

    async def _page(self, view: View) -> None:
        """Take in messages until this page has run: a clock of the one before may still be answered first."""
        while True:
            await self._run()
            if self.pages.get(self.script) == view.page:
                return

    def take(self, message: ForwardMsg) -> bool:
        """Take in one message; whether it ends a run that is not followed by another one at once.

        Raises:
            ValueError: the script does not compile.
        """
        kind, run = message.WhichOneof("type"), message.metadata.run
        if kind == "new_session":
            self.run, self.running = run.script_run_id, True
            if not run.fragment_ids:
                self.clocks.clear()
        elif kind == "navigation":
            self.script = message.navigation.page_script_hash
            self.pages = {one.page_script_hash: one.url_pathname for one in message.navigation.app_pages}
        elif kind == "auto_rerun":
            self.clocks[message.auto_rerun.fragment_id] = message.auto_rerun.interval
        elif kind == "stop_auto_rerun":
            for one in message.stop_auto_rerun.fragment_ids:
                self.clocks.pop(one, None)
        elif kind == "delta":
            place, delta = tuple(message.metadata.delta_path), message.delta
            self.elements.pop(place, None)
            if delta.WhichOneof("type") == "new_element":
                self.elements[place] = self.run, delta.fragment_id, delta.new_element
        elif kind == "script_finished":
            if message.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                raise ValueError("the script does not compile")
            if message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                self._tidy(set(run.fragment_ids))
                self.running = False
                return True
        return False

    def _tidy(self, fragments: set[str]) -> None:
        """Take away what a finished run has not drawn again."""
        self.elements = {
            place: (drawn, fragment, element)
            for place, (drawn, fragment, element) in self.elements.items()
            if drawn == self.run or (fragments and fragment not in fragments)
        }

    def complain(self) -> None:
        """Raise what stands on the page as an error.

        Raises:
            ValueError: something does.
        """
        for _, _, element in self.elements.values():
            kind = element.WhichOneof("type")
            if kind == "exception":
                raise ValueError(f"{element.exception.type}: {element.exception.message}")
            if kind == "alert" and element.alert.format == element.alert.ERROR:
                raise ValueError(element.alert.body)

    def _answer(self) -> Answer:
        found: list[tuple[str, bytes]] = []

        def add(name: str, record: dict[str, Any]) -> None:
            found.extend((f"{name}.{key}", json.dumps(value).encode()) for key, value in record.items())

        for _, _, element in self.elements.values():
            kind = element.WhichOneof("type")
            if kind == "plotly_chart":
                add("chart", json.loads(element.plotly_chart.spec))
            elif kind == "bidi_component" and element.bidi_component.WhichOneof("data") == "bytes":
                payload, name = element.bidi_component.bytes, element.bidi_component.component_name
                size = 4 + int.from_bytes(payload[:4], "little")
                header = essence(json.loads(payload[4:size]))
                header.pop("id", None)  # of the whole, times included
                add(name, header)
                found.append((name, payload[size:]))
        return tuple(sorted((name, sha256(data).hexdigest()) for name, data in found))


@dataclass
class Tally:
    """What the visitors met.

    Attributes:
        answers: what each view was answered, and how often.
        seconds: of every answer.
        left: views left before they were done.
        errors: sentences.
    """

    answers: dict[View, Counter[Answer]] = field(default_factory=lambda: defaultdict(Counter))
    seconds: list[float] = field(default_factory=list)
    left: int = 0
    errors: list[str] = field(default_factory=list)

    def wrong(self, right: Mapping[View, Answer]) -> list[str]:
        """A sentence for every answer that is not the right one."""

        def parts(one: Answer, other: Answer) -> str:
            return ", ".join(sorted({name for name, _ in set(one) ^ set(other)}))

        return [
            f"{view}, {count} times: {parts(answer, right[view])}"
            for view, answers in self.answers.items()
            for answer, count in answers.items()
            if answer != right[view]
        ]


def visitor(url: str) -> connect:
    """A connection as a browser makes it."""
    address = url.replace("http", "ws", 1) + "/_stcore/stream"
    return connect(address, subprotocols=["streamlit"], max_size=None, ping_interval=None)  # type: ignore[list-item]


async def alone(url: str, wanted: Sequence[View]) -> dict[View, Answer]:
    """The answers that one visitor gets, a session a view."""
    found = {}
    for view in wanted:
        async with visitor(url) as line:
            found[view] = await Visit(line).open(view)
    return found


async def crowd(
    url: str, wanted: Sequence[View], clients: int, seconds: float, seed: int, tally: Tally
) -> None:
    """So many visitors for so long, four views a session; each opens at least one. Adds to the tally."""
    ends = time.monotonic() + seconds

    async def walk(number: int) -> None:
        chance, done = random.Random(f"{seed} {number}"), False
        while not done:
            view = View("", "")
            try:
                async with visitor(url) as line:
                    visit = Visit(line)
                    for view in chance.sample(wanted, min(len(wanted), 4)):
                        if chance.random() < 0.1:
                            tally.left += 1
                            with suppress(TimeoutError):
                                await asyncio.wait_for(visit.open(view), 0.3)
                            break  # the tab is closed
                        start = time.monotonic()
                        tally.answers[view][await visit.open(view)] += 1
                        tally.seconds.append(time.monotonic() - start)
                        if done := time.monotonic() >= ends:
                            break
            except (TimeoutError, ValueError, ConnectionClosed, OSError) as error:
                tally.errors.append(f"{view}: {type(error).__name__}: {error}")
                done = time.monotonic() >= ends

    await asyncio.gather(*(walk(number) for number in range(clients)))


def settled(pid: int) -> float:
    """MB that a server holds when its sessions are gone."""
    lowest = resident(pid)
    for _ in range(10):
        time.sleep(1)
        lowest = min(lowest, resident(pid))
    return lowest


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--pictures", type=int, default=4, help="of each model (default 4)")
    parser.add_argument("--seed", type=int, default=0, help="of the visitors' ways (default 0)")
    parser.add_argument("--out", type=Path, help="write the figures here, too (JSON)")
    options = parser.parse_args()
    wanted = views(options.pictures)
    with tempfile.TemporaryDirectory() as folder:
        with served() as (_, url):
            right = asyncio.run(alone(url, wanted))
        print(f"{len(right)} views, each answered to one visitor alone", flush=True)
        log = Path(folder, "log.txt")
        with served(log) as (server, url):
            tally, fresh, half = Tally(), resident(server.pid), 30 * options.minutes
            memory = []
            for seed in (options.seed, options.seed + 1):
                asyncio.run(crowd(url, wanted, options.clients, half, seed, tally))
                memory.append(settled(server.pid))
        said = log.read_text("utf-8", "replace")
    times, wrong, (before, after) = sorted(tally.seconds), tally.wrong(right), memory
    figures = {
        "clients": options.clients, "minutes": options.minutes, "views": len(right), "seed": options.seed,
        "answers": len(times), "left early": tally.left, "wrong": wrong, "errors": tally.errors,
        "fault of the server": faults(said),
        "seconds": {name: times[int(share * (len(times) - 1))] for name, share in SHARES.items()},
        "memory in MB": {"fresh": fresh, "first": before, "second": after, "ratio": after / before},
        "made with": provenance(),
    }  # fmt: skip
    print(json.dumps(figures, indent=1))
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    bad = wrong or tally.errors or figures["fault of the server"] or after > GROWTH * before
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
