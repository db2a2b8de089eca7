"""`lmms-eval --model hf-multimodal-lens`, as installed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from command_runner import BIN, Command, environment
from plain_model import lens_tiny_bounds

from lens_results import load

STOCK = ("lmms-eval", "--model", "hf-multimodal-lens", "--batch_size", "4")


def test_the_stock_pope_task_runs_on_a_local_copy(command: Command, pope_folder: Path, tmp_path: Path) -> None:
    done = command(*STOCK, "--tasks", "pope", "--output_path", "runs/pope", "--log_samples")
    for name in ("pope_accuracy", "pope_f1_score", "lens_commit_depth", "lens_coverage", "lens_emerged"):
        assert f"|{name} " in done.stdout, done.stdout[-4000:]
    assert "Lens records of pope: " in done.stdout
    run = load(tmp_path / "runs")
    assert run.tasks == ("pope",)
    assert run.samples["cluster"].nunique() == 2
    results = json.loads(next((tmp_path / "runs").rglob("*_results.json")).read_text())
    assert results["lens"]["run_id"] == run.info.run_id
    assert results["results"]["pope"]["lens_coverage,none"] == pytest.approx((run.samples["status"] == "ok").mean())
    lines = next((tmp_path / "runs").rglob("*_samples_pope.jsonl")).read_text().splitlines()
    assert len(lines) == 12
    assert all("lens_coverage" in json.loads(line) for line in lines)


def test_the_three_splits_run_together_and_say_where_records_would_be_kept(command: Command, pope_folder: Path) -> None:
    done = command(*STOCK, "--tasks", "pope_adv,pope_pop,pope_random", "--limit", "3")
    assert done.stdout.count("|lens_coverage") == 3
    assert "Lens records are not kept: give --output_path, or lens_dir=FOLDER in --model_args" in done.stdout


def test_a_wrong_argument_says_what_was_meant(command: Command, pope_folder: Path) -> None:
    done = command(*STOCK, "--model_args", "lens_top=3", "--tasks", "pope", "--limit", "1", check=False)
    assert "unknown model argument 'lens_top'. Did you mean lens_topk?" in done.stdout


def test_two_processes_give_the_rows_of_one(
    command: Command, pope_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tail = ("--model", "hf-multimodal-lens", "--tasks", "pope", "--log_samples", "--limit", "11")
    command("lmms-eval", *tail, "--output_path", "runs/one")
    monkeypatch.setenv("ACCELERATE_USE_CPU", "1")  # `accelerate launch --cpu` starts one process, whatever it is told
    launch = ("torchrun", "--standalone", "--nproc_per_node", "2", "-m", "lmms_eval")
    done = command(*launch, *tail, "--output_path", "runs/two")
    assert " 6/6 " in done.stdout, "the first process answers its half"
    one, two = load(tmp_path / "runs/one"), load(tmp_path / "runs/two")
    for column in ("doc_id", "response", "status", "answer_step", "correct", "score.pope_accuracy"):
        assert one.samples[column].tolist() == two.samples[column].tolist(), column
    for name in ("entropy", "jsd_last", "logprob_pred"):
        np.testing.assert_allclose(one.stack(name), two.stack(name), **lens_tiny_bounds())
    assert not list((tmp_path / "runs").rglob(".lens_parts"))


def test_a_killed_run_keeps_what_it_answered_and_continues(command: Command, tmp_path: Path) -> None:
    words = ("--model", "hf-multimodal-lens", "--tasks", "pope_mini", "--limit", "160", "--output_path", "runs/k")
    words += ("--use_cache", str(tmp_path / "cache"), "--log_samples")
    process = subprocess.Popen(
        [str(BIN / "lmms-eval"), *words], cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 240
    while not list((tmp_path / "runs").rglob("*.rank0.*.parquet")) and time.monotonic() < deadline:
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    killed = load(tmp_path / "runs")
    assert not killed.complete
    assert 0 < len(killed) < 160
    assert killed.samples["response"].str.len().gt(0).any()

    done = command("lmms-eval", *words, "--output_path", "runs/again")
    assert re.search(r"Lens: [1-9]\d* of 160 answers are those of earlier runs", done.stdout), done.stdout[-4000:]
    again = load(tmp_path / "runs/again")
    assert again.complete
    assert again.samples["doc_id"].tolist() == list(range(160))
    both = killed.samples.merge(again.samples, on="doc_id", suffixes=("_killed", ""))
    assert both["response_killed"].tolist() == both["response"].tolist()
