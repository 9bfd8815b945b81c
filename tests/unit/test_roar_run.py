"""`bench roar`: cells against a slow twin, what the header says, and going on after a stop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pruneattr_core.attribution import explain
from pruneattr_core.attribution.collapse import collapse
from pruneattr_core.benchmarks import executor
from pruneattr_core.benchmarks.executor import execute, plan_run
from pruneattr_core.benchmarks.protocols import retraining
from pruneattr_core.benchmarks.reporting import report
from pruneattr_core.benchmarks.roar import accuracy_area
from pruneattr_core.benchmarks.run import read_run
from pruneattr_core.benchmarks.sources import Source, open_source
from pruneattr_core.benchmarks.summary import summary
from pruneattr_core.benchmarks.training import Recipe, train_alone
from pruneattr_core.cli import main
from pruneattr_core.errors import InputError
from pruneattr_core.models import model_card
from pruneattr_core.models.architectures import ResNet8

#: A training of a second.
TINY = {"setting": "reduced", "train": 20, "test": 10, "repeats": 2, "fractions": [0.3, 0.9], "epochs": 2,
        "batch": 10, "width": 8, "lr": 0.01}  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Source:
    """Noise of one colour per class: 3 training and 2 test pictures of each of CIFAR-10's classes."""
    place, random = tmp_path_factory.mktemp("roar"), np.random.default_rng(0)
    for number, name in enumerate(model_card("resnet8-cifar10").classes):
        for split, count in (("train", 3), ("test", 2)):
            (place / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = random.integers(0, 120, (32, 32, 3)) + 13 * np.array([number, 9 - number, 5])
                Image.fromarray(pixels.astype(np.uint8)).save(place / split / name / f"{i}.png")
    return Source("resnet8-cifar10", str(place))


def test_a_cell_is_what_plain_loops_learn(small):
    plan = plan_run("roar", small, ["gradcam", "random"], n=1, choices=TINY | {"measure": "both"}, chunk=9)
    assert plan.shape == (2, 2, 3, 2)
    assert plan.x == (0.0, 0.3, 0.9)
    assert plan.data["names"] == ["seed 0", "seed 1"]
    assert len(plan.cells) == 2
    cell = executor.compute_cell(small, plan, 0)
    opened = open_source(small)
    splits = []
    for data, count in ((opened.training, 20), (opened.data, 10)):
        indices = sorted(np.random.default_rng(0).permutation(len(data))[:count].tolist())
        x = torch.cat([opened.card.preprocess(data[i].image) for i in indices])
        target = opened.model(x).argmax(1)
        maps = collapse(explain(opened.model, x, target, "gradcam").values, "signed_max")
        splits.append((x, torch.tensor([data[i].label for i in indices]), maps))
    for place, (descending, fraction) in enumerate([(True, 0), (True, 0.3), (False, 0.9)]):
        changed = []
        for x, _, maps in splits:
            order = maps.flatten(1).argsort(dim=1, descending=descending, stable=True)
            gone = torch.zeros_like(maps.flatten(1), dtype=torch.bool)
            gone.scatter_(1, order[:, : int(fraction * 1024)], True)
            changed.append(torch.where(gone.view(-1, 1, 32, 32), torch.zeros(()), x))
        recipe = Recipe(epochs=2, batch=10, lr=0.01, every=1)
        for repeat in range(2):
            net = train_alone(lambda: ResNet8(10, 8), changed[0], splits[0][1], repeat, recipe)
            right = (net(changed[1]).argmax(1) == splits[1][1]).double().mean()
            assert cell[0 if descending else 1, place, repeat] == float(right)


def test_the_header_says_how_it_is_reduced_and_the_area_is_the_papers(small, tmp_path, capsys):
    numbers = ["--test", "20", "--repeats", "1", "--epochs", "1", "--batch", "10", "--width", "8"]
    arguments = ["bench", "roar", "--model", small.model, "--data", small.data, "--n", "30",
                 "--methods", "random", "edges", "--fractions", "0.5", "0.9"]  # fmt: skip
    assert main([*arguments, *numbers, "--out", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().out
    assert "reduced: width 8 instead of 64" in said
    run = read_run(tmp_path / "run")
    assert run.plan.protocol["setting"] == "reduced"
    assert "epochs 1 instead of 50" in run.plan.protocol["reduction"]
    assert not run.samples
    values = run.values[:, 0, :, 0]
    assert (values[:, 0] == values[0, 0]).all()
    for row, curve in zip(summary(run), values, strict=True):
        assert row["roar AUC"] == pytest.approx(accuracy_area(curve[0], curve[1:], (0.5, 0.9)))


def test_pixels_may_go_by_magnitude(small, monkeypatch):
    signs = torch.linspace(-1, 1, 1024).view(1, 32, 32)
    monkeypatch.setattr(retraining, "attributed", lambda model, x, *rest: signs.expand(len(x), -1, -1))
    seen = []
    monkeypatch.setattr(retraining, "without_pixels", lambda x, maps, *rest: seen.append(maps) or x)
    monkeypatch.setattr(retraining, "accuracies", lambda *given, **_: torch.zeros(len(given[1])))
    for order_by, expected in (("value", signs), ("magnitude", signs.abs())):
        plan = plan_run("roar", small, ["random"], n=1, choices=TINY | {"order_by": order_by}, chunk=9)
        executor.compute_cell(small, plan, 0)
        assert torch.equal(seen.pop()[:1], expected)


def test_the_papers_setting_is_called_so():
    settled = retraining.ROAR.protocol({}, 0)
    assert settled["setting"] == "paper"
    assert settled["reduction"] == []
    assert (settled["train"], settled["epochs"], settled["width"]) == ("all", 50, 64)
    assert "every 10 epochs" in settled["learning"]


def test_a_stopped_run_trains_no_finished_cell_again(small, tmp_path, monkeypatch):
    plan = plan_run("roar", small, ["random", "edges"], n=1, choices=TINY | {"epochs": 1}, chunk=2)
    assert len(plan.cells) == 2
    whole = execute(small, plan, tmp_path / "whole")

    def stop(done: float, total: int, label: str) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(small, plan, tmp_path / "cut", stop)
    computed: list[int] = []
    monkeypatch.setattr(
        executor, "compute_cell", lambda *given: computed.append(given[2]) or executor.cell_of(
            open_source(given[0]), given[1], given[2])
    )  # fmt: skip
    assert execute(small, plan, tmp_path / "cut").id == whole.id
    assert computed == [1]


def test_what_cannot_be_learnt_is_refused(small, tmp_path):
    for choices, says in (
        ({"epochs": 0}, "epochs"), ({"fractions": [0.9, 0.3]}, "increasing"), ({"lr": 2.0}, "lr"),
        ({"setting": "quick"}, "setting"), ({"width": 4}, "width of at least 8"),
        ({"fractions": [0.0, 0.5]}, "increasing"), ({"fractions": [0.5, 1.5]}, "increasing"),
        ({"fractions": []}, "increasing"), ({"fractions": [0.5, 0.5]}, "increasing"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=says):
            plan_run("roar", small, ["random"], n=1, choices=choices)
    with pytest.raises(InputError, match="no classes that"):
        plan_run("roar", Source(small.model, "samples"), ["random"], n=1)
    with pytest.raises(InputError, match="no folder 'train'"):
        plan_run("roar", Source(small.model, str(Path(small.data) / "test")), ["random"], n=1)


def test_a_cell_says_how_far_it_has_come(small, tmp_path):
    plan = plan_run("roar", small, ["edges"], n=1, choices=TINY | {"measure": "both"}, chunk=9)
    said: list[float] = []
    execute(small, plan, tmp_path / "run", lambda done, total, label: said.append(done / total))
    assert said == sorted(said)
    assert said[0] == 0
    assert said[-1] == 1
    # Two batches of maps, then 2 fractions x 2 repeats, twice: quarters of the cell.
    assert [share for share in said if 0 < share < 1] == pytest.approx(
        [1 / 4, 1 / 2, *(1 / 2 + i / 16 for i in range(1, 5)), *(3 / 4 + i / 16 for i in range(1, 4)), 0.99]
    )


def test_what_listens_can_stop_a_cell_and_hears_no_more_afterwards(small, tmp_path):
    plan = plan_run("roar", small, ["edges"], n=1, choices=TINY, chunk=9)

    def stop(done: float, total: int, label: str) -> None:
        if done > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(small, plan, tmp_path / "run", stop)
    assert not (tmp_path / "run").exists()
    report(0.9)  # nobody listens any more
    assert execute(small, plan, tmp_path / "run").values.shape == plan.shape
