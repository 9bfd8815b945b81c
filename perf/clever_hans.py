"""The figures of the lesson on Clever Hans, written into assets/runs/lessons/clever-hans.json.

PYTHONPATH=. python perf/clever_hans.py [--scenes 1000] [--hearts 60] [--series 20077]

Accuracy of the two networks on scenes without a mark, with every heart marked and with every scene marked;
share of the map inside the box around the mark, both networks, by method.
"""

from __future__ import annotations

import argparse
import json
import time

import torch

from pruneattr_core.lessons.hans import FIGURES, measure, tables
from pruneattr_core.runtime import provenance
from pruneattr_core.store import write_atomically


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=1000, help="for the accuracy")
    parser.add_argument("--hearts", type=int, default=60, help="marked hearts whose maps are drawn")
    parser.add_argument("--series", type=int, default=20_077, help="seed of the scenes; none was trained on")
    options = parser.parse_args()
    torch.set_num_threads(1)
    start = time.perf_counter()
    found = measure(options.series, options.scenes, options.hearts, print)
    command = (
        f"PYTHONPATH=. python perf/clever_hans.py --scenes {options.scenes} --hearts {options.hearts} "
        f"--series {options.series}"
    )
    record = {"command": command, "seconds": round(time.perf_counter() - start), **provenance("cpu"), **found}
    write_atomically(FIGURES, (json.dumps(record, indent=1) + "\n").encode())
    for rows in tables():
        for row in rows:
            print(" | ".join(row.values()))


if __name__ == "__main__":
    main()
