"""The study of paths: cells against direct computation, resuming, writing, reading, the command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path as Folder
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import networks
from pruneattr_core import contributions
from pruneattr_core.analysis.study import Question, cell, study
from pruneattr_core.analysis.study_run import collect, read_study, write_study
from pruneattr_core.benchmarks.sources import Opened
from pruneattr_core.commands import paths as command
from pruneattr_core.errors import Cancelled, InputError, StoreError
from pruneattr_core.models import load_model, model_card
from pruneattr_core.paths.table import METHODS, Search

QUESTION = Question("weights", "data", (0.8, 0.9), seed=3, iterations=20, precision="float64")
PATHS = Folder(__file__).resolve().parents[2] / "assets" / "runs" / "paths"
CHEAP = ("taylor", "intgrad", "greedy", "random")


def picture(index: int) -> Tensor:
    return networks.inputs(1, seed=index)


def test_a_cell_holds_what_the_library_says() -> None:
    net = networks.network("residual")
    found = cell(net, picture(0), 0, tuple(METHODS), QUESTION)
    scores = contributions(net, picture(0))
    assert found["base"] == float(scores.dead_fraction)
    one, other = (
        METHODS[m].paths(Search(net, picture(0), None, (0.8, 0.9), 3))[1] for m in ("taylor", "intgrad")
    )
    assert found["overlap"]["taylor|intgrad"][1] == float(one.jaccard(other))
    both = (one | other).kept[:, 0].tolist()
    layers = one.jaccard(other, per_layer=True)[:, 0].tolist()
    expected = [pytest.approx(v, abs=1e-7) if kept else None for v, kept in zip(layers, both, strict=True)]
    assert found["layers"]["taylor"][1] == expected
    assert found["dead"]["taylor"] == found["dead"]["intgrad"] == [0, 0]
    assert set(found["seconds"]) == set(METHODS)
    json.dumps(found)


def test_sparsities_may_be_shares_of_the_contributing_neurons_and_class_scores_may_count() -> None:
    net = networks.network("scored")
    asked = replace(QUESTION, of="contributing", class_scores=True)
    found = cell(net, picture(0), 0, CHEAP, asked)
    scores = contributions(net, picture(0), class_scores=True)
    wanted = scores.paths(QUESTION.sparsities, of="contributing")
    assert found["neurons"] == list(wanted[0].neurons)
    for method in ("taylor", "intgrad", "random"):  # greedy does not reach what it is asked for
        reached = found["sparsity"][method]
        assert reached == pytest.approx([float(path.sparsity) for path in wanted], abs=2e-3)
    assert len({asked.key(), QUESTION.key(), replace(QUESTION, class_scores=True).key()}) == 3


def test_a_killed_study_goes_on(tmp_path: Folder) -> None:
    net, seen = networks.network("plain"), []

    def pictures(index: int) -> Tensor:
        seen.append(index)
        if len(seen) == 3:
            raise Cancelled("killed")
        return picture(index)

    jobs = [(index, CHEAP) for index in (4, 2, 9)]
    with pytest.raises(Cancelled):
        study(net, pictures, jobs, QUESTION, tmp_path)
    resumed = study(net, pictures, jobs, QUESTION, tmp_path)
    assert seen == [4, 2, 9, 9]
    direct = study(net, picture, jobs, QUESTION, tmp_path / "other")
    for a, b in zip(resumed, direct, strict=True):
        assert {k: v for k, v in a.items() if k != "seconds"} == {
            k: v for k, v in b.items() if k != "seconds"
        }


def test_runs_are_written_once_and_checked(tmp_path: Folder) -> None:
    net = networks.network("plain")
    cells = study(net, picture, [(k, CHEAP) for k in range(3)], QUESTION, tmp_path / "cells")
    points = collect(cells, QUESTION.sparsities, "intgrad")
    header = {
        "config": {"sparsities": [0.8, 0.9], "reference": "intgrad"},
        "model": {"title": "tiny"},
        "data": {"title": "noise", "indices": [0, 1, 2]},
        "methods": {name: {} for name in CHEAP},
        "layers": cells[0]["names"],
    }
    folder = tmp_path / "run"
    write_study(header, points, folder, {})
    found = read_study(folder)
    assert found.title == "tiny, noise, n = 3"
    assert found.base.mean == pytest.approx(np.mean([c["base"] for c in cells]), rel=1e-5)
    dead = found.dead("greedy", 0.9)
    assert dead is not None
    assert dead.mean == pytest.approx(np.mean([c["dead"]["greedy"][1] for c in cells]), rel=1e-5)
    assert dead.low < dead.mean < dead.high
    assert found.overlap("random", "taylor", 0.8) == found.overlap("taylor", "random", 0.8)
    assert found.overlap("dgr_init1", "taylor", 0.8) is None
    assert len(found.layer_overlap("taylor", 0.9)) == len(found.kept("taylor", 0.9)) == len(found.layers)
    with pytest.raises(StoreError, match="never overwritten"):
        write_study(header, points, folder, {})
    (folder / "points.csv").write_text((folder / "points.csv").read_text().replace("dead", "bead"))
    with pytest.raises(StoreError, match="changed"):
        read_study(folder)
    with pytest.raises(StoreError, match="is no folder of a run"):
        read_study(tmp_path / "nothing")


class Pictures:
    """A data set of noise."""

    problems: ClassVar[dict[str, str]] = {}
    id, title = "noise", "Noise"

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> Any:
        pixels = np.random.default_rng(index).integers(0, 256, (10, 10, 3), dtype=np.uint8)
        return SimpleNamespace(image=Image.fromarray(pixels), name=f"{index}.png")

    def data_hash(self) -> str:
        return "0" * 64


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    def preprocess(image: Image.Image) -> Tensor:
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 64 - 2

    said = {"id": "tiny", "title": "Tiny", "origin": {"commit": "c0ffee"}}
    card: Any = SimpleNamespace(**said, preprocess=preprocess, weights_note=lambda: "")
    data: Any = Pictures()
    opened = Opened(card, networks.network("residual", torch.float32), data)
    monkeypatch.setattr(command, "open_source", lambda source: opened)


def ask(*words: str) -> int:
    from pruneattr_core.cli import main

    return main(
        ["paths", "--model", "tiny", "--data", "noise", "--threads", "1", "--iterations", "5", *words]
    )


def test_the_command_writes_a_run(tiny: None, tmp_path: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--out", str(tmp_path / "run"), "--cache", str(tmp_path / "cells")]
    assert ask("--n", "4", "--n-dgr", "2", "--seed", "1", *where) == 0
    found = read_study(tmp_path / "run")
    header = found.header
    assert found.n == 4
    assert header["methods"]["dgr_init1"]["n"] == 2
    assert header["methods"]["intgrad"]["n"] == 4
    assert header["config"]["dgr"]["iterations"] == 5
    assert {"versions", "device", "command", "neurons"} <= set(header)
    assert header["model"]["commit"] == "c0ffee"  # of a repository of the hub
    assert set(found.timing) == {"seconds", "date"}
    assert str(tmp_path) not in json.dumps(header)
    for sparsity in (0.8, 0.9, 0.99):
        for method in ("taylor", "intgrad"):
            dead = found.dead(method, sparsity)
            assert dead is not None
            assert dead.mean == 0
    assert sum(file.stat().st_size for file in (tmp_path / "run").iterdir()) < 300_000
    assert "dead share" in capsys.readouterr().out
    assert not list((tmp_path / "cells").iterdir())
    assert ask("--n", "4", *where) == 1
    assert "never overwritten" in capsys.readouterr().err
    assert ask("--n", "9", "--out", str(tmp_path / "more")) == 1
    assert "from 1 to 5" in capsys.readouterr().err


@pytest.mark.parametrize(("others", "status"), [("4", 0), ("3", 1)])
def test_of_two_processes_at_one_place_the_second_tells_the_truth(
    tiny: None, tmp_path: Folder, monkeypatch: pytest.MonkeyPatch, capsys, others: str, status: int
) -> None:
    """It takes the other's run where that answers the same question, and fails where it does not."""
    real, words = command.write_study, ["--methods", "taylor", "random", "--out", str(tmp_path / "run")]

    def late(*arguments: Any) -> None:
        monkeypatch.setattr(command, "write_study", real)
        assert ask("--n", others, *words, "--cache", str(tmp_path / "other")) == 0
        capsys.readouterr()
        real(*arguments)

    monkeypatch.setattr(command, "write_study", late)
    assert ask("--n", "4", *words, "--cache", str(tmp_path / "cells")) == status
    said = capsys.readouterr()
    assert ("Another process has finished" in said.out + said.err) == (status == 0)
    assert ("never overwritten" in said.err) == (status == 1)
    assert read_study(tmp_path / "run").n == int(others)


