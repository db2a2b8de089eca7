"""The notebooks of docs/ run from the first cell to the last, and show what they promise."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "docs" / "notebooks"


def executed(name: str, folder: Path) -> Any:
    """The notebook after a run in an empty folder, with this Python as its kernel and a few samples."""
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    client = NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(folder)}})
    client.create_kernel_manager()
    assert client.km is not None
    client.km.kernel_spec.argv[0] = sys.executable
    return client.execute()


def outputs_of(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


@pytest.mark.end_to_end
@pytest.mark.timeout(400)
def test_perception_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTEBOOK_SAMPLES", "48")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    outputs = outputs_of(executed("perception_test.ipynb", tmp_path))
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 4
    shown = " ".join(str(output.get("text", output.get("data", {}).get("text/plain", ""))) for output in outputs)
    assert "Empty DataFrame" not in shown  # 12 videos are enough for each table
    for expected in ("perception_mini", "Estimate(", "null tracks", "videos above", "paper.pdf", "right:"):
        assert expected in shown
    paper = tmp_path / "runs" / "perception_notebook_paper" / "paper.pdf"
    assert paper.read_bytes().startswith(b"%PDF-")
    assert any((tmp_path / "runs" / "perception_notebook").glob("**/lens_perception_mini_*.parquet"))
