"""Search a map that is best, or equal best, on every measure at once; freeze it; test it once.

    PYTHONPATH=. python perf/moonshot.py search --out FOLDER [--device cuda]
    PYTHONPATH=. python perf/moonshot.py test --out FOLDER [--device cuda]

`search` goes through the options of `path_density` on pictures set apart: the last of the seeded order
of each data set, and a third of the clips of DAVIS. Measures: LeRF by magnitude (mean fill), ROAD (noisy
linear imputation, LeRF - MoRF), ROC-AUC against masks, and the rank of parts whose importance is known. The
rule: of all candidates the one whose worst paired t against the best other method of the table is highest,
over every network and measure; FOLDER/chosen.json holds it. `test` computes the chosen options, those of the
table where FOLDER holds none, over pictures of shipped runs that the search never saw, and writes the paired
differences to every method of those runs.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import multiprocessing
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pruneattr_core import contributions
from pruneattr_core.analysis.interval import mean_interval
from pruneattr_core.assets import ASSETS
from pruneattr_core.attribution import METHODS
from pruneattr_core.attribution.density import BLENDS, FINE, SIZES, blended, densities
from pruneattr_core.benchmarks import quality
from pruneattr_core.benchmarks.executor import execute
from pruneattr_core.benchmarks.fills import imputed, imputed_together
from pruneattr_core.benchmarks.maps import collapsed, fitting, method_from, values_of
from pruneattr_core.benchmarks.pixels import removal_masks
from pruneattr_core.benchmarks.run import Run, read_run
from pruneattr_core.benchmarks.sources import Opened, Source, chosen_order, open_source
from pruneattr_core.benchmarks.summary import areas
from pruneattr_core.datasets.shape_scenes import ShapeScenes
from pruneattr_core.paths.dial import Dial
from pruneattr_core.runtime import provenance

#: The methods of the table that a candidate must not lose to, and the controls.
OTHERS = (
    "prunegrad", "prunegrad_x_input", "prunegrad_mid", "saliency", "input_x_gradient", "integrated_gradients",
    "guided_backprop", "gradcam", "layercam", "guided_gradcam", "noise_tunnel", "lrp_alpha1_beta0", "random",
    "edges",
)  # fmt: skip
#: The search meets those of so many passes; the test meets all.
PASSES = 5
#: Places of the dial with a mode: sparsity, of, mode.
PLACES = (
    (0.0, "all", "zero"),
    (0.5, "contributing", "zero"),
    (0.8, "contributing", "zero"),
    (0.95, "contributing", "zero"),
    (0.8, "contributing", "freeze"),
)
COARSE, SMOOTH = (0, 2, 1), (0.0, 0.02, 0.05)
#: Shares of the pixels that go while searching, to the mean colour and imputed.
FRACTIONS = {"mean": (0.1, 0.4, 0.8), "road": (0.1, 0.4)}
#: Pictures set apart for the search.
APART = 72
#: Networks of the first stage.
SMALL = ("scenes-net", "resnet8-cifar10")
#: Shipped runs whose pictures the test takes, and whose methods it meets.
BESIDE = (
    "resnet8-pixels-whole", "squeezenet-davis-dial", "scenes-pixels-whole", "scenes-localise-200",
    "lite0-davis", "lite0-pixels-whole", "scenes-quality", "squeezenet-pixels-whole",
)  # fmt: skip


@dataclass(frozen=True)
class Task:
    """One network on one data set.

    Attributes:
        model: identifier.
        data: identifier.
        measures: of "lerf", "road", "auc" and "parts".
    """

    model: str
    data: str
    measures: tuple[str, ...]


SQUEEZENET = "torchvision/squeezenet1_0"
TASKS = (
    Task("efficientnet-lite0", "imagenet-samples", ("lerf", "road")),
    Task("efficientnet-lite0", "davis2016", ("auc",)),
    Task(SQUEEZENET, "imagenet-samples", ("lerf", "road")),
    Task(SQUEEZENET, "davis2016", ("auc",)),
    Task("scenes-net", "scenes", ("lerf", "road", "auc", "parts")),
    Task("resnet8-cifar10", "cifar10", ("lerf", "road")),
)


def apart(opened: Opened) -> tuple[list[int], list[int]]:
    """Pictures to search on and to test on; of clips, all frames of one lie on one side."""
    order = chosen_order(opened.data, 0)
    if opened.data.id != "davis2016":
        return order[-min(APART, len(order) // 3) :], order[: -min(APART, len(order) // 3)]
    clips = list(dict.fromkeys(opened.data[i].name.rpartition("_")[0] for i in order))
    kept = set(clips[-len(clips) // 3 :])
    inside = [opened.data[i].name.rpartition("_")[0] in kept for i in order]
    return [i for i, one in zip(order, inside, strict=True) if one], [
        i for i, one in zip(order, inside, strict=True) if not one
    ]


def candidates() -> Iterator[dict[str, Any]]:
    """Options of `path_density`."""
    for place, sizes, blend, coarse, fine, smooth in itertools.product(
        range(len(PLACES)), SIZES, BLENDS, COARSE, FINE, SMOOTH
    ):
        sparsity, of, mode = PLACES[place]
        if coarse == 1 and fine == "none" and blend != BLENDS[0]:
            continue  # one map alone
        found = {"sizes": sizes, "blend": blend, "coarse": coarse, "fine": fine, "smooth": smooth}
        yield {**found, "sparsity": sparsity, "of": of, "mode": mode}


class Bench:
    """Pictures of one task with all that its measures need, on the device."""

    def __init__(self, task: Task, device: str, count: int) -> None:
        self.task = task
        self.opened = open_source(Source(task.model, task.data, device=device))
        indices = apart(self.opened)[0]
        if task.data == "davis2016":  # frames of a clip are alike: as many clips as there are
            indices = sorted(indices, key=lambda i: (self.opened.data[i].name[-9:-4], i))
        self.inputs = self.opened.inputs(indices[:count])
        with torch.no_grad():
            logits = self.opened.model(self.inputs)
        self.target = logits.argmax(1)
        right = [
            not self.opened.labels(i) or int(t) in self.opened.labels(i)
            for i, t in zip(indices, self.target, strict=False)
        ]
        if "auc" in task.measures:
            keep = [k for k, one in enumerate(right) if one and self._usable(indices[k])]
        else:
            keep = list(range(len(self.inputs)))
        self.indices = [indices[k] for k in keep]
        self.inputs, self.target = self.inputs[keep], self.target[keep]
        self.first = self._probability(self.inputs, self.target)

    def _usable(self, index: int) -> bool:
        mask = self.opened.mask(index)
        return mask is not None and 0 < mask.sum() < mask.size

    def _probability(self, inputs: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():
            parts = [self.opened.model(part) for part in inputs.split(256)]
        return torch.cat(parts).double().softmax(1).gather(1, target[:, None])[:, 0]

    def others(self) -> dict[str, Tensor]:
        """Label -> maps of the other methods that fit, (B, H, W), by magnitude."""
        quick = [name for name in OTHERS if METHODS[name].cost() <= PASSES]
        names, _ = fitting(self.opened.model, self.inputs[:1], quick)
        found = {}
        for name in names:
            method = method_from(name)
            values = values_of(self.opened.model, self.inputs, self.target, method)
            found[method["label"]] = collapsed(values, "abs_sum").float()
        return found

    def parts(self) -> dict[tuple[int, str], tuple[tuple[Tensor, Tensor], list[Tensor]]]:
        """(place, sizes) -> what a density blends."""
        model, found = self.opened.model, {}
        scores = contributions(model, self.inputs, self.target)
        for place, (sparsity, of, mode) in enumerate(PLACES):
            masks = Dial(sparsity, of).masks(model, self.inputs, scores)  # type: ignore[arg-type]
            for sizes in SIZES:
                found[place, sizes] = densities(model, self.inputs, scores, masks, mode, sizes)  # type: ignore[arg-type]
        return found

    def scored(self, maps: Tensor) -> dict[str, NDArray[np.float64]]:
        """Measure -> one figure a picture; more is better."""
        found = {}
        if "lerf" in self.task.measures:
            kept = self._after(maps, "lerf", road=False)
            found["lerf"] = -((kept - self.first).abs() / self.first).mean(0)
        if "road" in self.task.measures:
            last, first = (self._after(maps, order, road=True) for order in ("lerf", "morf"))
            found["road"] = ((last - first) / self.first).mean(0)
        scores = {name: one.cpu().numpy() for name, one in found.items()}
        if "auc" in self.task.measures:
            masks = [torch.from_numpy(self.opened.mask(i)).to(maps.device) for i in self.indices]
            scores["auc"] = np.array([float(auc(m, k)) for m, k in zip(maps, masks, strict=True)])
        if "parts" in self.task.measures:
            scores["parts"] = self._parts_rank(maps.cpu().numpy())
        return scores

    def _after(self, maps: Tensor, order: str, road: bool) -> Tensor:
        """Probability of the target after removal, (fractions, B)."""
        shares = FRACTIONS["road" if road else "mean"]
        flat = removal_masks(maps, shares, order).flatten(0, 1)
        many = self.inputs.repeat(len(shares), 1, 1, 1)
        filled = self._imputed(many, flat) if road else many * ~flat[:, None]
        return self._probability(filled, self.target.repeat(len(shares))).view(len(shares), -1)

    def _imputed(self, pictures: Tensor, removed: Tensor) -> Tensor:
        """Without ROAD's noise: exactly on the CPU, nearly on a GPU."""
        if pictures.device.type == "cuda":
            return imputed_together(pictures, removed, 1e-3, 150)
        pairs = zip(pictures.double().numpy(), removed.numpy(), strict=True)
        return torch.from_numpy(np.stack([imputed(one, gone) for one, gone in pairs])).to(pictures)

    def _parts_rank(self, maps: NDArray[Any]) -> NDArray[np.float64]:
        data = self.opened.data
        assert isinstance(data, ShapeScenes)
        if not hasattr(self, "_exact"):
            self._exact = []
            for k, index in enumerate(self.indices):
                parts = data.parts(index)
                redrawn = [self.opened.card.preprocess(data.without(index, p)) for p in range(len(parts))]
                with torch.no_grad():
                    answers = self.opened.model(torch.cat(redrawn).to(self.inputs.device))
                    whole = self.opened.model(self.inputs[k : k + 1])
                t = self.target[k]
                self._exact.append((parts, (whole[0, t] - answers[:, t]).cpu().numpy()))
        return np.array([quality.parts_rank(m, *exact) for m, exact in zip(maps, self._exact, strict=True)])


