"""`mmlens patch`: what it prints is what the pairs say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from typer.testing import CliRunner

import lens_models
from harness_ext.cli import app


def run(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["patch", *words], env={"COLUMNS": "200"})
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


def test_layers_and_depths_are_shown() -> None:
    words = ["lens_tiny", "--data", "pope_mini", "--prompts", "12", "--lens", "logit", "--lens", "tuned"]
    said = run(*words, "--device", "cpu")
    assert "the task pope_mini: 12 questions about two pictures" in said
    rows = {line.split("│")[1].strip(): line.split("│") for line in said.splitlines() if line.startswith("│")}
    assert {str(layer) for layer in range(1, 11)} < set(rows)
    assert rows["10"][2].strip().startswith("1.00") and rows["10"][3].strip().startswith("1.00")
    causal = float(rows["answer moved by patching"][2].split()[0])
    for name in ("logit", "tuned"):
        own, apart = (float(rows[f"read by {name}"][place].split()[0]) for place in (2, 3))
        assert abs(own - causal - apart) < 0.02


def test_a_lens_that_is_refused_for_claims_is_read_and_named(tmp_path: Path) -> None:
    folder = tmp_path / "tuned"
    shutil.copytree(Path(lens_models.__file__).parent / "lens_tiny" / "lenses" / "tuned", folder)
    described = json.loads((folder / "lens.json").read_text(encoding="utf-8"))
    described["held_out"]["clusters"] = 3
    (folder / "lens.json").write_text(json.dumps(described), encoding="utf-8")
    words = ["lens_tiny", "--data", "pope_mini", "--prompts", "4", "--lens", str(folder), "--device", "cpu"]
    assert "is refused for claims: it was measured on 3 pictures or texts; expected 20" in run(*words)


def test_an_unknown_lens_is_refused() -> None:
    assert "neither a folder nor one of" in run("lens_tiny", "--data", "pope_mini", "--lens", "tunned", code=1)
