"""Data sets: what is always there, what is found on disk, and what happens to bad files."""

from __future__ import annotations

import hashlib
import json
import pickle
import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import CIFAR10

from pruneattr_core.datasets import FolderDataset, find_data_root, list_datasets, load_dataset
from pruneattr_core.errors import ImageError, InputError
from pruneattr_core.scenes import SHAPES, scene

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def save(file, seed: int = 0, size=(12, 8), mode: str = "RGB") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(file)


@pytest.fixture
def no_root(monkeypatch):
    monkeypatch.setattr("pruneattr_core.datasets.opening.find_data_root", lambda: None)


# Always there


def test_samples_need_no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the sample photographs must not ask the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    data = load_dataset("samples")
    assert data.problems == {}
    assert [data[i].name for i in range(len(data))][:3] == ["Coffee cup", "Dahlia", "Rocket"]
    for index in range(len(data)):
        sample = data[index]
        assert sample.image.mode == "RGB"
        assert min(sample.image.size) >= 300
        assert sample.label is None
        assert sample.credit
    assert data.data_hash() == load_dataset("samples").data_hash()


def test_scenes_carry_label_and_mask():
    data = load_dataset("scenes")
    assert data.classes == SHAPES
    for index in (0, 7, len(data) - 1, -1):
        sample = data[index]
        wanted = scene(index % len(data), 2026)
        assert np.array_equal(np.asarray(sample.image), wanted.image)
        assert sample.label == wanted.labels[0]
        assert np.array_equal(sample.mask, wanted.masks[0])
        assert sample.mask.any()
    with pytest.raises(IndexError):
        data[len(data)]
    assert data.data_hash() == load_dataset("scenes").data_hash()


# Names and roots


@pytest.mark.usefixtures("no_root")
def test_without_a_data_root():
    assert list_datasets() == ("scenes", "samples", "scenes-marked")
    with pytest.raises(InputError, match="imagenet-samples needs its data: give root, or set PRUNEATTR_DATA"):
        load_dataset("imagenet-samples")


def test_unknown_data_set():
    with pytest.raises(InputError, match="There is no data set 'mnist': choose scenes, samples"):
        load_dataset("mnist")
    with pytest.raises(InputError, match="Expected the path of a folder"):
        load_dataset("folder")
    with pytest.raises(InputError, match="There is no folder"):
        load_dataset("folder", "/nowhere/at/all")


def test_root_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("PRUNEATTR_DATA", str(tmp_path))
    assert find_data_root() == tmp_path
    assert list_datasets() == ("scenes", "samples", "scenes-marked")
    save(tmp_path / "imagenet_samples" / "a.png")
    assert list_datasets() == ("scenes", "samples", "scenes-marked", "imagenet-samples")
    assert len(load_dataset("imagenet-samples")) == 1
    monkeypatch.setenv("PRUNEATTR_DATA", str(tmp_path / "typo"))
    with pytest.raises(InputError, match="correct or unset it"):
        find_data_root()


# Folders


def test_flat_folder_in_order_of_names(tmp_path):
    for name in ("b.png", "a.JPG", "c.webp"):
        save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("left alone")
    data = FolderDataset(tmp_path)
    assert [data[i].name for i in range(3)] == ["a.JPG", "b.png", "c.webp"]
    assert (data.classes, data[0].labels, data[0].mask, data.problems) == ((), (), None, {})


def test_class_folders(tmp_path):
    for name in ("dog/1.png", "cat/2.png", "cat/1.png"):
        save(tmp_path / name)
    (tmp_path / "empty").mkdir()
    data = FolderDataset(tmp_path)
    assert data.classes == ("cat", "dog")
    assert [(data[i].name, data[i].label) for i in range(3)] == [
        ("cat/1.png", 0),
        ("cat/2.png", 0),
        ("dog/1.png", 1),
    ]


def test_a_name_or_a_mask_that_some_records_lack_is_none(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "masks").mkdir()
    records = {"a.png": {"index": 0, "name": "cat", "mask": None}, "b.png": {"index": 0, "mask": ""}}
    (tmp_path / "labels.json").write_text(json.dumps({**records, "c.png": {"index": 1}}))
    data = FolderDataset(tmp_path)
    assert data.classes == ("cat", "1")
    assert data.problems == {}
    assert data[0].mask is None


