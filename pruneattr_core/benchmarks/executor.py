"""Cells of a plan, computed one by one and kept one by one, so that a killed run goes on where it was.

A cell is a pure function of the plan, so it may be computed in any process, in any order, twice.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pruneattr_core.benchmarks.maps import method_from, supported
from pruneattr_core.benchmarks.plan import Plan
from pruneattr_core.benchmarks.protocols import BENCHMARKS
from pruneattr_core.benchmarks.reporting import listening
from pruneattr_core.benchmarks.run import Run, read_run, write_run
from pruneattr_core.benchmarks.samples import samples_of
from pruneattr_core.benchmarks.sources import Opened, Source, open_source
from pruneattr_core.datasets.base import left_out
from pruneattr_core.errors import InputError, ModelError, NothingToMeasure, StoreError
from pruneattr_core.given import check_progress
from pruneattr_core.one_of import is_one_of
from pruneattr_core.runs.cells import Cells
from pruneattr_core.runs.stored import HEADER
from pruneattr_core.runs.workers import each
from pruneattr_core.runtime import provenance
from pruneattr_core.store import refuse_unwritable, with_ending, write_atomically

_logger = logging.getLogger(__name__)

#: Called with (cells done, cells in all, label of the first one that is not); a part of a long cell counts as
#: that part.
Progress = Callable[[float, int, str], None]
#: (source, plan, cell numbers) -> (number, values, seconds), in any order.
Spread = Callable[[Source, Plan, Sequence[int]], Iterable[tuple[int, NDArray[np.float64], float]]]


def plan_run(
    benchmark: str,
    source: Source,
    methods: Sequence[str],
    n: int,
    seed: int = 0,
    choices: Mapping[str, Any] | None = None,
    chunk: int = 4,
    say: Callable[[str], None] = _logger.info,
) -> Plan:
    """Decide everything about a run before it starts.

    Args:
        benchmark: key of `BENCHMARKS`.
        source: network and pictures.
        methods: see `method_from`; for a benchmark with `rows` of its own, those.
        n: pictures; all when there are fewer.
        seed: of the choice of pictures, of random weights, ties and noise.
        choices: see `Benchmark.protocol`.
        chunk: pictures of one cell.
        say: told which pictures and measures are left out, and why.

    Raises:
        InputError: something unknown, or out of range, or nothing that could be measured.
        ModelError: a method does not fit the network.
    """
    if not is_one_of(benchmark, BENCHMARKS):
        raise InputError(f"Expected a benchmark in {', '.join(BENCHMARKS)}, got {benchmark!r}.")
    opened = open_source(source)
    if said := left_out(opened.data.problems):
        say(said)
    protocol = BENCHMARKS[benchmark].protocol(choices or {}, seed)
    subjects = BENCHMARKS[benchmark].subjects(opened, protocol, n, seed)
    if rows := BENCHMARKS[benchmark].rows:
        unknown = sorted(set(methods) - set(rows))
        if unknown:
            raise InputError(f"Expected methods in {', '.join(rows)}; got {', '.join(unknown)}.")
        named = [{"id": name, "label": rows[name], "options": {}} for name in methods]
    else:
        named = [method_from(text) for text in methods]
        reasons = supported(opened.model, opened.inputs([0]), named)
        if reasons:
            raise ModelError("; ".join(f"{label}: {reason}" for label, reason in reasons.items()))
    if not named or len({method["label"] for method in named}) != len(named):
        raise InputError("Expected at least one method, none of them twice.")
    measures, x = BENCHMARKS[benchmark].layout(opened, protocol)
    why = BENCHMARKS[benchmark].unvalued(opened, subjects["indices"], named, measures)
    for reason in dict.fromkeys(why.values()):
        say(f"left out: {', '.join(name for name in why if why[name] == reason)}: {reason}")
    if not (measures := tuple(name for name in measures if name not in why)):
        raise NothingToMeasure(f"Nothing can be measured: {'; '.join(dict.fromkeys(why.values()))}.")
    return Plan(
        benchmark=benchmark,
        protocol=protocol,
        methods=tuple(named),
        measures=measures,
        x=x,
        model={
            "id": opened.card.id,
            "title": opened.card.title,
            "weights_sha256": opened.weights,
            **opened.card.origin,
            "note": opened.card.weights_note() if source.weights is None else "Weights from a file.",
        },
        data={
            "id": opened.data.id,
            "title": opened.data.title,
            "sha256": opened.data.data_hash(),
            "seed": seed,
            **subjects,
        },
        chunk=max(1, chunk),
        versions=provenance(opened.device) | {"threads": str(torch.get_num_threads())},
    )


def compute_cell(source: Source, plan: Plan, number: int) -> NDArray[np.float64]:
    """Values (measures, points, pictures) of one cell; opens network and pictures once per process."""
    return cell_of(open_source(source), plan, number)


def cell_of(opened: Opened, plan: Plan, number: int) -> NDArray[np.float64]:
    """Values (measures, points, pictures) of one cell."""
    method, part = plan.cells[number]
    values = BENCHMARKS[plan.benchmark].cell(opened, plan, method, part)
    expected = (*plan.shape[1:3], part.stop - part.start)
    if values.shape != expected:
        raise StoreError(f"Expected a cell {expected}, got {values.shape}.")
    return values


def in_process(
    source: Source, plan: Plan, numbers: Sequence[int]
) -> Iterator[tuple[int, NDArray[np.float64], float]]:
    """Cells one after another, here."""
    for number in numbers:
        start = time.perf_counter()
        values = compute_cell(source, plan, number)
        yield number, values, time.perf_counter() - start


def in_processes(workers: int) -> Spread:
    """A way to spread cells over processes of this machine, which share its GPU if there is one.

    Rows that are a benchmark's own are made of one computation, so those of the same pictures stay together.
    On a GPU kernels of several processes run side by side where NVIDIA's MPS is started, else in turns.
    """

    def spread(
        source: Source, plan: Plan, numbers: Sequence[int]
    ) -> Iterator[tuple[int, NDArray[np.float64], float]]:
        together = bool(BENCHMARKS[plan.benchmark].rows)
        parts = [
            tuple(same) for _, same in groupby(numbers, lambda n: plan.cells[n][1].start if together else n)
        ]
        threads = int(plan.versions["threads"])
        for _, done in each(partial(_cells, source, plan), parts, workers, threads):
            yield from done

    return spread


def _cells(
    source: Source, plan: Plan, numbers: Sequence[int]
) -> list[tuple[int, NDArray[np.float64], float]]:
    return list(in_process(source, plan, numbers))


def execute(
    source: Source,
    plan: Plan,
    out: Path,
    progress: Progress | None = None,
    spread: Spread = in_process,
    say: Callable[[str], None] = _logger.warning,
) -> Run:
    """Compute what is missing of a run, then write it to the new folder `out`.

    While it is computed its finished cells lie in `<out>.partial`; the same call after a kill takes them.
    Another process may compute the same run at the same place: whoever is first writes it, both return it.

    Args:
        source: network and pictures.
        plan: what to compute.
        out: folder that is not there yet, or is empty.
        progress: see `Progress`.
        spread: see `Spread`.
        say: told about damaged cells, which are computed again, and about another process.

    Raises:
        StoreError: `out` cannot be written, or it or the cells beside it belong to another plan.
    """
    check_progress(progress)
    work = with_ending(out, ".partial")
    cells = Cells(work, plan.sha256(), say)
    if _finished(out):
        return _taken(out, plan, cells)
    refuse_unwritable(out, new_folder=True)
    _begin(work, plan, say)
    kept = {
        number: cell for number in range(len(plan.cells)) if (cell := _kept(cells, plan, number)) is not None
    }
    resumed, missing = bool(kept), [n for n in range(len(plan.cells)) if n not in kept]

    def tell(share: float) -> None:
        if progress is not None:
            left = next((number for number in missing if number not in kept), None)
            label = "" if left is None else plan.labels[plan.cells[left][0]]
            progress(len(kept) + share, len(plan.cells), label)

    tell(0)
    with listening(lambda share: tell(min(share, 0.99))):  # a cell counts when it is kept
        for number, values, seconds in spread(source, plan, missing):
            kept[number] = values, seconds
            if _finished(out):
                break
            cells.put(f"{number:06d}", {"seconds": seconds, "values": values.tolist()})
            tell(0)
    if len(kept) == len(plan.cells) and not _finished(out):
        run = _assembled(source, plan, kept, resumed)
        try:
            write_run(run, out)
        except StoreError:
            if not _finished(out):
                raise
        else:
            cells.clear()
            return run
    say(f"Another process has finished {out} meanwhile: its run is taken.")
    return _taken(out, plan, cells)


def _assembled(
    source: Source, plan: Plan, kept: Mapping[int, tuple[NDArray[np.float64], float]], resumed: bool
) -> Run:
    values = np.empty(plan.shape)
    for number, (method, part) in enumerate(plan.cells):
        values[method, :, :, part] = kept[number][0]
    timing = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "resumed": resumed,
        "seconds": round(sum(seconds for _, seconds in kept.values()), 1),
    }
    return Run(plan, values, samples_of(open_source(source), plan), timing)


def _finished(out: Path) -> bool:
    return (out / HEADER).exists()


def _taken(out: Path, plan: Plan, cells: Cells) -> Run:
    """The run that is at `out`, if it is the plan's."""
    run = read_run(out)
    if run.plan.json() != plan.json():
        raise StoreError(_other(out, run.plan.json(), plan))
    cells.clear()
    return run


