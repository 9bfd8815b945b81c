"""Long computations that are killed and damaged go on to the same bits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_killed_and_resumed_gives_the_same_bits():
    """Benchmark, paths and training, killed and damaged; `python -m perf.kills` is the long form."""
    done = subprocess.run(
        [sys.executable, "-m", "perf.kills", "--kills", "3", "--damages", "3"],
        cwd=ROOT, capture_output=True, text=True, timeout=800, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout
    assert done.stdout.count("to the end, the same bits") == 3
    assert done.stdout.count("1 named, 1 with the same bits") == 3
