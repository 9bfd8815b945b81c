"""Figures of the study on ablation: `PYTHONPATH=. python docs/study.py` writes docs/zero-ablation-*.png.

From the runs assets/runs/bench/*-circuits alone; nothing is computed but means and intervals.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from PIL import Image
from scipy.stats import binomtest

from pruneattr_core.assets import ASSETS
from pruneattr_core.benchmarks.protocols.circuits import REPLACEMENTS, SCORES
from pruneattr_core.benchmarks.run import Run, read_run
from pruneattr_core.render.series import QUIET, series

#: Runs of the study, in the order of columns.
RUNS = ("resnet8-circuits", "scenes-circuits", "lite0-circuits")
#: Marker and line by place: lines may lie on one another.
_DASHES = ("o-", "s--", "^-.", "D:", "v-")
#: What a score against a replacement is at zero.
_AT_ZERO = {"patching": "taylor", "integrated_patching": "intgrad"}


def runs() -> list[Run]:
    """Those that are here."""
    folders = (ASSETS / "runs" / "bench" / name for name in RUNS)
    return [read_run(folder) for folder in folders if folder.is_dir()]


def kept(run: Run, score: str, replacement: str, measure: str = "path_kept") -> np.ndarray | None:
    """(3, sizes) share that keeps its answer, and its 95 % Wilson interval; None if it was not asked."""
    name = f"{_AT_ZERO.get(score, score) if replacement == 'zero' else score}-{replacement}"
    label = next((method["label"] for method in run.plan.methods if method["id"] == name), None)
    if label is None:
        return None
    found = run.of(str(label), measure)
    ends = [
        binomtest(int(row.sum()), len(row)).proportion_ci(method="wilson") for row in found.astype(np.int64)
    ]
    return np.array([found.mean(1), [one.low for one in ends], [one.high for one in ends]])


def _lines(axis: Axes, run: Run, lines: dict[str, np.ndarray | None]) -> None:
    x = [100 * float(size) for size in run.plan.x]
    for place, (title, found) in enumerate(lines.items()):
        if found is None:
            continue
        style = series(place)
        axis.fill_between(x, found[1], found[2], color=style.colour, alpha=0.15, linewidth=0)
        dash = _DASHES[place]
        axis.plot(x, found[0], dash, color=style.colour, markersize=4, linewidth=1.6, label=title)
    axis.set_xscale("log")
    axis.set_xticks(x, [f"{size:g}" for size in x])
    axis.minorticks_off()
    axis.set_ylim(-0.03, 1.03)
    axis.grid(color=QUIET, alpha=0.25)


def by_replacement(found: list[Run]) -> plt.Figure:
    """The papers' path, its answer under five replacements: one panel a network."""
    figure, axes = plt.subplots(1, len(found), figsize=(3.6 * len(found), 3.4), sharey=True, squeeze=False)
    for axis, run in zip(axes[0], found, strict=True):
        _lines(axis, run, {words: kept(run, "taylor", name) for name, words in REPLACEMENTS.items()})
        axis.set_title(f"{run.plan.model['title']}, n = {run.plan.n}", fontsize=9)
        axis.set_xlabel("% of all neurons that stay")
    axes[0][0].set_ylabel("answer kept")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(
        handles, [f"rest becomes {label}" for label in labels], loc="lower center", ncols=3, fontsize=8
    )
    figure.tight_layout(rect=(0, 0.14, 1, 1))
    return figure


def by_score(found: list[Run]) -> plt.Figure:
    """Four scores under each replacement, and the runner-up's path: a row a replacement."""
    figure, axes = plt.subplots(
        len(REPLACEMENTS),
        len(found),
        figsize=(3.6 * len(found), 9.6),
        sharey=True,
        sharex=True,
        squeeze=False,
    )
    for row, (name, words) in zip(axes, REPLACEMENTS.items(), strict=True):
        for axis, run in zip(row, found, strict=True):
            best = "integrated_patching" if kept(run, "integrated_patching", name) is not None else "patching"
            lines = {title: kept(run, score, name) for score, title in SCORES.items()}
            if name == "zero":
                lines = {SCORES[score]: kept(run, score, name) for score in ("taylor", "intgrad")}
            _lines(axis, run, lines)
            other = kept(run, best, name, "runner_up_kept")
            if other is not None:
                x = [100 * float(size) for size in run.plan.x]
                axis.plot(x, other[0], color=QUIET, linestyle=":", linewidth=1.6, label="runner-up's path")
            if name == "zero":
                axis.set_title(f"{run.plan.model['title']}, n = {run.plan.n}", fontsize=9)
        row[0].set_ylabel(f"answer kept;\nrest: {words}", fontsize=8)
    for axis in axes[-1]:
        axis.set_xlabel("% of all neurons that stay")
    handles, labels = axes[1][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=5, fontsize=8)
    figure.tight_layout(rect=(0, 0.035, 1, 1))
    return figure


def main() -> None:
    """Draw both."""
    found = runs()
    for name, draw in (("replacements", by_replacement), ("scores", by_score)):
        file = Path(__file__).with_name(f"zero-ablation-{name}.png")
        draw(found).savefig(file, dpi=110)
        Image.open(file).convert("RGB").quantize(128).save(file, optimize=True)
        print(f"{file.name}: {file.stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    main()
