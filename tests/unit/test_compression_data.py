"""Pictures with classes and masks: scenes, a miniature Pascal VOC made here, CIFAR-10, a folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pruneattr_core.cli import main
from pruneattr_core.compression.data import (
    VOC_CLASSES,
    _Labelled,
    cifar10,
    folder,
    scenes_multilabel,
    voc2012,
)
from pruneattr_core.compression.members import open_member
from pruneattr_core.compression.pool import pool
from pruneattr_core.datasets.base import Sample
from pruneattr_core.errors import InputError
from pruneattr_core.scenes import SHAPES


def test_scenes_show_one_to_three_classes_with_their_masks():
    data = scenes_multilabel("test", 40)
    assert (len(data), data.classes, data.multi_label) == (40, SHAPES, True)
    counts = set()
    for index in range(len(data)):
        item = data[index]
        assert item.image.shape == (64, 64, 3)
        assert item.labels == tuple(sorted(set(item.labels))) == tuple(item.masks)
        together = sum(mask.astype(int) for mask in item.masks.values())
        assert together.max() == 1
        counts.add(len(item.labels))
    assert counts == {1, 2, 3}
    with pytest.raises(IndexError):
        data[40]


def test_splits_of_scenes_share_no_picture():
    pictures = [
        scenes_multilabel(split, 30)[k].image.tobytes()
        for split in ("train", "test", "shown")
        for k in range(30)
    ]
    assert len(set(pictures)) == 90
    with pytest.raises(InputError, match="Expected a split out of train, test, shown"):
        scenes_multilabel("validation")


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """Two pictures in the layout of VOCdevkit/VOC2012: a cat with a dog, and two persons."""
    base = tmp_path / "VOCdevkit" / "VOC2012"
    for name in (
        "JPEGImages",
        "Annotations",
        "SegmentationClass",
        "ImageSets/Main",
        "ImageSets/Segmentation",
    ):
        (base / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, things in (("2012_000001", ("dog", "cat")), ("2012_000002", ("person", "person"))):
        Image.fromarray(rng.integers(0, 256, (30, 40, 3)).astype(np.uint8)).save(
            base / "JPEGImages" / f"{name}.jpg"
        )
        objects = "".join(f"<object><name>{thing}</name></object>" for thing in things)
        (base / "Annotations" / f"{name}.xml").write_text(f"<annotation>{objects}</annotation>")
        painted = np.zeros((30, 40), np.uint8)
        for k, thing in enumerate(things):
            painted[10:20, 5 + 15 * k : 15 + 15 * k] = VOC_CLASSES.index(thing) + 1
        painted[9, :] = 255
        image = Image.fromarray(painted, "L").convert("P")
        image.putdata(painted.ravel().tolist())
        image.save(base / "SegmentationClass" / f"{name}.png")
    for split in ("train", "val"):
        for place in ("Main", "Segmentation"):
            (base / "ImageSets" / place / f"{split}.txt").write_text("2012_000001\n2012_000002\n")
    return tmp_path


def test_voc_to_measure_on_has_masks(voc):
    data = voc2012(voc, "val")
    assert (len(data), data.multi_label, len(data.classes)) == (2, True, 20)
    first, second = data[0], data[1]
    assert [VOC_CLASSES[label] for label in first.labels] == ["cat", "dog"]
    dog = first.masks[VOC_CLASSES.index("dog")]
    assert dog.sum() == 100
    assert dog[10:20, 5:15].all()
    assert [VOC_CLASSES[label] for label in second.labels] == ["person"]
    assert second.masks[VOC_CLASSES.index("person")].sum() == 200
    assert first.image.shape == (30, 40, 3)


def test_voc_to_learn_from_has_the_classes_of_its_boxes(voc):
    data = voc2012(voc, "train")
    assert [VOC_CLASSES[label] for label in data[0].labels] == ["cat", "dog"]
    assert data[0].masks == {}
    pictures = pool(data, (16, 24), (0.5,) * 3, (0.25,) * 3)
    assert pictures.images.shape == (2, 16, 24, 3)
    assert pictures.labels.sum(1).tolist() == [2, 1]


def test_a_teacher_and_a_student_on_voc(voc, tmp_path):
    out = tmp_path / "out"
    common = ["--data", "voc2012", "--root", str(voc), "--batch", "2", "--epochs", "1"]
    common += ["--out", str(out), "--cache", str(tmp_path / "cache")]
    assert main(["compress", "teacher", "--id", "voc", "--size", "64", *common]) == 0
    teacher = ["--teacher", str(out / "voc.json")]
    assert main(["compress", "distil", *teacher, "--matching", "swa", "--divisor", "2", *common]) == 0
    measured = [
        "--students",
        str(out),
        "--data",
        "voc2012",
        "--root",
        str(voc),
        "--out",
        str(tmp_path / "run.json"),
    ]
    assert main(["compress", "table", *measured]) == 0
    card = json.loads((out / "voc-x2-swa-seed0.json").read_text())
    assert (len(card["classes"]), card["data"], card["measured"]["pairs"]) == (
        20,
        "Pascal VOC 2012, train",
        3,
    )


def test_a_bundled_teacher_with_one_class_a_picture(shared, tmp_path):
    given = ["--teacher", "resnet8-cifar10", "--data", "cifar10", "--root", str(shared / "data")]
    given += ["--count", "16", "--batch", "8", "--epochs", "1", "--divisor", "4", "--matching", "sswa"]
    given += ["--out", str(tmp_path), "--cache", str(tmp_path / "cache"), "--id", "quarter"]
    assert main(["compress", "distil", *given]) == 0
    model, card = open_member(tmp_path / "quarter.json")
    assert (card["multi_label"], card["recipe"]["layers"]) == (False, ["layer3.0.relu"])
    assert model.linear.in_features == 64


def test_voc_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="expected VOCdevkit/VOC2012 in it"):
        voc2012(tmp_path)


def test_cifar10_has_one_class_and_no_masks(shared):
    data = cifar10(shared / "data" / "cifar10", "test")
    assert (data.multi_label, len(data.classes), len(data[5].labels)) == (False, 10, 1)
    assert data[5].masks == {}


@pytest.mark.parametrize(("labels", "several"), [([(0,), (1,)], False), ([(0,), (0, 1)], True)])
def test_two_labels_on_one_picture_make_a_task_of_several(labels, several):
    pictures = [Sample(Image.new("RGB", (4, 4)), "", given) for given in labels]
    found = type(
        "Two", (), {"title": "two", "classes": ("a", "b"), "__getitem__": lambda _, k: pictures[k]}
    )()
    assert _Labelled(found, range(2)).multi_label is several


def test_a_folder_with_masks(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "masks").mkdir()
    labels = {}
    for k in range(10):
        name = f"{k:02d}.png"
        Image.fromarray(rng.integers(0, 256, (12, 10, 3)).astype(np.uint8)).save(tmp_path / name)
        mask = np.zeros((12, 10), np.uint8)
        mask[2:6, 3:7] = 255
        Image.fromarray(mask).save(tmp_path / "masks" / name)
        labels[name] = {"index": k % 2, "name": ("cup", "jug")[k % 2], "mask": name}
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    everything, train, test = (folder(tmp_path, split) for split in ("all", "train", "test"))
    assert (len(everything), len(train), len(test)) == (10, 8, 2)
    assert everything.classes == ("cup", "jug")
    assert everything[1].labels == (1,)
    assert everything[1].masks[1].sum() == 16
    assert {train[k].name for k in range(8)} & {test[k].name for k in range(2)} == set()
    with pytest.raises(InputError, match="Expected a split out of all, test, train"):
        folder(tmp_path, "val")


def test_a_folder_without_classes(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "one.png")
    with pytest.raises(InputError, match="have no classes: sort them into class folders"):
        folder(tmp_path)


def test_mirrored_pictures_and_normalisation():
    pictures = pool(scenes_multilabel("test", 3, size=32), (32, 32), (0.5, 0.4, 0.3), (0.25, 0.2, 0.5))
    plain = pictures.batch(np.arange(3))
    mirrored = pictures.batch(np.arange(3), np.array([False, True, False]))
    assert (mirrored[1] == plain[1].flip(2)).all()
    assert (mirrored[[0, 2]] == plain[[0, 2]]).all()
    pixel = (pictures.images[2, 5, 7] / 255 - np.array([0.5, 0.4, 0.3])) / np.array([0.25, 0.2, 0.5])
    np.testing.assert_allclose(plain[2, :, 5, 7], pixel, atol=1e-6)
