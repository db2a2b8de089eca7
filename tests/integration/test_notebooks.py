"""The notebooks of docs/ run from the first cell to the last, and show what they promise."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import lens_report
import lens_results
from lens_report.presentation.findings.rules import verdicts

NOTEBOOKS = Path(__file__).parents[2] / "docs" / "notebooks"
NAMES = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))
INSTALLS = "install"
"""Tag of the cell that installs the package, the only one that does not run here."""


def read(name: str) -> Any:
    return nbformat.read(NOTEBOOKS / name, as_version=4)


def code_of(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def installs(cell: Any) -> bool:
    return INSTALLS in cell.metadata.get("tags", ())


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a notebook in an empty folder, with this Python as its kernel; gives texts shown, and number of pictures."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def run(name: str, samples: int | None = None) -> tuple[str, int]:
        if samples is not None:
            monkeypatch.setenv("NOTEBOOK_SAMPLES", str(samples))
        notebook = read(name)
        notebook.cells = [cell for cell in notebook.cells if not installs(cell)]
        client = NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}})
        client.create_kernel_manager()
        assert client.km is not None
        client.km.kernel_spec.argv[0] = sys.executable
        found = [output for cell in code_of(client.execute()) for output in cell.outputs]
        texts = [str(output.get("text", output.get("data", {}).get("text/plain", ""))) for output in found]
        return " ".join(texts), sum("image/png" in output.get("data", {}) for output in found)

    return run


@pytest.mark.parametrize("name", NAMES)
def test_the_first_cell_and_no_other_installs_the_package(name: str) -> None:
    first, *others = code_of(read(name))
    assert installs(first)
    assert '%pip install --quiet "{SOURCE}"' in first.source
    assert not any(installs(cell) or "pip install" in cell.source for cell in others)
    assert not any(cell.outputs or cell.execution_count for cell in (first, *others)), "clear the outputs"


@pytest.mark.end_to_end
@pytest.mark.timeout(400)
def test_first_look(outputs: Any) -> None:
    shown, pictures = outputs("first_look.ipynb")
    assert pictures >= 3  # the scene, the layers' tokens, the maps
    for expected in ("| right answer: yes", "answer: yes", "last layer off by ", "MaskEffect(drop="):
        assert expected in shown


@pytest.mark.end_to_end
@pytest.mark.timeout(400)
def test_run_to_claim_says_what_the_rules_of_reports_say(outputs: Any, tmp_path: Path) -> None:
    shown, pictures = outputs("run_to_claim.ipynb", samples=120)
    assert pictures == 2
    assert "{'ok': 120}" in shown
    draws = lens_report.Draws(bootstrap=2_000, permutations=500, simulations=100)
    (analysis,) = lens_report.analyse(lens_results.load(tmp_path / "runs" / "claim_notebook"), draws=draws)
    ranking, types = analysis.prediction.ranking, analysis.question_types
    assert ranking is not None and types is not None
    adding = [f"label_free.{name}" for name in verdicts(analysis.prediction).adding]
    said = f"confidence, {', '.join(adding)} tells" if adding else "beyond the final confidence was not shown"
    assert said in shown
    ordered = [one for one in types.orders if one.depth_holm is not None and one.depth_holm < 0.05]
    assert f"{len(ordered)} of {len(types.orders)} pairs" in shown


@pytest.mark.end_to_end
@pytest.mark.timeout(400)
def test_own_model_and_probe(outputs: Any) -> None:
    shown, pictures = outputs("own_model_and_probe.ipynb")
    assert pictures == 1
    for expected in (
        "top token agrees: True",
        "IdentityReport(",
        "Stack: no decoder with a list of layers was found",
        "final norm 'out_norm', head 'to_logits' (8 -> 20) | exact: True",
        "(24, 10)",
        "of 24 answers are right",
    ):
        assert expected in shown


@pytest.mark.end_to_end
@pytest.mark.timeout(400)
def test_perception_test(outputs: Any, tmp_path: Path) -> None:
    shown, pictures = outputs("perception_test.ipynb", samples=48)
    assert pictures >= 4
    assert "Empty DataFrame" not in shown  # 12 videos are enough for each table
    for expected in ("perception_mini", "Estimate(", "null tracks", "videos above", "paper.pdf", "right:"):
        assert expected in shown
    paper = tmp_path / "runs" / "perception_notebook_paper" / "paper.pdf"
    assert paper.read_bytes().startswith(b"%PDF-")
    assert any((tmp_path / "runs" / "perception_notebook").glob("**/lens_perception_mini_*.parquet"))
