"""One, two and more processes: the same rows, how much faster."""

from __future__ import annotations

import itertools
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.harness.made_task import MADE, write_task
from lens_results import Run, load

__all__ = ["time_processes"]


def time_processes(
    counts: list[int], limits: tuple[int, int], threads: int, rounds: int, *, cpu: bool
) -> list[dict[str, Any]]:
    """One row a number of processes: seconds of a run, how much faster than by the first, whether rows are the same.

    Every process gets `threads` threads and pays the start in full (imports, the model, the data set). So two runs of
    different length are timed from the command to its end, and what the samples take that one has beyond the other is
    compared within each round; nan on a machine with fewer cores than threads.

    Args:
        counts: numbers of processes.
        limits: samples of the shorter run and of the longer one, a drawn picture each.
        threads: of each process.
        rounds: of all runs; medians are given.
        cpu: without a GPU.
    """
    found: dict[int, list[tuple[float, float]]] = {count: [] for count in counts}
    same: dict[int, bool] = {}
    with tempfile.TemporaryDirectory() as name:
        tasks = write_task(Path(name), max(limits))["lmms_eval"]
        first: Run | None = None
        for number, count in itertools.product(range(rounds), counts):
            folders = [Path(name) / f"{number}_{count}_{limit}" for limit in limits]
            short, long = (
                _launch(count, tasks, limit, threads, folder, cpu)
                for limit, folder in zip(limits, folders, strict=True)
            )
            found[count].append((long, 1000 * (long - short) / (limits[1] - limits[0])))
            run = load(folders[-1])
            first = first or run
            same[count] = same.get(count, True) and len(run) == limits[1] and _same(first, run)
    rows = []
    for count, times in found.items():
        faster = median(one[1] / own[1] for one, own in zip(found[counts[0]], times, strict=True))
        enough = not cpu or len(os.sched_getaffinity(0)) >= count * threads
        rows.append(
            {
                "processes": count, "threads_each": threads, "samples": limits[1],
                "seconds": median(long for long, _ in times), "ms_sample": median(each for _, each in times),
                "faster": faster if enough else math.nan, "same_rows": same[count],
            }
        )  # fmt: skip
    return rows


def _launch(count: int, tasks: Path, limit: int, threads: int, folder: Path, cpu: bool) -> float:
    task_words = ("--model", "hf-multimodal-lens", "--include_path", str(tasks), "--tasks", MADE, "--limit", str(limit))
    words = [sys.executable, "-m", *_launcher(count, cpu), "-m", "lmms_eval", *task_words, "--output_path", str(folder)]
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