def auc(values: Tensor, mask: Tensor) -> Tensor:
    """ROC-AUC of one map (H, W), ties counting half."""
    inside, outside = values[mask].double(), values[~mask].double().sort().values
    below = torch.searchsorted(outside, inside) + torch.searchsorted(outside, inside, right=True)
    return below.double().mean() / (2 * len(outside))


Scores = dict[str, dict[str, NDArray[np.float64]]]


def searched(
    task: Task, device: str, count: int, wanted: Sequence[Mapping[str, Any]]
) -> tuple[Scores, Scores]:
    """Label -> measure -> one figure a picture, of the candidates and of the other methods."""
    started(device)
    bench = Bench(task, device, count)
    others = {label: bench.scored(maps) for label, maps in bench.others().items()}
    parts, size, ours = bench.parts(), tuple(bench.inputs.shape[2:]), {}
    for options in wanted:
        place = PLACES.index((options["sparsity"], options["of"], options["mode"]))
        picture, layers = parts[place, options["sizes"]]
        finest = {"none": (), "gradient": picture[:1], "times_input": picture[1:]}[options["fine"]]
        chosen = layers[-options["coarse"] :] if options["coarse"] else layers
        maps = blended([*finest, *chosen], options["blend"], options["smooth"], size)[:, 0]
        ours[json.dumps(options)] = bench.scored(maps)
    return ours, others


