"""Cells of a plan: pure, kept one by one, the same bits after any number of kills."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pruneattr_core.benchmarks import executor
from pruneattr_core.benchmarks.executor import execute, plan_run
from pruneattr_core.benchmarks.sources import Source
from pruneattr_core.errors import InputError, ModelError, StoreError
from pruneattr_core.models.catalogue import BUILDERS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Source:
    """A ResNet-20 with random weights and a folder of twelve 32x32 pictures of two classes."""
    place = tmp_path_factory.mktemp("small")
    torch.manual_seed(0)
    model = BUILDERS["cifar-resnet20"]()
    save_file(
        {key: value.contiguous() for key, value in model.state_dict().items()}, place / "net.safetensors"
    )
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (place / "data" / name).mkdir(parents=True)
        for i in range(6):
            pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(place / "data" / name / f"{i}.png")
    return Source("cifar-resnet20", str(place / "data"), str(place / "net.safetensors"))


def test_cells_are_pure_and_finished_ones_are_never_computed_again(small, tmp_path, monkeypatch):
    plan = plan_run("pixels", small, ["saliency", "random"], n=5, chunk=2)
    assert len(plan.cells) == 6
    whole = execute(small, plan, tmp_path / "whole")
    asked: list[int] = []

    def until_the_third(source, plan, numbers):
        for number in list(numbers)[::-1]:
            if len(asked) == 3:
                raise KeyboardInterrupt
            asked.append(number)
            yield number, executor.compute_cell(source, plan, number), 0.1

    with pytest.raises(KeyboardInterrupt):
        execute(small, plan, tmp_path / "halted", spread=until_the_third)
    assert not (tmp_path / "halted").exists()
    (tmp_path / "halted.partial" / "000000.json").write_text('{"seconds": 1, "valu')  # a half-written one
    later: list[int] = []

    def watched(source, plan, numbers):
        later.extend(numbers)
        return executor.in_process(source, plan, numbers)

    resumed = execute(small, plan, tmp_path / "halted", spread=watched)
    assert sorted(later) == [n for n in range(6) if n not in asked]
    assert resumed.id == whole.id  # of the plan and the bits
    assert resumed.timing["resumed"] is True
    assert sorted(p.name for p in tmp_path.iterdir()) == ["halted", "whole"]
    monkeypatch.setattr(executor, "compute_cell", None)  # a finished run is only read
    assert execute(small, plan, tmp_path / "whole").id == whole.id


def test_a_folder_with_another_plan_is_left_alone(small, tmp_path):
    plan = plan_run("pixels", small, ["random"], n=2)
    execute(small, plan, tmp_path / "one")
    other = plan_run("pixels", small, ["random"], n=3)
    with pytest.raises(StoreError, match=r"different: data"):
        execute(small, other, tmp_path / "one")
    (tmp_path / "two.partial").mkdir()
    (tmp_path / "two.partial" / "plan.json").write_text(json.dumps(other.json()))
    with pytest.raises(StoreError, match="holds another run"):
        execute(small, plan, tmp_path / "two")


def test_plans_refuse_what_does_not_exist(small):
    with pytest.raises(InputError, match="no method"):
        plan_run("pixels", small, ["magic"], n=2)
    with pytest.raises(InputError, match="no choice fill"):
        plan_run("sanity", small, ["random"], n=2, choices={"fill": "mean"})
    with pytest.raises(InputError, match="Expected fill in"):
        plan_run("pixels", small, ["random"], n=2, choices={"fill": "pink"})
    with pytest.raises(InputError, match="none of them twice"):
        plan_run("pixels", small, ["random", "random"], n=2)
    with pytest.raises(InputError, match="at least 1"):
        plan_run("pixels", small, ["random"], n=0)
    with pytest.raises(InputError, match="contributions"):
        plan_run("calibrate", small, ["saliency"], n=2)
    with pytest.raises(ModelError, match="RAP"):
        plan_run("pixels", small, ["rap"], n=2)


def test_values_do_not_depend_on_how_pictures_are_cut_into_cells(small):
    """In float32 kernels may differ by batch size in the last bits; seeds and partners must not."""
    runs = []
    for chunk in (1, 3):
        plan = plan_run("pixels", small, ["random"], n=3, choices={"fill": "noisy_linear"}, chunk=chunk)
        cells = [executor.compute_cell(small, plan, n) for n in range(len(plan.cells))]
        runs.append(np.concatenate(cells, axis=-1))
    np.testing.assert_allclose(runs[0], runs[1], rtol=1e-3, atol=1e-5)


KILLED = """
import os, random, shutil, signal, sys, time
import torch
torch.set_num_threads(1)
from pathlib import Path
from pruneattr_core.benchmarks.executor import execute, plan_run
from pruneattr_core.benchmarks.sources import Source
model, data, weights, out = sys.argv[1:]
source = Source(model, data, weights)
plan = plan_run("pixels", source, ["saliency", "random"], n=8, chunk=1)  # opens the source before any fork
out = Path(out)

def child(place):
    pid = os.fork()
    if pid == 0:
        try:
            execute(source, plan, place)
        finally:
            os._exit(0)
    return pid

def killed_ten_times(longest):
    for kill in range(10):
        pid = child(out / "killed")
        time.sleep(random.uniform(0, longest))
        os.kill(pid, signal.SIGKILL)
        if not os.WIFSIGNALED(os.waitpid(pid, 0)[1]):
            return False  # it had finished
    return True

start = time.monotonic()
os.waitpid(child(out / "whole"), 0)
longest = (time.monotonic() - start) / 6
while not killed_ten_times(longest):
    shutil.rmtree(out / "killed", ignore_errors=True)
    shutil.rmtree(out / "killed.partial", ignore_errors=True)
    longest /= 2
kept = len(list((out / "killed.partial").glob("0*.json")))
os.waitpid(child(out / "killed"), 0)
print(kept, "of", len(plan.cells), "cells survived ten kills")
"""


def test_killed_ten_times_and_resumed_gives_the_same_bits(small, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, small.model, small.data, str(small.weights), str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout
    assert "cells survived ten kills" in done.stdout
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    names = sorted(file.relative_to(whole).as_posix() for file in whole.rglob("*"))
    assert names == sorted(file.relative_to(killed).as_posix() for file in killed.rglob("*"))
    for name in names:
        if name != "timing.json" and (whole / name).is_file():
            assert (whole / name).read_bytes() == (killed / name).read_bytes()
    assert json.loads((killed / "timing.json").read_text())["resumed"] is True
    assert sorted(p.name for p in tmp_path.iterdir()) == ["killed", "whole"]
