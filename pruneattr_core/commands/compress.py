"""`compress`: smaller networks that keep looking at the same things (AP)."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from pruneattr_core.commands.train import default_cache, say
from pruneattr_core.compression.family import STUDENTS
from pruneattr_core.compression.zoo import JOBS, Family


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `compress`."""
    actions = parser.add_subparsers(dest="action", required=True)
    zoo = actions.add_parser(
        "zoo", help="train the shipped teacher and all its students; goes on where it was"
    )
    zoo.add_argument("--only", nargs="*", default=[], metavar="ID", help="ids or parts of ids; default all")
    zoo.add_argument("--out", type=Path, default=STUDENTS, help="folder (default %(default)s)")
    zoo.add_argument("--cache", type=Path, default=default_cache(), help="checkpoints (default %(default)s)")
    zoo.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked."""
    torch.set_num_threads(arguments.threads)
    family = Family(arguments.out, arguments.cache, say)
    for job in JOBS:
        if not arguments.only or any(part in job.id for part in arguments.only):
            family.make(job)
    return 0
