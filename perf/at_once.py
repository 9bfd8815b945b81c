"""Fifty people who open the app at the same moment: when each has picture and answer.

    python -m perf.at_once --people 50 --pictures 25

A server that one visitor has used before, as in a class; then all of them ask at once for the explorer, each
for one of so many photographs, over Streamlit's own websocket. Picture and answer are what the browser is
sent first: the photograph in the page, and the classes with their probabilities in the sidebar. The answers
must be those that the network gives by itself. Each watches the maps come for a while, then leaves. The crowd
comes twice, with other pictures the second time, and the server's memory is read after each.

Exit status 1 where an answer is wrong, refused or does not come, or the memory grew to more than 1.1 times.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from perf.serving import faults, served
from perf.soak import GROWTH, SHARES, View, Visit, settled, visitor
from pruneattr_core.models import load_model, model_card
from pruneattr_core.results.sweeps import answer
from pruneattr_core.runtime import provenance
from pruneattr_core.ui import pictures

#: Where elements of the page stand, by the first number of their place; those of the sidebar have another.
_MAIN = 0
#: What draws the photograph beside its first maps.
_SCRUBBER = "pruneattr_scrubber"


@dataclass
class Arrival(Visit):
    """A visit that notes when picture and answer came.

    Attributes:
        pictured: when the first picture stood in the page, by the monotonic clock; 0 for not yet.
        answered: when the likeliest class stood in the sidebar.
        told: what stands there: "class · probability".
    """

    pictured: float = 0.0
    answered: float = 0.0
    told: str = ""

    def take(self, message: ForwardMsg) -> bool:
        """See `Visit.take`."""
        if message.WhichOneof("type") == "delta" and message.delta.WhichOneof("type") == "new_element":
            element = message.delta.new_element
            kind, now = element.WhichOneof("type"), time.monotonic()
            if kind == "button" and "likely_0" in element.button.id:
                self.answered, self.told = self.answered or now, element.button.label
            drawn = kind == "imgs" or element.bidi_component.component_name == _SCRUBBER
            if drawn and message.metadata.delta_path[0] == _MAIN:
                self.pictured = self.pictured or now
        return super().take(message)


@dataclass
class Met:
    """What one person met: seconds until picture and answer, and what was answered."""

    seconds: float
    told: str


async def come(url: str, views: list[View], watch: float) -> list[Met | str]:
    """All at once, one session each, for so many seconds; a sentence for who met an error or no answer."""

    async def one(view: View) -> Met | str:
        try:
            async with visitor(url) as line:
                visit, start = Arrival(line), time.monotonic()
                with suppress(TimeoutError):
                    await asyncio.wait_for(visit.open(view), watch)
                visit.complain()
            if not visit.answered or not visit.pictured:
                return f"{view}: no answer in {watch:g} s"
            return Met(max(visit.answered, visit.pictured) - start, visit.told)
        except Exception as error:
            return f"{view}: {type(error).__name__}: {error}"

    return list(await asyncio.gather(*map(one, views)))


def right(model: str, source: str, places: range) -> dict[int, str]:
    """What the sidebar has to say of pictures, by the library alone."""
    card, network, said = model_card(model), load_model(model), {}
    for place in places:
        inputs = card.preprocess(pictures.from_dataset(source, place).image)
        found = answer(network, inputs, "").probabilities
        said[place] = f"{card.classes[int(found.argmax())]} · {found.max():.2f}"
    return said


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--pictures", type=int, default=25)
    parser.add_argument("--model", default="efficientnet-lite0")
    parser.add_argument("--source", default="imagenet-samples")
    parser.add_argument("--watch", type=float, default=60.0, help="seconds that each stays (default 60)")
    options = parser.parse_args()
    answers = right(options.model, options.source, range(1, 2 * options.pictures + 1))
    met: list[Met | str] = []
    memory, wrong = [], []
    with tempfile.TemporaryDirectory() as folder, served(log := Path(folder, "log.txt")) as (server, url):
        asyncio.run(come(url, [View("", f"model={options.model}&source={options.source}&picture=0")], 60))
        for turn in (0, 1):
            places = [1 + turn * options.pictures + k % options.pictures for k in range(options.people)]
            base = f"model={options.model}&source={options.source}"
            found = asyncio.run(
                come(url, [View("", f"{base}&picture={place}") for place in places], options.watch)
            )
            for place, one in zip(places, found, strict=True):
                if isinstance(one, Met) and one.told != answers[place]:
                    wrong.append(f"picture {place}: {one.told} for {answers[place]}")
            met += found
            memory.append(settled(server.pid))
        fault = faults(log.read_text("utf-8", "replace"))
    found = sorted(one.seconds for one in met if isinstance(one, Met))
    times = {share: found[int(at * (len(found) - 1))] for share, at in SHARES.items() if found}
    errors = [one for one in met if isinstance(one, str)]
    figures = {
        "people": options.people, "pictures": options.pictures, "model": options.model,
        "seconds to picture and answer": times,
        "wrong": wrong, "errors": errors, "fault of the server": fault,
        "memory in MB": {"first": memory[0], "second": memory[1], "ratio": memory[1] / memory[0]},
        "made with": provenance(),
    }  # fmt: skip
    print(json.dumps(figures, indent=1))
    return int(bool(wrong or errors or fault or memory[1] > GROWTH * memory[0]))


if __name__ == "__main__":
    sys.exit(main())