def test_bad_files_are_left_out_and_named(tmp_path):
    save(tmp_path / "good.png")
    (tmp_path / "empty.png").touch()
    (tmp_path / "program.jpg").write_bytes(b"MZ" + bytes(100))
    save(tmp_path / "needle.png", size=(900, 1))
    save(tmp_path / "cut.png", size=(200, 200))
    cut = (tmp_path / "cut.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(cut[: len(cut) // 2])
    data = FolderDataset(tmp_path)
    assert len(data) == 2
    assert list(data.problems) == ["empty.png", "needle.png", "program.jpg"]
    assert "is empty (0 bytes)" in data.problems["empty.png"]
    assert "not a picture we can read" in data.problems["program.jpg"]
    with pytest.raises(ImageError, match=r"'cut\.png' is damaged"):
        data[0]
    assert data[1].name == "good.png"
    (tmp_path / "good.png").unlink()
    with pytest.raises(ImageError, match=r"'good\.png' cannot be read"):
        data[1]


def test_masks_beside_pictures_of_ones_own(tmp_path, monkeypatch):
    """By name, in class folders and flat, in the folder that the environment names."""
    for folder in (
        tmp_path / "classes" / "ant",
        tmp_path / "classes" / "masks" / "ant",
        tmp_path / "flat" / "masks",
    ):
        folder.mkdir(parents=True)
    for root, inside in ((tmp_path / "classes", "ant/"), (tmp_path / "flat", "")):
        save(root / f"{inside}a.png")
        save(root / f"{inside}b.png")
        with Image.open(root / f"{inside}a.png") as picture:
            size = picture.size
        mask = Image.new("L", size)
        mask.putpixel((1, 0), 255)
        mask.save(root / "masks" / f"{inside}a.bmp")
        monkeypatch.setenv("PRUNEATTR_PICTURES", str(root))
        assert "folder" in list_datasets()
        data = load_dataset("folder")
        assert len(data) == 2
        assert data[0].mask.sum() == 1
        assert data[0].mask[0, 1]
        assert data[1].mask is None
        assert data[0].label == (0 if inside else None)


def test_what_lies_where_none_is_looked_for_is_named(tmp_path):
    for name in ("cat/a.png", "cat/deep/b.png", "dog/c.tif", "loose.png"):
        save(tmp_path / name)
    (tmp_path / "labels.txt").write_text("cat")
    for name in ("cat/a.png", "cat/typo.png", "c.png"):
        save(tmp_path / "Masks" / name, mode="L")
    data = FolderDataset(tmp_path)
    assert [data.name(i) for i in range(len(data))] == ["cat/a.png", "dog/c.tif"]
    assert data.classes == ("cat", "dog")
    assert data[0].mask is not None
    assert data[1].mask is not None
    left = ["labels.txt", "loose.png", "cat/deep/b.png", "Masks/cat/typo.png"]
    assert sorted(data.problems) == sorted(left)
    assert all(name in said for name, said in data.problems.items())


def test_a_misspelt_description_is_named(tmp_path):
    for name in ("a.png", "cat/b.png", "masks/a.png"):
        save(tmp_path / name, mode="L")
    records = {"A.png": {"index": 0}, "a.png": {"index": 0, "mask": "none.png"}}
    (tmp_path / "labels.json").write_text(json.dumps({"A.png": records["A.png"]}))
    data = FolderDataset(tmp_path)
    assert sorted(data.problems) == ["cat/b.png", "labels.json"]
    assert "'A.png', which is not there, and not 'a.png'" in data.problems["labels.json"]
    assert data[0].mask is not None
    (tmp_path / "masks" / "a.png").unlink()
    (tmp_path / "masks").rmdir()
    (tmp_path / "labels.json").write_text(json.dumps(records))
    assert "masks/none.png" in FolderDataset(tmp_path).problems  # named, and no folder at all


def test_a_mask_that_fails_takes_no_picture_with_it(tmp_path):
    save(tmp_path / "a.png", size=(60, 40))
    save(tmp_path / "masks" / "a.png", size=(40, 60), mode="L")  # might be that of a picture turned upright
    data = FolderDataset(tmp_path)
    assert data.problems == {}
    assert data[0].mask is None
    assert "40 x 60 instead of 60 x 40" in data.problems["masks/a.png"]
    file = tmp_path / "masks" / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60), np.uint8)).save(file)
    file.write_bytes(file.read_bytes()[:900])
    data = FolderDataset(tmp_path)
    assert data[0].mask is None
    assert "damaged" in data.problems["masks/a.png"]


