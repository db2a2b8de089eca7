"""From what stock tasks say of a document to the score of a report: their own functions and metric lists."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lmms_eval.tasks
import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from harness_ext.tasks import metric_directions
from lens_engine.table import numeric_scores, scores_of_filter
from lens_report.measures.main_score import main_score, score_columns

TASKS = Path(lmms_eval.tasks.__file__).parent


class _Loader(yaml.SafeLoader):
    """Reads the harness's task files, functions as their names."""


_Loader.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))


def listed(file: str) -> dict[str, bool | None]:
    """The metrics of a stock task, through what the adapters ask a task object."""
    metrics = yaml.load((TASKS / file).read_text(encoding="utf-8"), _Loader)["metric_list"]
    task = SimpleNamespace(
        aggregation=lambda: {each["metric"]: None for each in metrics},
        higher_is_better=lambda: {each["metric"]: each.get("higher_is_better") for each in metrics},
    )
    return metric_directions(task)


def frame(*documents: dict[str, Any]) -> pd.DataFrame:
    """The score columns of records of these documents."""
    rows = [{f"score.{name}": value for name, value in numeric_scores(each).items()} for each in documents]
    return pd.DataFrame(rows).assign(correct=pd.array([None] * len(rows), dtype="boolean"))


def stock(module: str, function: str, document: dict[str, Any], answer: str) -> dict[str, Any]:
    found: dict[str, Any] = getattr(import_module(f"lmms_eval.tasks.{module}.utils"), function)(document, [answer])
    return found


def test_chartqa() -> None:
    documents = [
        stock("chartqa", "chartqa_process_results", {"type": kind, "answer": "10"}, answer)
        for kind, answer in (("human_test", "10.2"), ("augmented_test", "7"), ("human_test", "10"))
    ]
    score = main_score(frame(*documents), listed("chartqa/chartqa.yaml"))
    assert (score.name, score.values.tolist(), score.beside) == ("relaxed_overall", [1, 0, 1], ())


def test_docvqa() -> None:
    documents: list[dict[str, Any]] = [{"anls": 0.75}, {"anls": np.float64(0.0)}, {"anls": 1}]
    score = main_score(frame(*documents), listed("docvqa/docvqa_val.yaml"))
    assert (score.name, score.values.tolist()) == ("anls", [0.75, 0, 1])


def test_mmstar_is_scored_by_the_metric_that_covers_all_its_documents() -> None:
    def one(category: str, answer: str) -> dict[str, Any]:
        document = {"answer": "A", "category": category, "l2_category": "x", "index": 1}
        return stock("mmstar", "mmstar_process_results", document, answer)

    found = frame(one("math", "A"), one("coarse perception", "B"), one("logical reasoning", "A"))
    score = main_score(found, listed("mmstar/_default_template_yaml"))
    assert (score.name, score.values.tolist(), score.beside) == ("average", [1, 0, 1], ())


def test_mme_keeps_both_of_its_scores_and_makes_no_mean_of_them() -> None:
    def one(category: str, answer: str) -> dict[str, Any]:
        document = {"answer": "Yes", "category": category, "question_id": "q"}
        return stock("mme", "mme_process_results", document, answer)

    found = frame(one("color", "yes"), one("code_reasoning", "yes"), one("color", "no"), one("translation", "no"))
    score = main_score(found, listed("mme/mme.yaml"))
    assert (score.name, score.beside) == ("mme_perception_score", ("score.mme_cognition_score",))
    np.testing.assert_array_equal(score.values, [1, np.nan, 0, np.nan])
    np.testing.assert_array_equal(score.judged, [1, 1, 0, 0])


def test_a_metric_of_which_lower_is_better_is_no_score() -> None:
    found = pd.DataFrame({"score.wer": [0.1, 0.9], "score.exact_match": [1.0, 0.0], "correct": [True, False]})
    assert main_score(found, {"wer": False, "exact_match": True}).name == "exact_match"
    assert main_score(found[["score.wer", "correct"]], {"wer": False}).name == "lens verdict"


def test_every_filter_s_score_is_kept_and_the_first_is_the_main_one() -> None:
    filters = ("strict-match", "flexible-extract")
    rows = []
    for strict, flexible in ((0, 1), (0, 0), (1, 1)):
        scores: dict[str, float] = {}
        for name, value in zip(filters, (strict, flexible), strict=True):
            scores |= scores_of_filter(numeric_scores({"exact_match": value}), name, filters)
        rows.append({f"score.{name}": value for name, value in scores.items()})
    found = pd.DataFrame(rows).assign(correct=pd.array([None] * 3, dtype="boolean"))
    columns = ["score.exact_match,strict-match", "score.exact_match,flexible-extract"]
    assert score_columns(found, {"exact_match": True}) == columns
    assert main_score(found, {"exact_match": True}).values.tolist() == [0, 0, 1]
    assert scores_of_filter({"acc": 1.0}, "none", ("none",)) == {"acc": 1.0}


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"relaxed_overall": [1, 0], "relaxed_human_split": [1, None]}, "relaxed_overall"),
        ({"anls": [0.5, 1.0]}, "anls"),
        ({"math": [1, None], "average": [1, 0]}, "average"),
        ({"format_error": [1, 0]}, "lens verdict"),
        ({"pope_f1_score": [1, 0], "pope_accuracy": [1, 0]}, "pope_accuracy"),
        ({"rating": [4, 5]}, "lens verdict"),
    ],
)
def test_records_that_list_no_metrics(values: dict[str, list[float | None]], name: str) -> None:
    found = pd.DataFrame({f"score.{metric}": pd.array(each, "Float64") for metric, each in values.items()})
    assert main_score(found.assign(correct=pd.array([None, True], dtype="boolean"))).name == name


@pytest.mark.parametrize(
    "value",
    [
        1, True, 1.0, np.bool_(True), np.int64(1), np.float32(1), np.array(1), np.array([1]), np.array([[True]]),
        torch.tensor(1), torch.tensor([True]), torch.tensor(1.0, dtype=torch.bfloat16), Decimal(1), Fraction(1, 1), [1],
        (np.int8(1),), {"score": np.bool_(True)}, {"score": torch.tensor([1]), "question_id": 7, "category": "x"},
    ],
)  # fmt: skip
def test_numbers_of_all_kinds_are_kept(value: Any) -> None:
    assert numeric_scores({"m": value}) == {"m": 1.0}


@pytest.mark.parametrize(
    "value",
    [
        None,
        "1",
        b"1",
        [1, 2],
        np.array([1, 2]),
        torch.zeros(2),
        {},
        {"gold": 1},
        np.str_("1"),
        1j,
        [],
        10**400,
        object(),
    ],
)
def test_what_is_no_number_is_left_out(value: Any) -> None:
    assert numeric_scores({"m": value}) == {}
