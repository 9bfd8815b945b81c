"""States of a repository of the hub: each a network of its own, from the name to the file."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from pruneattr_core import explain_view
from pruneattr_core.cli import main
from pruneattr_core.errors import ModelError
from pruneattr_core.models import fetching, list_models, load_model, model_card, open_model
from pruneattr_core.models.hub_names import of_the_hub
from pruneattr_core.ui.cache import _of_card
from tests.revisions import COMMITS, published

NAME = "hf-hub:someone/tiny"
CLASSES = {"": "first", "@v2": "second", "@refs/pr/1": "third", f"@{COMMITS[1]}": "second"}


@pytest.fixture
def hub_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three states of one repository as huggingface_hub keeps them, and no network."""
    pytest.importorskip("timm", reason="timm is not installed")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    for proxy in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    return published(tmp_path / "hub")


def test_each_revision_is_a_network_of_its_own(hub_here: Path) -> None:
    cards = {revision: model_card(NAME + revision, ask=False) for revision in CLASSES}
    for revision, card in cards.items():
        assert card.id == NAME + revision
        assert card.title == (NAME + revision).removeprefix("hf-hub:")
        assert card.classes[0] == CLASSES[revision]
        assert card.available_offline()
        assert card.commit in COMMITS
        assert card.commit[:12] in card.note
        assert card.origin == {"commit": card.commit}
    assert cards["@v2"].url.endswith("/someone/tiny/tree/v2")
    assert cards["@refs/pr/1"].url.endswith("/someone/tiny/tree/refs%2Fpr%2F1")
    networks = {revision: load_model(NAME + revision) for revision in CLASSES}
    assert not torch.equal(networks[""].fc.weight, networks["@v2"].fc.weight)
    assert torch.equal(networks[f"@{COMMITS[1]}"].fc.weight, networks["@v2"].fc.weight)
    assert len({_of_card(card) for card in cards.values()}) == len(cards)
    assert set(list_models("hub")) == {NAME, NAME + "@v2", NAME + "@refs/pr/1"}


def test_results_name_the_commit(hub_here: Path) -> None:
    photo = Image.effect_noise((80, 64), 60).convert("RGB")
    for revision, commit in (("", COMMITS[0]), ("@v2", COMMITS[1])):
        view = explain_view(NAME + revision, photo, shares=[0.5])
        assert view.settings["model"] == NAME + revision
        assert view.settings["commit"] == commit
    assert model_card("scenes-net").origin == {}


def test_a_commit_without_a_name_is_listed_by_itself(hub_here: Path) -> None:
    (hub_here / "refs" / "v2").unlink()
    assert f"{NAME}@{COMMITS[1]}" in list_models("hub")


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("someone/tiny@main", NAME),
        ("hf-hub:someone/tiny@main", NAME),
        ("someone/tiny@v2", NAME + "@v2"),
        ("https://huggingface.co/someone/tiny/tree/v2", NAME + "@v2"),
        ("https://huggingface.co/someone/tiny/tree/refs%2Fpr%2F1", NAME + "@refs/pr/1"),
        ("huggingface.co/someone/tiny/blob/v2/config.json?download=true", NAME + "@v2"),
        (f"https://huggingface.co/someone/tiny/commit/{COMMITS[1]}", f"{NAME}@{COMMITS[1]}"),
    ],
)
def test_a_revision_is_named_as_people_write_it(written: str, name: str, hub_here: Path) -> None:
    assert model_card(written, ask=False).id == name


@pytest.mark.parametrize(
    "revision",
    ["", "..", "a/../b", "/etc/passwd", "a//b", "a b", "v1@v2", "-x", "x//", "a.lock", "v1.", "é", "x" * 161],
)
def test_what_is_no_revision_is_one_sentence(revision: str, hub_here: Path) -> None:
    for name in (NAME, "someone/tiny", "timm/test_resnet.r160_in1k"):
        with pytest.raises(ModelError, match="Expected a branch, tag or commit after hf-hub:") as said:
            model_card(f"{name}@{revision}")
        assert str(said.value).count("\n") == 0
        assert len(str(said.value)) < 250


def test_a_revision_that_is_not_here_is_named(hub_here: Path) -> None:
    with pytest.raises(ModelError, match="someone/tiny@v9 is not on this machine"):
        model_card(NAME + "@v9", ask=False)
    with pytest.raises(
        ModelError, match=r"config.json of someone/tiny@v9 is not on this machine and the hub"
    ):
        model_card(NAME + "@v9")
    assert of_the_hub("weights/mine.pt@v2") == ""


def test_what_is_missing_is_fetched_from_the_same_commit(
    hub_here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the branch could have moved on between its configuration and its weights."""
    asked: list[tuple[str, str]] = []
    hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")

    def download(repo: str, file: str, revision: str, **_: Any) -> str:
        asked.append((file, revision))
        raise hub.errors.RevisionNotFoundError("gone", response=SimpleNamespace(headers={}, request=None))

    monkeypatch.setattr(fetching, "_answers", lambda: True)
    monkeypatch.setattr(hub, "hf_hub_download", download)
    (hub_here / "snapshots" / COMMITS[1] / "model.safetensors").unlink()
    for name in (NAME + "@v2", NAME + "@v9"):
        with pytest.raises(ModelError, match=f"no branch, tag or commit '{name[-2:]}'"):
            load_model(name)
    assert asked == [("model.safetensors", COMMITS[1]), ("config.json", "v9")]


def test_a_branch_that_moves_on_is_another_network(hub_here: Path, tmp_path: Path) -> None:
    """Neither its old configuration nor what was kept under its name goes with the new weights."""
    before = model_card(NAME)
    (hub_here / "refs" / "main").write_text(COMMITS[1])
    after = model_card(NAME)
    assert (before.classes[0], after.classes[0]) == ("first", "second")
    assert _of_card(before) != _of_card(after)
    torch.save(load_model(NAME).state_dict(), tmp_path / "w.pth")
    own = open_model(NAME, weights=tmp_path / "w.pth")[1]
    assert own.commit == COMMITS[1]
    assert own.id.startswith(NAME + "#")


def test_timm_s_own_name_takes_a_revision(hub_here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match=r"timm/test_resnet.r160_in1k@v3 is not on this machine"):
        model_card("timm/test_resnet@v3", ask=False)


def test_commands_take_a_revision(hub_here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.effect_noise((80, 64), 60).convert("RGB").save(tmp_path / "photo.png")
    said = {}
    for revision in ("", "@v2", "@v9"):
        given = ["--model", NAME + revision, "--device", "cpu", "--levels", "0.5", "--json"]
        code = main(["sweep", str(tmp_path / "photo.png"), *given])
        out, err = capsys.readouterr()
        assert bool(code) == (revision == "@v9")
        said[revision] = err if code else json.loads(out)
    assert NAME + "@v2" in json.dumps(said["@v2"])
    assert json.dumps(said[""]).replace(NAME, NAME + "@v2") != json.dumps(said["@v2"])
    assert "someone/tiny@v9 is not on this machine" in said["@v9"]
    assert said["@v9"].strip().count("\n") == 0
