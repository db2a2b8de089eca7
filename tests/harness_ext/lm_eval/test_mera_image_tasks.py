"""Data sets of MERA with pictures, as documents of their form: from the task to the archive, beside the stock class."""

from __future__ import annotations

import json
import textwrap
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from controlled_records import mini_documents, mini_image
from datasets import Dataset
from lm_eval.tasks import TaskManager
from lm_eval_outcome import Evaluate, Outcome
from mera_documents import document

from harness_ext.submission import check_submission, write_submission
from harness_ext.submission.tasks import TASK_FILES

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:transformers"),
]
ROWS = 3
FOUR = ("куб", "шар", "цилиндр", "ничего")
YAML = """
task: {task}
dataset_path: parquet
dataset_kwargs: {{data_files: {{shots: {data}, test: {data}}}}}
test_split: test
validation_split: shots
output_type: generate_until
doc_to_image: !function utils.doc_to_image
doc_to_text: !function utils.doc_to_text
doc_to_target: "{{{{outputs}}}}"
generation_kwargs: {{until: ["\\n\\n"], max_gen_toks: 4, do_sample: false, temperature: 0.0}}
metric_list:
  - {{metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true, ignore_punctuation: true}}
metadata: {{version: 1.0}}
"""
UTILS = """
import io

from PIL import Image


def doc_to_image(doc):
    return [Image.open(io.BytesIO(doc["inputs"]["image"]["bytes"])).convert("RGB")]


def doc_to_text(doc):
    return doc["instruction"].format(**doc["inputs"])
"""


def documents(task: str) -> list[dict[str, Any]]:
    """Those of a data set, by the beginning of the task's name; private ones have no answers."""
    name = task.split("_")[0]
    found = []
    for number in range(ROWS):
        letter = "ABC"[number]
        if name == "labtabvqa":
            one = document(letter, options=FOUR, between="\\n", tail="\\nДайте одну букву.")
        elif name == "runaturalsciencevqa":
            one = document(letter, options=FOUR, between=" ", tail=" Ответ:")
        elif name == "schoolsciencevqa":
            one = document("", options=FOUR, meta={"categories": {"domain": task.partition("_")[2]}})
        elif name == "ruhhh":
            one = document("AB"[number % 2], options=("Да.", "Нет."), meta={"group_id": 5 + number // 2})
        elif name == "rucommonvqa":
            one = document(["куб", "кубик"], tail="\nОтветьте коротко.")
        else:  # realvqa, rumathvqa, unisciencevqa
            one = document("" if name == "realvqa" else "куб", tail="\nОтветьте коротко.")
        content = BytesIO()
        mini_image(mini_documents("pope_mini")[6 * number]).save(content, "PNG")
        one["inputs"]["image"] = {"bytes": content.getvalue(), "path": None}
        one["meta"]["id"] = 100 * list(TASK_FILES).index(task) + number  # no two domains have the same
        found.append(one)
    return found


TASKS = [
    task
    for task, file in TASK_FILES.items()
    if file
    in (
        "ruCommonVQA", "ruNaturalScienceVQA", "LabTabVQA", "RealVQA", "ruHHH_Image", "ruMathVQA", "SchoolScienceVQA",
        "UniScienceVQA",
    )
]  # fmt: skip
LABELS = {"labtabvqa": "ABCD", "runaturalsciencevqa": "ABCD", "schoolsciencevqa": "ABCD", "ruhhh": "AB"}
PRIVATE = ("schoolsciencevqa", "realvqa")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    for task in TASKS:
        own = folder / task
        own.mkdir()
        Dataset.from_list(documents(task)).to_parquet(str(own / "data.parquet"))
        (own / "utils.py").write_text(UTILS)
        (own / f"{task}.yaml").write_text(textwrap.dedent(YAML).format(task=task, data=own / "data.parquet"))
    return folder


@pytest.fixture
def run(evaluate: Evaluate, folder: Path) -> Outcome:
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    return evaluate(",".join(TASKS), task_manager=manager, batch_size=16)


def test_answers_candidates_and_archive(run: Outcome, evaluate: Evaluate, folder: Path, tmp_path: Path) -> None:
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    stock = evaluate(",".join(TASKS), task_manager=manager, batch_size=16, model="hf-multimodal", output="stock")
    for task in TASKS:
        assert run.texts(task) == stock.texts(task), task
        _recorded(run, task)
    done = write_submission(run.folder, tmp_path / "archive")
    assert check_submission(done.path).answers == done.answers
    with zipfile.ZipFile(done.path) as archive:
        for file in sorted({TASK_FILES[task] for task in TASKS}):
            packed = json.loads(archive.read(f"{file}.json"))["data"]["test"]
            tasks = [task for task in TASKS if TASK_FILES[task] == file]
            assert [each["outputs"] for each in packed] == [text for task in tasks for text in run.texts(task)], file
            ids = [doc["meta"]["id"] for task in tasks for doc in documents(task)]
            assert [each["meta"]["id"] for each in packed] == ids, file


def _recorded(run: Outcome, task: str) -> None:
    name = task.split("_")[0]
    records = sorted((each for each in run.run.records() if each.task == task), key=lambda each: each.doc_id)
    assert [each.response for each in records] == run.texts(task), task
    labels = tuple(LABELS.get(name, ""))
    for record, doc in zip(records, documents(task), strict=True):
        if record.status != "ok":
            continue
        assert record.candidates == (labels or record.candidates), task
        if labels:
            right = None if name in PRIVATE else labels.index(doc["outputs"])
            assert record.gold_candidate == right, task
        if name in PRIVATE:
            assert record.gold_candidate is None and record.correct is None, task
    metrics = {each.partition(",")[0] for each in run.results["results"][task]}
    assert "lens_coverage" in metrics, task
    if name in PRIVATE:
        assert "lens_emerged" not in metrics, f"{task}: without a right answer there is no emergence"
