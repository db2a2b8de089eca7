"""sound_mini through the task managers of both harnesses, offline, from any directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lm_eval.tasks
import lmms_eval.tasks
import numpy as np
import pytest

from lens_tasks.folders import lm_eval_tasks, lmms_eval_tasks
from lens_tasks.scenes.sounds.questions import QUESTIONS


@pytest.fixture(params=["lmms_eval", "lm_eval"])
def task(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    if request.param == "lmms_eval":
        manager = lmms_eval.tasks.TaskManager(
            include_path=str(lmms_eval_tasks()), include_defaults=False, model_name="hf-multimodal-lens"
        )
        return lmms_eval.tasks.get_task_dict(["sound_mini"], manager, "chat")["sound_mini"]
    manager = lm_eval.tasks.TaskManager(include_path=str(lm_eval_tasks()), include_defaults=False)
    return manager.load(["sound_mini"])["tasks"]["sound_mini"]


def test_a_document_gives_prompt_sound_and_scores(task: Any) -> None:
    documents = list(task.test_docs())
    assert len(documents) == 328
    document = next(each for each in documents if each["form"] == "letter" and each["language"] == "ru")
    lmms = hasattr(task, "doc_to_visual")
    (sound,) = (task.doc_to_visual if lmms else task.doc_to_audio)(document)
    assert sound["type"] == "audio" and sound["sampling_rate"] == 16_000 and 22_000 < len(sound["array"]) <= 32_000
    assert sound["array"].dtype == np.float32 and np.abs(sound["array"]).max() <= 1
    text = task.doc_to_text(document)
    assert text.startswith("" if lmms else "<audio>\n")
    asked = QUESTIONS[document["question_type"]].text["ru"]
    assert text.removeprefix("<audio>\n").startswith(f"{asked}\nA. {document['options'][0]}\nB. ")
    assert task.doc_to_target(document) == document["answer"]
    scores = task.process_results(document, [document["answer"]])
    assert scores == {"exact_match": 1.0, "exact_match_lenient": 1.0, "format_error": 0.0, "no_answer": 0.0}
