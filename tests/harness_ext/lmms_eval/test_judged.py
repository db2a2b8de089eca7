"""Scores of single documents of MMMU and its kin, by the stock tasks' own functions."""

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


@pytest.mark.parametrize(
    ("module", "family", "metric", "document", "right", "wrong"),
    [
        ("videommmu", "videommmu", "mmmu_acc", {**CHOICE, "options": ["A. x", "B. y"]}, "B", "A"),
        ("mmmu", "mmmu", "mmmu_acc", {**CHOICE, "options": "['x', 'y']"}, "B", "A"),
        (
            "mmmu",
            "mmmu",
            "mmmu_acc",
            {**CHOICE, "question_type": "open", "options": "[]", "answer": "12"},
            "It is 12.",
            "13",
        ),
        ("jmmmu", "jmmmu", "jmmmu_acc", {**CHOICE, "options": "['x', 'y']"}, "B", "A"),
        ("cmmmu", "cmmmu", "cmmmu_acc", CHINESE, "B", "A"),
    ],
)
def test_a_document_is_judged_as_the_task_judges_a_set(
    module: str,
    family: str,
    metric: str,
    document: Mapping[str, Any],
    right: str,
    wrong: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HF_HOME", "/nowhere")  # video_mmmu wants to know where its videos would be
    utils = importlib.import_module(f"lmms_eval.tasks.{module}.utils")
    aggregate = getattr(utils, f"{family}_aggregate_results")
    task = SimpleNamespace(aggregation=lambda: {metric: aggregate})
    values = [getattr(utils, f"{family}_process_results")(document, [answer]) for answer in (right, wrong)]
    capsys.readouterr()
    assert [judged_alone(task, each) for each in values] == [{metric: 1.0}, {metric: 0.0}]
    assert capsys.readouterr().out == ""
    assert aggregate([each[metric] for each in values]) == pytest.approx(0.5), "the mean of the single scores"


def test_other_metrics_and_broken_ones_have_no_score_of_a_document() -> None:
    def fail(values: object) -> float:
        raise KeyError("subdomain")

    task = SimpleNamespace(aggregation=lambda: {"mmmu_acc": fail, "exact": len})
    assert judged_alone(task, {"exact": {"parsed_pred": "B"}, "mmmu_acc": 1.0}) == {}
    assert judged_alone(task, {"mmmu_acc": {"parsed_pred": "B", "answer": "B"}}) == {}
