"""Checkpoints and cells that something happened to: named, never taken, and the numbers stay the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import networks
from damages import DAMAGES
from pruneattr_core.analysis.study import Question, study
from pruneattr_core.compression.train import _finished
from pruneattr_core.descent import Checkpoint, Descent, Rates, packed, unpacked
from pruneattr_core.errors import WeightsError
from pruneattr_core.runs.cells import Cells
from pruneattr_core.store import sealed, unsealed, write_sealed

STEPS, EVERY, KILLED = 9, 2, 7


damages = pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())


def train(file: Path | None, stop: int | None = None) -> tuple[bytes, list[str]]:
    """Nine steps, perhaps killed before step `stop`; the weights and what was said."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.Flatten(), nn.Linear(8, 2))
    said: list[str] = []
    descent = Descent(
        model, Rates(0.1, 0.1, 1e-3), STEPS, 12, 4, 0, Checkpoint(file, "this", EVERY), said.append
    )
    for step in descent:
        if step.number == stop:
            break
        inputs = torch.from_numpy(step.rng.normal(size=(4, 1, 4, 4))).float()
        descent.follow(model(inputs).square().mean())
    return b"".join(one.detach().numpy().tobytes() for one in model.parameters()), said


@damages
def test_a_training_goes_back_to_the_last_good_checkpoint(tmp_path, damage):
    file = tmp_path / "a.pt"
    whole, _ = train(None)
    train(file, KILLED)
    file.write_bytes(damage(file.read_bytes()))
    weights, said = train(file)
    assert str(file) in said[0]
    assert "is not used" in said[0]
    assert said[1:] == [f"going on from step 4 of {STEPS}"]
    assert weights == whole


@damages
def test_a_training_without_a_good_checkpoint_starts_anew(tmp_path, damage):
    file = tmp_path / "a.pt"
    whole, _ = train(None)
    train(file, KILLED)
    for one in (file, tmp_path / "a.pt.before"):
        one.write_bytes(damage(one.read_bytes()))
    weights, said = train(file)
    assert len(said) == 3
    assert said[2] == "No good checkpoint is left: the training starts anew."
    assert weights == whole


def test_a_checkpoint_that_fits_in_part_leaves_nothing_of_itself(tmp_path):
    """Its weights are taken before its optimisers are found missing."""
    file = tmp_path / "a.pt"
    whole, _ = train(None)
    train(file, KILLED)
    for one in (file, tmp_path / "a.pt.before"):
        state = unpacked(unsealed(one.read_bytes()))
        del state["optimisers"]
        one.write_bytes(sealed(packed(state)))
    weights, said = train(file)
    assert said[-1] == "No good checkpoint is left: the training starts anew."
    assert weights == whole


@damages
def test_a_damaged_round_of_pruning_is_named(tmp_path, damage):
    file, net = tmp_path / "a.round.pt", nn.Linear(2, 2)
    state = {key: value.clone() for key, value in net.state_dict().items()}
    write_sealed(file, packed({"model": nn.Linear(2, 2).state_dict(), "seconds": 1.0}))
    file.write_bytes(damage(file.read_bytes()))
    said: list[str] = []
    assert _finished(file, net, said.append) is None
    assert len(said) == 1
    assert str(file) in said[0]
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())


@damages
def test_a_damaged_cell_is_named_and_computed_again(tmp_path, damage):
    question = Question("weights", "data", (0.8,), precision="float64")
    asked: list[int] = []

    def picture(index: int) -> Tensor:
        asked.append(index)
        return networks.inputs(1, seed=index)

    def again(said: Callable[[str], None]) -> list[dict]:
        jobs = [(index, ("taylor", "random")) for index in (1, 2)]
        found = study(networks.network("plain"), picture, jobs, question, tmp_path, said)
        return [{key: value for key, value in cell.items() if key != "seconds"} for cell in found]

    whole = again(lambda line: None)
    file = tmp_path / "000002-taylor+random.cell"
    file.write_bytes(damage(file.read_bytes()))
    said: list[str] = []
    assert again(said.append) == whole
    assert asked == [1, 2, 2]
    assert str(file) in said[0]


def test_what_belongs_to_another_work_is_no_damage(tmp_path):
    train(tmp_path / "a.pt", KILLED)
    other = Checkpoint(tmp_path / "a.pt", "that", EVERY)
    with pytest.raises(WeightsError, match="another training: other settings, seed or data"):
        other.read(nn.Linear(1, 1), (), lambda line: None)
    said: list[str] = []
    Cells(tmp_path, "this", said.append).put("one", {"value": float("nan")})
    assert Cells(tmp_path, "that", said.append).get("one") is None
    assert Cells(tmp_path, "this", said.append).get("two") is None
    assert said == []
    assert json.loads(unsealed((tmp_path / "one.cell").read_bytes()))["identity"] == "this"
