"""`train`: make one of the bundled networks from a seed."""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import asdict
from pathlib import Path

from pruneattr_core.commands.arguments import add_json, add_seed, add_threads, say, show, use_threads
from pruneattr_core.commands.progress import Progress
from pruneattr_core.descent import remove
from pruneattr_core.recipes import BUNDLED, new_network
from pruneattr_core.runtime import provenance
from pruneattr_core.store import refuse_unwritable
from pruneattr_core.training import accuracy, fit, identity, write_weights


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `train`."""
    parser.add_argument("network", choices=sorted(BUNDLED), help="which network")
    parser.add_argument(
        "--data", type=Path, help="folder of CIFAR-10 (resnet8-cifar10 only; default as in load_dataset)"
    )
    add_seed(parser, "weights, order and augmentation")
    add_threads(parser, 1)
    add_json(parser)
    parser.add_argument(
        "--out", type=Path, default=Path("assets/weights"), help="folder (default %(default)s)"
    )
    parser.add_argument(
        "--cache", type=Path, default=default_cache(), help="checkpoints (default %(default)s)"
    )


def default_cache() -> Path:
    """Where interrupted trainings wait: $XDG_CACHE_HOME/pruneattr/training."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pruneattr" / "training"


def kept(arguments: argparse.Namespace) -> str:
    """What is there after an interruption."""
    return checkpoints_in(arguments.cache)


def checkpoints_in(cache: Path) -> str:
    """What a training that was interrupted has left."""
    if cache.is_dir() and any(cache.iterdir()):
        return f"The last checkpoint, not older than 100 steps, is kept in {cache}."
    return f"A checkpoint is written into {cache} every 100 steps; there is none yet."


def run(arguments: argparse.Namespace) -> int:
    """Train, measure, write weights and card; a killed run goes on where it was when started again."""
    use_threads(arguments)
    refuse_unwritable(arguments.out / f"{arguments.network}.json")
    refuse_unwritable(arguments.cache / "checkpoint")
    steps = Progress("steps")

    def log(line: str) -> None:
        steps.clear()
        say(arguments, line)

    bundled = BUNDLED[arguments.network]
    pool, test = (
        bundled.data(arguments.data, split, arguments.seed, Progress(f"pictures to {use}"))
        for split, use in (("train", "learn from"), ("test", "be tested on"))
    )
    model = new_network(arguments.network, arguments.seed)
    key = identity(pool, bundled.recipe, arguments.seed)
    checkpoint = arguments.cache / f"{arguments.network}-{key[:16]}.pt"
    log(f"{arguments.network}: {len(pool.labels)} pictures, checkpoint {checkpoint}")
    seconds = fit(model, pool, bundled.recipe, arguments.seed, checkpoint, log=log, progress=steps)
    score = accuracy(model, test, bundled.recipe)
    card = {
        "id": arguments.network,
        "data": pool.name,
        "training_pictures": len(pool.labels),
        "data_and_recipe_sha256": key,
        "recipe": asdict(bundled.recipe),
        "seed": arguments.seed,
        "threads": arguments.threads,
        "seconds": round(seconds),
        "test_accuracy": score,
        "test_pictures": len(test.labels),
        "finished": time.strftime("%Y-%m-%d", time.gmtime()),
        "versions": provenance("cpu"),
    }
    path = write_weights(model, arguments.out, arguments.network, card)
    remove(checkpoint)
    line = f"test accuracy {score:.4f} on {len(test.labels)} pictures, {seconds:.0f} s; wrote {path}"
    show(arguments, line, {**card, "file": str(path)})
    return 0
