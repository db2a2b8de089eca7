"""Gold, candidates and clusters of stock tasks of both harnesses, from their own files and a made document each.

The task object is the harness's own; only its data set is replaced by the one document.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lm_eval.tasks
import lmms_eval
import pytest
import yaml
from datasets import Dataset, DatasetDict
from lm_eval.api.task import ConfigurableTask as LmEvalTask
from lm_eval.tasks._yaml_loader import load_yaml
from lmms_eval.api.task import ConfigurableTask as LmmsEvalTask
from lmms_eval.utils import load_yaml_config

from harness_ext.tasks import answer_target

CASES = yaml.safe_load((Path(__file__).parent / "data" / "stock_targets.yaml").read_text(encoding="utf-8"))
LMMS_EVAL = Path(lmms_eval.__file__).parent / "tasks"
LM_EVAL = Path(lm_eval.tasks.__file__).parent


def made(harness: str, case: dict[str, Any]) -> Any:
    """The stock task with the case's document for its data."""
    base = LmmsEvalTask if harness == "lmms_eval" else LmEvalTask
    path = (LMMS_EVAL if harness == "lmms_eval" else LM_EVAL) / f"{case['task']}.yaml"
    config = load_yaml_config(yaml_path=str(path)) if harness == "lmms_eval" else load_yaml(path)

    class Task(base):  # type: ignore[misc, valid-type]
        def download(self, *_: Any, **__: Any) -> None:
            rows = Dataset.from_list([case["doc"]])
            splits = ("training_split", "validation_split", "test_split", "fewshot_split")
            self.dataset = DatasetDict(
                {getattr(self.config, split): rows for split in splits if getattr(self.config, split)}
            )
            self.dataset_no_image = self.dataset

    return Task(config=config)


@pytest.mark.filterwarnings("ignore")  # the tasks' own modules
@pytest.mark.parametrize(
    ("harness", "case"),
    [(harness, case) for harness, cases in CASES.items() for case in cases],
    ids=[f"{case['task']}-{number}" for cases in CASES.values() for number, case in enumerate(cases)],
)
def test_stock_tasks(harness, case):
    task = made(harness, case)
    doc = task.eval_docs[0]
    prompt = task.doc_to_text(doc)
    prompt = prompt if isinstance(prompt, str) else ""
    target = answer_target(task, task.config.task, doc, prompt)
    assert list(target.labels) == case["labels"], target
    assert target.gold == case.get("right", target.gold), target
    assert list(target.gold_texts) == case.get("texts", list(target.gold_texts)), target
    assert target.cluster == case.get("cluster"), target
    assert case.get("note", "") in (target.note or ""), target
    if task.config.doc_to_choice is not None:
        assert list(target.choices) == case["labels"]


def test_enough_stock_tasks_are_looked_at():
    assert all(len({case["task"] for case in cases}) >= 12 for cases in CASES.values())
