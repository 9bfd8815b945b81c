"""Paths leave and come back as files; hostile files get a sentence."""

from __future__ import annotations

import io
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from pruneattr_core.critical_path import Path
from pruneattr_core.errors import InputError, StoreError
from pruneattr_core.models import model_card
from pruneattr_core.results.keys import Subject
from pruneattr_core.ui.paths import views
from pruneattr_core.ui.paths.files import path_bytes, path_from_bytes

NAMES = ("one", "two")
LIKE = (torch.rand(1, 3, 4, 4), torch.rand(1, 5))


def some_path() -> Path:
    return Path(NAMES, tuple(layer > 0.5 for layer in LIKE), {"method": "taylor"})


def test_a_path_comes_back_with_its_provenance():
    path = path_from_bytes(path_bytes(some_path(), {"model": "tiny"}), "p.npz", NAMES, LIKE)
    assert path.jaccard(some_path()).item() == 1
    assert dict(path.meta) == {"method": "taylor", "model": "tiny"}


def test_another_network_is_refused_by_name():
    data = path_bytes(some_path(), {"model": "tiny"})
    with pytest.raises(InputError, match="tiny"):
        path_from_bytes(data, "p.npz", ("one", "three"), LIKE)
    with pytest.raises(InputError, match="does not fit"):
        path_from_bytes(data, "p.npz", NAMES, (LIKE[0], torch.rand(1, 6)))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04nonsense", b"\x89PNG\r\n" * 50])
def test_other_files_are_refused(data):
    with pytest.raises(StoreError, match="not a path"):
        path_from_bytes(data, "<b>x</b>.npz", NAMES, LIKE)


def test_an_archive_for_a_newer_reader_is_refused():
    """Which zipfile says with another exception than of other archives."""
    data = path_bytes(some_path(), {})
    place = data.index(b"PK\x01\x02") + 6
    with pytest.raises(StoreError, match="not a path"):
        path_from_bytes(data[:place] + b"\x63" + data[place + 1 :], "p.npz", NAMES, LIKE)


def test_other_archives_are_refused_before_they_unpack():
    small, large = io.BytesIO(), io.BytesIO()
    np.savez_compressed(small, header=np.zeros(4, np.uint8))
    np.savez_compressed(large, bits0=np.zeros(40_000_000, np.uint8))
    with pytest.raises(StoreError, match="damaged"):
        path_from_bytes(small.getvalue(), "p.npz", NAMES, LIKE)
    with pytest.raises(StoreError, match="unpacks to 40 MB"):
        path_from_bytes(large.getvalue(), "p.npz", NAMES, LIKE)


def test_a_path_names_its_weights_as_every_other_file_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the values: the hub publishes no hash of a network, and torchvision only the beginning of one."""
    made: list[dict[str, Any]] = []
    monkeypatch.setattr(views, "path_bytes", lambda path, said: made.append(said) or b"")
    monkeypatch.setattr(views.st, "download_button", lambda label, data, *_, **__: data())
    card = replace(model_card("scenes-net"), commit="1" * 40, weights_sha256="")
    picture = SimpleNamespace(title="a", sha256="b")
    board = SimpleNamespace(
        paths={"k": some_path()},
        titles={"k": "K"},
        target=0,
        subject=Subject(card.id, "c" * 64, "b", 0, "cpu"),
        chosen=SimpleNamespace(card=card, picture=picture),
    )
    views._download(cast(Any, board), "k")
    assert made[0]["weights_sha256"] == "c" * 64
    assert made[0]["commit"] == "1" * 40
