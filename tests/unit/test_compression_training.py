"""Training a student: refused checkpoints, both ways to prune."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pruneattr_core.assets import ASSETS
from pruneattr_core.compression import zoo
from pruneattr_core.compression.data import Item
from pruneattr_core.compression.examine import Examination
from pruneattr_core.compression.loop import Schedule, optimise
from pruneattr_core.compression.members import open_member, read_card, start_from
from pruneattr_core.compression.order import Workshop
from pruneattr_core.compression.pool import Pool
from pruneattr_core.compression.teacher import CHANGES, answers
from pruneattr_core.compression.zoo import notes
from pruneattr_core.errors import InputError, ModelError, WeightsError
from pruneattr_core.models.vgg import SceneVGG
from training import SIDE, WIDTHS, tiny_order, tiny_training, tiny_workshop

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"batch": 1}, {"rate": 0}, {"muon_rate": -0.1}, {"weight_decay": -1e-9}]
)
def test_schedules_that_would_train_nothing_are_refused(wrong):
    with pytest.raises(InputError, match="above 0 and a batch of 2 or more"):
        Schedule(**{"epochs": 1, **wrong})
    assert Schedule(epochs=0.01, batch=2).steps(2) == 1


def test_students_have_names_of_their_own_and_a_teacher_is_made_once(tmp_path):
    jobs = [
        zoo.Job(kind, matching, seed)
        for kind in ("x2", "x8")
        for matching in ("none", "swa")
        for seed in (0, 1)
    ]
    assert len({job.id for job in jobs}) == len({job.title for job in jobs}) == 8
    assert zoo.Job("x2", "none").id == f"{zoo.TEACHER}-x2-none"
    card = tmp_path / f"{zoo.TEACHER}.json"
    card.touch()
    assert zoo.make_teacher(tmp_path, tmp_path, lambda line: None) == card


def test_the_shipped_students_are_those_that_the_command_trains() -> None:
    """Every card names a training of `JOBS`, by the very settings that it would have today."""
    jobs, seen = {job.id: job for job in zoo.JOBS}, set()
    assert len(jobs) == len(zoo.JOBS)
    for file in sorted((ASSETS / "students").glob("*.json")):
        card = read_card(file)
        if card["kind"] == "teacher":
            assert card["recipe"] == {name: asdict(zoo.SCHEDULES[name]) for name in ("small", "teacher")}
            continue
        order, recipe = zoo.order(jobs[card["id"]]), card["recipe"]
        seen.add(jobs[card["id"]])
        matching = {**asdict(order.matching), "beta": order.matching.weight}
        assert recipe["schedule"] == asdict(order.schedule)
        for name in ("kind", "beta", "temperature", "alpha", "drop"):
            assert recipe[name] == matching[name]
        assert recipe.get("divisor", order.divisor) == order.divisor
        assert (card["kind"], card["seed"], card["title"]) == (order.kind, order.seed, order.title)
    assert list(zoo.JOBS[: len(seen)]) == [job for job in zoo.JOBS if job in seen]  # none is left out between


def test_the_teacher_learns_small_pictures_with_the_weights_it_keeps():
    """Without the last pooling: half the side gives as many features, so the same classifier fits."""
    model = SceneVGG(3).eval()
    small = zoo._HalfSize(model)
    x = torch.rand(2, 3, zoo.SIDE // 2, zoo.SIDE // 2)
    expected = model.classifier(model.features[:-1](x).flatten(1))
    assert torch.equal(small(x), expected)
    assert model(torch.rand(2, 3, zoo.SIDE, zoo.SIDE)).shape == small(x).shape == (2, 3)
    assert small.state_dict().keys() == {f"model.{key}" for key in model.state_dict()}


def test_rates_rise_from_a_fortieth_for_a_fifth_of_the_way_and_fall_to_nothing() -> None:
    """With a gradient of 1 the weight tells the rates of all steps; the momentum is Nesterov's."""
    net, weights, lines, steps = nn.Linear(1, 1, bias=False), [], [], 200
    schedule = Schedule(epochs=steps, batch=2, rate=0.5, muon_rate=0.0, weight_decay=0.0)

    def loss(chosen, rng):
        weights.append(net.weight.item())
        return net.weight.sum()

    optimise(net, loss, 2, schedule, 0, "rates", log=lines.append)
    assert len(lines) == 10
    speed, expected = 0.0, weights[0]
    for step, weight in enumerate([*weights[1:], net.weight.item()]):
        progress = step / steps
        rate = 0.5 * max(1 / 40, progress * 5) if progress < 0.2 else 0.5 * (1 - progress) / 0.8
        speed = 0.9 * speed + 1
        expected -= rate * (1 + 0.9 * speed)
        assert weight == pytest.approx(expected, rel=1e-4)


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    def loss(chosen, rng):
        return model(torch.ones(2, 3)).pow(2).mean()

    model = torch.nn.Linear(3, 1)
    schedule, file = Schedule(epochs=1, batch=2, muon_rate=0), tmp_path / "checkpoint.pt"
    optimise(model, loss, 8, schedule, 0, "this", file, log=lambda line: None)
    with pytest.raises(WeightsError, match="belongs to another training"):
        optimise(model, loss, 8, schedule, 0, "that", file)
    with pytest.raises(InputError, match="do not fill one batch"):
        optimise(model, loss, 1, schedule, 0, "this")


