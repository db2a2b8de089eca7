"""`lm-eval-lens --model hf-multimodal-lens`, as installed, in whichever line of lm-eval is there."""

from __future__ import annotations

import json
from pathlib import Path

from command_runner import Command

from harness_ext.submission import write_submission
from lens_results import load

LENS = ("--model", "hf-multimodal-lens", "--batch_size", "4", "--limit", "4")


def test_bundled_tasks_run_without_a_path_and_print_the_lens_metrics(command: Command, tmp_path: Path) -> None:
    """By the form that `accelerate launch -m` takes; the flags are those of the command."""
    tail = ("--tasks", "ruclevr_mini,weird_mini", "--output_path", "runs/m", "--log_samples", "--apply_chat_template")
    done = command("python", "-m", "harness_ext.lm_eval", *LENS, *tail)
    for name in ("exact_match", "exact_match_lenient", "lens_coverage", "lens_commit_depth"):
        assert f"|{name} " in done.stdout, done.stdout[-4000:]
    folder = tmp_path / "runs" / "m" / "lens_tiny"
    run = load(folder)
    assert run.tasks == ("ruclevr_mini", "weird_mini")
    assert len(run.samples) == 8
    results = json.loads(next(folder.glob("results_*.json")).read_text())
    assert results["lens"]["run_id"] == run.info.run_id
    line = json.loads(next(folder.glob("samples_ruclevr_mini_*.jsonl")).read_text().splitlines()[0])
    assert "bytes" not in json.dumps(line["doc"]), "samples do not carry pictures"


def test_the_command_of_the_mera_readme_and_its_submission(command: Command, mera_tasks: Path, tmp_path: Path) -> None:
    words = ("--device", "cpu", "--output_path", "results", "--batch_size", "1", "--predict_only", "--log_samples")
    words += ("--seed", "1234", "--num_fewshot", "0", "--trust_remote_code", "--apply_chat_template")
    words += ("--fewshot_as_multiturn", "--include_path", str(mera_tasks), "--tasks", "weird,ruclevr,private")
    arguments = "pretrained=lens_tiny,dtype=float32,image_max_side=64"
    done = command("lm-eval-lens", "--model", "hf-multimodal-lens", "--model_args", arguments, *words)
    assert "|lens_final_prob " in done.stdout, done.stdout[-4000:]
    report = write_submission(tmp_path / "results", tmp_path / "sent")
    assert report.answers == {"WEIRD.json": 5, "ruCLEVR.json": 5}
    assert len(load(tmp_path / "results").samples) == 15
