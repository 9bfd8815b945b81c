"""The runner of mutants: its list is up to date, its operators change one thing, its verdicts are right."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from perf.mutants_known import KNOWN, REASONS
from perf.mutants_places import TESTS, generated, known

ROOT = Path(__file__).resolve().parents[2]
CODE = """def f(a, b):
    if not a < b and len([a, "1 < 2"]) == 2:
        print(a)
        kill(a, 5)
    return max(a + b, 3, *zip(a, strict=True))
"""


def test_every_known_mutant_is_a_place_in_the_code_and_has_tests():
    assert len(known(ROOT)) == len(KNOWN) >= 25
    for one in known(ROOT):
        assert one.new != one.old
        for pattern in one.tests:
            assert list((ROOT / "tests").glob(pattern)), pattern
    for _, patterns in TESTS:
        for pattern in patterns:
            assert list((ROOT / "tests").glob(pattern)), pattern


def test_every_reason_is_that_of_a_place_in_the_code():
    files = {key.partition("::")[0] for key in REASONS}
    assert not REASONS.keys() - {one.key for file in files for one in generated(ROOT, file)}


def test_operators_change_one_thing_each(tmp_path):
    (tmp_path / "pruneattr_core").mkdir()
    (tmp_path / "pruneattr_core" / "store.py").write_text(CODE)
    found = list(generated(tmp_path, "pruneattr_core/store.py"))
    changes = {(one.old.strip(), one.new) for one in found}
    assert changes == {
        ("not", ""), ("<", "<="), ("and", "or"), ("==", "!="), ("2", "3"), ("print(a)", "None"),
        ("max", "min"), ("+", "-"), ("3", "4"), ("kill(a, 5)", "None"),
    }  # fmt: skip
    for one in found:
        text = CODE[: one.start] + one.new + CODE[one.start + len(one.old) :]
        assert CODE[one.start :].startswith(one.old)
        assert ast.dump(ast.parse(text)) != ast.dump(ast.parse(CODE))
        assert one.where == "f"


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_a_noticed_and_an_unnoticed_mutant_are_told_apart(tmp_path):
    """In a repository of its own, with one test that looks at one of two functions."""
    (tmp_path / "pruneattr_core").mkdir()
    (tmp_path / "tests" / "unit").mkdir(parents=True)
    (tmp_path / "pruneattr_core" / "__init__.py").touch()
    code = "def seen(a):\n    return a + 1\n\n\ndef unseen(a):\n    return a + 2\n"
    (tmp_path / "pruneattr_core" / "store.py").write_text(code)
    test = "from pruneattr_core.store import seen\ndef test_it():\n    assert seen(1) == 2\n"
    for name in ("test_store.py", "test_damage.py"):
        (tmp_path / "tests" / "unit" / name).write_text(test)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    kept = tmp_path / "kept.json"
    command = [sys.executable, "-m", "perf.mutants", "sample", "--only", "pruneattr_core/", "--workers", "1"]
    command += ["--root", str(tmp_path), "--out", str(kept)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert "2 of 4 killed" in lines
    assert sum("SURVIVED pruneattr_core/store.py::unseen" in line for line in lines) == 2
    by = {row["mutant"].split("::")[1]: row["by"] for row in json.loads(kept.read_text())["mutants"]}
    assert by["seen: + -> -"].endswith("::test_it")
    assert not by["unseen: + -> -"]
