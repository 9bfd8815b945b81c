"""The README of the shipped runs says what they hold; its tables against slow twins."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
from pathlib import Path

import numpy as np
import pytest

from pruneattr_core.benchmarks.command import command_of
from pruneattr_core.benchmarks.evidence import (
    listing,
    order_table,
    paired_table,
    retraining_table,
    same_pictures,
)
from pruneattr_core.benchmarks.executor import plan_run
from pruneattr_core.benchmarks.plan import Plan
from pruneattr_core.benchmarks.protocols.retraining import ROAR
from pruneattr_core.benchmarks.run import Run, read_run, write_run
from pruneattr_core.benchmarks.scoreboard import rankings
from pruneattr_core.benchmarks.summary import summary
from pruneattr_core.cli import main
from pruneattr_core.commands import bench
from pruneattr_core.commands.runs import BEGIN, END, runs_in, text_of
from pruneattr_core.ui.benchmarks import figures

SHIPPED = Path(__file__).resolve().parents[2] / "assets" / "runs" / "bench"


def a_run(order_by: str, seed: int, fill: str = "mean", **more: str) -> Run:
    plan = Plan(
        benchmark="pixels",
        protocol={"fill": fill, "collapse": "signed_max", "order_by": order_by, **more},
        methods=tuple({"id": label, "label": label, "options": {}} for label in ("A", "B")),
        measures=("lerf",),
        x=(0.1, 0.2),
        model={"id": "m", "title": "M", "weights_sha256": "0"},
        data={
            "id": "d",
            "title": "D",
            "sha256": "1",
            "seed": 0,
            "indices": [1, 4, 5],
            "names": ["p", "q", "r"],
        },
        chunk=1,
        versions={},
    )
    return Run(plan, np.random.default_rng(seed).random(plan.shape), {}, {})


def test_the_readme_is_that_of_the_runs_beside_it():
    """Every shipped run is read and checked here, too."""
    written = (SHIPPED / "README.md").read_text("utf-8").split(BEGIN)[1].split(END)[0].strip()
    assert written == text_of(runs_in(SHIPPED))


def test_only_runs_that_differ_in_the_order_stand_side_by_side():
    runs = {"a": a_run("value", 0), "b": a_run("magnitude", 1), "c": a_run("value", 2, fill="blur")}
    assert list(same_pictures(runs)) == ["signed value", "magnitude"]
    other = dataclasses.replace(runs["b"].plan, data=runs["b"].plan.data | {"indices": [1, 4, 6]})
    runs["b"] = dataclasses.replace(runs["b"], plan=other)
    assert len(same_pictures(runs)) == 1
    plain = {name: value for name, value in runs["a"].plan.protocol.items() if name != "order_by"}
    for number, change in enumerate(({"protocol": plain}, {"benchmark": "roar"})):  # no order, no pixels
        other = dataclasses.replace(runs["a"].plan, **change)
        assert same_pictures({"other": dataclasses.replace(runs["a"], plan=other)}) == {}, number


def test_areas_and_differences_are_those_of_a_loop():
    runs = {"signed value": a_run("value", 0), "magnitude": a_run("magnitude", 1)}

    def area(run: Run, place: int) -> np.ndarray:
        return np.array([0.05 * y[0] + 0.05 * (y[0] + y[1]) for y in run.values[place, 0].T])

    first, second = area(runs["signed value"], 0), area(runs["magnitude"], 1)
    row = paired_table(runs, [("A", "signed value", "B", "magnitude"), ("A", "other", "B", "magnitude")])
    assert len(row) == 3
    assert f"| {first.mean() / second.mean():.2f} | {(first - second).mean():.4f} [" in row[2]
    half = 4.302652729911275 * (first - second).std(ddof=1) / 3**0.5  # Student's t, 2 degrees of freedom
    assert f"[{(first - second).mean() - half:.4f}, {(first - second).mean() + half:.4f}]" in row[2]
    table = order_table(runs, {"A": 0.5})
    assert f"| A | {first.mean():.4f} [" in table[2]
    assert table[2].endswith("| 0.500 |")
    assert table[3].endswith("|  |")


def test_retraining_has_its_spread_and_stands_beside_the_random_map():
    run = a_run("value", 0)
    methods = ({"id": "m", "label": "M", "options": {}}, {"id": "random", "label": "R", "options": {}})
    plan = dataclasses.replace(run.plan, benchmark="roar", methods=methods, x=(0.0, 0.9), measures=("roar",))
    run = dataclasses.replace(run, plan=plan)
    assert retraining_table({"pixels": a_run("value", 0)}, {}) == []
    lines = retraining_table({"one": run}, {"m": 0.5, "random": 0.25})
    assert lines[1].startswith("| one, n = 3 | 0% removed | 90% removed | area |")
    cells = [cell.strip() for cell in lines[3].strip("|").split("|")]
    first, last = run.values[0, 0]
    area = [0.45 * (a + b) for a, b in zip(first, last, strict=True)]
    other = [0.45 * (a + b) for a, b in zip(*run.values[1, 0], strict=True)]
    gaps = np.subtract(area, other)
    assert cells[:2] == ["M, roar", f"{first.mean():.3f} ± {first.std(ddof=1):.3f}"]
    assert cells[3] == f"{np.mean(area):.3f} ± {np.std(area, ddof=1):.3f}"
    half = 4.302652729911275 * gaps.std(ddof=1) / 3**0.5  # Student's t, 2 degrees of freedom
    assert cells[4] == f"{gaps.mean():.4f} [{gaps.mean() - half:.4f}, {gaps.mean() + half:.4f}]"
    assert cells[5] == "0.500"
    assert [cell.strip() for cell in lines[4].split("|")][5:7] == ["", "0.250"]


def test_the_command_writes_between_its_marks_only(tmp_path, capsys):
    assert main(["runs", "list", str(tmp_path)]) == 1
    write_run(a_run("value", 0), tmp_path / "one")
    assert main(["runs", "list", str(tmp_path)]) == 0
    assert "| one | pixels | M | D | 3 | 2 |" in capsys.readouterr().out
    (tmp_path / "README.md").write_text("Before\n")
    assert main(["runs", "list", str(tmp_path), "--write"]) == 1
    (tmp_path / "README.md").write_text(f"Before\n{BEGIN}\nold\n{END}\nAfter\n")
    assert main(["runs", "list", str(tmp_path), "--write"]) == 0
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("Before\n")
    assert text.endswith(f"{END}\nAfter\n")
    assert "| one |" in text
    assert "\nold\n" not in text


@pytest.mark.parametrize("name", ["scenes-localise", "scenes-calibrate", "scenes-sanity-released"])
def test_the_command_of_a_run_makes_its_plan(name, monkeypatch):
    """Of those runs whose pictures are always there; versions may differ elsewhere."""
    plan, made = read_run(SHIPPED / name).plan, []
    monkeypatch.setattr(bench, "plan_run", lambda *given: made.append(plan_run(*given)) or made[-1])
    monkeypatch.setattr(bench, "execute", lambda *given: given[1])
    monkeypatch.setattr(bench, "_report", lambda run: None)
    with contextlib.suppress(AttributeError):  # what is printed about a finished run
        main([*shlex.split(command_of(plan))[3:], "--out", "nowhere"])
    assert dataclasses.replace(made[0], versions=plan.versions).json() == plan.json()


def test_the_command_of_a_retraining_names_what_is_reduced():
    protocol = ROAR.protocol({"setting": "reduced", "train": 1500, "fractions": [0.5, 0.9], "lr": 1e-3}, 3)
    plan = dataclasses.replace(a_run("value", 0).plan, benchmark="roar", protocol=protocol, methods=())
    assert "--setting reduced --n 1500 --fractions 0.5 0.9 --lr 0.001 --seed 0" in command_of(plan)


def test_the_command_of_a_run_on_ones_own_pictures_asks_for_their_folder():
    plan = read_run(SHIPPED / "scenes-localise").plan
    own = dataclasses.replace(plan, data={**plan.data, "id": "folder"})
    assert "--data folder --root FOLDER" in command_of(own)
    assert "--root" not in command_of(plan)


@pytest.mark.parametrize("name", sorted(file.name for file in SHIPPED.iterdir() if file.is_dir()))
def test_shipped_runs_are_small(name):
    assert sum(file.stat().st_size for file in (SHIPPED / name).rglob("*") if file.is_file()) < 1_000_000


def test_a_change_that_is_never_reached_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    stored = read_run(SHIPPED / "resnet8-calibrate")
    still = dataclasses.replace(stored, values=0 * stored.values)
    assert "not reached" in listing({"still": still})[-1]
    bench._report(summary(still))
    assert "not reached" in capsys.readouterr().out
    assert figures._curves({"still": still}, "output_change", list(still.plan.labels)).data


def test_runs_with_other_ties_stand_in_another_ranking() -> None:
    runs = {"rows": a_run("value", 0, ties="raster"), "random": a_run("value", 0, ties="random")}
    found = {line.run: ranking.measure for ranking in rankings(runs) for line in ranking.lines}
    assert found["rows"] != found["random"]
    assert "ties random" in found["random"]
    assert "ties random" in listing(runs)[-1]
