"""Run the notebooks and keep their results as text: `PYTHONPATH=$PWD python docs/notebooks.py`.

Pictures and live views are left out of the files: who opens a notebook runs it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).with_name("notebooks")
#: What is kept of a result.
_KEPT = ("text/plain",)
_LIVE = "application/vnd.jupyter.widget-view+json"


def executed(cells: list[Any], folder: Path) -> list[Any]:
    """The cells with their results, run one after the other in one kernel.

    Args:
        cells: of one or several notebooks; they are changed in place.
        folder: where the kernel stands.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell raised.
    """
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}},
        store_widget_state=False,
    ).execute()  # fmt: skip
    return list(notebook.cells)


def as_text(cell: Any) -> None:
    """Leave the text of a cell's results, and what it printed."""
    cell.metadata = {}
    if cell.cell_type != "code":
        return
    shown = (output for output in cell.outputs if _LIVE not in output.get("data", ()))  # said beside it
    kept = [output for output in shown if output.output_type != "stream" or output.name == "stdout"]
    for output in kept:
        if "data" in output:
            output.data = {kind: text for kind, text in output.data.items() if kind in _KEPT}
    cell.outputs = kept


def main() -> None:
    """Run every notebook in a kernel of its own."""
    for file in sorted(FOLDER.glob("*.ipynb")):
        notebook = nbformat.read(file, as_version=4)
        notebook.cells = executed(notebook.cells, FOLDER)
        for cell in notebook.cells:
            as_text(cell)
        nbformat.write(notebook, file)
        print(file.name)


if __name__ == "__main__":
    main()