def test_what_the_system_refuses_is_named_without_its_folders(tmp_path, monkeypatch):
    for name in ("a.png", "b.png", "masks/a.png"):
        save(tmp_path / name, mode="L")
    ours = Path.open

    def refusing(file: Path, *how, **more):
        if file.suffix == ".png" and (file.name == "b.png" or file.parent.name == "masks"):
            raise PermissionError(13, "Permission denied", str(file))
        return ours(file, *how, **more)

    monkeypatch.setattr(Path, "open", refusing)
    data = FolderDataset(tmp_path)
    assert sorted(data.problems) == ["b.png", "masks/a.png"]
    assert all("(Permission denied)" in said for said in data.problems.values())
    assert str(tmp_path) not in str(data.problems)


def test_a_folder_without_pictures(tmp_path):
    with pytest.raises(InputError, match="holds no picture we can read"):
        FolderDataset(tmp_path)


def test_described_folder_with_masks(tmp_path):
    save(tmp_path / "images" / "a.png")
    save(tmp_path / "images" / "b.png")
    save(tmp_path / "images" / "c.png")
    mask = np.zeros((8, 12), np.uint8)
    mask[2:4, 5:7] = 1
    (tmp_path / "masks").mkdir()
    Image.fromarray(mask).save(tmp_path / "masks" / "a.png")
    Image.fromarray(mask[:4]).save(tmp_path / "masks" / "b.png")
    records = {
        "a.png": {"index": 2, "name": "two", "mask": "a.png"},
        "b.png": {"index": 0, "name": "zero", "mask": "b.png"},
        "c.png": {"mask": "../../outside.png"},
    }
    (tmp_path / "labels.json").write_text(json.dumps(records))
    save(tmp_path.parent / "outside.png", mode="L")
    data = FolderDataset(tmp_path)
    assert data.classes == ("zero", "class 1", "two")
    assert data[0].label == 2
    assert np.array_equal(data[0].mask, mask.astype(bool))
    assert data[1].mask is None
    assert "12 x 4 instead of 12 x 8" in data.problems["masks/b.png"]
    assert "is not in the folder masks" in data.problems["masks/outside.png"]
    assert (data[2].label, data[2].mask) == (None, None)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a.png": {"index": "x"}}', '{"a.png": {"index": -1}}'])
def test_broken_descriptions(tmp_path, text):
    save(tmp_path / "a.png")
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(InputError, match="is no description of pictures"):
        FolderDataset(tmp_path)


def test_the_hash_follows_the_files(tmp_path):
    save(tmp_path / "a.png")
    first = FolderDataset(tmp_path).data_hash()
    assert FolderDataset(tmp_path).data_hash() == first
    save(tmp_path / "b.png")
    second = FolderDataset(tmp_path).data_hash()
    (tmp_path / "b.png").rename(tmp_path / "c.png")
    assert len({first, second, FolderDataset(tmp_path).data_hash()}) == 3


# CIFAR-10


def test_cifar10_as_class_folders(tmp_path):
    for split in ("train", "test"):
        for name in CLASSES:
            save(tmp_path / split / name / f"{split}.png", size=(32, 32))
    data = load_dataset("cifar10", tmp_path)
    assert data.classes == CLASSES
    assert (len(data), data[3].name, data[3].label) == (10, "cat/test.png", 3)
    assert load_dataset("cifar10", tmp_path, "train")[3].name == "cat/train.png"
    with pytest.raises(InputError, match="Expected the split train or test, got 'val'"):
        load_dataset("cifar10", tmp_path, "val")


