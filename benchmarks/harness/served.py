"""`python -m benchmarks.harness.served`: whole runs under vLLM, stock and with the lens, in turns in one process.

It needs vLLM (`make .venv-vllm/.installed`). A run is from loading the model to the table; the first of each way is not
counted.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

# decided before the harnesses are imported; TQDM_DISABLE would break vLLM, which divides by the time of its bar
os.environ.update(
    {
        "HF_HUB_OFFLINE": "1", "LOGURU_LEVEL": "ERROR", "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_CPU_KVCACHE_SPACE": "1", "TORCH_COMPILE_DISABLE": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_USE_V2_MODEL_RUNNER": "0", **os.environ,
    }
)  # fmt: skip

import torch

from benchmarks.measure import CLOCKS, Check, Column, alternate, at_most, describe_machine, exit_code, show, write_json
from lens_models import LENS_TINY
from lens_models.loading import resolve_pretrained

_STOCK, _LENS = "stock vLLM", "with the lens"
_COLUMNS = (
    Column("way", "way"),
    Column("seconds", "seconds"),
    Column("ratio", "over stock"),
    Column("ms_sample", "ms a sample"),
)
_LIMIT = 1.05
_SERVED = "dtype=float32,max_model_len=1024,max_num_seqs=16,enforce_eager=True"
_TASKS = {"lmms_eval": "pope_mini", "lm_eval": "ruclevr_mini"}


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 when a run with the lens takes more than 1.05 of the stock one."""
    arguments = _arguments(words)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    machine = describe_machine(torch.device("cpu")) | {
        "clock": arguments.clock,
        "model": LENS_TINY,
        "arguments": _SERVED,
    }
    rows: list[dict[str, Any]] = []
    for harness in arguments.harnesses:
        found = _measure(harness, arguments)
        show(f"{harness}, {found[0]['samples']} samples of {_TASKS[harness]}", _COLUMNS, found)
        rows += found
        write_json(arguments.out / "harness_vllm.json", machine, rows, targets(rows))
    return exit_code(targets(rows))


def targets(rows: Iterable[Mapping[str, Any]]) -> list[Check]:
    """A whole run with the lens takes at most 1.05 of the stock model's."""
    return [
        at_most(f"{row['harness']}: lens over stock vLLM", row["ratio"].median, _LIMIT)
        for row in rows
        if row["way"] == _LENS
    ]


def _measure(harness: str, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        run = {"lmms_eval": _lmms_eval, "lm_eval": _lm_eval}[harness](arguments.limit, Path(folder))
        samples: dict[str, int] = {}

        def whole(way: str) -> None:
            samples[way] = len(run(way)["samples"][_TASKS[harness]])
            gc.collect()  # the model's memory goes back before the next run takes some

        ways = {way: (lambda way=way: whole(way)) for way in (_STOCK, _LENS)}
        timings = alternate(ways, arguments.rounds, clock=CLOCKS[arguments.clock])
    return [
        {
            "harness": harness, "way": way, "samples": samples[way], "seconds": timings.of(way),
            "ratio": timings.ratio(way, _STOCK), "ms_sample": 1000 * timings.of(way).median / samples[way],
        }
        for way in ways
    ]  # fmt: skip


def _lmms_eval(limit: int, folder: Path) -> Callable[[str], Any]:
    from lmms_eval import evaluator
    from lmms_eval.tasks import TaskManager

    from lens_tasks.folders import lmms_eval_tasks

    manager = TaskManager("ERROR", include_path=str(lmms_eval_tasks()), include_defaults=False)
    models = {
        _STOCK: ("vllm", f"model={resolve_pretrained(LENS_TINY)},{_SERVED}"),
        _LENS: ("vllm-multimodal-lens", f"model={LENS_TINY},{_SERVED}"),
    }

    def run(way: str) -> Any:
        model, words = models[way]
        options = argparse.Namespace(
            output_path=str(folder), model_args=words, process_with_media=False, reasoning_tags=None
        )
        return evaluator.simple_evaluate(
            model=model, model_args=words, tasks=["pope_mini"], limit=limit, batch_size=256, bootstrap_iters=0,
            task_manager=manager, cli_args=options, verbosity="ERROR",
        )  # fmt: skip

    return run


def _lm_eval(limit: int, folder: Path) -> Callable[[str], Any]:
    from lm_eval import evaluator
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    from harness_ext.lm_eval.plugin import register
    from lens_tasks.folders import lm_eval_tasks

    register()
    manager = TaskManager(include_path=str(lm_eval_tasks()), include_defaults=False)
    models = {
        _STOCK: ("vllm-vlm", f"pretrained={resolve_pretrained(LENS_TINY)},{_SERVED}"),
        _LENS: ("vllm-multimodal-lens", f"pretrained={LENS_TINY},{_SERVED}"),
    }

    def run(way: str) -> Any:
        model, words = models[way]
        return evaluator.simple_evaluate(
            model=model, model_args=words, tasks=["ruclevr_mini"], limit=limit, bootstrap_iters=0,
            apply_chat_template=True, task_manager=manager, verbosity="ERROR",
            evaluation_tracker=EvaluationTracker(output_path=str(folder)),
        )  # fmt: skip

    return run


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.harness.served", description=__doc__)
    parser.add_argument("--limit", type=int, default=160, help="samples of a run; fewer where the task has fewer")
    parser.add_argument("--harnesses", nargs="+", choices=tuple(_TASKS), default=list(_TASKS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clock", choices=tuple(CLOCKS), default="wall", help="processor: time of this process alone")
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), help="folder of the JSON file")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
