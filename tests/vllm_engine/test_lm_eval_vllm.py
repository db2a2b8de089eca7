"""`vllm-multimodal-lens` in lm-eval: the stock model's answers, and the records of the transformers model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lm_eval import evaluator
from lm_eval.tasks import TaskManager
from served import own_bounds

from harness_ext.lm_eval.plugin import register
from lens_models import LENS_TINY, LensArgumentError
from lens_models.loading import resolve_pretrained
from lens_results import Run, load
from lens_tasks.folders import lm_eval_tasks

SERVED = "dtype=float32,max_model_len=1024,max_num_seqs=5"
TASKS = ("ruclevr_mini", "weird_mini")
LIMIT = 12


@pytest.fixture(scope="module")
def task_manager(mera_tasks: Path) -> TaskManager:
    register()
    return TaskManager(include_path=[str(mera_tasks), str(lm_eval_tasks())], include_defaults=False)


def evaluated(manager: TaskManager, model: str, arguments: str, tasks: tuple[str, ...] = TASKS, **more: Any) -> Any:
    return evaluator.simple_evaluate(
        model=model, model_args=arguments, tasks=list(tasks), limit=LIMIT, batch_size=4, bootstrap_iters=0,
        task_manager=manager, apply_chat_template=True, **more,
    )  # fmt: skip


def texts(results: Any, task: str) -> list[str]:
    return [sample["resps"][0][0] for sample in results["samples"][task]]


@pytest.fixture(scope="module")
def served(task_manager: TaskManager, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Run]:
    folder = tmp_path_factory.mktemp("records")
    arguments = f"pretrained={LENS_TINY},{SERVED},lens_dir={folder},lens_controls=blank"
    return evaluated(task_manager, "vllm-multimodal-lens", arguments), load(folder)


def test_answers_and_scores_are_those_of_the_stock_model(served: tuple[Any, Run], task_manager: TaskManager) -> None:
    arguments = f"pretrained={resolve_pretrained(LENS_TINY)},{SERVED},enforce_eager=True"
    stock = evaluated(task_manager, "vllm-vlm", arguments)
    for task in TASKS:
        assert texts(served[0], task) == texts(stock, task)
        table = stock["results"][task]
        assert {name: served[0]["results"][task][name] for name in table if "alias" not in name} == {
            name: value for name, value in table.items() if "alias" not in name
        }


def test_records_are_those_of_transformers(served: tuple[Any, Run], task_manager: TaskManager, tmp_path: Path) -> None:
    plain = evaluated(
        task_manager, "hf-multimodal-lens",
        f"pretrained={LENS_TINY},dtype=float32,lens_dir={tmp_path},lens_controls=blank", device="cpu",
    )  # fmt: skip
    other, read = load(tmp_path), 0
    for task in TASKS:
        assert texts(served[0], task) == texts(plain, task)
        for number in range(LIMIT):
            ours, theirs = (run.record((task, number, 0, 0)) for run in (served[1], other))
            assert (ours.status, ours.response, ours.prompt_sha256) == (
                theirs.status, theirs.response, theirs.prompt_sha256,
            )  # fmt: skip
            for name, expected in vars(theirs).items():
                if isinstance(expected, np.ndarray) and expected.dtype.kind == "f":
                    np.testing.assert_allclose(getattr(ours, name), expected, **own_bounds(), err_msg=name)
                    read += 1
            for name, values in theirs.controls.get("blank", {}).items():
                np.testing.assert_allclose(ours.controls["blank"][name], values, **own_bounds(), err_msg=name)
    assert read > 2 * LIMIT * 10, "of every document a dozen arrays"


def test_multiple_choice_with_images_is_scored(task_manager: TaskManager, tmp_path: Path) -> None:
    """`vllm-vlm` does not answer these; the scores are those of the transformers model."""
    arguments = {
        "vllm-multimodal-lens": f"pretrained={LENS_TINY},{SERVED},lens_dir={tmp_path / 'served'}",
        "hf-multimodal-lens": f"pretrained={LENS_TINY},dtype=float32,lens_dir={tmp_path / 'plain'}",
    }
    found = {model: evaluated(task_manager, model, each, ("choice",)) for model, each in arguments.items()}
    scores = [
        [[resp[0] for resp in sample["resps"]] for sample in results["samples"]["choice"]] for results in found.values()
    ]
    for ours, theirs in zip(*scores, strict=True):
        assert [greedy for _, greedy in ours] == [greedy for _, greedy in theirs]
        np.testing.assert_allclose([each for each, _ in ours], [each for each, _ in theirs], **own_bounds())
    one, other = (load(tmp_path / name).record(("choice", 0, 0, 0)) for name in ("served", "plain"))
    assert one.status == other.status == "ok"
    np.testing.assert_allclose(one.cand_scores, other.cand_scores, **own_bounds())


def test_data_parallelism_of_lm_eval_is_refused(task_manager: TaskManager) -> None:
    with pytest.raises(LensArgumentError, match="use tensor_parallel_size"):
        evaluated(task_manager, "vllm-multimodal-lens", f"pretrained={LENS_TINY},{SERVED},data_parallel_size=2")
