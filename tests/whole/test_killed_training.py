"""A training that is killed goes on to the same bits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from training import tiny_training

ROOT = Path(__file__).resolve().parents[2]

_SCRIPT = """
import sys
from pathlib import Path
from pruneattr_core.compression import loop, train
from training import tiny_order, tiny_workshop

real = loop.optimise
train.optimise = lambda *a, **k: real(*a, **{**k, "every": 2})
folder, kind = Path(sys.argv[1]), sys.argv[2]
say = lambda line: print(line, flush=True)
tiny_workshop(folder / "out", folder / "cache", say).make(tiny_order(kind))
"""


def _start(folder: Path, kind: str) -> subprocess.Popen[str]:
    path = os.pathsep.join(str(one) for one in (ROOT, ROOT / "tests"))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, str(folder), kind],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=folder,
    )


@pytest.mark.parametrize(("kind", "until"), [("distil", "step 9 of"), ("unstructured", "round 3 of")])
def test_a_killed_training_resumes_to_the_same_bits(tmp_path, kind, until):
    killed = _start(tmp_path, kind)
    assert killed.stdout is not None
    for line in killed.stdout:
        if line.startswith(until):
            os.kill(killed.pid, signal.SIGKILL)
            break
    assert killed.wait() == -signal.SIGKILL
    killed.stdout.close()
    assert list((tmp_path / "cache").iterdir())
    assert not (tmp_path / "out" / f"{kind}.json").exists()
    said: list[str] = []
    tiny_training(tmp_path / "out", tmp_path / "cache", kind, said.append)
    assert any("going on from step" in line for line in said) if kind == "distil" else True
    assert not any(line.startswith("round 1") for line in said)
    assert not list((tmp_path / "cache").iterdir())
    tiny_training(tmp_path / "whole", tmp_path / "other", kind)
    one, other = (load_file(tmp_path / name / f"{kind}.safetensors") for name in ("out", "whole"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)
