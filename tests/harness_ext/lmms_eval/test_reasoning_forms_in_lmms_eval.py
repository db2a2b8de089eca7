"""`lens_probes=steps` in lmms-eval where models think in tags: opened by the template, unclosed, answered inside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lmms_eval.tasks import TaskManager
from lmms_eval_outcome import Evaluate
from reasoning_documents import SCRIPTS, write_reasoning_tasks
from scripted_checkpoint import scripted_checkpoint


@pytest.mark.parametrize("case", SCRIPTS)
def test_answers_stay_and_the_status_says_what_was_read(evaluate: Evaluate, tmp_path: Path, case: str) -> None:
    script, opens, task, status, steps, n_steps = SCRIPTS[case]
    model = f"pretrained={scripted_checkpoint(tmp_path / 'model', script, opens=opens)}"
    manager = TaskManager(
        include_path=str(write_reasoning_tasks(tmp_path / "tasks", "lmms_eval")),
        include_defaults=False,
        model_name="hf-multimodal-lens",
    )
    plain = evaluate(task, f"{model},lens=False", task_manager=manager, output="plain")
    stepped = evaluate(task, f"{model},lens_probes=steps", task_manager=manager, output="stepped")
    assert stepped.texts(task) == plain.texts(task) == [script] * 2
    assert stepped.value(task, "exact") == plain.value(task, "exact")
    for record in stepped.run.records():
        assert record.response == script and record.status == status
        assert record.probe_status["steps"].startswith(steps)
        arrays = record.probes["steps"]
        assert len(arrays["start"]) == n_steps
        if steps == "ok":
            assert list(record.candidates) == ["A", "B", "C", "D"]
            assert np.argmax(arrays["forced"], axis=1).tolist() == [1, 1, 1]
            assert record.label_free["commit_step"] == 0 and record.label_free["answer_without_thinking"] == 1
        else:
            assert "forced" not in arrays