def test_iterative_pruning_removes_a_fifth_of_what_is_left(tmp_path):
    card = read_card(tiny_training(tmp_path, tmp_path / "cache", "unstructured"))
    model, _ = open_member(tmp_path / "unstructured.json")
    assert not model.training
    assert not any(one.requires_grad for one in model.parameters())
    filters = [one.weight for one in model.modules() if isinstance(one, torch.nn.Conv2d)]
    zero, total = sum(int((one == 0).sum()) for one in filters), sum(one.numel() for one in filters)
    assert zero / total == pytest.approx(1 - 0.8**4, abs=2 / total)
    assert [entry["removed"] for entry in card["rounds"]] == pytest.approx(
        [1 - 0.8**k for k in range(1, 5)], abs=2 / total
    )
    assert card["parameters_not_0"] == card["parameters"] - zero
    assert card["recipe"]["beta"] == 50.0
    assert card["recipe"]["layers"] == ["features.20"]
    assert card["teacher_sha256"] == "0" * 64


def test_each_round_records_the_network_as_it_answers_then(tmp_path):
    shop = tiny_workshop(tmp_path, tmp_path)
    masks = {0: np.arange(SIDE * SIDE).reshape(SIDE, SIDE) < 500}
    items = [Item(shop.pictures.images[k], (0,), masks) for k in range(4)]
    labels = np.eye(3, dtype=np.float32)[[0] * 4]
    few = Pool(shop.pictures.images[:4], labels, False, "", (0.5,) * 3, (0.25,) * 3)
    shop.examination = Examination(items, few, shop.teacher.model, methods=("gradcam",))
    card = read_card(shop.make(tiny_order("unstructured")))
    model, _ = open_member(tmp_path / "unstructured.json")
    last = Examination(items, few, shop.teacher.model, methods=("gradcam",)).measure(model)
    found = {name: part["mean"] for name, part in last["maps"]["gradcam"].items() if "mean" in part}
    assert card["rounds"][-1]["F1"] == pytest.approx(last["F1"])
    assert {name: card["rounds"][-1][name] for name in found} == pytest.approx(found)


