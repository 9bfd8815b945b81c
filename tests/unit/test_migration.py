"""Runs of earlier versions: said to be older where they are met, and brought here with the same numbers."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest

from pruneattr_core.analysis.study_run import read_study
from pruneattr_core.benchmarks.run import read_run
from pruneattr_core.cli import main
from pruneattr_core.compression import table
from pruneattr_core.errors import StoreError

VALUES = np.array([[[[0.1 + 0.2, np.nan]]]])
ROWS = "table,a,b,sparsity,layer,n,mean,low,high\n"
ROWS += "base,,,,,2,0.560722,0.558144,0.5633\ndead,taylor,,0.8,,2,0,0,0\n"
TABLE = {
    "Table 2": [
        {"title": "teacher", "seeds": [0], "mAP": 1 / 3},
        {"title": "/8", "seeds": [0, 1], "mAP": 0.5},
    ]
}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write(folder: Path, header: dict, files: dict[str, bytes], more: dict[str, bytes]) -> None:
    folder.mkdir(parents=True)
    header = {**header, "files": {name: sha256(data) for name, data in files.items()}}
    for name, data in {**files, **more, "header.json": json.dumps(header).encode()}.items():
        (folder / name).write_bytes(data)


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """One run of each earlier format, as those versions wrote them."""
    values = io.BytesIO()
    np.save(values, VALUES)
    points = b"method,measure,x,n,mean,sd\nA,lerf,0.1,1,0.30000000000000004,0.0\n"
    data = {"id": "d", "title": "D", "sha256": "1", "seed": 0, "indices": [1, 4], "names": ["p", "q"]}
    model = {"id": "m", "title": "M", "weights_sha256": "0" * 64}
    plan = {
        "schema": "pruneattr-run/1", "benchmark": "pixels", "protocol": {"fill": "mean"},
        "measures": ["lerf"],
        "methods": [{"id": "a", "label": "A", "options": {}}], "x": [0.1], "model": model, "data": data,
        "chunk": 1, "versions": {"torch": "1"},
    }  # fmt: skip
    write(
        tmp_path / "bench" / "pixels", plan, {"values.npy": values.getvalue(), "points.csv": points},
        {"timing.json": b'{"seconds": 1.5}'},
    )  # fmt: skip
    study = {
        "schema": "pruneattr-paths/1", "layers": ["a"],
        "config": {"sparsities": [0.8], "reference": "intgrad"},
        "model": model, "data": data, "methods": {"taylor": {}}, "seconds": 3, "finished": "2026-01-01",
    }  # fmt: skip
    write(tmp_path / "paths" / "study", study, {"points.csv": ROWS.encode()}, {})
    content = {
        "format": 1, "about": "x", "config": {}, "members": [{"id": "b", "a": 1}], "tables": TABLE,
        "published": {}, "provenance": {},
    }  # fmt: skip
    seal = sha256(json.dumps(content, sort_keys=True).encode())
    (tmp_path / "compression").mkdir()
    (tmp_path / "compression" / "scenes.json").write_text(json.dumps({**content, "sha256": seal}))
    return tmp_path


def test_older_runs_are_brought_here_with_the_same_numbers(older, capsys):
    bench, paths = older / "bench" / "pixels", older / "paths" / "study"
    for read, folder in ((read_run, bench), (read_study, paths)):
        if folder == bench:
            with pytest.raises(StoreError, match=r"older schema pruneattr-run/1.*runs migrate FOLDER"):
                read(folder)
        else:
            with pytest.raises(StoreError, match="has no values"):
                read(folder)
    before = {file: file.read_bytes() for file in older.rglob("points.csv")}
    assert main(["runs", "migrate", str(older)]) == 0
    assert "3 runs migrated" in capsys.readouterr().out
    assert {file: file.read_bytes() for file in before} == before
    run = read_run(bench)
    assert run.values.tobytes() == VALUES.tobytes()
    assert run.timing == {"seconds": 1.5}
    assert run.id == sha256(_plan_sha(bench).encode() + VALUES.tobytes())[:12], "links and names go on"
    study = read_study(paths)
    assert study.base.mean == 0.560722
    assert study.timing == {"seconds": 3, "date": "2026-01-01"}
    found = table.read_study(older / "compression" / "scenes")
    assert found["tables"] == TABLE
    assert list(found["members"][0]) == ["id", "a"]
    assert not (older / "compression" / "scenes.json").exists()
    assert main(["runs", "migrate", str(older)]) == 0
    assert "nothing to migrate" in capsys.readouterr().out


def _plan_sha(folder: Path) -> str:
    header = json.loads((folder / "header.json").read_text())
    plan = {name: header[name] for name in header if name not in ("shape", "files", "sha256")}
    return sha256(json.dumps(plan | {"schema": "pruneattr-run/1"}, sort_keys=True).encode())


@pytest.mark.parametrize(
    "name", ["bench/pixels/values.npy", "paths/study/points.csv", "compression/scenes.json"]
)
def test_a_changed_older_run_is_left_as_it_was(older, name, capsys):
    data = bytearray((older / name).read_bytes())
    data[-20] ^= 1
    (older / name).write_bytes(bytes(data))
    assert main(["runs", "migrate", str((older / name).parents[0 if name.endswith(".json") else 1])]) == 1
    assert "error: " in capsys.readouterr().err
    assert (older / name).read_bytes() == bytes(data)
    assert not list(older.rglob("*.migrated"))


def test_shipped_runs_are_all_of_this_format(capsys):
    assert main(["runs", "migrate", str(table.RUNS.parent)]) == 0
    assert capsys.readouterr().out == "nothing to migrate: all runs are of today's format\n"
