"""Two checkpoints evaluated by the installed commands, and the leaderboard of their runs."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from command_runner import Command
from safetensors.numpy import load_file, save_file

from lens_models import LENS_TINY
from lens_models.loading import resolve_pretrained
from lens_results import load

N = 72


def noisy_copy(folder: Path) -> Path:
    """The bundled model with noise on the weights of its language model: another checkpoint that still answers."""
    source = Path(resolve_pretrained(LENS_TINY))
    shutil.copytree(source, folder)
    weights = load_file(source / "model.safetensors")
    rng = np.random.default_rng(0)
    changed = 0
    for name, value in weights.items():
        if "layers" in name and "visual" not in name and value.ndim == 2:
            noise = rng.normal(scale=0.8 * float(value.std()), size=value.shape)
            weights[name] = (value + noise).astype(value.dtype)
            changed += 1
    assert changed > 0
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def harness_scores(folder: Path) -> dict[int, float]:
    """What the harness's own sample file says of each document."""
    lines = next(folder.rglob("*_samples_pope_mini.jsonl")).read_text(encoding="utf-8").splitlines()
    samples = [json.loads(line) for line in lines]
    return {sample["doc_id"]: float(sample["pope_accuracy"]["score"]) for sample in samples}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_checkpoints_make_a_leaderboard_with_a_paired_comparison(command: Command, tmp_path: Path) -> None:
    noisy = noisy_copy(tmp_path / "noisy")
    for model, folder in ((LENS_TINY, "plain"), (str(noisy), "noisy_run")):
        command(
            "lmms-eval", "--model", "hf-multimodal-lens", "--model_args", f"pretrained={model}", "--tasks", "pope_mini",
            "--limit", str(N), "--batch_size", "8", "--output_path", f"runs/{folder}", "--log_samples",
        )  # fmt: skip
    done = command("mmlens", "leaderboard", "runs/plain", "runs/noisy_run", "--out", "board")
    assert "Traceback" not in done.stdout

    rows = list(csv.DictReader((tmp_path / "board" / "leaderboard.csv").read_text(encoding="utf-8").splitlines()))
    assert {row["model"] for row in rows} == {"lens_tiny", "noisy"}
    assert [row["flags"] for row in rows] == ["", ""]
    runs = {"lens_tiny": "plain", "noisy": "noisy_run"}
    scores = {name: harness_scores(tmp_path / "runs" / run) for name, run in runs.items()}
    for row in rows:
        own = np.array(list(scores[row["model"]].values()))
        assert float(row["score"]) == pytest.approx(own.mean())
        assert float(row["score_low"]) < own.mean() < float(row["score_high"])
        assert int(row["n"]) == N
    assert scores["lens_tiny"] != scores["noisy"], "the noise changed no answer"

    markdown, html, latex = (
        (tmp_path / "board" / f"leaderboard.{kind}").read_text(encoding="utf-8") for kind in ("md", "html", "tex")
    )
    assert markdown.strip() in done.stdout
    for text in (markdown, html, latex):
        assert "pope" in text
        assert "noisy" in text
    difference = 100 * np.mean([scores["lens_tiny"][doc] - scores["noisy"][doc] for doc in range(N)])
    assert difference > 0
    compared = markdown.split("Runs compared on the same samples")[1]
    assert "lens\\_tiny scores higher than noisy" in compared
    assert f"{difference:.1f} %" in compared
    only = [sum(scores[a][doc] > scores[b][doc] for doc in range(N)) for a, b in zip(runs, reversed(runs), strict=True)]
    assert all(f"| {count} " in compared for count in only), "how often one run alone is right"
    assert "://" not in html
    assert load(tmp_path / "runs" / "plain").complete
