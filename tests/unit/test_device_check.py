"""`perf/gpu.py` without a GPU: its comparison passes on the CPU, notices a wrong map, and writes a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pruneattr_core.attribution import METHODS
from pruneattr_core.runs.stored import checked, write_stored
from tests.loading import loaded

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")
FEW = ("prunegrad", "saliency", "gradcam", "edges", "random")


@pytest.fixture(scope="module")
def gpu() -> Any:
    return loaded(ROOT / "perf" / "gpu.py")


@pytest.fixture(autouse=True)
def few_methods(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "METHODS", {name: METHODS[name] for name in FEW})


def test_the_cpu_agrees_with_itself_and_the_run_is_read_back(gpu: Any, tmp_path: Path) -> None:
    rows = gpu.measured(CPU, 600, checks_only=True)
    assert [name for name in rows if name.startswith("method")] == [f"method {name}" for name in FEW]
    assert {row["passed"] for row in rows.values() if "passed" in row} == {1.0}
    assert rows["devices mixed are refused"]["passed"] == 1
    assert rows["bf16 autocast, PruneGrad"]["float32"] < 1e-6  # a caller's autocast stays outside
    write_stored(gpu.stored(rows, CPU), tmp_path / "run")
    files = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    run = checked(files, "run")
    assert run.header["rows"] == list(rows)
    assert np.isnan(run.values[:, gpu.COLUMNS.index("seconds")]).all()


def test_a_map_that_differs_is_found(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = gpu.explain

    def wrong(network: Any, x: torch.Tensor, *more: Any) -> Any:
        found = real(network, x, *more)
        if x.dtype == torch.float32:
            found.values.mul_(1.5)
        return found

    monkeypatch.setattr(gpu, "explain", wrong)
    rows = dict(gpu.check_methods(CPU))
    assert rows["method saliency"]["passed"] == 0