def started(device: str) -> None:
    """One thread, and float32 that is float32."""
    torch.set_num_threads(1)
    if device == "cuda":
        torch.backends.cudnn.allow_tf32 = False


def worst(label: str, found: Sequence[tuple[Task, Scores, Scores]]) -> tuple[float, list[dict[str, Any]]]:
    """A candidate's lowest paired t against the best other method, and its t everywhere."""
    rows: list[dict[str, Any]] = []
    for task, ours, others in found:
        for measure in task.measures:
            best = max(others, key=lambda name: float(np.nanmean(others[name][measure])))
            gap = ours[label][measure] - others[best][measure]
            gap = gap[np.isfinite(gap)]
            t = float(gap.mean() / max(gap.std(ddof=1) / np.sqrt(len(gap)), 1e-9))
            row = {"model": task.model, "measure": measure, "n": len(gap), "t": round(t, 3), "best": best}
            row |= {"ours": float(np.nanmean(ours[label][measure]))}
            rows.append(row | {"theirs": float(np.nanmean(others[best][measure]))})
    return min(float(row["t"]) for row in rows), rows


def search(options: argparse.Namespace) -> None:
    """Both stages; each writes its best candidates (stage1.json, stage2.json) and chosen.json.

    All candidates meet the small networks; the best of them meet all networks, with other pictures as well.
    """
    options.out.mkdir(parents=True, exist_ok=True)
    every = list(candidates())
    drawn = np.random.default_rng(0).permutation(len(every))[: options.candidates]
    wanted = [every[k] for k in sorted(drawn)]
    stages = ((1, SMALL, options.few), (2, tuple(dict.fromkeys(task.model for task in TASKS)), options.many))
    workers = len(TASKS) if options.device == "cuda" else 1
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        for stage, networks, count in stages:
            began = time.monotonic()
            tasks = [task for task in TASKS if task.model in networks and options.only in task.model]
            futures = [pool.submit(searched, task, options.device, count, wanted) for task in tasks]
            found = [(task, *future.result()) for task, future in zip(tasks, futures, strict=True)]
            ranked = sorted(((*worst(json.dumps(one), found), one) for one in wanted), key=lambda r: -r[0])
            took = time.monotonic() - began
            print(f"stage {stage}: {len(wanted)} candidates, {took:.0f} s; best worst t {ranked[0][0]:.2f}")
            lines = [{"worst_t": round(t, 3), **one, "rows": rows} for t, rows, one in ranked]
            lines = lines if stage == 2 else lines[:60]
            (options.out / f"stage{stage}.json").write_text(json.dumps(lines, indent=1))
            wanted = [one for _, _, one in ranked[: options.best]]
            (options.out / "chosen.json").write_text(json.dumps(wanted[0], indent=1))
    print(json.dumps(lines[0], indent=1), flush=True)


