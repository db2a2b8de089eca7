"""`lmms-eval --model hf-multimodal-lens`, as installed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from command_runner import Command, environment, run_alone, run_command
from plain_model import lens_tiny_bounds
from pope_copy import write_pope

from lens_results import load, load_all

POPE = ("pope", "pope_adv", "pope_pop", "pope_random")


@dataclass(frozen=True)
class PopeRun:
    """One run of the stock POPE tasks: its folder, the folder of its records, and what was printed."""

    home: Path
    records: Path
    printed: str


@pytest.fixture(scope="module")
def pope(tmp_path_factory: pytest.TempPathFactory) -> PopeRun:
    home = tmp_path_factory.mktemp("pope")
    write_pope(home)
    words = ("--model", "hf-multimodal-lens", "--batch_size", "4", "--tasks", ",".join(POPE), "--log_samples")
    return PopeRun(
        home, home / "runs/pope", run_command(home, "lmms-eval", *words, "--output_path", "runs/pope").stdout
    )


@pytest.mark.end_to_end
def test_the_stock_pope_tasks_run_on_a_local_copy(pope: PopeRun) -> None:
    for name in ("pope_accuracy", "pope_f1_score", "lens_commit_depth", "lens_coverage", "lens_emerged"):
        assert pope.printed.count(f"|{name} ") == 4, pope.printed[-4000:]
    assert "Lens records of pope: " in pope.printed
    run = load(pope.records)
    assert run.tasks == tuple(sorted(POPE))
    samples = run.samples[run.samples["task"] == "pope"]
    assert samples["cluster"].nunique() == 2
    results = json.loads(next(pope.records.rglob("*_results.json")).read_text())
    assert results["lens"]["run_id"] == run.info.run_id
    assert results["results"]["pope"]["lens_coverage,none"] == pytest.approx((samples["status"] == "ok").mean())
    lines = next(pope.records.rglob("*_samples_pope.jsonl")).read_text().splitlines()
    assert len(lines) == 12
    assert all("lens_coverage" in json.loads(line) for line in lines)


@pytest.mark.end_to_end
def test_two_processes_give_the_rows_of_one(pope: PopeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_CPU", "1")  # `accelerate launch --cpu` starts one process, whatever it is told
    words = ("torchrun", "--standalone", "--nproc_per_node", "2", "-m", "lmms_eval", "--model", "hf-multimodal-lens")
    words += ("--tasks", "pope", "--log_samples", "--limit", "11", "--output_path", "runs/two")
    done = run_alone(pope.home, *words)
    assert " 6/6 " in done.stdout, "the first process answers its half"
    one, two = load(pope.records), load(pope.home / "runs/two")
    assert two.samples["doc_id"].tolist() == list(range(11))
    same = (one.samples["task"] == "pope") & (one.samples["doc_id"] < 11)
    for column in ("doc_id", "response", "status", "answer_step", "correct", "score.pope_accuracy"):
        assert one.samples[same][column].tolist() == two.samples[column].tolist(), column
    for name in ("entropy", "jsd_last", "logprob_pred"):
        np.testing.assert_allclose(one.stack(name)[same], two.stack(name), **lens_tiny_bounds())
    assert not list((pope.home / "runs").rglob(".lens_parts"))


# a run as short as this one may end within the seconds that a part waits: it writes each batch
_KILLED = """
from lens_engine import record_cache, recorder, waiting
waiting.READ_SECONDS = recorder.PART_SECONDS = record_cache.PART_SECONDS = 0.0
from lmms_eval.cli.dispatch import main
main()
"""


def test_a_killed_run_keeps_what_it_answered_and_continues(command: Command, tmp_path: Path) -> None:
    words = ("--model", "hf-multimodal-lens", "--tasks", "pope_mini", "--limit", "48", "--output_path", "runs/k")
    words += ("--use_cache", str(tmp_path / "cache"), "--log_samples")
    process = subprocess.Popen(
        [sys.executable, "-c", _KILLED, *words], cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 240
    kept = (tmp_path / "runs", tmp_path / "cache")  # the records of the run, and those beside its answers
    while not all(list(each.rglob("*.parquet")) for each in kept) and time.monotonic() < deadline:
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    killed = load(tmp_path / "runs")
    assert not killed.complete
    assert 0 < len(killed) < 48
    assert killed.samples["doc_id"].tolist() == list(range(len(killed))), "no answer between two others is lost"
    (kept_in_cache,) = load_all(list((tmp_path / "cache").rglob("*.parquet")))
    assert abs(len(kept_in_cache) - len(killed)) <= 1, "the one that was being written"
    assert killed.samples["response"].str.len().gt(0).any()

    done = command("lmms-eval", *words, "--output_path", "runs/again")
    taken = f"Lens: {len(kept_in_cache)} of 48 answers are those of earlier runs"
    assert taken in done.stdout, done.stdout[-4000:]
    again = load(tmp_path / "runs/again")
    assert again.complete
    assert again.samples["doc_id"].tolist() == list(range(48))
    both = killed.samples.merge(again.samples, on="doc_id", suffixes=("_killed", ""))
    assert both["response_killed"].tolist() == both["response"].tolist()
