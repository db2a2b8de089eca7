"""Scores of single documents where the harness scores whole sets, by the stock tasks' own functions."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from harness_ext.lmms_eval.judged import judged_alone

CHOICE = {"id": "validation_Art_Theory_1", "question_type": "multiple-choice", "answer": "B", "question": "?"}
CHINESE = {"id": 1, "category": "艺术与设计", "subcategory": "艺术", "type": "选择", "answer": "B", "question": "?"}
CHINESE |= {f"option{n}": text for n, text in enumerate("xyzw", 1)}


TIMES = {"id": 1, "video_name": "v", "question": "?", "question_id": 3, "area": "Physics", "reasoning": "", "tag": []}


@pytest.mark.parametrize(
    ("module", "process", "aggregate", "metric", "document", "right", "wrong"),
    [
        ("videommmu", "videommmu", "videommmu", "mmmu_acc", CHOICE | {"options": ["A. x", "B. y"]}, "B", "A"),
        ("mmmu", "mmmu", "mmmu", "mmmu_acc", CHOICE | {"options": "['x', 'y']"}, "B", "A"),
        ("mmmu", "mmmu", "mmmu", "mmmu_acc", CHOICE | {"question_type": "open", "answer": "12"}, "It is 12.", "13"),
        ("jmmmu", "jmmmu", "jmmmu", "jmmmu_acc", CHOICE | {"options": "['x', 'y']"}, "B", "A"),
        ("cmmmu", "cmmmu", "cmmmu", "cmmmu_acc", CHINESE, "B", "A"),
        (
            "perceptiontest.val",
            "perceptiontest_val_process_results_mc",
            "perceptiontest_val_aggregate_accuracy",
            "accuracy",
            TIMES | {"answer_id": 2},
            "C. the red one",
            "A",
        ),
        (
            "egoschema",
            "egoschema_process_results_generation",
            "egoschema_aggregate_score",
            "score",
            {"video_idx": "v", "option": [f"{key}. {key}" for key in "ABCDE"], "answer": "3"},
            "D",
            "A",
        ),
    ],
)
def test_a_document_is_judged_as_the_task_judges_a_set(
    module: str,
    process: str,
    aggregate: str,
    metric: str,
    document: Mapping[str, Any],
    right: str,
    wrong: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HF_HOME", "/nowhere")  # these modules want to know where videos would be
    utils = importlib.import_module(f"lmms_eval.tasks.{module}.utils")
    whole = getattr(utils, aggregate if "_" in aggregate else f"{aggregate}_aggregate_results")
    score = getattr(utils, process if "_" in process else f"{process}_process_results")
    task = SimpleNamespace(aggregation=lambda: {metric: whole})
    values = [score(dict(document), [answer]) for answer in (right, wrong)]
    capsys.readouterr()
    assert [judged_alone(task, each) for each in values] == [{metric: 1.0}, {metric: 0.0}]
    assert capsys.readouterr().out == ""
    more = {"args": None} if metric in ("accuracy", "score") else {}
    assert whole([each[metric] for each in values], **more) == pytest.approx(0.5), "the mean of the single scores"


def test_a_rating_of_tempcompass_is_its_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", "/nowhere")
    utils = importlib.import_module("lmms_eval.tasks.tempcompass.utils")
    document = {"video_id": "1", "question": "?", "answer": "B. slower", "dim": "speed"}
    for answer, score in (("B", 1.0), ("A", 0.0)):
        metrics = utils.tempcompass_process_results_multi_choice(document, [answer])
        assert judged_alone(SimpleNamespace(), metrics) == {"avg_accuracy": score, "speed_accuracy": score}


def test_other_metrics_and_broken_ones_have_no_score_of_a_document() -> None:
    def fail(values: object) -> float:
        raise KeyError("subdomain")

    task = SimpleNamespace(aggregation=lambda: {"mmmu_acc": fail, "exact": len})
    assert judged_alone(task, {"exact": {"parsed_pred": "B"}, "mmmu_acc": 1.0}) == {}
    assert judged_alone(task, {"mmmu_acc": {"parsed_pred": "B", "answer": "B"}}) == {}
