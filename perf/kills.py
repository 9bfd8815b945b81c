"""Kill and damage long computations and see whether they end with the bits of undisturbed ones.

    python -m perf.kills --kills 100 --damages 60

A benchmark (cells over pictures), a study of paths and a training each run once in peace; then each is
started again and again and killed (SIGKILL) after a random time, as often as its share of `--kills` says, and
at last allowed to end. Then a killed state of each is taken again and again, one of its files (a cell; a
checkpoint, with and without the one before it) damaged as tests/damages.py says, and the work goes on: what
is damaged must be named, and never taken. Random weights and noise, one thread; POSIX only. Prints one line
each; exit status 1 where a byte differs, a file is left over or a damaged one is not named.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from pruneattr_core.analysis.study import Question, study
from pruneattr_core.analysis.study_run import collect, write_study
from pruneattr_core.benchmarks.executor import execute, plan_run
from pruneattr_core.benchmarks.sources import Source
from pruneattr_core.models.catalogue import BUILDERS
from pruneattr_core.training import Pool, Recipe, fit, write_weights
from tests.damages import DAMAGES

Say = Callable[[str], None]
Work = Callable[[Path, Say], None]
#: Files that a killed work must have left before one of them is damaged.
LEFT = 2


def benchmark(place: Path) -> Work:
    """Eight pictures, two methods, a cell each."""
    weights, data = place / "net.safetensors", place / "pictures"
    network = BUILDERS["cifar-resnet20"]()
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, weights)
    for number in range(8):
        folder = data / ("cat" if number % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    source = Source("cifar-resnet20", str(data), str(weights))
    plan = plan_run("pixels", source, ["saliency", "random"], n=8, chunk=1)

    def work(out: Path, say: Say) -> None:
        execute(source, plan, out / "run", say=say)

    return work


def paths(place: Path) -> Work:
    """Twelve pictures of a small network."""
    network = BUILDERS["cifar-resnet20"]().eval().requires_grad_(False)
    question = Question("random", "noise", (0.8, 0.9))
    jobs = [(index, ("taylor", "random")) for index in range(12)]

    def picture(index: int) -> torch.Tensor:
        return torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(index))

    def work(out: Path, say: Say) -> None:
        cells = study(network, picture, jobs, question, out / "cells", say)
        header = {
            "config": {"sparsities": [0.8, 0.9], "reference": "intgrad"},
            "model": {"title": "random"},
            "data": {"title": "noise", "indices": list(range(12))},
            "methods": {"taylor": {}, "random": {}},
            "layers": cells[0]["names"],
        }
        write_study(header, collect(cells, question.sparsities, "intgrad"), out / "run", {})

    return work


def training(place: Path) -> Work:
    """Two epochs of noise, a checkpoint every three steps."""
    recipe = Recipe(((2, 16),), (0.5,) * 3, (0.25,) * 3, batch=8)
    images = np.random.default_rng(0).integers(0, 256, (160, 16, 16, 3), dtype=np.uint8)
    pool = Pool(images, np.arange(160) % 10)

    def work(out: Path, say: Say) -> None:
        torch.manual_seed(0)
        network = BUILDERS["cifar-resnet20"]()
        fit(network, pool, recipe, 0, out / "net.pt", every=3, log=say)
        write_weights(network, out / "run", "net", {})

    return work


KINDS = {"benchmark": benchmark, "paths": paths, "training": training}


def child(work: Work, out: Path, said: Path | None = None) -> int:
    """The process that does it; what it says goes into the file `said`."""
    process = os.fork()
    if process == 0:
        status = 1
        try:
            out.mkdir(exist_ok=True)
            lines: list[str] = []
            work(out, lines.append)
            if said is not None:
                said.write_text("\n".join(lines), "utf-8")
            status = 0
        finally:
            os._exit(status)
    return process


def content(out: Path) -> dict[str, bytes]:
    """All that must not differ."""
    files = (file for file in (out / "run").rglob("*") if file.is_file() and file.name != "timing.json")
    return {file.relative_to(out).as_posix(): file.read_bytes() for file in files}


def tried(name: str, work: Work, place: Path, longest: float, kills: int, rng: random.Random) -> bool:
    """Kill one kind of work, which takes `longest` seconds at most; whether it ended well."""
    done, started = 0, 0
    while done < kills:
        out = place / f"killed{started}"
        process, started, ended = child(work, out), started + 1, False
        while not ended and done < kills:
            time.sleep(rng.uniform(0, longest / 4))
            os.kill(process, signal.SIGKILL)
            ended = not os.WIFSIGNALED(os.waitpid(process, 0)[1])
            done += not ended
            if not ended:
                process = child(work, out)
        if not ended:
            os.waitpid(process, 0)
        if content(out) != content(place / "whole"):
            print(f"{name}: differs after {done} kills")
            return False
    left = [*place.glob("killed*/.*"), *place.glob("killed*/run/.*"), *place.glob("*/*.partial")]
    if left:
        print(f"{name}: left behind {', '.join(file.name for file in left)}")
        return False
    print(f"{name}: {done} kills, {started} times to the end, the same bits", flush=True)
    return True


def kept(out: Path) -> list[Path]:
    """Cells and checkpoints that a killed work has left."""
    found = [*out.rglob("*.cell"), *out.glob("net.pt"), *out.glob("net.pt.before")]
    return sorted(file for file in found if file.name[0] != ".")


def half_done(work: Work, out: Path) -> None:
    """A work killed when it has left `LEFT` files or more."""
    while len(kept(out)) < LEFT:
        shutil.rmtree(out, ignore_errors=True)
        process, ended = child(work, out), False
        while len(kept(out)) < LEFT and not ended:
            time.sleep(0.002)
            ended = os.waitpid(process, os.WNOHANG)[0] == process
        if not ended:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


def damaged(name: str, work: Work, place: Path, count: int, rng: random.Random) -> bool:
    """Damage files of one kind of work; whether each was named and none taken."""
    said, kinds = place / "said", list(DAMAGES.items())
    half_done(work, place / "half")
    named = same = 0
    for number in range(count):
        kind, damage = kinds[number % len(kinds)]
        out = place / f"damaged{number}"
        shutil.copytree(place / "half", out)
        files = kept(out)
        hit = [rng.choice(files)]
        if name == "training":  # the last checkpoint; the second time round the one before it as well
            hit = files if number >= len(kinds) else [out / "net.pt"]
        for file in hit:
            file.write_bytes(damage(file.read_bytes()))
        said.unlink(missing_ok=True)
        ended = os.waitpid(child(work, out, said), 0)[1] == 0
        lines = said.read_text("utf-8").splitlines() if ended else []
        told = all(any(str(file) in line for line in lines) for file in hit)
        equal = ended and content(out) == content(place / "whole")
        named, same = named + told, same + equal
        if not (told and equal):
            print(f"{name}: {kind}: {'' if told else 'not named '}{'' if equal else 'other bits'}: {lines}")
        shutil.rmtree(out)
    what = "checkpoints" if name == "training" else "cells"
    print(
        f"{name}: {count} times damaged {what}, {named} named, {same} with the same bits at the end",
        flush=True,
    )
    return named == same == count


def main() -> int:
    """Kill, damage, compare, report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100, help="in all (default 100)")
    parser.add_argument("--damages", type=int, default=60, help="in all (default 60)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default 0)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rng, good = random.Random(arguments.seed), True
    for number, name in enumerate(KINDS):
        with tempfile.TemporaryDirectory() as folder:
            place, start = Path(folder), time.monotonic()
            work = KINDS[name](place)
            whole = os.waitpid(child(work, place / "whole"), 0)[1] == 0
            longest = time.monotonic() - start
            kills, damages = (
                (total + number) // len(KINDS) for total in (arguments.kills, arguments.damages)
            )
            good &= whole and tried(name, work, place, longest, kills, rng)
            good &= whole and (not damages or damaged(name, work, place, damages, rng))
    return not good


if __name__ == "__main__":
    sys.exit(main())
