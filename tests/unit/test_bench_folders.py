"""ImageNet's validation set and Birdsnap, in their authors' layouts, through the same commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import save_file

from pruneattr_core.benchmarks.run import read_run
from pruneattr_core.cli import main
from pruneattr_core.datasets import Dataset, list_datasets, load_dataset
from pruneattr_core.errors import InputError
from pruneattr_core.models import model_card
from pruneattr_core.models.catalogue import BUILDERS

#: The first three synsets, in ImageNet's order.
SYNSETS = ("n01440764", "n01443537", "n01484850")


def picture(file: Path, colour: str = "teal") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), colour).save(file, "JPEG")


def labels(data: Dataset) -> dict[str, int | None]:
    return {data[i].name: data[i].label for i in range(len(data))}


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """Three species, the second without pictures; one test picture and two others."""
    root = tmp_path / "birdsnap"
    rows = [("1", "Acadian Flycatcher", "Acadian_Flycatcher"), ("2", "Acorn Woodpecker", "Acorn_Woodpecker"),
            ("3", "Zone-tailed Hawk", "Zone_tailed_Hawk")]  # fmt: skip
    root.mkdir()
    lines = ["id\tcommon\tscientific\tdir", *(f"{i}\t{name}\tLatin\t{folder}" for i, name, folder in rows)]
    (root / "species.txt").write_text("\n".join(lines) + "\n")
    (root / "test_images.txt").write_text("path\nZone_tailed_Hawk/2.jpg\nAcorn_Woodpecker/9.jpg\n")
    picture(root / "download/images/Acadian_Flycatcher/1.jpg")
    picture(root / "download/images/Zone_tailed_Hawk/2.jpg", "navy")
    picture(root / "download/images/Zone_tailed_Hawk/3.jpg", "gold")
    return root


def test_birdsnap_splits_as_its_authors_do(birds):
    test, train = (load_dataset("birdsnap", birds, split) for split in ("test", "train"))
    assert labels(test) == {"Zone_tailed_Hawk/2.jpg": 2}
    assert labels(train) == {"Acadian_Flycatcher/1.jpg": 0, "Zone_tailed_Hawk/3.jpg": 2}
    assert test.classes == train.classes == ("Acadian Flycatcher", "Acorn Woodpecker", "Zone-tailed Hawk")
    assert test.data_hash() != train.data_hash()
    assert "birdsnap" in list_datasets(birds.parent)
    (birds / "species.txt").unlink()
    with pytest.raises(InputError, match=r"species\.txt"):
        load_dataset("birdsnap", birds)


def test_imagenet_folders_are_numbered_by_the_list(tmp_path):
    for synset in SYNSETS[1:]:
        picture(tmp_path / "val" / synset / "ILSVRC2012_val_00000001.JPEG")
    with pytest.raises(InputError, match="LOC_synset_mapping"):
        load_dataset("imagenet-val", tmp_path)
    pairs = {str(number): [synset, "fish"] for number, synset in enumerate(SYNSETS)}
    (tmp_path / "imagenet_class_index.json").write_text(json.dumps(pairs))
    data = load_dataset("imagenet-val", tmp_path)
    assert sorted(labels(data).values()) == [1, 2]
    assert data.classes == model_card("torchvision/resnet50").classes
    assert data.classes[1] == "goldfish"


def test_all_thousand_folders_need_no_list(tmp_path):
    for number in range(1000):
        (tmp_path / f"n{10_000_000 + 7 * number}").mkdir()
    picture(tmp_path / "n10000014" / "1.JPEG")
    assert labels(load_dataset("imagenet-val", tmp_path)) == {"n10000014/1.JPEG": 2}


@pytest.mark.parametrize("kaggle", [False, True])
def test_imagenet_in_one_folder_takes_its_labels_from_a_file(tmp_path, kaggle):
    place = tmp_path / "ILSVRC/Data/CLS-LOC/val" if kaggle else tmp_path
    for number in (1, 2, 3):
        picture(place / f"ILSVRC2012_val_0000000{number}.JPEG")
    if kaggle:
        (tmp_path / "LOC_synset_mapping.txt").write_text("".join(f"{one} a fish\n" for one in SYNSETS))
        (tmp_path / "LOC_val_solution.csv").write_text(
            "ImageId,PredictionString\nILSVRC2012_val_00000001,n01484850 1 2 3 4 \n"
            "ILSVRC2012_val_00000003,n01440764 1 2 3 4 n01440764 5 6 7 8\n"
        )
    else:
        (tmp_path / "val.txt").write_text("ILSVRC2012_val_00000001.JPEG 2\nILSVRC2012_val_00000003.JPEG 0\n")
    assert list(labels(load_dataset("imagenet-val", tmp_path)).values()) == [2, 0]


def test_what_cannot_be_labelled_is_refused(tmp_path):
    picture(tmp_path / "ILSVRC2012_val_00000001.JPEG")
    with pytest.raises(InputError, match="can be told"):
        load_dataset("imagenet-val", tmp_path)
    (tmp_path / "val.txt").write_text("one two three\n")
    with pytest.raises(InputError, match="damaged"):
        load_dataset("imagenet-val", tmp_path)
    with pytest.raises(InputError, match="learn from"):
        load_dataset("imagenet-val", tmp_path, "train")


@pytest.mark.parametrize("name", ["birdsnap", "imagenet-val"])
def test_the_same_command_measures_them(birds, name, tmp_path):
    root = birds
    if name == "imagenet-val":
        root = tmp_path / "imagenet"
        picture(root / "a.JPEG")
        (root / "val.txt").write_text("a.JPEG 5\n")
    state = {key: value.contiguous() for key, value in BUILDERS["cifar-resnet20"]().state_dict().items()}
    weights, out = tmp_path / "net.safetensors", tmp_path / "run"
    save_file(state, weights)
    network = ["--model", "cifar-resnet20", "--weights", str(weights)]
    arguments = [*network, "--data", name, "--root", str(root), "--methods", "random", "--out", str(out)]
    assert main(["bench", "pixels", *arguments]) == 0
    run = read_run(out)
    assert run.plan.data["id"] == name
    assert run.plan.n == 1
