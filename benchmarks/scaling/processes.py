"""One, two and more processes: the same rows, how much faster."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from lens_results import Run, load

__all__ = ["time_processes"]


def time_processes(counts: list[int], task: str, limit: int, threads: int, *, cpu: bool) -> list[dict[str, Any]]:
    """One row a number of processes: wall seconds from the command to its end, and whether the rows are the same.

    Every process gets `threads` threads. The start (imports, loading the model, the data set) is timed too: it is paid
    in full by every process and is most of a run as short as this.
    """
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        first: Run | None = None
        for count in counts:
            folder = Path(name) / str(count)
            seconds = _launch(count, task, limit, threads, folder, cpu)
            run = load(folder)
            first = first or run
            rows.append(
                {
                    "processes": count,
                    "threads_each": threads,
                    "samples": len(run),
                    "seconds": seconds,
                    "same_rows": _same(first, run),
                }
            )
    return rows


def _launch(count: int, task: str, limit: int, threads: int, folder: Path, cpu: bool) -> float:
    task_words = ("-m", "lmms_eval", "--model", "hf-multimodal-lens", "--tasks", task, "--limit", str(limit))
    words = [sys.executable, "-m", *_launcher(count, cpu), *task_words, "--output_path", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
    if cpu:
        environment["ACCELERATE_USE_CPU"] = "1"
    start = time.perf_counter()
    done = subprocess.run(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout[-3000:]}")
    return time.perf_counter() - start


def _launcher(count: int, cpu: bool) -> list[str]:
    if cpu:  # `accelerate launch --cpu` starts one process, whatever number it is given
        return ["torch.distributed.run", "--standalone", "--nproc_per_node", str(count)]
    several = ["--multi_gpu"] if count > 1 else []
    return [
        "accelerate.commands.launch", "--num_processes", str(count), "--num_machines", "1", "--mixed_precision", "no",
        "--dynamo_backend", "no", *several,
    ]  # fmt: skip


def _same(one: Run, other: Run) -> bool:
    columns = ["doc_id", "response", "status", "answer_step"]
    if not one.samples[columns].equals(other.samples[columns]):
        return False
    return all(np.allclose(one.stack(name), other.stack(name), atol=1e-4) for name in ("entropy", "logprob_pred"))
