"""`lens_probes=steps` through lmms-eval: answers unchanged, columns in its table, cost in the run's description."""

from __future__ import annotations

from typing import Any

import pytest
from lmms_eval.tasks import TaskManager
from lmms_eval_outcome import Evaluate

from lens_tasks.folders import lmms_eval_tasks

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
LIMIT = 12


def test_steps_are_in_table_records_and_cost(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("cache")))
    manager = TaskManager(include_path=str(lmms_eval_tasks()), include_defaults=False, model_name="hf-multimodal-lens")
    run: Any = lambda arguments, output: evaluate(  # noqa: E731
        "ruclevr_mini", arguments, limit=LIMIT, task_manager=manager, output=output
    )
    plain, stepped = run("", "plain"), run("lens_probes=steps", "stepped")
    frame = stepped.run.samples
    assert frame["response"].tolist() == plain.run.samples["response"].tolist()
    assert stepped.value("ruclevr_mini", "exact_match") == plain.value("ruclevr_mini", "exact_match")
    read = frame[frame["probe_status.steps"] == "ok"]
    reasoned = frame["response"].str.startswith("РАССУЖДЕНИЕ") & (frame["status"] == "ok")
    assert len(read) == reasoned.sum() > 2
    for name in ("commit_step", "steps_after_commit", "flips_over_steps", "answer_without_thinking", "written_steps"):
        assert stepped.value("ruclevr_mini", f"lens_{name}") == pytest.approx(read[f"label_free.{name}"].mean())
    assert stepped.value("ruclevr_mini", "lens_right_without_thinking") == pytest.approx(
        read["gold_based.right_without_thinking"].mean()
    )
    cost = stepped.run.info.control_cost["steps"]
    # ten candidates of one token each share a pass: one for the start and one for each step
    assert cost["samples"] == len(read) and cost["forward_passes"] == (read["label_free.written_steps"] + 1).sum()
    assert plain.run.info.control_cost == {}
