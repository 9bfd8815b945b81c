"""Bring your own pair: real checkpoints and folders; what is wrong is one sentence, nothing is lost."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from streamlit.testing.v1 import AppTest

from pruneattr_core.compression.review_verdicts import load_review
from pruneattr_core.errors import InputError
from pruneattr_core.models.catalogue import BUILDERS
from pruneattr_core.models.loading import load_model
from pruneattr_core.share.framing import header_of
from pruneattr_core.ui import cache, errors, machine
from pruneattr_core.ui.jobs import Cache, Job
from pruneattr_core.ui.machine import loopback
from pruneattr_core.ui.review import own as review_own
from pruneattr_core.ui.review import sheet as sheets
from pruneattr_core.ui.review.lineup import Lineup, own_pair
from pruneattr_core.ui.review.pictures import Folder
from tests.app.conftest import drawn, small_network, until

Start = Callable[..., AppTest]
NET = "cifar-resnet20"


def checkpoint(file: Path, seed: int, model: str = NET) -> Path:
    torch.manual_seed(seed)
    save_file({key: value.contiguous() for key, value in BUILDERS[model]().state_dict().items()}, file)
    return file


@pytest.fixture(autouse=True)
def browser_here(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_own, "browser_here", lambda: True)
    monkeypatch.setattr(errors, "browser_here", lambda: True)

    def load(name: str, weights: str | None = None, **more: Any) -> Any:
        return small_network() if weights is None else load_model(name, weights=weights, **more)

    monkeypatch.setattr(cache, "load_model", load)  # files are opened as ever


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures in class folders, one with a mask, and one file that is none."""
    root = tmp_path / "pictures"
    rng = np.random.default_rng(0)
    for name in ("cat/one.png", "dog/two.png", "dog/three.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (40, 48, 3), dtype=np.uint8)).save(root / name)
    (root / "dog" / "three.png").write_bytes(b"no picture")
    (root / "masks").mkdir()
    mask = np.zeros((40, 48), np.uint8)
    mask[10:30, 10:30] = 255
    Image.fromarray(mask).save(root / "masks" / "one.png")
    return root


@pytest.fixture
def own(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return {
        "desk_source": "own",
        "own_teacher": NET,
        "own_teacher_file": str(checkpoint(tmp_path / "teacher.safetensors", 0)),
        "own_student": NET,
        "own_student_file": str(checkpoint(tmp_path / "student.safetensors", 1)),
        "own_folder": str(folder),
    }


def opened(start: Start, **query: str) -> AppTest:
    return start(**query).switch_page("pages/8_review.py").run()


def finished(app: AppTest) -> dict[str, Any]:
    """The desk when nothing more comes."""

    def desk(app: AppTest) -> dict[str, Any]:
        (found,) = [header_of(part.proto.bytes) for part in drawn(app)]
        return dict(found)

    until(app, lambda app: desk(app)["complete"])
    assert not app.exception
    return desk(app)


def test_two_checkpoints_and_a_folder(start: Start, own: dict[str, str]) -> None:
    app = opened(start, **own, review="mine")
    found = finished(app)
    assert not app.error
    assert [column["title"] for column in found["columns"]] == ["teacher.safetensors", "student.safetensors"]
    assert [(row["title"], row["target"], row["masked"]) for row in found["rows"]] == [
        ("cat/one.png", "cat", True),
        ("dog/two.png", "dog", False),
    ]
    one, two = ([cell["point"] for cell in row["cells"]] for row in found["rows"])
    assert None not in one
    assert two == [None, None]
    assert "1 file was left out" in app.warning[0].value
    key = found["rows"][0]["key"]
    app.session_state["desk_grid"] = {"given": {key: {"verdict": "ok", "note": "", "n": 1}}, "level": 0}
    app.run()
    assert load_review("mine")[key].data.startswith("folder-")


def test_what_is_typed_stays_and_the_form_says_what_is_missing(start: Start) -> None:
    app = opened(start, desk_source="own", own_folder="/nowhere", own_teacher=NET)
    assert "Name two checkpoints" in app.info[0].value
    assert app.text_input(key="own_folder").value == "/nowhere"
    app.text_input(key="own_teacher_file").set_value("/no/such.safetensors").run()
    app.text_input(key="own_student_file").set_value("/no/other.safetensors").run()
    assert "There is no checkpoint '/no/such.safetensors'" in app.error[0].value
    assert app.text_input(key="own_folder").value == "/nowhere"


def failure(start: Start, own: dict[str, str]) -> str:
    """The sentence in the cells, or above them."""
    app = opened(start, **own)

    def said(app: AppTest) -> list[str]:
        parts = [header_of(part.proto.bytes) for part in drawn(app)]
        cells = [cell for part in parts for row in part["rows"] for cell in row["cells"]]
        return [error.value for error in app.error] + [
            cell["text"] for cell in cells if cell["state"] == "failed"
        ]

    until(app, said)
    assert not app.exception
    return said(app)[0]


def test_a_pickle_is_refused_unread(start: Start, own: dict[str, str], tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    (tmp_path / "trap.pt").write_bytes(pickle.dumps({"conv1.weight": Trap()}))
    found = failure(start, {**own, "own_student_file": str(tmp_path / "trap.pt")})
    assert "trap.pt" in found
    assert not (tmp_path / "sprung").exists()


def test_the_wrong_architecture_is_named(start: Start, own: dict[str, str], tmp_path: Path) -> None:
    other = checkpoint(tmp_path / "deep.safetensors", 0, "cifar-resnet32")
    found = failure(start, {**own, "own_student_file": str(other)})
    assert "does not fit" in found
    assert "choose that" in found


def test_networks_that_take_other_pictures_cannot_be_compared(start: Start, own: dict[str, str]) -> None:
    found = failure(start, {**own, "own_student": "scenes-net"})
    assert "cannot be compared pixel by pixel" in found


def test_a_folder_without_pictures_is_told(start: Start, own: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no picture we can read" in failure(start, {**own, "own_folder": str(tmp_path / "empty")})
    assert "There is no folder" in failure(start, {**own, "own_folder": str(tmp_path / "none")})


def test_a_picture_damaged_behind_its_header_fails_alone(
    start: Start, own: dict[str, str], folder: Path
) -> None:
    whole = (folder / "dog" / "two.png").read_bytes()
    (folder / "dog" / "two.png").write_bytes(whole[: len(whole) // 2])
    rows = finished(opened(start, **own))["rows"]
    assert [cell["state"] for cell in rows[0]["cells"]] == ["ready", "ready"]
    assert [cell["state"] for cell in rows[1]["cells"]] == ["failed", "failed"]
    assert "two.png" in rows[1]["cells"][0]["text"]


def test_a_browser_elsewhere_may_not_name_files(
    start: Start, own: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    app = opened(start, **own)
    assert "only a browser on that machine" in app.info[0].value
    assert not drawn(app)
    monkeypatch.setenv(machine.GROUP, "1")  # then one on that machine may not, either
    told = opened(start, **own).info[0].value
    assert "nobody may open them" in told
    assert "only a browser" not in told


def test_masks_beside_the_pictures(folder: Path) -> None:
    found = Folder(str(folder), ("bird", "CAT"))
    assert len(found) == 2
    assert found[0].labels == (1,)
    mask = found[0].mask(1)
    assert mask is not None
    assert mask.sum() == 400
    assert found[1].labels == ()  # no class of the networks
    Image.fromarray(np.zeros((3, 3), np.uint8)).save(folder / "masks" / "two.png")
    found = Folder(str(folder), ("bird", "CAT"))
    assert found[1].mask(0) is None
    assert "3 x 3 instead of 48 x 40" in found.problems["masks/two.png"]


def test_pictures_of_a_folder_are_kept_for_the_networks_that_they_are_read_for(folder: Path) -> None:
    """A second pair of networks on the same folder was given the classes of the first one."""
    assert Folder(str(folder), ("bird", "CAT"))[0].labels == (1,)
    found = Folder(str(folder), ("cat", "dog"))
    assert found[0].labels == (0,)
    assert found[0] is found[0]
    assert [one.labels for one in found] == [(0,), (1,)]


def test_a_mask_that_is_damaged_is_told_each_time_the_folder_is_opened(folder: Path) -> None:
    file = folder / "masks" / "one.png"
    file.write_bytes(file.read_bytes()[:-30])
    for _ in range(2):
        found = Folder(str(folder), ("cat", "dog"))
        assert found[0].mask(0) is None
        assert list(found.problems) == ["dog/three.png", "masks/one.png"]


def test_a_mask_drawn_anew_in_as_many_bytes_counts(folder: Path) -> None:
    (folder / "masks" / "one.png").unlink()
    found: list[int] = []
    for rows in (10, 20):
        mask = np.zeros((40, 48), np.uint8)
        mask[:rows] = 255
        Image.fromarray(mask).save(folder / "masks" / "one.bmp")
        shown = Folder(str(folder), ("cat", "dog"))[0].mask(0)
        found.append(-1 if shown is None else int(shown.sum()))
    assert found == [10 * 48, 20 * 48]


def bitmap(file: Path, seed: int) -> None:
    """As many bytes whatever it shows."""
    pixels = np.random.default_rng(seed).integers(0, 255, (40, 48, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)


@pytest.fixture
def desk(own: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Lineup, Job, Cache]:
    """Two networks, a job and a shelf of their own; the folder's first picture is cat/one.bmp."""
    engine = cache.Engine()
    monkeypatch.setattr(sheets, "engine", lambda: engine)
    (folder / "cat" / "one.png").rename(folder / "cat" / "one.bmp")
    return own_pair({**own, "own_many": "no"}), Job("test", lambda job: None), Cache(1000)


def test_a_picture_replaced_by_as_many_bytes_has_results_of_its_own(
    desk: tuple[Lineup, Job, Cache], folder: Path
) -> None:
    """They were named by the sizes of files: the former picture's maps stood beside the new one."""
    (lineup, task, shelf), file = desk, folder / "cat" / "one.bmp"
    pictures = Folder(str(folder), ("cat", "dog"))
    asked = lineup, pictures, "gradcam", 2, None
    found: list[sheets.Sheet] = []
    for seed in (1, 2, 1):
        bitmap(file, seed)
        found.append(sheets.Sheet(lineup, pictures, (0, 1), "gradcam", None))
        sheets.fill_sheet(task, found[-1], shelf)
        assert found[-1].missing(shelf) == 0
    first, second, again = found
    assert first.key == again.key != second.key
    maps = [one.cell(shelf, lineup.teacher, place).maps for one in found[:2] for place in (0, 1)]  # type: ignore[union-attr]
    assert not np.array_equal(maps[0], maps[2])
    np.testing.assert_array_equal(maps[1], maps[3])
    assert first.target_key(1) == second.target_key(1)
    before = sheets.triage_key(*asked)
    bitmap(file, 3)
    assert sheets.triage_key(*asked) != before


def test_a_picture_replaced_while_it_is_read_is_not_the_former_one(
    desk: tuple[Lineup, Job, Cache], folder: Path
) -> None:
    (lineup, task, shelf), file = desk, folder / "cat" / "one.bmp"
    bitmap(file, 1)
    pictures = Folder(str(folder), ("cat", "dog"))
    sheet = sheets.Sheet(lineup, pictures, (0, 1), "gradcam", None)
    assert len(sheet.key.pictures) == 2
    bitmap(file, 2)
    sheets.fill_sheet(task, sheet, shelf)
    assert [sheet.cell(shelf, lineup.teacher, place) is None for place in (0, 1)] == [True, False]
    task = Job("test", lambda job: None, aside=lambda job: bitmap(file, 2 + job.done))
    with pytest.raises(InputError, match="changed while they were read"):
        sheets.triage(task, lineup, pictures, "gradcam", 2, None)


@pytest.mark.parametrize("address", [None, "::ffff:127.0.0.1", "127.0.0.1", "::1"])
def test_this_machine_is_known_by_every_spelling(address: str | None) -> None:
    assert loopback(address)


@pytest.mark.parametrize("address", ["::ffff:192.0.2.7", "192.0.2.7", "2001:db8::1", "", "localhost.example"])
def test_other_machines_are_not_this_one(address: str) -> None:
    assert not loopback(address)
