"""What the explorer draws, decoded in Python and compared with the arrays; what results are kept under."""

from __future__ import annotations

import dataclasses
import struct
import zlib
from itertools import product

import numpy as np
import pytest
from PIL import Image

from pruneattr_core.attribution import METHODS
from pruneattr_core.attribution.collapse import collapse
from pruneattr_core.models import model_card
from pruneattr_core.results.keys import Subject, map_key
from pruneattr_core.results.sweeps import Explained
from pruneattr_core.share.framing import header_of
from pruneattr_core.share.payload import COLLAPSES, pack, payload_of
from pruneattr_core.ui.cache import Engine, _tick
from pruneattr_core.ui.jobs import Cache, Job
from pruneattr_core.ui.look import SIGNS, Look, default_colours
from pruneattr_core.ui.pictures import Picture

LEVELS, SIDE = 4, 6


def a_sweep() -> Explained:
    random = np.random.default_rng(3)
    maps = random.normal(size=(LEVELS, 3, SIDE, SIDE)).astype(np.float32) * [
        [[[1]]],
        [[[8]]],
        [[[3]]],
        [[[0]]],
    ]
    sparsity = np.array([0.0, 0.5, 0.9, 1.0])
    return Explained(
        maps=maps.astype(np.float32), requested=(0.0, 0.5, 0.9, 1.0), sparsity=sparsity, change=sparsity / 2,
        probability=1 - sparsity / 2, logit=sparsity, prediction=np.array([1, 1, 0, 2]),
        target=1, quiet=0.2, dead=0.1, neurons=100, seconds=1.0,
    )  # fmt: skip


def decoded(payload: bytes) -> tuple[dict, np.ndarray, np.ndarray]:
    """As assets/browser reads it: levels are the running sum of their deltas, modulo 256."""
    header = header_of(payload)
    start = 4 + struct.unpack_from("<I", payload)[0]
    split = start + header["map_bytes"]
    shape = (len(header["levels"]), header["planes"], header["height"], header["width"])
    deltas = np.frombuffer(zlib.decompress(payload[start:split]), np.uint8).reshape(shape)
    steps = np.frombuffer(zlib.decompress(payload[split:]), np.uint8).reshape(-1, 3)
    photo = np.cumsum(steps, 0, dtype=np.uint8).reshape(*shape[2:], 3)
    codes, before = np.empty(shape, np.uint8), np.zeros(shape[1:], np.int64)
    for k in range(shape[0]):
        before = (before + deltas[k]) % 256
        codes[k] = before
    return header, codes, photo


@pytest.mark.parametrize(
    ("how", "sign", "shared"), list(product(COLLAPSES, SIGNS, (True, False))), ids=lambda value: str(value)
)
def test_every_pixel_drawn_is_the_value_it_stands_for(how, sign, shared):
    sweep, photo = a_sweep(), np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    look = Look(how, sign, 100.0, shared)
    look = Look(how, sign, 100.0, shared, default_colours(look.signed, look.colours))
    payload = payload_of(sweep, photo, look, ["a", "b", "c"], "zero", None, "noise", "id", {}, True)
    header, codes, drawn = decoded(payload)
    assert (drawn == photo).all()
    for k in range(LEVELS):
        wanted = sweep.maps[k].astype(np.float64)
        if how != "channels":
            wanted = collapse(_tensor(sweep.maps[k : k + 1]), how)[0].double().numpy()[None]
        if sign == "absolute":
            wanted = np.abs(wanted)
        if not look.signed:
            wanted = wanted.clip(min=0)
        end = header["levels"][k]["scale"]
        shown = (codes[k].astype(float) - 128) / 127 * end if look.signed else codes[k] / 255 * end
        step = end / (127 if look.signed else 255)
        np.testing.assert_allclose(shown, wanted, atol=0.51 * step + 1e-6 * end)
        assert header["levels"][k]["sparsity"] == sweep.sparsity[k]
        assert header["levels"][k]["answer"] == sweep.prediction[k]
    ends = {level["scale"] for level in header["levels"]}
    assert len(ends) == (1 if shared else LEVELS)
    assert header["signed"] is look.signed


@pytest.mark.parametrize("moves", [False, True])
def test_the_header_says_what_is_counted_and_where_no_map_changes(moves: bool):
    for unit, things in (("neuron", None), ("channel", "channels and heads")):
        sweep = dataclasses.replace(a_sweep(), unit=unit, quiet=0.5)
        if not moves:
            sweep = dataclasses.replace(sweep, maps=sweep.maps[[0, 0, 2, 3]])
        photo = np.zeros((SIDE, SIDE, 3), np.uint8)
        payload = payload_of(sweep, photo, Look(), ["a", "b", "c"], "zero", None, "noise", "id", {}, True)
        header = header_of(payload)
        assert header.get("things") == things
        assert [level["plain"] for level in header["levels"]] == [True, not moves, False, False]
        assert ("no map changes inside the shade" in header["note"]) is not moves
        assert ("the map moves" in header["note"]) is moves
        assert (things or "neurons") in header["note"]
        assert header["quiet_at"] == pytest.approx(header["levels"][1]["at"], abs=1e-5)


def test_without_a_level_at_which_only_the_silent_go_nothing_is_said_of_their_map():
    sweep = dataclasses.replace(a_sweep(), quiet=0.5)
    keep = {name: getattr(sweep, name)[[0, 3]] for name in ("maps", "sparsity", "change", "probability")}
    keep |= {name: getattr(sweep, name)[[0, 3]] for name in ("logit", "prediction")}
    sweep = dataclasses.replace(sweep, **keep, requested=(0.0, 0.9))
    photo = np.zeros((SIDE, SIDE, 3), np.uint8)
    note = header_of(payload_of(sweep, photo, Look(), ["a", "b", "c"], "zero", None, "noise", "id", {}, True))
    assert "They go all at once." in note["note"]


