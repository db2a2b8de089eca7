"""A task about videos, evaluated: what probes see of its frames, and what its records keep."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset
from lmms_eval.tasks import TaskManager
from lmms_eval_outcome import Evaluate, Outcome
from made_videos import pictures, write_video

_UTILS = """
def to_visual(doc):
    clip = {"video_start": doc["start"], "video_end": doc["end"]} if doc["end"] else {}
    return [{"type": "video", "path": doc["path"], **clip}]


def to_text(doc, lmms_eval_specific_kwargs=None):
    return doc["question"]


def score(doc, results):
    return {"exact": float(results[0].strip().lower() == doc["answer"])}
"""
_TASK = """
task: tiny_video
dataset_path: parquet
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: generate_until
doc_to_visual: !function utils.to_visual
doc_to_text: !function utils.to_text
doc_to_target: answer
generation_kwargs: {{max_new_tokens: 4, temperature: 0}}
process_results: !function utils.score
metric_list: [{{metric: exact, aggregation: mean, higher_is_better: true}}]
metadata: {{version: 1.0}}
"""
CLIPS = ((0.0, 0.0), (0.5, 1.5), (0.0, 0.0))
FRAMES = (8, 60, 5)


@pytest.fixture
def tasks(tmp_path: Path) -> TaskManager:
    folder = tmp_path / "videos"
    folder.mkdir()
    documents = [
        {
            "path": write_video(folder / f"{number}.mp4", pictures(n, 64, 64, seed=number), rate=30),
            "start": start,
            "end": end,
            "question": "Is there a red cube in the image?",
            "answer": "yes",
        }
        for number, (n, (start, end)) in enumerate(zip(FRAMES, CLIPS, strict=True))
    ]
    data = folder / "rows.parquet"
    Dataset.from_list(documents).to_parquet(str(data))
    (folder / "utils.py").write_text(_UTILS)
    (folder / "tiny_video.yaml").write_text(_TASK.format(data=data))
    return TaskManager("ERROR", include_path=str(folder), include_defaults=False, model_name="hf-multimodal-lens")


@pytest.fixture
def outcome(evaluate: Evaluate, tasks: TaskManager) -> Outcome:
    arguments = "max_num_frames=5,lens_probes=attention+image_tokens"
    return evaluate("tiny_video", arguments, task_manager=tasks, batch_size=3)


def test_answers_are_those_without_the_lens(outcome: Outcome, evaluate: Evaluate, tasks: TaskManager) -> None:
    plain = evaluate("tiny_video", "lens=False,max_num_frames=5", task_manager=tasks, batch_size=3, output="plain")
    assert outcome.texts("tiny_video") == plain.texts("tiny_video")


def test_records_say_which_frames_each_map_is_about(outcome: Outcome) -> None:
    shown = [np.linspace(0, 7, 5).round(), np.linspace(15, 45, 5).round(), np.arange(5)]
    for record, places in zip(outcome.run.records(), shown, strict=True):
        (video,) = record.videos
        assert video["times"] == pytest.approx(places / 30)
        assert (video["start"], video["end"]) == ((0.5, 1.5) if record.doc_id == 1 else (None, None))
        assert record.probe_status["attention"] == "ok"
        tokens = record.probes["video_tokens"]
        # two frames a token, the last one twice
        assert np.unique(tokens["frames"], axis=0).tolist() == [[0, 1], [2, 3], [4, 4]]
        assert tokens["times"] == pytest.approx(places[tokens["frames"].astype(int)] / 30, abs=1e-6)
        assert set(tokens["video"].tolist()) == {0}
        assert (tokens["boxes"].min(), tokens["boxes"].max()) == pytest.approx((0, 1), abs=0.02)
        assert record.probes["attention"]["map"].shape[1] == len(tokens["frames"])
        assert record.label_free["image_mass"] is not None
        assert "tokens" not in record.probes  # those are of pictures
    assert (outcome.run.samples["fingerprint.media"].nunique(), len(outcome.run.samples)) == (3, 3)
