"""The cells of a plan over a Ray cluster, each cell a task (optional: requirements-ray.txt).

A task opens network and pictures once per worker, with as many threads as the plan says and only if its
libraries are the plan's, so the values are those of `in_process`, bit for bit. A task whose worker dies is
given to another one.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pruneattr_core.benchmarks.executor import Spread, compute_cell
from pruneattr_core.benchmarks.plan import Plan
from pruneattr_core.benchmarks.sources import Source
from pruneattr_core.errors import InputError, PruneAttrError, StoreError
from pruneattr_core.importing import one_at_a_time
from pruneattr_core.runtime import device_for, provenance

_ROOT = Path(__file__).resolve().parents[2]
#: Not sent to the workers.
_LEFT_HERE = [".git", ".venv", "tests", "docs", "perf", "/assets/runs", "*.pyc"]
#: How often a cell is tried on another worker after one died.
RETRIES = 10
#: How often a node of this machine is started: Ray gives it half a minute, which a busy one does not keep.
STARTS = 2
#: Of a cluster that we start: beside other work its processes answer late, which is no sign of death.
PATIENCE = {
    "health_check_initial_delay_ms": 60_000,
    "health_check_timeout_ms": 60_000,
    "health_check_failure_threshold": 20,
    "worker_register_timeout_seconds": 600,
}

Done = tuple[int, NDArray[np.float64], float]


def over_ray(address: str) -> Spread:
    """A way to spread cells, for `execute`.

    Args:
        address: "local" starts Ray on this machine for the duration of the run; else the address of a
            cluster as `ray.init` takes it ("auto", "ray://head:10001"). Its machines need the packages of
            requirements.txt, and data sets at the same paths; the code itself is sent to them.

    Raises:
        InputError: Ray is not installed.
    """
    try:
        with one_at_a_time:
            ray = importlib.import_module("ray")
    except ImportError as error:
        raise InputError(
            "Ray is not installed: pip install -r requirements-ray.txt, or leave --ray-address out."
        ) from error

    def spread(source: Source, plan: Plan, numbers: Sequence[int]) -> Iterator[Done]:
        try:
            _start(ray, address)
        except Exception as error:  # of no kind of its own where a node does not come up in time
            raise InputError(f"No Ray cluster answers at {address!r} ({str(error)[:120]}).") from error
        try:
            yield from _results(ray, _everywhere(source), plan, numbers)
        finally:
            ray.shutdown()

    return spread


def _start(ray: Any, address: str) -> None:
    named = ("TORCH_HOME", "PRUNEATTR_DATA")
    passed = {name: str(Path(os.environ[name]).resolve()) for name in named if os.environ.get(name)}
    own = {"include_dashboard": False, "_system_config": PATIENCE}
    options: dict[str, Any] = own if address == "local" else {}
    for left in reversed(range(STARTS if address == "local" else 1)):
        try:
            ray.init(
                address=address, log_to_driver=False, logging_level="ERROR",
                runtime_env={"working_dir": str(_ROOT), "excludes": _LEFT_HERE, "env_vars": passed},
                **options,
            )  # fmt: skip
        except Exception:
            ray.shutdown()
            if left == 0:
                raise
        else:
            return


def _everywhere(source: Source) -> Source:
    """The same with absolute paths: workers start in another folder."""
    here = {
        name: str(Path(value).resolve())
        for name in ("root", "weights", "classes", "data")
        if (value := getattr(source, name)) is not None and Path(value).exists()
    }
    return dataclasses.replace(source, **here)


def _results(ray: Any, source: Source, plan: Plan, numbers: Sequence[int]) -> Iterator[Done]:
    needs = {"num_cpus": int(plan.versions["threads"])}
    if device_for(source.device).type == "cuda":
        needs["num_gpus"] = 1
    task = ray.remote(max_retries=RETRIES, **needs)(timed_cell)
    shared = ray.put(plan)
    waiting = [task.remote(source, shared, number) for number in numbers]
    while waiting:
        ready, waiting = ray.wait(waiting)
        try:
            yield from ray.get(ready)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, PruneAttrError):
                raise error.cause from None
            raise
        except ray.exceptions.WorkerCrashedError as error:
            raise StoreError(
                f"A cell lost its worker {RETRIES + 1} times, perhaps for want of memory. What is finished "
                "is kept: call again, with a smaller --chunk."
            ) from error


def timed_cell(source: Source, plan: Plan, number: int) -> Done:
    """One cell on a worker.

    Raises:
        StoreError: the worker's libraries or device are not the plan's.
    """
    torch.set_num_threads(int(plan.versions["threads"]))
    here = provenance(device_for(source.device)) | {"threads": str(torch.get_num_threads())}
    other = [name for name in plan.versions if here.get(name) != plan.versions[name]]
    if other:
        found = ", ".join(f"{name} {here.get(name)}, not {plan.versions[name]}" for name in other)
        raise StoreError(f"A Ray worker has {found}: the values would not be those of this machine.")
    start = time.perf_counter()
    values = compute_cell(source, plan, number)
    return number, values, time.perf_counter() - start