def test_a_sweep_of_one_level_is_shown():
    full = a_sweep()
    one = {name: getattr(full, name)[2:3] for name in ("maps", "sparsity", "change", "probability", "logit")}
    sweep = dataclasses.replace(full, **one, requested=(0.9,), prediction=full.prediction[2:3])
    photo = np.zeros((SIDE, SIDE, 3), np.uint8)
    header = header_of(
        payload_of(sweep, photo, Look(), ["a", "b", "c"], "zero", None, "noise", "id", {}, True)
    )
    assert len(header["levels"]) == 1
    assert {mark["label"] for mark in header["marks"]} == {"90 %"}


def test_what_names_a_payload_follows_from_every_part_of_it():
    """The browser takes two of one name for one: here only pixels of the map, or of the picture, differ."""
    sweep, photo = a_sweep(), np.arange(SIDE * SIDE * 3, dtype=np.uint8).reshape(SIDE, SIDE, 3)
    maps = sweep.maps.copy()
    maps[2, :, 2, 2:4] = maps[2, :, 2, 3:1:-1]  # two neighbours change places
    told = [
        header_of(payload_of(one, two, Look(), ["a", "b", "c"], "zero", None, "noise", "id", {}, True))
        for one in (sweep, dataclasses.replace(sweep, maps=maps))
        for two in (photo, photo[::-1].copy())
    ]
    assert len({header.pop("id") for header in told}) == 4
    assert all(header["levels"] == told[0]["levels"] for header in told)


def test_the_note_says_what_the_one_scale_of_all_levels_cannot_show():
    sweep, photo = a_sweep(), np.zeros((SIDE, SIDE, 3), np.uint8)
    flat = dataclasses.replace(sweep, maps=0 * sweep.maps)
    for given, shared, said in ((flat, True, True), (flat, False, False), (sweep, True, False)):
        look = Look(shared=shared)
        payload = payload_of(given, photo, look, ["a", "b", "c"], "zero", None, "noise", "id", {}, True)
        assert ("This map is zero everywhere." in header_of(payload)["note"]) is said


def _tensor(array: np.ndarray):
    import torch

    return torch.from_numpy(array.copy())


def test_the_least_recently_used_goes_first():
    shelf = Cache(3)
    for key in "abc":
        shelf.put(key, key.upper())
    assert shelf.get("a") == "A"
    shelf.put("b", "B again")
    shelf.put("d", "D")
    assert [shelf.get(key) for key in "abcd"] == ["A", "B again", None, "D"]
    heavy = Cache(10, len)
    heavy.put("x", "12345")
    heavy.put("y", "1234")
    heavy.put("z", "12345")
    assert [heavy.get(key) for key in "xyz"] == [None, "1234", "12345"]
    heavy.put("w", "1" * 11)
    assert heavy.get("w") is None


def test_every_picture_and_network_has_an_answer_of_its_own(monkeypatch):
    engine = Engine()
    pictures = [
        Picture("upload", "x", "one", Image.new("RGB", (128, 128), colour), digit * 64, None, "")
        for colour, digit in (("red", "0"), ("blue", "1"))
    ]
    run, lanes = engine.jobs.run, []
    monkeypatch.setattr(engine.jobs, "run", lambda *given: lanes.append(given[-1]) or run(*given))
    asked = [
        engine.answer(model, picture, lambda *_: None).probabilities.tolist()
        for model in ("scenes-net", "scenes-vgg")
        for picture in pictures
    ]
    assert all(one != other for k, one in enumerate(asked) for other in asked[:k])
    assert engine.answer("scenes-net", pictures[0], lambda *_: None).probabilities.tolist() == asked[0]
    assert lanes == [
        "page",
        "quick",
        "page",
        "quick",
        "quick",
    ]  # a network that is there waits for none to load


def test_a_job_that_has_its_network_begins_to_count_anew():
    engine, job, told = Engine(), Job("a", lambda job: None), []
    for _ in range(2):  # loaded, and taken from where it is kept
        job.note, job.done, job.total = "Waiting", 3, 7
        told.append(engine.model("scenes-net", job))
        assert (job.note, job.done, job.total) == ("", 0, 1)
    assert told[0][0] is told[1][0]


def test_a_part_of_a_sweep_is_told_in_whole_levels_of_all():
    job = Job("a", lambda job: None)
    seen = [(_tick(job, 3, 5, 20, now, 3), job.done, job.total)[1:] for now in (0, 1, 2, 3)]
    assert seen == [(3, 20), (4, 20), (6, 20), (8, 20)]
    assert all(type(done) is int for done, _ in seen)


def test_a_map_of_a_larger_picture_is_foretold_as_what_it_costs_there():
    subject = Subject("scenes-net", "0" * 64, "1" * 64, None, "cpu")
    key = map_key(subject, "occlusion", {"window": 16, "stride": 8})
    side = max(model_card("scenes-net").size)
    for scale in (1, 2):
        assert key.passes(scale) == METHODS["occlusion"].cost(scale * side, **dict(key.options))
    assert key.passes(2) > key.passes(1)


def test_a_photo_with_a_fourth_value_a_pixel_says_so() -> None:
    """The browser sums its steps pixel by pixel; the review's photos hold the object's mask as well."""
    maps = np.zeros((1, 2, 3), np.uint8)
    four, three = (header_of(pack({}, maps, np.zeros((1, 2, 3, depth), np.uint8))) for depth in (4, 3))
    assert four["photo_channels"] == 4
    assert "photo_channels" not in three
