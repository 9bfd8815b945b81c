"""Does a long session grow the server, and does memory come back when networks go?

    python -m perf.session_memory --pictures 300 --out memory.json
    python -m perf.session_memory --pictures 0 --networks resnet152 wide_resnet50_2 resnet101 wide_resnet50_2

First one engine, in this process, is asked what so many networks of torchvision (random weights, a file
each) say about a picture; together they are more than it may keep. After each its memory may be what it
began with, the networks that it keeps and an allowance (`SPARE`); when a small one has taken their place,
the first and the last alone. Then one visitor on one connection opens so many fresh pictures in the
explorer, each until its map stands at all levels, and the server's memory is read after every tenth part.
What is kept for all sessions together is bounded, so memory must stand still once that is full: at the end
it may be 1.1 times that after a third. Exit status 1 where one of these does not hold. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from perf.serving import resident, served
from perf.soak import View, Visit, visitor
from pruneattr_core.heap import give_back
from pruneattr_core.runtime import provenance

#: Bar: memory at the end of the session, as a share of that after a third of it.
GROWTH = 1.1
#: MB beyond the networks themselves: what a pass needs, what libraries set up at their first.
SPARE = 200


def session(pictures: int, model: str, source: str) -> dict[str, Any]:
    """One visitor, so many pictures; MB of the server by pictures seen."""

    async def walk(url: str, pid: int) -> dict[int, float]:
        found = {0: resident(pid)}
        async with visitor(url) as line:
            visit = Visit(line)
            for number in range(pictures):
                await visit.open(View("", f"model={model}&source={source}&picture={number}"))
                if not (number + 1) % max(1, pictures // 10):
                    found[number + 1] = resident(pid)
                    print(f"{number + 1:4d} pictures: {found[number + 1]:.0f} MB", flush=True)
        return found

    with served() as (server, url):
        memory = asyncio.run(walk(url, server.pid))
    third = min((number for number in memory if number >= pictures / 3), default=0)
    ratio = memory[max(memory)] / memory[third]
    print(f"after {max(memory)} / after {third} pictures: {ratio:.3f} (bar {GROWTH})", flush=True)
    return {"pictures": pictures, "model": model, "source": source, "MB": memory, "ratio": ratio}


def networks(names: list[str], folder: Path) -> dict[str, Any]:
    """One engine, one network after another, then a small one; MB of this process."""
    import torch
    from PIL import Image
    from torchvision.models import get_model

    from pruneattr_core.models import model_card
    from pruneattr_core.results.sweeps import answer
    from pruneattr_core.ui.cache import MODEL_BYTES, Engine
    from pruneattr_core.ui.jobs import Job

    for name in dict.fromkeys(names):
        torch.save(get_model(name).state_dict(), folder / f"{name}.pth")
    picture = Image.new("RGB", (256, 256), "grey")
    engine, rows, good = Engine(), [], True

    def ask(name: str) -> None:
        card = f"torchvision/{name}"
        network, weights = engine.model(card, Job(name, lambda job: None), (f"{folder / name}.pth", name))
        answer(network, model_card(card).preprocess(picture), weights)

    gc.collect()
    give_back()  # what making the files has left
    before = resident(os.getpid())
    for name in names:
        ask(name)
        gc.collect()
        give_back()  # as a server does when it rests
        kept = sum(engine.models.size(engine.models.get(one)) for one in engine.models.names()) / 2**20
        now = resident(os.getpid())
        rows.append({"network": name, "kept MB": kept, "MB": now})
        good &= now <= before + kept + SPARE and kept <= MODEL_BYTES / 2**20
        print(
            f"{name}: {now:.0f} MB, {before:.0f} before and {kept:.0f} in networks that are kept", flush=True
        )
    engine.models.clear()
    gc.collect()
    engine.model("scenes-net", Job("last", lambda job: None))
    left = resident(os.getpid())
    print(f"all dropped: {left:.0f} MB", flush=True)
    return {
        "before MB": before,
        "networks": rows,
        "dropped MB": left,
        "good": good and left <= before + SPARE,
    }


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=300, help="of the session; 0 for none (default 300)")
    parser.add_argument("--model", default="scenes-net", help="of the session (default scenes-net)")
    parser.add_argument("--source", default="scenes", help="data set of the session (default scenes)")
    parser.add_argument("--networks", nargs="*", default=["resnet152", "wide_resnet50_2", "resnet101"])
    parser.add_argument("--out", type=Path, help="write the figures here, too (JSON)")
    options = parser.parse_args()
    figures: dict[str, Any] = {"made with": provenance("cpu")}
    if options.networks:
        with tempfile.TemporaryDirectory() as folder:
            figures["networks"] = networks(options.networks, Path(folder))
    if options.pictures:
        figures["session"] = session(options.pictures, options.model, options.source)
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    flat = figures.get("session", {}).get("ratio", 0) <= GROWTH
    return int(not (flat and figures.get("networks", {}).get("good", True)))


if __name__ == "__main__":
    sys.exit(main())
