"""sound_mini with the bundled model for sounds, through the harness's own `simple_evaluate`."""

from __future__ import annotations

import pytest
from lmms_eval.tasks import TaskManager
from lmms_eval_outcome import Evaluate

from lens_tasks.folders import lmms_eval_tasks

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def test_the_records_say_what_was_heard_and_where_the_answer_appeared(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("cache")))
    manager = TaskManager(include_path=str(lmms_eval_tasks()), include_defaults=False, model_name="hf-multimodal-lens")
    outcome = evaluate("sound_mini", "pretrained=lens_tiny_audio", limit=6, task_manager=manager)
    frame = outcome.run.samples
    assert len(frame) == 6 and (frame["status"] == "ok").all()
    assert [(said,) for said in frame["response"]] == frame["gold"].tolist()
    assert frame["cluster"].tolist() == [f"sound_{number // 2:04d}" for number in range(6)]
    assert frame["gold_based.stable_correct_layer"].between(1, 8).all()
    sounds = frame["sounds"].tolist()
    assert all(len(each) == 1 and each[0]["rate"] == 16_000 for each in sounds)
    assert len({each[0]["sha256"] for each in sounds}) == 3
    identity = outcome.run.info.identity
    assert identity.run_argmax and identity.run_deviation <= identity.tolerance