def test_questions_are_checked() -> None:
    with pytest.raises(InputError, match="sparsities"):
        Question("w", "d", ())
    with pytest.raises(InputError, match="iteration"):
        Question("w", "d", iterations=0)
    assert Question("w", "d").key() != Question("w", "d", seed=1).key()


def test_shipped_runs_can_be_read_and_hold_the_theorem() -> None:
    folder = Folder(__file__).resolve().parents[2] / "assets" / "runs" / "paths"
    runs = sorted(folder.iterdir()) if folder.is_dir() else []
    if not runs:
        pytest.skip("no run of path analyses in assets/runs/paths")
    for file in runs:
        found = read_study(file)
        for sparsity in found.sparsities:
            for method in ("taylor", "intgrad"):
                dead = found.dead(method, sparsity)
                assert dead is None or sparsity <= found.base.mean or dead.mean < 0.01


@pytest.mark.parametrize("name", ["lite0-imagenet-samples", "resnet8-cifar10", "squeezenet-imagenet-samples"])
def test_a_shipped_study_counts_the_neurons_that_its_header_says(name: str) -> None:
    """One counted class scores as neurons, as was done when it was made, and did not say so."""
    header = read_study(PATHS / name).header
    card = model_card(header["model"]["id"])
    if not card.available_offline():
        pytest.skip(f"{card.id} is not here: its weights lie in ../shared")
    scores = bool(header["config"].get("class_scores"))
    x = torch.zeros(1, 3, *card.size)
    layers = contributions(load_model(card.id), x, 0, "taylor", class_scores=scores).layers
    assert header["neurons"] == [layer[0].numel() for layer in layers]
    assert ("--class-scores" in header["command"]) == scores
