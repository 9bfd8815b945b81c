"""What shipped runs say, as pictures: for the steps of a lesson whose page shows curves or tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.assets import ASSETS
from pruneattr_core.compression.table import RUNS, read_study
from pruneattr_core.importing import one_at_a_time
from pruneattr_core.lessons.numbers import numbers
from pruneattr_core.lessons.titles import method_title, student_title
from pruneattr_core.render.series import series

#: Inches and dots per inch of a chart; on paper it is seven eighths of that.
_SIZE, _DPI = (4.0, 3.1), 156
#: Points of labels and of names of lines; letters of these across a chart, and what a line's sample takes.
_LABEL, _NAMES, _ACROSS, _HANDLE = 8.0, 7.0, 72, 7
#: The tables of the study that hold the answers and the maps of distilled students.
_ANSWERS, _MAPS = "Table 2", "Table 3"
Line = tuple[NDArray[np.float64], NDArray[np.float64]]


def retraining(run: str, word: Callable[..., str]) -> NDArray[np.uint8]:
    """Accuracy of retrained networks against the share of pixels removed, a line a method; (H, W, 3).

    Args:
        run: name of a shipped run of ROAR.
        word: a text by its key, in the reader's language.

    Raises:
        StoreError: there is no such run, or it is damaged.
    """
    from pruneattr_core.benchmarks.run import read_run, statistics  # brings every protocol

    found = read_run(ASSETS / "runs" / "bench" / run)
    x = np.asarray(found.plan.x)
    lines = {
        method_title(method["id"], word): (x, statistics(found.of(method["label"], "roar"))[0])
        for method in found.plan.methods
    }
    return _drawn(lines, word("figure_roar_x"), word("figure_roar_y"), word)


def removing(
    lines: Mapping[str, Sequence[float]], shares: Sequence[float], word: Callable[..., str]
) -> NDArray[np.uint8]:
    """How the answer changes, |p0 - p| / p0, while a picture loses its pixels, a line a method; (H, W, 3).

    Args:
        lines: method -> probability at each of `shares`, none of them 0 at the first.
        shares: of the pixels, that are gone; none at the first.
        word: a text by its key, in the reader's language.
    """
    x = np.asarray(shares)
    drawn = {name: (x, np.abs(1 - np.asarray(values) / values[0])) for name, values in lines.items()}
    return _drawn(drawn, word("figure_removing_x"), word("figure_removing_y"), word, at_least=1.0)


def students(study: str, word: Callable[..., str]) -> NDArray[np.uint8]:
    """How alike the students' maps are to their teacher's against mean average precision; (H, W, 3).

    Args:
        study: name of a shipped study of compression; a line a way of training, a point a size.
        word: a text by its key, in the reader's language.

    Raises:
        StoreError: there is no such study, or it is damaged.
    """
    tables = read_study(RUNS / study)["tables"]
    answers = {row["title"]: row for row in tables[_ANSWERS]}
    points: dict[str, list[tuple[float, float]]] = {}
    for row in tables[_MAPS]:
        _, way = row["title"].split(" ", 1)
        points.setdefault(way, []).append((answers[row["title"]]["mAP"], row["gradcam.cosine"]))
    lines = {
        student_title(way, word): (np.array(found)[:, 0], np.array(found)[:, 1])
        for way, found in points.items()
    }
    sizes = [row["title"].split(" ")[0] for row in tables[_MAPS] if row["title"].endswith(" plain")]
    named = word("figure_students_x", sizes=", ".join(sizes))
    return _drawn(lines, named, word("figure_students_y"), word)


def _drawn(
    lines: Mapping[str, Line], across: str, up: str, word: Callable[..., str], at_least: float = 0.0
) -> NDArray[np.uint8]:
    """The lines; `at_least` is where the upper axis ends, where it does not go on and begins at 0."""
    with one_at_a_time:
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # a quarter of a second
        from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, dpi=_DPI, facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    styles = ("-", "--", ":", "-.")
    for place, (name, (x, y)) in enumerate(lines.items()):
        colour, marker = series(place).colour, "osD^vXP"[place % 7]
        axes.plot(x, y, styles[place % 4], color=colour, marker=marker, markersize=5, label=name)
    if at_least:
        highest = max(at_least, *(float(y.max()) for _, y in lines.values()))
        axes.set_ylim(-0.03 * highest, 1.03 * highest)
    axes.set_xlabel(across, fontsize=_LABEL)
    axes.set_ylabel(up, fontsize=_LABEL)
    axes.tick_params(labelsize=_LABEL)
    axes.grid(alpha=0.3)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: numbers(f"{value:.6g}", word))
    longest = max(map(len, lines)) + _HANDLE
    ncols = max(1, min(4, _ACROSS // longest))
    figure.legend(loc="outside upper left", ncols=ncols, fontsize=_NAMES, frameon=False)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