def test(options: argparse.Namespace) -> None:
    """Compute the chosen options over the pictures of shipped runs, and pair them with theirs: compared.csv.

    A run is kept beside each, of the same protocol and pictures, so that both stand in one ranking.
    """
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "chosen.json"
    chosen = json.loads(file.read_text()) if file.is_file() else {}
    ours = method_from("path_density")
    if any(ours["options"][key] != value for key, value in chosen.items()):  # not the table's own choice
        ours = method_from("path_density:" + ",".join(f"{key}={value}" for key, value in chosen.items()))
    started(options.device)
    rows: list[dict[str, Any]] = []
    for name in BESIDE:
        theirs = read_run(ASSETS / "runs" / "bench" / name)
        if options.only not in name:
            continue
        began = time.monotonic()
        source = Source(theirs.plan.model["id"], theirs.plan.data["id"], device=options.device)
        opened = open_source(source)
        if (opened.weights, opened.data.data_hash()) != (
            theirs.plan.model["weights_sha256"], theirs.plan.data["sha256"],
        ):  # fmt: skip
            raise SystemExit(f"{name} was made with another network or other pictures than are here.")
        versions = provenance(opened.device) | {"threads": str(torch.get_num_threads())}
        plan = replace(theirs.plan, methods=(ours,), versions=versions)
        run = execute(source, plan, options.out / f"{name}-density")
        seen = set(apart(opened)[0])
        fresh = np.array([index not in seen for index in plan.data["indices"]])
        rows += compared(name, run, theirs, fresh)
        print(f"{name}: {len(plan.cells)} cells, {time.monotonic() - began:.0f} s", flush=True)
        with (options.out / "compared.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


def compared(name: str, ours: Run, theirs: Run, fresh: NDArray[np.bool_]) -> Iterator[dict[str, Any]]:
    """Every method of a run against the chosen, paired over the pictures that the search never saw.

    Of curves over pixels the area, as in the tables; of the rest the value.
    """
    label = ours.plan.labels[0]

    def figures(run: Run, which: str, measure: str) -> NDArray[np.float64]:
        curve = run.plan.benchmark == "pixels"
        found: NDArray[np.float64] = areas(run, which, measure) if curve else run.of(which, measure)[0]
        return found[fresh]

    for measure in ours.plan.measures:
        mine = figures(ours, label, measure)
        for other in theirs.plan.labels:
            gap = mine - figures(theirs, other, measure)
            gap = gap[np.isfinite(gap)]
            found = mean_interval(gap)
            yield {
                "run": name, "measure": measure, "method": other, "n": len(gap),
                "ours": round(float(np.nanmean(mine)), 5), "gap": round(found.mean, 5),
                "low": round(found.low, 5), "high": round(found.high, 5),
            }  # fmt: skip


def main() -> None:
    """Search or test."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=("search", "test"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--few", type=int, default=16, help="pictures of the first stage")
    parser.add_argument("--many", type=int, default=72, help="pictures of the second stage")
    parser.add_argument("--best", type=int, default=24, help="candidates of the second stage")
    parser.add_argument("--candidates", type=int, default=10_000, help="at most so many, drawn at random")
    parser.add_argument("--only", default="", help="part of the name of a network, or of a run of the test")
    options = parser.parse_args()
    (search if options.step == "search" else test)(options)


if __name__ == "__main__":
    main()