def _begin(work: Path, plan: Plan, say: Callable[[str], None]) -> None:
    """Write the plan beside its cells, so that another one is told what differs."""
    file, known = work / "plan.json", None
    try:
        known = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        say(f"{file} is damaged ({type(error).__name__}) and is written again; cells say whose they are.")
    if known is not None:
        if known != plan.json():
            raise StoreError(_other(work, known, plan))
        return
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{work} cannot be made: {error.strerror}. Choose another --out.") from error
    write_atomically(file, json.dumps(plan.json(), indent=1).encode())


def _kept(cells: Cells, plan: Plan, number: int) -> tuple[NDArray[np.float64], float] | None:
    """A finished cell; None where there is none that fits."""
    record, (_, part) = cells.get(f"{number:06d}"), plan.cells[number]
    if record is None:
        return None
    values = np.asarray(record["values"], dtype=np.float64)
    fits = values.shape == (*plan.shape[1:3], part.stop - part.start)
    return (values, float(record["seconds"])) if fits else None


def _other(place: Path, known: Any, plan: Plan) -> str:
    now = plan.json()
    parts = [name for name in now if not isinstance(known, dict) or known.get(name) != now[name]]
    return (
        f"{place} holds another run (different: {', '.join(parts)}), and runs are never overwritten: "
        "choose another --out, or remove it."
    )
