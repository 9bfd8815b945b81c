"""Cells of a plan: pure, kept one by one, the same bits after any number of kills."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pruneattr_core import runtime
from pruneattr_core.benchmarks import executor
from pruneattr_core.benchmarks.cluster import timed_cell
from pruneattr_core.benchmarks.executor import execute, plan_run
from pruneattr_core.benchmarks.sources import Source
from pruneattr_core.errors import InputError, ModelError, StoreError
from pruneattr_core.models.catalogue import BUILDERS
from pruneattr_core.runs import workers
from pruneattr_core.runs.workers import each

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
    (tmp_path / "halted.partial" / "000000.cell").write_text('{"seconds": 1, "valu')  # a half-written one
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
    with pytest.raises(InputError, match="Expected methods in taylor"):
        plan_run("calibrate", small, ["saliency"], n=2)


def test_plans_refuse_a_method_that_does_not_fit_the_network(small, monkeypatch):
    monkeypatch.setattr(executor, "supported", lambda model, inputs, methods: {"RAP": "it has no rule"})
    with pytest.raises(ModelError, match="RAP: it has no rule"):
        plan_run("pixels", small, ["rap"], n=2)


def test_values_do_not_depend_on_how_pictures_are_cut_into_cells(small):
    """In float32 kernels may differ by batch size in the last bits; seeds and partners must not."""
    runs = []
    for chunk in (1, 3):
        plan = plan_run("pixels", small, ["random"], n=3, choices={"fill": "noisy_linear"}, chunk=chunk)
        cells = [executor.compute_cell(small, plan, n) for n in range(len(plan.cells))]
        runs.append(np.concatenate(cells, axis=-1))
    np.testing.assert_allclose(runs[0], runs[1], rtol=1e-3, atol=1e-5)


def test_processes_that_share_the_work_give_the_same_run(small, tmp_path, monkeypatch):
    """With threads in their place: a fresh process takes seconds to import torch."""
    monkeypatch.setattr(workers, "ProcessPoolExecutor", ThreadPoolExecutor)
    plan = plan_run("pixels", small, ["random", "saliency"], n=4, chunk=1)
    alone = execute(small, plan, tmp_path / "alone")
    shared = execute(small, plan, tmp_path / "shared", spread=executor.in_processes(3))
    np.testing.assert_array_equal(alone.values, shared.values)


def test_two_processes_at_one_place_both_get_the_run(small, tmp_path):
    plan, said = plan_run("pixels", small, ["random"], n=3, chunk=1), []

    def overtaken(source, plan, numbers):
        for number in numbers:
            yield number, executor.compute_cell(source, plan, number), 0.1
            if number == 1:
                execute(source, plan, tmp_path / "run")

    run = execute(small, plan, tmp_path / "run", spread=overtaken, say=said.append)
    assert said == [f"Another process has finished {tmp_path / 'run'} meanwhile: its run is taken."]
    assert run.id == execute(small, plan, tmp_path / "alone").id
    assert sorted(p.name for p in tmp_path.iterdir()) == ["alone", "run"]


def test_a_run_that_cannot_be_written_says_so_and_keeps_its_cells(small, tmp_path, monkeypatch):
    plan = plan_run("pixels", small, ["random"], n=2, chunk=1)

    def full(*_):
        raise StoreError("the disk is full")

    def never(source, plan, numbers):
        assert list(numbers) == []
        return iter(())

    with monkeypatch.context() as patch:
        patch.setattr(executor, "write_run", full)
        with pytest.raises(StoreError, match="the disk is full"):
            execute(small, plan, tmp_path / "run")
    assert execute(small, plan, tmp_path / "run", spread=never).id == execute(small, plan, tmp_path / "b").id


def test_a_worker_of_a_cluster_gives_the_cell_and_its_seconds(small):
    plan = plan_run("pixels", small, ["random"], n=2, chunk=1)
    start = time.perf_counter()
    number, values, seconds = timed_cell(small, plan, 1)
    assert number == 1
    np.testing.assert_array_equal(values, executor.compute_cell(small, plan, 1))
    assert 0 <= seconds <= time.perf_counter() - start
    other = dataclasses.replace(plan, versions=plan.versions | {"torch": "0"})
    with pytest.raises(StoreError, match=r"A Ray worker has torch .*, not 0"):
        timed_cell(small, other, 1)


def test_one_worker_computes_in_this_process():
    """What it computes need not be importable then."""
    assert list(each(lambda job: (job, os.getpid()), [1, 2])) == [(k, (k, os.getpid())) for k in (1, 2)]


def test_processes_share_one_cards_memory(monkeypatch):
    """Eight processes that each took a whole share filled an H100; a CPU's batches stay as they are."""
    budget = dict(workers.MEMORY_BUDGET)
    monkeypatch.setattr(workers, "MEMORY_BUDGET", budget)
    workers._begin(None, 4, workers.multiprocessing.Pipe()[0])
    assert budget == runtime.MEMORY_BUDGET | {"cuda": runtime.MEMORY_BUDGET["cuda"] // 4}


def test_a_damaged_plan_loses_no_cell(small, tmp_path):
    plan = plan_run("pixels", small, ["random"], n=2, chunk=1)

    def one(source, plan, numbers):
        yield numbers[0], executor.compute_cell(source, plan, numbers[0]), 0.1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(small, plan, tmp_path / "run", spread=one)
    (tmp_path / "run.partial" / "plan.json").write_bytes(b"\xff")
    said, later = [], []

    def watched(source, plan, numbers):
        later.extend(numbers)
        return executor.in_process(source, plan, numbers)

    execute(small, plan, tmp_path / "run", spread=watched, say=said.append)
    assert later == [1]
    assert len(said) == 1
    assert "plan.json is damaged" in said[0]


def test_what_cannot_be_written_is_refused_before_anything_is_computed(small, tmp_path):
    def never(source, plan, numbers):
        raise AssertionError("computed")

    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(StoreError, match="a link to something that is not there"):
        execute(small, plan_run("pixels", small, ["random"], n=1), tmp_path / "link", spread=never)
    assert [p.name for p in tmp_path.iterdir()] == ["link"]
