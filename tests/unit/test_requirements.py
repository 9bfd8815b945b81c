"""Bounds, the lock file and the audit: every version that may be installed is one that somebody has run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = ("requirements.txt", "requirements-dev.txt", "requirements-ray.txt")
BOUND = re.compile(r"(?P<name>[\w.-]+)>=(?P<low>[\d.]+),<(?P<high>[\d.]+)(?:\s+#\s*(?P<why>\S.*))?$")
LINES = [
    pytest.param(line, file, id=f"{file}: {line.split('>')[0]}")
    for file in FILES
    for line in (ROOT / file).read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]


def normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text.partition("+")[0])[:3])


def locked() -> dict[str, str]:
    text = (ROOT / "requirements.lock").read_text("utf-8")
    assert text.count("--hash=sha256:") >= text.count("\n    # via")
    return {normal(name): one for name, one in re.findall(r"^([\w.-]+)==([\w.]+)", text, re.M)}


@pytest.mark.parametrize(("line", "file"), LINES)
def test_a_requirement_has_two_bounds_a_reason_and_no_major_release_that_nobody_ran(
    line: str, file: str
) -> None:
    """What is tried: the version of the lock file, for the tools the one that is installed.

    So are versions that the reason says the tests pass with, elsewhere.
    """
    found = BOUND.match(line)
    assert found, f"write {line!r} as name>=lowest,<highest  # reason"
    low, high = numbers(found["low"]), numbers(found["high"])
    assert found["why"]
    tried = locked().get(normal(found["name"]), "") if file == "requirements.txt" else ""
    if file != "requirements.txt":
        try:
            tried = version(found["name"])
        except PackageNotFoundError:
            pytest.skip(f"{found['name']} is not installed here")
    assert tried, f"{found['name']}: make requirements.lock again, see CONTRIBUTING.md"
    assert low <= numbers(tried) < high, f"{found['name']} {tried}: see CONTRIBUTING.md"
    newest = max(numbers(one)[0] for one in (tried, *re.findall(r"pass with .*?([\d.]+\d)$", found["why"])))
    assert high[0] <= newest + 1, f"{found['name']}: nobody has run {newest + 1}.x"


@pytest.fixture(scope="module")
def dev() -> ModuleType:
    spec = spec_from_file_location("dev", ROOT / "dev.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("whose", ["a reader's", "cut off"])
def test_an_environment_of_somebody_s_own_is_not_cleared(
    dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whose: str
) -> None:
    """It was, with all that he had put there; only what does not run is made anew."""
    place = tmp_path / ".venv"
    pip = [] if whose == "a reader's" else ["--without-pip"]
    subprocess.run([sys.executable, "-m", "venv", *pip, str(place)], check=True)
    (place / "mine").touch()
    (tmp_path / "needs.txt").touch()
    for name, value in (
        ("ROOT", tmp_path),
        ("VENV", place),
        ("PYTHON", place / dev.PYTHON.relative_to(dev.VENV)),
    ):
        monkeypatch.setattr(dev, name, value)
    dev.install(("needs.txt",))
    assert (place / "mine").exists() == (whose == "a reader's")
    assert (place / "needs.txt.sha256").is_file()


def test_what_python_compiles_is_kept(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages are installed uncompiled; each process compiled torch anew, for ten seconds."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setattr(dev, "install", lambda _: None)
    code = "import sys; sys.exit(sys.dont_write_bytecode)"
    monkeypatch.setattr(dev, "test", lambda _: subprocess.call([sys.executable, "-c", code]))
    assert dev.main(["test"]) == 0


@pytest.mark.parametrize("types", ["platform", "no_such_module"])
def test_what_the_types_say_beside_the_tests_is_told_and_counts(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], types: str
) -> None:
    for name, value in {"PYTHON": sys.executable, "TYPES": (types,), "AUDIT": ("platform",)}.items():
        monkeypatch.setattr(dev, name, value)
    monkeypatch.setattr(dev, "call", lambda *_: 0)
    assert dev.test([]) == (types == "no_such_module")
    said = capsys.readouterr()
    assert ("No module named no_such_module" in said.out) == (types == "no_such_module")
    assert ("FAILED: no_such_module" in said.err) == (types == "no_such_module")


@pytest.mark.parametrize(
    ("asked", "statuses", "failed"),
    [
        ([], [0, 0], False),
        ([], [1, 0], True),
        ([], [0, 1], True),
        (["-k", "sweep"], [0, 5], False),
        (["-k", "no such"], [5, 5], True),
        (["tests/unit"], [0], False),
        (["tests/unit/test_requirements.py::test_x", "-v"], [4], True),
        (["dev.py"], [5], True),
    ],
)
def test_all_tests_run_in_two_parts_and_named_ones_in_one(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, asked: list[str], statuses: list[int], failed: bool
) -> None:
    left, given = list(statuses), []

    def call(*words: str) -> int:
        given.append(words)
        return left.pop(0) if words[0] == "pytest" else 0

    for name, value in {"PYTHON": sys.executable, "TYPES": ("platform",), "AUDIT": ("platform",)}.items():
        monkeypatch.setattr(dev, name, value)
    monkeypatch.setattr(dev, "call", call)
    assert dev.test(asked) == failed
    assert left == []
    parts = [words for words in given if words[0] == "pytest"]
    assert all(words[len(words) - len(asked) :] == tuple(asked) for words in parts)
    folders = {f"tests/{file.parent.name}" for file in ROOT.glob("tests/*/test_*.py")}
    begun = [word for words in parts for word in words[: len(words) - len(asked)] if word in folders]
    assert sorted(begun) == (sorted(folders) if len(parts) == 2 else [])


@pytest.mark.parametrize(
    "told",
    ["", "ERROR:pip_audit: connection refused", "[]", '{"dependencies": 3}', '{"dependencies": []}', "null",
     '{"dependencies": [{"name": "torch", "skip_reason": "Dependency not found on PyPI"}]}'],
)  # fmt: skip
def test_a_registry_that_does_not_answer_is_a_sentence_and_no_failure(dev: ModuleType, told: str) -> None:
    found, said = dev.weaknesses(told)
    assert found == []
    assert said.startswith("pip-audit: skipped, the package registry ")


def test_a_weakness_that_is_mended_elsewhere_is_named(dev: ModuleType) -> None:
    known = [{"id": "A-1", "fix_versions": ["2.1"]}, {"id": "A-2", "fix_versions": []}]
    packages = [
        {"name": "one", "version": "2.0", "vulns": known},
        {"name": "two", "version": "1.0", "vulns": []},
        {"name": "three", "skip_reason": "Dependency not found on PyPI"},
    ]
    found, said = dev.weaknesses(json.dumps({"dependencies": packages, "fixes": []}))
    assert found == ["one 2.0: A-1, mended in 2.1"]
    assert said == "pip-audit: 2 of 3 packages audited, 1 to be updated."
