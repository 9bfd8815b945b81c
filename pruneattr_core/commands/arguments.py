"""What arguments may be: checked when they are read, so that a wrong one is a sentence and never a number."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

from pruneattr_core.importing import one_at_a_time

#: Largest seed that every generator we use takes.
LARGEST_SEED = 2**32 - 1


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """A type for argparse: whole numbers from `least` to `most`."""
    expected = (
        f"a whole number of {least} or more" if most is None else f"a whole number from {least} to {most}"
    )

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least or (most is not None and value > most):
            raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
        return value

    return read


def number(low: float, high: float = math.inf, open_low: bool = False, open_high: bool = False) -> Any:
    """A type for argparse: finite numbers from `low` to `high`, without the ends that are open."""
    left = f"above {low:g}" if open_low else f"of at least {low:g}"
    right = "" if high == math.inf else f" and {'below' if open_high else 'at most'} {high:g}"

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        outside = value <= low if open_low else value < low
        outside |= value >= high if open_high else value > high
        if not math.isfinite(value) or outside:
            raise argparse.ArgumentTypeError(f"expected a number {left}{right}, got {text!r}")
        return value

    return read


count, seed, share = whole(1), whole(0, LARGEST_SEED), number(0, 1)
positive = number(0, open_low=True)


def add_seed(parser: argparse.ArgumentParser, what: str) -> None:
    """Declare --seed; `what` it decides."""
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help=f"of {what} (default 0)")


def add_threads(parser: argparse.ArgumentParser, default: int | None = None) -> None:
    """Declare --threads; None leaves the number that torch takes by itself."""
    said = f" (default {default})" if default is not None else ""
    parser.add_argument(
        "--threads", type=whole(1, 1024), default=default, metavar="N",
        help=f"CPU threads; other counts give other last bits{said}",
    )  # fmt: skip


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Declare --workers."""
    parser.add_argument(
        "--workers", type=whole(1, 256), default=1, metavar="N",
        help="processes that share the work, each with its own threads, all on one device (default 1)",
    )  # fmt: skip


def use_threads(arguments: argparse.Namespace) -> None:
    """Let torch work with as many threads as were asked for."""
    if arguments.threads is not None:
        with one_at_a_time:
            import torch  # seconds, which no wrong argument and no help has to wait for

        torch.set_num_threads(arguments.threads)


def add_device(parser: argparse.ArgumentParser) -> None:
    """Declare --device."""
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps or auto (default cpu)")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Declare --json."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON, all else to stderr")


def say(arguments: argparse.Namespace, line: str) -> None:
    """Print a line that is no result, at once: with --json to stderr."""
    print(line, file=sys.stderr if arguments.json else sys.stdout, flush=True)


def show(arguments: argparse.Namespace, text: str, record: Mapping[str, Any]) -> None:
    """Print a result, as text or as JSON, where what is undefined is null and --weights has its SHA-256."""
    if arguments.json:
        text = json.dumps(_defined({**record, **_weights_file(arguments)}), indent=1, ensure_ascii=False)
    print(text, file=getattr(arguments, "result", None), flush=True)


def _weights_file(arguments: argparse.Namespace) -> dict[str, Any]:
    file = getattr(arguments, "weights", None)
    if file is None:
        return {}
    from pruneattr_core.models.checkpoint import file_sha256  # brings torch, see `use_threads`

    return {"weights_file": {"name": file.name, "sha256": file_sha256(file)}}


def _defined(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _defined(inside) for key, inside in value.items()}
    return [_defined(inside) for inside in value] if isinstance(value, list | tuple) else value
