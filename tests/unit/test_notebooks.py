"""What is stored of the notebooks is text; that they run is the package's matter."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

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


@pytest.mark.parametrize("longest", ["relu", "backbone.layer4.2.activations.relu_3#2"])
def test_columns_stay_columns_for_the_names_of_a_reader_s_network(
    longest: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The names' column was 16 wide: those of a deep network broke it."""
    cells = json.loads((ROOT / "docs" / "notebooks" / "critical-paths.ipynb").read_text("utf-8"))["cells"]
    (source,) = (text for cell in cells if "path.kept" in (text := "".join(cell["source"])))
    kept = torch.tensor([[5], [70], [900]])
    path = SimpleNamespace(names=("relu", longest, "a.b"), neurons=(10, 2000, 65536), kept=kept)
    exec(compile(source, "notebook", "exec"), {"path": path})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert len({line.index(" of ") for line in lines}) == 1
    assert lines[1].startswith(f"{longest} ")


def test_a_reader_s_pictures_need_no_masks(capsys: pytest.CaptureFixture[str]) -> None:
    """The first thing that is changed in a notebook is its pictures."""
    cells = json.loads((ROOT / "docs" / "notebooks" / "compare-and-judge.ipynb").read_text("utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    judged = code[: code.index("found.show()")]
    names: dict[str, object] = {}
    for source in judged:
        changed = source.replace('load_dataset("scenes")', 'load_dataset("samples")').replace("(4)", "(2)")
        *before, last = ast.parse(changed).body
        exec(compile(ast.Module(before, []), "notebook", "exec"), names)
        if isinstance(last, ast.Expr):  # what the cell answers
            answer = eval(compile(ast.Expression(last.value), "notebook", "eval"), names)
        else:
            exec(compile(ast.Module([last], []), "notebook", "exec"), names)
    assert answer == "no masks, no mass"
    assert [line.split("mass")[1].split()[0] for line in capsys.readouterr().out.splitlines()] == ["-"] * 7