def test_a_card_and_its_weights_belong_together(tmp_path):
    path = tiny_training(tmp_path, tmp_path / "cache", "structured")
    model, card = open_member(path)
    assert card["kept"]["features.0"] == sorted(card["kept"]["features.0"])
    assert sum(p.numel() for p in model.parameters()) == card["parameters"]
    weights = path.with_suffix(".safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(WeightsError, match="is not the file on its card"):
        open_member(path)
    path.write_text("[]")
    with pytest.raises(ModelError, match="is no card of a student"):
        open_member(path)


def test_answers_once_are_answers_always(tmp_path):
    shop = tiny_workshop(tmp_path, tmp_path)
    whole = answers(shop.teacher.model, shop.pictures, "features.20", block=24)
    parts = answers(shop.teacher.model, shop.pictures, "features.20", block=5)
    assert whole.activations.shape == (2, 24, 8, 8, 8)
    torch.testing.assert_close(whole.weights, parts.weights)
    chosen, mirrored = np.array([3, 7]), np.array([True, False])
    with torch.no_grad():
        logits = shop.teacher.model(shop.pictures.batch(chosen, mirrored))
    torch.testing.assert_close(whole.logits[[1, 0], chosen], logits)
    dropped = np.array([0, 2])
    silent = whole.activations[[1, 0], chosen].clone()
    silent[:, dropped] = 0
    wanted = torch.relu((whole.weights[[1, 0], chosen][:, :, None, None] * silent).sum(1))
    torch.testing.assert_close(whole.map("swa", chosen, mirrored, dropped), wanted)


def test_other_classes_than_the_teachers(tmp_path):
    shop = tiny_workshop(tmp_path, tmp_path)
    other = Pool(shop.pictures.images, np.zeros((24, 7), np.float32), True, "", (0.5,) * 3, (0.25,) * 3)
    with pytest.raises(InputError, match="train a teacher on them first"):
        Workshop(shop.teacher, other, tmp_path, tmp_path)


def test_a_study_tells_the_trainings_that_its_own_students_had():
    def card(kind: str, epochs: float) -> dict:
        return {"kind": kind, "training_pictures": 77, "recipe": {"schedule": {"epochs": epochs}}}

    said = " ".join(
        notes([{**card("teacher", 1), "recipe": {}}, card("unstructured", 4), card("distil", 60)])
    )
    assert "pruning trains 4 epochs" in said
    assert "learn for 60 epochs of 77 scenes" in said
    assert "learn for 5 to 60 epochs" in " ".join(notes([card("distil", 60), card("structured", 5)]))


def test_a_crop_is_a_part_of_its_picture_made_as_large():
    side, rng = 32, np.random.default_rng(0)
    ramp = torch.linspace(0, 1, side).expand(side, side)
    batch = torch.stack([ramp, ramp.T, torch.ones(side, side)]).expand(200, 3, side, side)
    found = CHANGES["crop"](batch, rng)
    steps = found.diff(dim=3)[:, 0, side // 2, 2:-2].mean(1) * (side - 1)  # 1 for a whole picture's width
    heights = found.diff(dim=2)[:, 1, 2:-2, side // 2].mean(1) * (side - 1)
    assert found.shape == batch.shape
    assert torch.allclose(found[:, 2], torch.ones(side, side))
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1 + 1e-6
    area, ratio = steps * heights, steps / heights
    assert float(area.min()) > 0.06
    assert float(area.max()) < 1.05
    assert 0.45 < float(area.mean()) < 0.6
    assert 0.7 < float(ratio.min()) < 0.8
    assert 1.25 < float(ratio.max()) < 1.4


def test_a_teacher_starts_from_weights_with_another_head(tmp_path):
    torch.manual_seed(0)
    other, mine = SceneVGG(7, WIDTHS), SceneVGG(3, WIDTHS)
    head = mine.classifier.weight.clone()
    save_file(other.state_dict(), tmp_path / "other.safetensors")
    start_from(mine, tmp_path / "other.safetensors")
    assert torch.equal(mine.features[0].weight, other.features[0].weight)
    assert torch.equal(mine.classifier.weight, head)
    with pytest.raises(WeightsError, match="another architecture"):
        start_from(SceneVGG(3, (3, 4, 6, 6, 8, 9)), tmp_path / "other.safetensors")
