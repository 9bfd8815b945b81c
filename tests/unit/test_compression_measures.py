"""Measures of a compression study against loops, the tables, the run, the family on disk and the command."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from pruneattr_core.cli import main
from pruneattr_core.compression import examine, family, table
from pruneattr_core.compression.data import scenes_multilabel
from pruneattr_core.compression.examine import Examination, summary
from pruneattr_core.compression.matching import channel_weights, seen, seen_at, swa_map
from pruneattr_core.compression.measures import METHODS_OF_REVIEW, _f1, map_of, predicted, prediction_quality
from pruneattr_core.compression.members import read_card
from pruneattr_core.compression.pool import pool
from pruneattr_core.errors import InputError, ModelError, StoreError
from pruneattr_core.likeness import cosine, l2_distance, normalise_l2
from pruneattr_core.models import list_models, load_model, model_card, students
from pruneattr_core.models.vgg import SceneVGG
from pruneattr_core.runs.reading import from_folder
from pruneattr_core.runs.stored import write_stored


def test_latency_is_that_of_passes_of_one_picture(monkeypatch) -> None:
    seen: list[tuple[int, ...]] = []

    class Counting(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(tuple(x.shape))
            return x

    clock = iter(range(1000))
    monkeypatch.setattr(examine.time, "perf_counter", lambda: next(clock) / 1000)
    pictures = SimpleNamespace(batch=lambda index: torch.zeros(len(index), 3, 4, 4))
    assert examine.latency_ms(Counting(), pictures) == pytest.approx(1)
    assert seen == [(1, 3, 4, 4)] * (examine.REPEATS + 3)


def test_a_layer_that_is_not_there_is_answered_with_those_nearest_by_name() -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    with pytest.raises(ModelError, match=r"no layer 'relu' in Sequential: it has .*[01]"):
        seen_at(net, torch.rand(1, 4), ["relu"])


def test_the_f1_score_of_a_class_by_hand() -> None:
    truth = np.array([[1, 1, 0, 0], [1, 0, 0, 1]], bool)
    answer = np.array([[1, 0, 0, 1], [1, 1, 0, 0]], bool)
    assert _f1(truth, answer, 0).tolist() == [1.0, 0.0, 0.0, 0.0]  # the third is nowhere, and counts as 0
    assert _f1(truth, answer, 1).tolist() == [0.5, 0.5]


def test_deformation_against_loops():
    rng = np.random.default_rng(0)
    one, other = rng.random((5, 4)), rng.random((5, 4))
    norms = [math.sqrt(sum(v * v for v in m.ravel())) for m in (one, other)]
    dot = sum(a * b for a, b in zip(one.ravel(), other.ravel(), strict=True)) / (norms[0] * norms[1])
    assert cosine(one, other) == pytest.approx(dot)
    assert cosine(3 * one, other) == pytest.approx(dot)
    assert l2_distance(one, other) == pytest.approx(math.sqrt(2 - 2 * dot))
    assert normalise_l2(one).ravel() @ normalise_l2(one).ravel() == pytest.approx(1)
    assert math.isnan(cosine(one, np.zeros((5, 4))))
    assert math.isnan(l2_distance(np.zeros((5, 4)), one))
    with pytest.raises(InputError, match="two maps of one shape"):
        cosine(one, other.T)


def test_predictions():
    logits = torch.tensor([[0.5, -1.0, 2.0], [-3.0, -1.0, -2.0]])
    assert predicted(logits, True).tolist() == [[True, False, True], [False, False, False]]
    assert predicted(logits, False).tolist() == [[False, False, True], [False, True, False]]


def test_quality_against_loops():
    rng = np.random.default_rng(1)
    labels, logits = (rng.random((12, 4)) < 0.4).astype(np.float32), rng.normal(size=(12, 4))
    labels[0] = 0
    found = prediction_quality(labels, logits, True)

    def average_precision(truth: np.ndarray, scores: np.ndarray) -> float:
        order = np.argsort(-scores)
        hits, total = 0, 0.0
        for rank, k in enumerate(order, 1):
            if truth[k]:
                hits += 1
                total += hits / rank
        return total / truth.sum()

    def f1(truth: np.ndarray, answer: np.ndarray) -> float:
        both, total = (truth * answer).sum(), truth.sum() + answer.sum()
        return 2 * both / total if total else 0.0

    classes, pictures = range(4), [k for k in range(12) if labels[k].any()]
    assert found["mAP"] == pytest.approx(
        np.mean([average_precision(labels[:, c], logits[:, c]) for c in classes])
    )
    assert found["mAP_released"] == pytest.approx(
        np.mean([average_precision(labels[k], logits[k]) for k in pictures])
    )
    assert found["F1"] == pytest.approx(np.mean([f1(labels[:, c], logits[:, c] > 0) for c in classes]))
    assert found["F1_released"] == pytest.approx(
        np.mean([f1(labels[k], logits[k] >= 0.5) for k in range(12)])
    )
    assert found["top1"] == pytest.approx(np.mean([labels[k, logits[k].argmax()] for k in range(12)]))


def test_grad_cam_of_the_review_is_the_map_that_is_matched():
    """Up to upsampling, and to the mean instead of the sum over positions."""
    torch.manual_seed(0)
    model = SceneVGG(4, (4, 4, 4, 4, 8, 8)).double().eval().requires_grad_(False)
    inputs, target = torch.randn(2, 3, 64, 64, dtype=torch.float64), torch.tensor([1, 3])
    logits, activation = seen(model, inputs, "features.20", leaf=True)
    matched = swa_map(activation, channel_weights(logits, activation, target)) / 64
    wanted = torch.nn.functional.interpolate(matched[:, None], size=(64, 64), mode="bilinear")[:, 0]
    torch.testing.assert_close(map_of(model, inputs, target, "gradcam"), wanted.detach())
    for method in METHODS_OF_REVIEW:
        found = map_of(model, inputs, target, method)
        assert found.shape == (2, 64, 64)
        assert found.min() >= 0
    with pytest.raises(InputError, match="Expected a method out of gradcam, prunegrad"):
        map_of(model, inputs, target, "saliency")


def test_a_network_does_not_differ_from_itself():
    torch.manual_seed(0)
    model = SceneVGG(10, (4, 4, 4, 4, 8, 8)).eval().requires_grad_(False)
    model.classifier.bias += 1.0
    data = scenes_multilabel("test", 6)
    pictures = pool(data, (64, 64), (0.5,) * 3, (0.25,) * 3)
    examination = Examination(data, pictures, model, 4, ("gradcam", "prunegrad"))
    found = examination.measure(model)
    assert found["pairs"] == len(examination.pairs) == sum(len(data[k].labels) for k in range(4))
    assert found["pairs_predicted"] <= found["pairs"]
    for measures in found["maps"].values():
        assert measures["cosine"]["mean"] == pytest.approx(1)
        assert measures["l2"]["mean"] == pytest.approx(0, abs=1e-6)
        assert measures["roc_auc"]["n"] == found["pairs_predicted"]


def test_summaries_leave_undefined_values_out():
    assert summary(np.array([1.0, math.nan, 3.0])) == {"mean": 2.0, "sd": 1.0, "n": 2}
    assert summary(np.array([math.nan])) == summary(np.array([])) == {"n": 0}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """A teacher and two students on a few scenes, made and measured by the command."""
    place = tmp_path_factory.mktemp("study")
    common = [
        "--count",
        "16",
        "--batch",
        "8",
        "--epochs",
        "0.5",
        "--out",
        str(place),
        "--cache",
        str(place / "c"),
    ]
    assert main(["compress", "teacher", "--id", "small", *common]) == 0
    more = ["--teacher", str(place / "small.json"), *common]
    assert main(["compress", "distil", "--matching", "sswa", "--beta", "9", "--id", "half", *more]) == 0
    assert main(["compress", "structured", "--matching", "ewa", "--id", "cut", *more]) == 0
    given = [
        "--students",
        str(place),
        "--pictures",
        "6",
        "--explained",
        "3",
        "--out",
        str(place / "run/one"),
    ]
    assert main(["compress", "table", *given]) == 0
    return place


def test_the_command_makes_cards_and_a_run(study):
    card = json.loads((study / "half.json").read_text())
    assert card["recipe"]["beta"] == 9
    assert card["recipe"]["drop"] == 0.3
    assert card["recipe"]["divisor"] == 8
    assert card["teacher"] == "small"
    assert card["measured"]["pictures"] == 6
    run = table.read_study(study / "run/one")
    assert [one["id"] for one in run["members"]] == ["small", "cut", "half"]
    # beta 9 is not AP's: it stands beside the ablations and counts as no seed of Table 2
    assert [row["title"] for row in run["tables"]["Ablations"]] == ["/8 SSWA, beta 9"]
    assert "Table 2" not in run["tables"]
    assert run["published"]["tables"]["Table2_KD_vs_GT"]["VGG16_8"]["SSWA"][2] == 88.06
    text = (study / "run/one.md").read_text("utf-8")
    assert text == table.markdown(run)
    assert "Published (Table 7, Pascal VOC 2012, VGG16; not computed here)" in text
    assert "## In the form of Table 7" in text
    assert table.setting_of("Table 12") == "ImageNet, ResNet34"
    assert "structured EWA" in text


def test_the_family_is_what_the_cards_say(study):
    (teacher,) = family.teachers(study)
    students = family.students("small", study)
    assert teacher.id == "small"
    assert {one.id for one in students} == {"half", "cut"}
    cut = next(one for one in students if one.id == "cut")
    assert (cut.kind, cut.matching, len(cut.kept)) == ("structured", "ewa", 6)
    assert cut.flops < teacher.flops
    assert "gradcam" in cut.measured["maps"]


def test_runs_are_never_overwritten_and_changes_are_found(study, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(study / "run/one", folder)
    run = table.read_study(folder)
    with pytest.raises(StoreError, match="never overwritten"):
        table.write_study(folder, run, {})
    for name, old, new in (("points.csv", ",mAP,", ",map,"), ("header.json", '"seed": 0', '"seed": 5')):
        kept = (folder / name).read_text("utf-8")
        (folder / name).write_text(kept.replace(old, new, 1), "utf-8")
        with pytest.raises(StoreError, match=f"{name} does not have the hash"):
            table.read_study(folder)
        (folder / name).write_text(kept, "utf-8")
    assert json.dumps(table.read_study(folder)) == json.dumps(run)  # some figures are nan


def test_rows_are_read_as_they_were_written(study, tmp_path):
    """Also two of one title, which follow one another, and rows that do not have the columns of the last."""
    rows = [
        {"title": "VGG/8", "seeds": [0], "mAP": 0.5, "F1": 0.25},
        {"title": "VGG/8", "seeds": [1, 2], "mAP": 0.75, "mAP.sd": 0.125},
        {"title": "VGG/4", "seeds": [0], "F1": 0.5},
    ]
    given = {**table.read_study(study / "run/one"), "tables": {"Table 1": rows, "Table 2": rows[::-1]}}
    table.write_study(tmp_path / "run", given, {})
    assert table.read_study(tmp_path / "run")["tables"] == given["tables"]


def test_rows_over_seeds():
    def card(seed: int, value: float) -> dict:
        maps = {
            "gradcam": {
                name: {"mean": value, "sd": 0, "n": 1}
                for name in ("roc_auc", "point_accuracy", "cosine", "l2")
            }
        }
        quality = dict.fromkeys(("mAP", "F1", "mAP_released", "F1_released"), value)
        kind = {"kind": "distil", "matching": "none", "recipe": {"divisor": 8}, "parameters": 5}
        return {
            **kind,
            "parameters_not_0": 5,
            "flops": 5,
            "seed": seed,
            "measured": {**quality, "latency_ms": 1.0, "maps": maps},
        }

    rows = table.tables([card(0, 0.5), card(1, 0.7), card(2, 0.6)])["Table 3"]
    assert rows[0]["seeds"] == [0, 1, 2]
    assert rows[0]["gradcam.cosine"] == pytest.approx(0.6)
    assert rows[0]["gradcam.cosine.sd"] == pytest.approx(0.1)


def test_published_figures_are_those_given(shared):
    given = json.loads((shared / "published_numbers.json").read_text("utf-8"))
    ours = table.published()["tables"]
    assert {f"attr_preserve/{name}": rows for name, rows in ours.items()} == {
        name: rows for name, rows in given.items() if name.startswith("attr_preserve/Table")
    }


def test_students_open_like_every_model():
    ids = [name for name in list_models("bundled") if name.startswith("scenes-vgg")]
    assert ids[0] == "scenes-vgg"
    for name in ids[:2]:
        card, model = model_card(name), load_model(name)
        assert card.size == (64, 64)
        assert model(torch.zeros(1, 3, 64, 64)).shape == (1, len(card.classes))
    assert [one.id for one in family.teachers()] == ["scenes-vgg"]
    assert {one.id for one in family.members()} == set(ids)


def test_the_shipped_run_is_of_the_shipped_students():
    run = table.read_study(table.RUNS / "scenes")
    measured = {one["id"]: (one["sha256"], one["measured"]) for one in run["members"]}
    cards = [read_card(file) for file in family.STUDENTS.glob("*.json")]
    shipped = {card["id"]: (card["sha256"], card.get("measured")) for card in cards}
    assert {name: shipped.get(name) for name in measured} == measured
    assert rounded(table.tables(run["members"])) == rounded(run["tables"])
    assert len(measured) >= 21


def rounded(value: object) -> object:
    """Without the last digits: Python 3.12 adds floats more precisely than 3.11."""
    return json.loads(json.dumps(value), parse_float=lambda text: round(float(text), 12))


def test_damaged_cards_of_students(tmp_path, monkeypatch):
    monkeypatch.setattr(students, "WEIGHTS", tmp_path / "weights")
    (tmp_path / "weights").mkdir()
    (tmp_path / "students").mkdir()
    card = students.student_card("scenes-vgg")
    with pytest.raises(ModelError, match=r"scenes-vgg.json is missing or damaged"):
        students.completed_student(card)
    for text in ("[]", "{}", '{"mean": 3}'):
        (tmp_path / "students" / "scenes-vgg.json").write_text(text)
        with pytest.raises(ModelError, match=r"scenes-vgg.json is damaged"):
            students.completed_student(card)
        with pytest.raises(ModelError, match=r"scenes-vgg.json is damaged"):
            students.student_builder("scenes-vgg")()
    names = [
        "scenes-vgg-x8-sswa",
        "scenes-vgg-x2-none",
        "scenes-vgg",
        "scenes-vgg-x8-none-seed1",
        "scenes-vgg-x8-none",
    ]
    for name in names:
        (tmp_path / "students" / f"{name}.json").write_text("{}")
    assert students.student_ids() == tuple(names[k] for k in (2, 1, 4, 0, 3))


def test_what_cannot_be_asked_for(tmp_path, capsys):
    common = ["--out", str(tmp_path), "--cache", str(tmp_path), "--count", "8"]
    assert main(["compress", "distil", "--teacher", "cifar-resnet20", *common]) == 1
    assert "cannot be a teacher here" in capsys.readouterr().err
    assert main(["compress", "teacher", "--data", "voc2012", *common]) == 1
    assert "--root FOLDER" in capsys.readouterr().err
    assert main(["compress", "teacher", "--architecture", "LeNet", *common]) == 1
    assert "Expected an architecture SceneVGG" in capsys.readouterr().err
    with pytest.raises(ModelError, match="is no card of a student"):
        read_card(tmp_path / "nothing.json")
    card = read_card(family.STUDENTS / "scenes-vgg.json")
    for damaged in ([], {**card, "classes": 3}, {**card, "sha256": None}, {**card, "kind": ["teacher"]}):
        (tmp_path / "card.json").write_text(json.dumps(damaged))
        with pytest.raises(ModelError, match=r"card\.json is no card of a student"):
            read_card(tmp_path / "card.json")


def test_a_table_that_is_not_that_of_its_values_is_damage(tmp_path):
    """Sealed as it is: whoever changes a number in the table can seal it anew."""
    whole = from_folder(table.RUNS / "scenes")
    lines = whole.points.splitlines(keepends=True)
    swapped = b"".join([*lines[:-2], lines[-1], lines[-2]])
    write_stored(replace(whole, points=swapped), tmp_path / "swapped")
    with pytest.raises(StoreError, match="not that of its values"):
        table.read_study(tmp_path / "swapped")
    write_stored(whole, tmp_path / "whole")
    assert table.read_study(tmp_path / "whole").keys() == table.read_study(table.RUNS / "scenes").keys()
