"""The notebooks run from top to bottom, offline; what is stored of them is text."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


@pytest.fixture
def runner() -> ModuleType:
    """docs/notebooks.py, which keeps their results."""
    spec = importlib.util.spec_from_file_location("notebooks", ROOT / "docs" / "notebooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_notebook_runs_in_one_kernel_that_forgets(
    runner: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One kernel for all: most of the time is the import of torch."""
    assert len(FILES) == 4
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    cells = []
    for file in FILES:
        cells += [*nbformat.read(file, as_version=4).cells, nbformat.v4.new_code_cell("%reset -f")]
    done = runner.executed(cells, tmp_path)
    shown = [output.data for cell in done for output in cell.get("outputs", []) if "data" in output]
    views = [data for data in shown if "application/vnd.jupyter.widget-view+json" in data]
    assert len(views) == 4
    for data in views:  # what an exported notebook draws, and what a program without scripts does
        assert data["text/html"].startswith("<iframe srcdoc=")
        assert data["image/png"]
        assert "0x" not in data["text/plain"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_is_stored_is_text(file: Path) -> None:
    cells = nbformat.read(file, as_version=4).cells
    assert cells[0].cell_type == "markdown"
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    for cell in code:
        assert all(set(output.get("data", {})) <= {"text/plain"} for output in cell.outputs)
    assert file.stat().st_size < 40_000
