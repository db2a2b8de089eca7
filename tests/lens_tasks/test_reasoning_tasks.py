"""reasoning_mini through the task managers of both harnesses, offline, from any directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lm_eval.tasks
import lmms_eval.tasks
import pyarrow.parquet as pq
import pytest

from lens_tasks import target_for
from lens_tasks.folders import MINIS, lm_eval_tasks, lmms_eval_tasks
from lens_tasks.tasks.clevr_release import prepare

TASKS = ["reasoning_mini", "reasoning_mini_direct"]


@pytest.fixture(params=["lmms_eval", "lm_eval"])
def tasks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    if request.param == "lmms_eval":
        manager = lmms_eval.tasks.TaskManager(
            include_path=str(lmms_eval_tasks()), include_defaults=False, model_name="hf-multimodal-lens"
        )
        return lmms_eval.tasks.get_task_dict(TASKS, manager, "chat")
    manager = lm_eval.tasks.TaskManager(include_path=str(lm_eval_tasks()), include_defaults=False)
    return manager.load(TASKS)["tasks"]


def test_both_prompts_ask_the_same_documents(tasks: Any) -> None:
    steps, direct = (tasks[name] for name in TASKS)
    lmms = hasattr(steps, "doc_to_visual")
    documents = list(steps.test_docs())
    assert len(documents) == 602
    english, russian = documents[:2]
    (picture,) = (steps.doc_to_visual if lmms else steps.doc_to_image)(english)
    assert picture.size == (64, 64)
    before = "" if lmms else "<image>"
    assert steps.doc_to_text(english) == (
        f"{before}{english['question']}\nThink in short numbered steps. Then write the answer, a single word or "
        'number, after "Answer:".'
    )
    assert direct.doc_to_text(russian) == (
        f"{before}{russian['question']}\nОтветь на вопрос одним словом в начальной форме или числом."
    )
    assert next(iter(direct.test_docs()))["question"] == english["question"]
    for document in (english, russian):
        scores = steps.process_results(document, [f"1. x\nAnswer: {document['answer']}"])
        assert scores["exact_match_lenient"] == 1.0 and scores["exact_match"] == 0.0
        assert direct.process_results(document, [document["answer"]])["exact_match"] == 1.0
        assert steps.doc_to_target(document) == document["answer"]


def test_targets() -> None:
    for row in pq.read_table(MINIS / "reasoning_mini.parquet").to_pylist():
        for name in TASKS:
            target = target_for(name, row)
            assert (target.source, target.note, target.kind_from) == ("reasoning", None, "document")
            assert (target.gold, target.question_type) == (row["answer"], f"{row['steps']} steps")
            assert target.cluster == row["image_filename"] and len(target.labels) == 28
            asks = row["question_family"] not in ("count", "query_attribute")
            assert target.binary == ((("да", "нет") if row["language"] == "ru" else ("yes", "no")) if asks else None)


def test_a_russian_answer_that_is_none_of_the_28_is_named() -> None:
    row = next(r for r in pq.read_table(MINIS / "reasoning_mini.parquet").to_pylist() if r["language"] == "ru")
    target = target_for("reasoning_mini", {**row, "answer": "yes"})
    assert target.gold is None and "not one of CLEVR's 28 answers: 'yes'" in (target.note or "")


def test_the_prepared_release_has_the_same_columns(release: Path, tmp_path: Path) -> None:
    """Steps are counted without scenes; with them each step has its objects and its result."""
    without = pq.read_table(prepare(release, tmp_path / "without")).to_pylist()
    assert [(row["steps"], row["lens_steps"]) for row in without] == [(n, None) for n in (1, 2, 3, 2, 2)]
    objects = [
        {"color": color, "shape": "cube", "size": "large", "material": "metal", "3d_coords": [0, 0, 1],
         "pixel_coords": [column, 90, 1], "rotation": 0.0}
        for column, color in ((10, "red"), (200, "blue"), (400, "gray"))
    ]  # fmt: skip
    relations = {name: [[], [0], [0, 1]] for name in ("left", "right", "front", "behind")}
    scene = {
        "image_filename": "CLEVR_val_000000.png", "objects": objects, "relationships": relations,
        "directions": {"right": [1, 0, 0], "behind": [0, 1, 0]},
    }  # fmt: skip
    (release / "scenes").mkdir()
    (release / "scenes" / "CLEVR_val_scenes.json").write_text(json.dumps({"scenes": [scene]}))
    first = pq.read_table(prepare(release, tmp_path / "with")).to_pylist()[0]
    assert first["lens_boxes"] is None  # no camera sees one place at three, and the steps need none
    assert json.loads(first["lens_steps"]) == [
        {"function": "exist", "nodes": [0, 1, 2], "inputs": [], "objects": [0], "result": "yes"}
    ]
