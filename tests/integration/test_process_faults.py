"""Processes that are killed: what was answered stays, and the same command goes on from there."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from command_runner import BIN, Command, environment
from plain_model import lens_tiny_bounds

from lens_results import Run, load, load_all

LMMS = ("--model", "hf-multimodal-lens", "--tasks", "pope_mini", "--log_samples")
LM = ("--model", "hf-multimodal-lens", "--tasks", "ruclevr_mini", "--apply_chat_template", "--log_samples")
LAUNCH = ("torchrun", "--standalone", "--nproc_per_node", "2", "-m", "lmms_eval")
PATIENCE = 200.0

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Begin a command in a process group of its own; what is left of it at the end is killed."""
    begun: list[subprocess.Popen[bytes]] = []

    def begin(*words: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [str(BIN / words[0]), *words[1:]], cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        begun.append(process)
        return process

    yield begin
    for process in begun:
        if process.poll() is None:
            kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for_answers(process: subprocess.Popen[bytes], folder: Path, processes: int = 1) -> None:
    """Wait until that many processes have answers in the store that are there to stay."""
    deadline = time.monotonic() + PATIENCE
    while len({path.parent for path in folder.rglob(".lens_parts/*/*.parquet")}) < processes:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline, "nothing was answered"
        time.sleep(0.2)


def assert_continued(killed: Path, again: Run, documents: int) -> None:
    """All documents are there once, and those that the killed run had recorded have the answers from before."""
    assert again.complete
    assert again.samples["doc_id"].tolist() == list(range(documents))
    for before in load_all(killed) if list(killed.rglob("*.parquet")) else ():
        assert not before.complete
        both = before.samples.merge(again.samples, on="doc_id", suffixes=("_killed", ""))
        assert len(both) == len(before)
        assert both["response_killed"].tolist() == both["response"].tolist()


@pytest.mark.slow
def test_a_killed_rank_ends_the_run_and_the_next_one_continues(
    command: Command, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_CPU", "1")
    words = (*LAUNCH, *LMMS, "--limit", "80", "--use_cache", str(tmp_path / "cache"))
    process = start(*words, "--output_path", "runs/k")
    wait_for_answers(process, tmp_path / "cache", 2)
    ranks = {child.environ().get("RANK"): child for child in psutil.Process(process.pid).children(recursive=True)}
    ranks["1"].kill()
    assert process.wait(timeout=PATIENCE) != 0, "the launcher reports the killed process"
    assert not ranks["0"].is_running(), "nothing waits for a process that is gone"
    done = command(*words, "--output_path", "runs/again")
    assert re.search(r"Lens: [1-9]\d* of 40 answers are those of earlier runs", done.stdout), done.stdout[-4000:]
    assert_continued(tmp_path / "runs/k", load(tmp_path / "runs/again"), 80)


@pytest.mark.slow
def test_a_killed_run_of_lm_eval_continues(command: Command, start: Start, tmp_path: Path) -> None:
    words = ("lm-eval-lens", *LM, "--limit", "24", "--use_cache", str(tmp_path / "cache" / "answers"))
    process = start(*words, "--output_path", "runs/k")
    wait_for_answers(process, tmp_path / "cache")
    kill(process)
    done = command(*words, "--output_path", "runs/again")
    found = re.search(
        r"Lens: (\d+) of 24 answers are those of earlier runs, .*; (\d+) are computed: \2 new", done.stdout
    )
    assert found, done.stdout[-4000:]
    assert int(found[1]) > 0 and int(found[2]) > 0
    assert_continued(tmp_path / "runs/k", load(tmp_path / "runs/again"), 24)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("harness", ["lmms-eval", "lm-eval-lens"])
def test_kills_at_random_moments_lose_no_sample_and_double_none(
    command: Command, start: Start, tmp_path: Path, harness: str
) -> None:
    words = (harness, *(LMMS if harness == "lmms-eval" else LM), "--limit", "120")
    seed = random.randrange(10**6)
    print(f"moments drawn with seed {seed}")
    moments = random.Random(seed)
    calm_start = time.monotonic()
    command(*words, "--output_path", "runs/calm")
    seconds = time.monotonic() - calm_start
    calm = load(tmp_path / "runs/calm")
    cached = (*words, "--use_cache", str(tmp_path / "answers"))
    for number in range(4):
        process = start(*cached, "--output_path", f"runs/{number}")
        time.sleep(moments.uniform(0.3, 0.95) * seconds)
        kill(process)
    command(*cached, "--output_path", "runs/again")
    again = load(tmp_path / "runs/again")
    assert again.samples["doc_id"].tolist() == list(range(120))
    assert again.samples["response"].tolist() == calm.samples["response"].tolist()
    assert again.samples["status"].tolist() == calm.samples["status"].tolist()
    for name in ("entropy", "logprob_pred"):
        np.testing.assert_allclose(again.stack(name), calm.stack(name), **lens_tiny_bounds())