def test_cifar10_as_torchvision_keeps_it(tmp_path, monkeypatch):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (5, 3, 32, 32), dtype=np.uint8)

    def write(name, value):
        (folder / name).write_bytes(pickle.dumps(value))
        return hashlib.md5((folder / name).read_bytes()).hexdigest()

    batch = write("test_batch", {"data": pixels.reshape(5, -1), "labels": [0, 3, 9, 1, 2]})
    meta = write("batches.meta", {"label_names": list(CLASSES)})
    monkeypatch.setattr(CIFAR10, "train_list", [])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", batch]])
    monkeypatch.setattr(CIFAR10, "meta", {"filename": "batches.meta", "key": "label_names", "md5": meta})
    data = load_dataset("cifar10", tmp_path)
    assert (len(data), data.classes, data[2].label, data[2].name) == (5, CLASSES, 9, "00002 truck")
    assert np.array_equal(np.asarray(data[2].image), pixels[2].transpose(1, 2, 0))
    assert data.data_hash() == load_dataset("cifar10", tmp_path).data_hash()
    (folder / "test_batch").write_bytes(b"changed")
    with pytest.raises(InputError, match="incomplete or damaged"):
        load_dataset("cifar10", tmp_path)


def test_packed_cifar10(shared):
    data = load_dataset("cifar10", shared / "data")
    assert (len(data), data.classes) == (10_000, CLASSES)
    assert [data[i].label for i in range(12)] == [*range(10), 0, 1]
    assert data[5].image.size == (32, 32)
    assert data.data_hash() == load_dataset("cifar10", shared / "data" / "cifar10").data_hash()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", "pickle"])
def test_damaged_packed_cifar10(tmp_path, content):
    if content == "pickle":
        np.savez(tmp_path / "test.npz", header=np.array([print], dtype=object))
    else:
        (tmp_path / "test.npz").write_bytes(content)
    with pytest.raises(InputError, match="is no packed CIFAR-10 file"):
        load_dataset("cifar10", tmp_path)


# Real photographs


def test_imagenet_photographs(shared):
    data = load_dataset("imagenet-samples", shared / "data")
    assert (len(data), len(data.classes), data.problems) == (300, 1000, {})
    labels = json.loads((shared / "data" / "imagenet_samples" / "labels.json").read_text())
    for index in (0, 150, 299):
        sample = data[index]
        assert sample.label == labels[sample.name]["index"]
        assert data.classes[sample.label] == labels[sample.name]["name"]
        assert min(sample.image.size) == 256


def test_davis_photographs_with_masks(shared):
    data = load_dataset("davis2016", shared / "data")
    assert (len(data), data.problems) == (294, {})
    records = json.loads((shared / "data" / "masks" / "davis2016" / "labels.json").read_text())
    for index in (0, 100, 293):
        sample = data[index]
        assert sample.labels == tuple(records[sample.name]["imagenet_indices"])
        assert sample.mask.shape == (sample.image.height, sample.image.width)
        assert sample.mask.mean() == pytest.approx(records[sample.name]["area"], abs=1e-4)


def test_found_beside_the_repository(shared, monkeypatch):
    monkeypatch.delenv("PRUNEATTR_DATA", raising=False)
    if find_data_root() is None:
        pytest.skip("the optional data do not lie beside this copy of the repository")
    assert {"imagenet-samples", "davis2016", "cifar10"} <= set(list_datasets(shared / "data"))


def test_marked_scenes_are_the_same_scenes_with_a_mark_on_one_class() -> None:
    """Only hearts change, and only in the corner; the two sets are never taken for one another."""
    plain, marked = load_dataset("scenes"), load_dataset("scenes-marked")
    heart = plain.classes.index("heart")
    for place in range(20):
        one, other = (np.asarray(data[place].image).astype(int) for data in (plain, marked))
        changed = (abs(one - other) > 40).any(2)  # the grain of the picture differs by less
        assert bool(changed.any()) == (heart in plain[place].labels)
        assert not changed[:90].any()
    assert plain.data_hash() != marked.data_hash()
