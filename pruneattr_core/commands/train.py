"""`train`: make one of the bundled networks from a seed."""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import asdict
from pathlib import Path

import torch

from pruneattr_core.descent import remove
from pruneattr_core.recipes import BUNDLED, new_network
from pruneattr_core.runtime import provenance
from pruneattr_core.training import accuracy, fit, identity, write_weights


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `train`."""
    parser.add_argument("network", choices=sorted(BUNDLED), help="which network")
    parser.add_argument(
        "--data", type=Path, help="folder of CIFAR-10 (resnet8-cifar10 only; default as in load_dataset)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and augmentation (default 0)")
    parser.add_argument(
        "--threads", type=int, default=1, help="CPU threads; other counts give other bits (default 1)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("assets/weights"), help="folder (default %(default)s)"
    )
    parser.add_argument(
        "--cache", type=Path, default=default_cache(), help="checkpoints (default %(default)s)"
    )


def default_cache() -> Path:
    """Where interrupted trainings wait: $XDG_CACHE_HOME/pruneattr/training."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pruneattr" / "training"


def run(arguments: argparse.Namespace) -> int:
    """Train, measure, write weights and card; a killed run goes on where it was when started again."""
    torch.set_num_threads(arguments.threads)
    bundled = BUNDLED[arguments.network]
    pool = bundled.data(arguments.data, "train", arguments.seed)
    test = bundled.data(arguments.data, "test", arguments.seed)
    model = new_network(arguments.network, arguments.seed)
    key = identity(pool, bundled.recipe, arguments.seed)
    checkpoint = arguments.cache / f"{arguments.network}-{key[:16]}.pt"
    say(f"{arguments.network}: {len(pool.labels)} pictures, checkpoint {checkpoint}")
    seconds = fit(model, pool, bundled.recipe, arguments.seed, checkpoint, log=say)
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
    say(f"test accuracy {score:.4f} on {len(test.labels)} pictures, {seconds:.0f} s; wrote {path}")
    return 0


def say(line: str) -> None:
    """Print at once, also into a file."""
    print(line, flush=True)
