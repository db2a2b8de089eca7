"""The lens metrics stand in the harness's own results, and only where a lens ran."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from lm_eval import evaluator
from lm_eval.tasks import TaskManager, get_task_dict
from lm_eval_outcome import Evaluate
from plain_model import lens_tiny_bounds

from harness_ext.lm_eval.model import HFMultimodalLens
from harness_ext.lm_eval.repairs import _of_true_size
from lens_results import load


def test_metrics_stand_in_results_samples_and_files(evaluate: Evaluate, task_manager: TaskManager) -> None:
    outcome = evaluate("ruclevr,private", batch_size=4)
    assert outcome.value("ruclevr", "lens_coverage") is not None
    read = [outcome.run.record((task, n, 0, 0)) for task in ("ruclevr", "private") for n in range(5)]
    for task, name, scalars in (("ruclevr", "emerged", "gold_based"), ("private", "final_prob", "label_free")):
        values = [getattr(record, scalars).get(name) for record in read if record.task == task]
        known = [value for value in values if value is not None]
        expected = pytest.approx(sum(known) / len(known)) if known else None
        assert outcome.value(task, f"lens_{name}") == expected
    assert outcome.value("private", "lens_emerged") is None, "a task without gold answers has no gold-based metrics"
    assert outcome.results["higher_is_better"]["ruclevr"]["lens_coverage"] is True
    sample = outcome.results["samples"]["ruclevr"][0]
    assert "lens_coverage" in sample["metrics"]
    assert sample["lens_coverage"] in (0.0, 1.0)
    written = next(outcome.folder.glob("results_*.json"))
    assert "lens_coverage,none" in json.loads(written.read_text())["results"]["ruclevr"]
    lens = json.loads(written.read_text())["config"]["lens"]
    assert lens["n_layers"] == len(lens["layer_index"])
    assert lens["identity"]["deviation"] <= lens["identity"]["tolerance"]

    names = sorted(path.name for path in outcome.folder.iterdir())
    assert all(name.startswith(("lens_", "results_", "samples_")) for name in names)
    assert [name for name in names if name.startswith("lens_") and name.endswith(".parquet")] == [
        Path(file).name for _, file in sorted(outcome.results["lens"]["records"].items())
    ]

    run = outcome.run
    for number, sample in enumerate(outcome.results["samples"]["ruclevr"]):
        record = run.record(("ruclevr", number, 0, 0))
        assert record.scores["exact_match"] == sample["exact_match"]
        assert record.gold == (sample["target"],)
        assert record.question_type == "binary" or record.question_type
    assert run.info.harness.name == "lm-eval"
    assert run.info.prompt["apply_chat_template"] is True
    assert run.info.limits["batch_size"] == 4


def test_predict_only_keeps_answers_and_lens_metrics(evaluate: Evaluate) -> None:
    outcome = evaluate("ruclevr", predict_only=True, limit=2)
    assert outcome.value("ruclevr", "bypass") is not None
    assert outcome.value("ruclevr", "lens_coverage") is not None
    run = outcome.run
    assert len(run.samples) == 2
    assert run.record(("ruclevr", 0, 0, 0)).scores == {}, "a placeholder is no score"


def test_without_the_lens_nothing_is_added(evaluate: Evaluate) -> None:
    outcome = evaluate("ruclevr", "lens=False", limit=2)
    assert not [name for name in outcome.results["results"]["ruclevr"] if name.startswith("lens")]
    assert "lens" not in outcome.results
    assert "lens" not in outcome.results["config"]
    assert not list(outcome.folder.glob("lens_*"))


def test_chosen_samples_keep_their_document_numbers(evaluate: Evaluate) -> None:
    outcome = evaluate("ruclevr", samples={"ruclevr": [1, 3]})
    assert sorted(outcome.run.samples["doc_id"]) == [1, 3]
    logged = {sample["doc_id"]: sample["resps"][0][0] for sample in outcome.results["samples"]["ruclevr"]}
    assert {number: outcome.run.record(("ruclevr", number, 0, 0)).response for number in (1, 3)} == logged


def test_text_tasks_are_read_too(evaluate: Evaluate) -> None:
    outcome = evaluate("text")
    assert outcome.value("text", "lens_coverage") is not None
    assert list(outcome.run.samples["response"]) == outcome.texts("text")
    assert outcome.texts("text") == evaluate("text", model="hf-multimodal", output="stock").texts("text")


@pytest.mark.parametrize("arguments", ["", "lens_one_prefill=True"])
def test_multiple_choice_with_images_is_scored_and_read(evaluate: Evaluate, arguments: str) -> None:
    outcome = evaluate("choice", arguments, limit=3)
    assert outcome.value("choice", "acc") is not None
    assert outcome.value("choice", "lens_coverage") == 1.0
    record = outcome.run.record(("choice", 0, 0, 0))
    assert record.kind == "loglikelihood"
    assert record.candidates == ("да", "нет")
    scores = [resp[0][0] for resp in outcome.results["samples"]["choice"][0]["resps"]]
    assert record.pred_candidate == scores.index(max(scores))
    np.testing.assert_allclose(record.cand_scores[-1], [float(score) for score in scores], **lens_tiny_bounds(tokens=4))


def test_a_failed_run_leaves_readable_records(evaluate: Evaluate, tmp_path: Path) -> None:
    before = evaluator.evaluate
    with pytest.raises(ZeroDivisionError):
        evaluate("ruclevr,failing", batch_size=1)
    folder = next((tmp_path / "out").iterdir())
    assert len(load(folder).samples) == 10
    assert evaluator.evaluate is before


def test_a_missing_output_path_says_what_to_do(task_manager: TaskManager, caplog: pytest.LogCaptureFixture) -> None:
    model = HFMultimodalLens(device="cpu", lens_thumbnails=False)
    tasks = _tasks(task_manager, "ruclevr")
    with caplog.at_level("WARNING", logger="harness_ext"):
        results = evaluator.evaluate(lm=model, task_dict=tasks, limit=1, bootstrap_iters=0)
    assert "Lens records are not kept: lm-eval did not tell where its results go" in caplog.text
    assert "lens_coverage,none" in results["results"]["ruclevr"]
    assert "lens_coverage" not in tasks["ruclevr"].aggregation(), "the task is as it was before"
    assert "process_results" not in vars(tasks["ruclevr"])


def _tasks(manager: TaskManager, name: str) -> dict[str, Any]:
    return dict(manager.load([name])["tasks"] if hasattr(manager, "load") else get_task_dict([name], manager))


def test_the_size_of_a_task_is_that_of_its_fullest_metric() -> None:
    """lm-eval 0.4.9 weights the tasks of a group by the length of the metric that came last."""
    output = SimpleNamespace(sample_metrics={("exact_match", "none"): [0, 1, 1], ("lens_emerged", "none"): [1]})
    sizes = _of_true_size(lambda outputs: [each.sample_len for each in outputs])([output])
    assert sizes == [3]
