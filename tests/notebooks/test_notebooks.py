"""Every notebook runs from top to bottom in its own folder, and is kept with outputs that show no trouble."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def kinds(cell):
    """What a cell leaves, streams in any number of pieces counted once."""
    return {(o.output_type, *sorted(o.get("data", ()))) for o in cell.outputs}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_as_it_ran(path):
    """Its cells were run once, in their order, without a warning, and nothing tells on whose machine."""
    cells = code_cells(nbformat.read(path, as_version=4))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert any("image/png" in output.get("data", ()) for output in outputs)
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
    assert not re.search(r"/(home|tmp|root|Users|work)/|ipywidgets|Warning", str(outputs))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_in_its_own_folder_and_leaves_what_it_is_kept_with(path):
    kept = nbformat.read(path, as_version=4)
    fresh = nbformat.from_dict(kept)
    for cell in code_cells(fresh):
        cell.outputs = []
    NotebookClient(
        fresh, timeout=600, kernel_name="python3", resources={"metadata": {"path": path.parent}}
    ).execute()
    for before, after in zip(code_cells(kept), code_cells(fresh), strict=True):
        assert kinds(after) == kinds(before), before.source


def test_there_are_notebooks():
    assert NOTEBOOKS
