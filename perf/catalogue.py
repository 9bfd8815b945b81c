"""Every method of the table over whole catalogues of networks: right, or refused with the reason.

PYTHONPATH=. nice python perf/catalogue.py torchvision|timm|transformers [names...] [--own] [--jobs 1]

Random weights (seed 0): whether a method fits a network does not depend on them. A cell is right where the
map is finite, comes out the same twice (where it takes less than two seconds of processor time, else it runs
once), and nothing on the model changed, hooks and weights included. A network that has used its processor
time (`--patience`) says so in the rest of its cells. Results are kept in assets/runs/catalogue, one file a
catalogue; cells that are there are not run again, so the command can be stopped and started, and a method
that is new to the table gets its own; `--own` runs PruneGrad alone, `--anew` all again. `--jobs` networks
are examined at a time, large ones first; each row says which versions it was run with. timm and transformers:
requirements-dev.txt.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib.metadata import version
from multiprocessing import TimeoutError, get_context
from pathlib import Path
from typing import Any

import torch
from catalogue_networks import BUILDS, names_of, picture
from torch import Tensor, nn

from pruneattr_core import PruneGrad
from pruneattr_core.attribution import METHODS, completeness_gap, explain
from pruneattr_core.errors import PruneAttrError

FOLDER = Path(__file__).parents[1] / "assets" / "runs" / "catalogue"
#: Cheap settings for whatever method has these options.
QUICK: dict[str, Any] = {"steps": 1, "samples": 1}
#: Maps that take less processor time, in seconds, are made twice.
TWICE = 2.0
#: Seconds of processor time that one network may take.
PATIENCE = 300.0
#: PruneGrad's columns.
OWN = ("PruneGrad zero", "sweep zero", "PruneGrad freeze", "sweep freeze")


def state(net: nn.Module) -> bytes:
    """A hash of everything that a method could have left on the network."""
    found = hashlib.sha256()
    for name, module in net.named_modules():
        hooks = [len(getattr(module, key)) for key in sorted(vars(module)) if key.endswith("_hooks")]
        found.update(repr((name, module.training, sorted(vars(module)), hooks)).encode())
    for name, tensor in [*net.named_parameters(), *net.named_buffers()]:
        found.update(repr((name, id(tensor), tensor.requires_grad, tensor.grad is None)).encode())
        found.update(tensor.detach().reshape(-1).view(torch.uint8).numpy().data)
    return found.digest()


def runs(net: nn.Module, x: Tensor) -> Iterator[tuple[str, Callable[[], str | None], Callable[[], Tensor]]]:
    """(column, what asks whether it fits, what computes the map)."""
    ours = PruneGrad(net)
    for mode in ("zero", "freeze"):
        yield f"PruneGrad {mode}", lambda: None, lambda mode=mode: ours.attribute(x, 0, mode=mode)
        yield (
            f"sweep {mode}",
            lambda: None,
            lambda mode=mode: ours.sweep(x, 0, [0.0, 0.8], mode=mode).maps,
        )
    for name, method in METHODS.items():
        if name != "prunegrad":
            quick = {key: value for key, value in QUICK.items() if key in method.options}
            if name == "occlusion":
                quick |= {"window": x.shape[-1] // 2, "stride": x.shape[-1] // 2}
            yield (
                name,
                lambda method=method: method.supports(net, x),
                lambda name=name, quick=quick: explain(net, x, 0, name, **quick).values,
            )


def verdict(fits: Callable[[], str | None], compute: Callable[[], Tensor]) -> str:
    """One cell: right, refused (with the reason) or wrong (with what happened)."""
    try:
        reason = fits()
        if reason:
            return f"refused: {reason}"
        start = time.process_time()
        first = compute()
        second = compute() if time.process_time() - start < TWICE else first
    except PruneAttrError as error:
        return f"refused: {error}"
    except Exception as error:
        return f"wrong: {type(error).__name__}: {error}"
    if not bool(torch.isfinite(first).all()):
        return "wrong: not finite"
    return "right" if torch.equal(first, second) else "wrong: differs from run to run"


def gaps(net: nn.Module, x: Tensor, cells: dict[str, str]) -> dict[str, float]:
    """Float64: how far DeepLift and RAP miss what their maps should sum to, relative to it.

    Random weights may hardly answer the picture: a sum below 1e-5 of the logit, or below 1e-7 of what of the
    map cancels, is drowned by rounding and counts as that.
    """
    exact, wide = net.double(), x.double()
    found = {}
    for name in ("deeplift", "rap"):
        if cells.get(name) == "right":
            result = explain(exact, wide, 0, name)
            gap = completeness_gap(exact, wide, result)
            assert gap is not None
            with torch.no_grad():
                logit = exact(wide)
            logit = getattr(logit, "logits", logit)[0, 0].abs()
            sums = (result.values.sum() - gap[0]).abs(), 1e-5 * logit, 1e-7 * result.values.abs().sum()
            promised = torch.stack(sums).amax()
            found[name] = float(f"{float(gap[0].abs() / promised):.1e}")
    return found


def examine(
    build: Callable[[str], tuple[nn.Module, Tensor]],
    name: str,
    known: dict[str, Any] | None = None,
    patience: float = PATIENCE,
    own: bool = False,
) -> dict[str, Any]:
    """One row: size of the picture, cells, gaps, seconds; of a `known` one only what it lacks is run.

    Args:
        build: makes the network and a picture for it.
        name: of the network.
        known: the row so far.
        patience: seconds of processor time after which no more cells are begun; they say so.
        own: whether to run PruneGrad's columns alone.
    """
    torch.manual_seed(0)
    net, x = build(name)
    net.eval()
    start, spent, before = time.perf_counter(), time.process_time(), state(net)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept = {} if known is None else known["cells"]
        cells = dict(kept)
        for column, fits, compute in runs(net, x):
            if column in kept or (own and column not in OWN):
                continue
            late = time.process_time() - spent > patience
            cells[column] = (
                f"not run: {patience:g} s of processor are over" if late else verdict(fits, compute)
            )
        if state(net) != before:
            cells = {
                column: f"wrong: something was left on the model; {cell}" for column, cell in cells.items()
            }
        missed = {} if known is None else known["gaps"]
        if {"deeplift", "rap"} <= cells.keys() - kept.keys():
            missed = gaps(net, x, cells)
    seconds = round(time.perf_counter() - start + (0 if known is None else known["seconds"]), 1)
    return {"shape": list(x.shape[1:]), "seconds": seconds, "gaps": missed, "cells": cells}


def table(rows: dict[str, Any], about: str) -> str:
    """Markdown: one row a network, a dot for right, a number for each reason, which stands below.

    Args:
        rows: per network, see `examine`.
        about: the versions of most rows; those of others stand at their names.
    """
    columns = list(dict.fromkeys(column for row in rows.values() for column in row["cells"]))
    letters: dict[str, str] = {}
    legend = "`·` right; a number: refused or not run, for the reason below; **!** wrong; empty: to be run."
    lines = [about, "", legend, ""]
    lines.append("| network | picture | " + " | ".join(columns) + " | gap DeepLift | gap RAP |")
    lines.append("|" + "---|" * (len(columns) + 4))
    for name, row in sorted(rows.items()):
        marks = []
        for column in columns:
            cell = row["cells"].get(column, "")
            if cell in ("right", ""):
                marks.append(cell and "·")
            elif cell.startswith("wrong"):
                marks.append("**!**")
            else:
                reason = cell.removeprefix("refused: ")
                marks.append(letters.setdefault(reason, str(len(letters) + 1)))
        size = "x".join(map(str, row["shape"]))
        found = [f"{row['gaps'][key]:.0e}" if key in row["gaps"] else "" for key in ("deeplift", "rap")]
        others = [letters.setdefault(one, str(len(letters) + 1)) for one in row["about"] if one != about]
        title = f"{name} ({', '.join(others)})" if others else name
        lines.append(f"| {title} | {size} | " + " | ".join([*marks, *found]) + " |")
    lines += ["", *(f"{letter}. {reason}" for reason, letter in letters.items()), ""]
    return "\n".join(lines)


def row_of(given: tuple[str, str, dict[str, Any] | None, float, bool, int]) -> tuple[str, dict[str, Any]]:
    """The network's name, and `examine` with the versions that it was run with.

    Args:
        given: catalogue, name, row so far, patience, whether PruneGrad's columns alone, threads.
    """
    kind, name, known, patience, own, threads = given
    torch.set_num_threads(threads)
    about = f"{kind} {version(kind)}, torch {torch.__version__}; random weights (seed 0), float32"
    row = examine(BUILDS[kind], name, known, patience, own)
    return name, {**row, "about": sorted({about, *([] if known is None else known["about"])})}


def examined(todo: list[tuple[Any, ...]], jobs: int, budget: float) -> Iterable[tuple[str, dict[str, Any]]]:
    """(name, row) of each network, as they come.

    Args:
        todo: what `row_of` takes; small networks first.
        jobs: how many at a time; more than one run in processes of their own, large networks first.
        budget: seconds after which no network is begun; of several jobs, none is waited for any more.
    """
    end = time.perf_counter() + budget
    if jobs == 1:
        yield from (row_of(given) for given in todo if time.perf_counter() <= end)
        return
    # A process for each network: its memory goes back to the machine.
    with get_context("spawn").Pool(jobs, maxtasksperchild=1) as pool, suppress(TimeoutError):
        rows = pool.imap_unordered(row_of, todo[::-1])
        for _ in todo:
            yield rows.next(max(0.0, end - time.perf_counter()))


def main() -> None:
    """Run what is missing, write after every network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("catalogue", choices=tuple(BUILDS))
    parser.add_argument("names", nargs="*")
    parser.add_argument("--anew", action="store_true", help="run again what is there")
    parser.add_argument("--own", action="store_true", help="run PruneGrad's columns alone")
    parser.add_argument("--jobs", type=int, default=1, help="networks at a time")
    parser.add_argument("--threads", type=int, default=1, help="of each job")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the tables")
    parser.add_argument(
        "--patience", type=float, default=PATIENCE, help="processor seconds a network may take"
    )
    parser.add_argument("--budget", type=float, default=1e9, help="start no network after so many seconds")
    options = parser.parse_args()
    kind = options.catalogue
    path = options.out / f"{kind}.json"
    rows = json.loads(path.read_text())["networks"] if path.exists() else {}
    columns = set(OWN) if options.own else {column for column, _, _ in runs(nn.Identity(), picture(3, 32))}
    todo: list[tuple[Any, ...]] = []
    for name in options.names or names_of(kind):
        old = None if options.anew else rows.get(name)
        if old is None or not columns <= set(old["cells"]):
            todo.append((kind, name, old, options.patience, options.own, options.threads))
    for name, row in examined(todo, options.jobs, options.budget):
        rows[name] = row
        cells = row["cells"]
        faults = {column: cell for column, cell in cells.items() if cell.startswith("wrong")}
        refused = sum(cell.startswith(("refused", "not run")) for cell in cells.values())
        print(
            f"{name}: {len(cells) - len(faults) - refused} right, {refused} refused, wrong: {faults or 0}",
            flush=True,
        )
        write(path, rows)


def write(path: Path, rows: dict[str, Any]) -> None:
    """The catalogue's file and, beside it, its table."""
    given = [one for row in rows.values() for one in row["about"]]
    about = max(sorted(set(given)), key=given.count)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"about": about, "networks": rows}, indent=1, sort_keys=True) + "\n")
    path.with_suffix(".md").write_text(table(rows, about))


if __name__ == "__main__":
    main()
