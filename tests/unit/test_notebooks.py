"""What is stored of the notebooks is text; that they run is the package's matter."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_is_stored_is_text(file: Path) -> None:
    import nbformat  # two seconds, which nobody waits for who collects the tests

    cells = nbformat.read(file, as_version=4).cells
    assert cells[0].cell_type == "markdown"
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    for cell in code:
        assert all(set(output.get("data", {})) <= {"text/plain"} for output in cell.outputs)
    assert file.stat().st_size < 40_000
