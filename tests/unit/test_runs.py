"""Runs: written once, checked when read."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pruneattr_core.benchmarks.plan import UNSAID, Plan, gaps, plan_from
from pruneattr_core.benchmarks.run import (
    Run,
    points_csv,
    read_run,
    run_from_files,
    run_from_zip,
    standard_error,
    statistics,
    write_run,
    zip_run,
)
from pruneattr_core.benchmarks.summary import areas, summary
from pruneattr_core.errors import StoreError

ROOT = Path(__file__).resolve().parents[2]


def a_plan(**changes: object) -> Plan:
    plan = Plan(
        benchmark="pixels",
        protocol={"fill": "mean", "ties": "raster"},
        methods=(
            {"id": "a", "label": "A", "options": {}},
            {"id": "b", "label": "B", "options": {"steps": 5}},
        ),
        measures=("lerf", "morf"),
        x=(0.1, 0.2, 0.4),
        model={"id": "m", "title": "M", "weights_sha256": "0" * 64},
        data={"id": "d", "title": "D", "sha256": "1" * 64, "seed": 0, "indices": [1, 4], "names": ["p", "q"]},
        chunk=1,
        versions={"torch": "1"},
    )
    return dataclasses.replace(plan, **changes)


def a_run(**changes: object) -> Run:
    plan = a_plan(**changes)
    values = np.random.default_rng(0).random(plan.shape)
    values[0, 0, 0, 0] = np.nan
    picture = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(picture, "PNG")
    return Run(
        plan, values, {0: picture.getvalue()}, {"seconds": 1.5, "date": "2026-01-01", "resumed": False}
    )


def assert_equal(one: Run, other: Run) -> None:
    assert one.plan.json() == other.plan.json()
    assert one.values.tobytes() == other.values.tobytes()
    assert one.id == other.id
    assert dict(one.samples) == dict(other.samples)


def test_a_run_comes_back_from_a_folder_and_from_a_zip(tmp_path):
    run = a_run()
    write_run(run, tmp_path / "one")
    assert_equal(run, read_run(tmp_path / "one"))
    assert_equal(run, run_from_zip(zip_run(run)))
    assert zip_run(run) == zip_run(a_run())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one"]


def test_a_zip_of_the_folder_itself_is_taken_too(tmp_path):
    write_run(a_run(), tmp_path / "one")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for file in (tmp_path / "one").rglob("*"):
            packed.write(file, file.relative_to(tmp_path))
    assert_equal(a_run(), run_from_zip(out.getvalue()))


def test_nothing_is_ever_overwritten(tmp_path):
    write_run(a_run(), tmp_path / "one")
    with pytest.raises(StoreError, match="never overwritten"):
        write_run(a_run(x=(0.1, 0.2, 0.5)), tmp_path / "one")
    assert_equal(a_run(), read_run(tmp_path / "one"))


def test_statistics_leave_undefined_values_out():
    values = np.array([[1.0, 3.0, np.nan], [np.nan, np.nan, np.nan]])
    mean, deviation, count = statistics(values)
    assert mean[0] == 2
    assert deviation[0] == 1
    assert count.tolist() == [2, 0]
    assert np.isnan(mean[1])
    assert np.isnan(deviation[1])


def test_the_error_of_a_mean_is_that_of_a_sample_and_unknown_for_one_value():
    values = np.array([[1.0, 4.0, 2.0, 9.0], [3.0, np.nan, np.nan, np.nan], [5.0, 8.0, np.nan, np.nan]])
    found = standard_error(*statistics(values)[1:])
    for row, error in ((values[0], found[0]), (values[2, :2], found[2])):
        assert error == pytest.approx(row.std(ddof=1) / len(row) ** 0.5)
    assert np.isnan(found[1])


def test_a_run_is_named_by_twelve_digits_over_plan_and_values():
    run, other = a_run(), a_run(chunk=2)
    assert len(run.id) == 12
    assert set(run.id) <= set("0123456789abcdef")
    assert len({run.id, other.id, dataclasses.replace(run, values=run.values + 1).id}) == 3


def test_areas_are_those_of_the_papers_table(shared):
    published = json.loads((shared / "published_numbers.json").read_text("utf-8"))
    curves = published["critical_paths/LeRF_curve_cifar10"]
    names = tuple(curves["AUC_0_to_10pct_recomputed"])
    plan = a_plan(
        methods=tuple({"id": name, "label": name, "options": {}} for name in names),
        measures=("lerf",),
        x=tuple(percent / 100 for percent in range(1, 11)),
        data=a_plan().data | {"indices": [0], "names": ["mean"]},
    )
    values = np.array([curves["abs_fractional_change"][name][:10] for name in names])[:, None, :, None]
    run = Run(plan, values, {}, {})
    for name, row in zip(names, summary(run), strict=True):
        assert row["lerf AUC"] == pytest.approx(curves["AUC_0_to_10pct_recomputed"][name], abs=1e-4)
        assert areas(run, name, "lerf").shape == (1,)


@pytest.mark.parametrize("x", [(0.1, 0.2, 0.4), (0.0, 0.2, 0.4)])
def test_the_area_of_a_line_is_that_of_its_triangle(x):
    """From (0, 0) on; the trapezoids of y = x are exact, those of x squared as counted by hand."""
    run = a_run(x=x)
    points = np.array(x)
    values = np.zeros_like(run.values)
    first = run.plan.labels[0]
    values[0, 0, :, 0], values[0, 0, :, 1] = points, points**2
    found = areas(Run(run.plan, values, {}, {}), first, run.plan.measures[0])
    by_hand = 0.1 * 0.01 / 2 + 0.1 * 0.05 / 2 + 0.2 * 0.2 / 2 if x[0] else 0.2 * 0.04 / 2 + 0.2 * 0.2 / 2
    assert found == pytest.approx([0.08, by_hand])


@pytest.mark.parametrize("name", ["header.json", "values.npy", "points.csv", "timing.json"])
def test_a_missing_file_is_named(tmp_path, name):
    write_run(a_run(), tmp_path / "one")
    (tmp_path / "one" / name).unlink()
    with pytest.raises(StoreError, match=name):
        read_run(tmp_path / "one")


@pytest.mark.parametrize("name", ["values.npy", "points.csv", "samples/000.png"])
def test_a_changed_file_is_noticed(tmp_path, name):
    write_run(a_run(), tmp_path / "one")
    file = tmp_path / "one" / name
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(StoreError, match="changed after it was made"):
        read_run(tmp_path / "one")


def forged(change, content=None) -> bytes:
    """A zip whose header is consistent with its files but was not written by us."""
    import hashlib

    files = a_run().stored().files() | (content or {})
    header = json.loads(files["header.json"])
    hashed = {k: v for k, v in files.items() if k not in ("header.json", "timing.json")}
    header["files"] = {name: hashlib.sha256(data).hexdigest() for name, data in hashed.items()}
    change(header)
    header.pop("sha256")
    header["sha256"] = hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()
    files["header.json"] = json.dumps(header).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda h: h.update(schema="other/9"), "no run of ours"),
        (lambda h: h.update(schema="pruneattr-run/x"), "no run of ours"),
        (lambda h: h.update(schema="pruneattr-run/\u0663"), "no run of ours"),
        (lambda h: h.update(schema="pruneattr-run/3"), "schema 3, this version reads schema 2: a newer"),
        (lambda h: h.update(schema="pruneattr-run/1"), "older schema .*runs migrate FOLDER"),
        (
            lambda h: h.update(benchmark="insertion"),
            "measures 'insertion', and the benchmarks of this version",
        ),
        (lambda h: h.update(benchmark="circuit"), "a study of kind 'circuit'.*make it again"),
        (lambda h: h.update(benchmark=["pixels"]), "measures '.*pixels"),
        (lambda h: h.update(shape=[-1]), "damaged .shape."),
        (lambda h: h.update(shape=[1] * 100), "damaged .shape."),
        (lambda h: h.update(shape=[10**5] * 4), "are not the"),
        (lambda h: h.update(shape=[2, 2, 3, 90]), "are not the"),
        (lambda h: h.update(shape=[0, 2]), "are not the"),
        (lambda h: h["data"].update(title="![](http://a.b/c.png)"), "markup"),
        (lambda h: h["protocol"].update(reduction=[{"<b>": 1}]), "markup"),
        (lambda h: h.pop("methods"), "methods"),
        (lambda h: h.update(chunk=True), "chunk"),
        (lambda h: h.update(chunk=0), "damaged"),
        (lambda h: h.update(x=[1, "two"]), "damaged"),
        (lambda h: h.update(x=[[1], [2], [3]]), "damaged"),
        (lambda h: h.update(x=["x" * 100, "y", "z"]), "damaged"),
        (lambda h: h.update(x=[float("inf")] * 3), "a number is infinite"),
        (lambda h: h["methods"].append(h["methods"][0]), "damaged"),
        (lambda h: h.update(methods=[3]), "damaged"),
        (lambda h: h["data"].update(indices=[-1, 2]), "damaged"),
        (lambda h: h["data"].update(indices=list(range(10**6)), names=["x"] * 10**6), "more than 4 MB"),
        (lambda h: h["model"].update(title="x" * 10**5), "damaged"),
        (lambda h: h.update(x=[0.1, 0.2]), "Expected values float64"),
        (lambda h: h.update(x=[0.1, 0.2, 0.3]), "points are not those"),
        (lambda h: h.update(files={}), "changed after"),
    ],
)
def test_a_forged_header_is_refused_in_a_sentence(change, says):
    with pytest.raises(StoreError, match=says):
        run_from_zip(forged(change))


def test_numbers_are_never_read_as_anything_but_numbers():
    objects = io.BytesIO()
    np.save(objects, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(StoreError, match="not the"):
        run_from_zip(forged(lambda h: None, {"values.npy": objects.getvalue()}))


def hostile(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in members:
            packed.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04 nothing",
        hostile(),
        hostile(("../../etc/passwd", b"x")),
        hostile(("/header.json", b"{}")),
        hostile(("header.json", b"{}"), ("evil.py", b"x")),
        hostile(("header.json", b"[" * 100_000)),
        hostile(*[(f"samples/{i}.png", b"") for i in range(300)]),
        hostile(("values.npy", bytes(40 << 20))),
        zip_run(a_run())[:-40],
    ],
    ids=["empty", "no zip", "no files", "up", "absolute", "stranger", "deep", "many", "bomb", "cut"],
)
def test_a_hostile_zip_is_refused_and_leaves_nothing(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError):
        run_from_zip(data)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"x": (0.1, 0.2, 1e300)}, "points"),
        ({"x": ("a", "b", "c")}, "lacks what every run of pixels has: numbers"),
        ({"benchmark": "calibrate"}, "lacks what every run of calibrate has: output_change, numbers"),
        ({"protocol": {"reduction": ["8 epochs", 3]}}, "no list of texts"),
        ({"protocol": {"reduction": 3}}, "no list of texts"),
    ],
)
def test_a_run_sealed_anew_has_what_pages_read(changes, says):
    """Whoever changes a header can also write its hash."""
    stored = a_run(**changes).stored()
    with pytest.raises(StoreError, match=says):
        run_from_zip(hostile(*stored.files().items()))


@pytest.mark.parametrize("name", ["header.json", "timing.json"])
def test_a_header_of_lists_takes_no_memory(name):
    files = a_run().stored().files()
    lists = b'{"a": [' + b"[]," * (2 << 20) + b"[]]}"
    with pytest.raises(StoreError, match="more than 4 MB"):
        run_from_zip(hostile(*{**files, name: lists}.items()))


def test_what_unpackers_raise_is_one_sentence():
    good = zip_run(a_run())
    for place in range(200, len(good) - 200, 61):  # inside what is compressed: zlib.error, CRC, length
        with contextlib.suppress(StoreError):
            run_from_zip(good[:place] + bytes(9) + good[place + 9 :])


def test_so_many_files_may_a_zip_hold():
    samples = [(f"samples/{i}.png", b"") for i in range(257)]
    with pytest.raises(StoreError, match="holds 257 files"):
        run_from_zip(hostile(*samples))
    with pytest.raises(StoreError, match=r"has no header\.json"):
        run_from_zip(hostile(("points.csv", b""), *samples[:255]))
    half = bytes((24 << 20) + 1)
    for members in ([("points.csv", bytes((32 << 20) + 1))], [("points.csv", half), ("values.npy", half)]):
        with pytest.raises(StoreError, match="unpacks to more than a run may have"):
            run_from_zip(hostile(*members))


def test_the_files_of_a_folder_make_the_run_again():
    run = a_run()
    loose = {f"some/folder/{name}".rsplit("/", 1)[-1]: data for name, data in run.stored().files().items()}
    assert run_from_files(loose).stored().files() == run.stored().files()
    assert run_from_files({f"a\\b\\{name}": data for name, data in loose.items()}).id == run.id


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"virus.exe": b""}, "virus.exe"),
        ({"again/header.json": b"{}"}, "there twice"),
        ({"x.png": b""}, "belongs to no run"),
        ({f"{i}.png": b"" for i in range(300)}, "more than a run may have"),
        ({"7.png": b"other"}, "changed after it was made"),
    ],
)
def test_foreign_files_are_refused(more, says):
    loose = {name.rsplit("/", 1)[-1]: data for name, data in a_run().stored().files().items()}
    with pytest.raises(StoreError, match=says):
        run_from_files(loose | more)


def test_an_empty_drop_says_what_is_missing():
    with pytest.raises(StoreError, match=r"has no header\.json"):
        run_from_files({})


def test_runs_compare_only_when_their_protocols_agree():
    plan = a_plan()
    assert gaps(plan, a_plan(model=plan.model | {"id": "other"})) == []
    assert gaps(plan, a_plan(protocol={"fill": "blur", "ties": "raster"})) == [("fill", "mean", "blur")]
    assert gaps(plan, a_plan(protocol={"fill": "mean"})) == [("ties", "raster", UNSAID)]
    assert gaps(plan, a_plan(x=(0.1, 0.2, 0.5))) == [("points", plan.x, (0.1, 0.2, 0.5))]
    assert gaps(plan, a_plan(benchmark="sanity")) == [("benchmark", "pixels", "sanity")]


def test_runs_that_share_one_measure_compare():
    both = a_plan(measures=("lerf", "morf"), protocol={"measure": "both"})
    assert gaps(both, a_plan(measures=("lerf",), protocol={"measure": "lerf"})) == []
    assert gaps(both, a_plan(measures=("roar",), protocol={"measure": "roar"})) == [
        ("measures", ("lerf", "morf"), ("roar",))
    ]


def test_a_flipped_byte_of_the_header_is_noticed(tmp_path):
    write_run(a_run(), tmp_path / "one")
    file = tmp_path / "one" / "header.json"
    file.write_text(file.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(StoreError, match=r"header\.json does not have the hash"):
        read_run(tmp_path / "one")


@pytest.mark.parametrize("text", ['{"seconds": 1e999}', "[]", "3", "{", "[" * 10**5])
def test_a_timing_that_is_none_is_a_sentence(tmp_path, text):
    write_run(a_run(), tmp_path / "one")
    (tmp_path / "one" / "timing.json").write_text(text)
    with pytest.raises(StoreError, match=r"The timing\.json of the run in one cannot be read"):
        read_run(tmp_path / "one")


def test_a_plan_survives_its_own_json():
    plan = a_plan()
    assert plan_from(json.loads(json.dumps(plan.json()))).json() == plan.json()
    assert points_csv(plan, np.zeros(plan.shape)).startswith(
        b"method,measure,x,n,mean,sd\nA,lerf,0.1,2,0.0,0.0\n"
    )
