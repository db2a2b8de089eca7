"""A task about videos, evaluated: what probes see of its frames, and what its records keep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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


def moving(n: int) -> dict[str, Any]:
    """An object in the left half of the first half of a file's frames, and in the right half of the others."""
    boxes = [[0.5 * (frame >= n // 2), 0.0, 0.5 + 0.5 * (frame >= n // 2), 1.0] for frame in range(n)]
    times = [frame * 1_000_000 // 30 for frame in range(n)]
    kept = {"bounding_boxes": boxes, "frame_ids": list(range(n)), "timestamps": times, "is_masked": [0] * n}
    return {"id": 1, "label": "red cube", "is_occluder": 0, "role": "asked", **kept}


def opposite(n: int) -> dict[str, Any]:
    """Another one in the other half."""
    boxes = [[0.5 - left, 0.0, 1.0 - left, 1.0] for left, *_ in moving(n)["bounding_boxes"]]
    return {**moving(n), "id": 2, "label": "cup", "role": "other", "bounding_boxes": boxes}


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
            "tracks": [moving(n), opposite(n)],
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
    arguments = "max_num_frames=5,lens_probes=attention+image_tokens,lens_causal=boxes+top_attention,lens_maps=all"
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


def test_records_hold_the_maps_against_the_track(outcome: Outcome) -> None:
    for record, n in zip(outcome.run.records(), FRAMES, strict=True):
        assert record.probe_status["boxes"] == "ok"
        tokens, tracks, scalars = record.probes["video_tokens"], record.probes["tracks"], record.gold_based
        right = np.round(np.asarray(record.videos[0]["times"]) * 30) >= n // 2
        centre = tokens["boxes"][:, [0, 2]].mean(axis=1)
        share = np.mean([(centre >= 0.5) == right[tokens["frames"][:, at].astype(int)] for at in (0, 1)], axis=0)
        heat = record.probes["attention"]["map"][_middle(record)].mean(axis=0)
        assert scalars["box_lift"] == pytest.approx((heat * share).sum() / heat.sum() / share.mean(), rel=0.02)
        assert scalars["null_box_lift"] is not None and scalars["other_box_lift"] is not None
        assert tracks["track"].tolist() == [1] * 5 + [2] * 5 and (tracks["seen"] == 1).all()
        assert tracks["box"][:5, 0] == pytest.approx(0.5 * right)
        assert len(tracks["attention mass"]) == len(tracks["frames"]) == 3


def _middle(record: Any) -> Any:
    layers = record.probes["attention"]["map layers"]
    return (layers >= 5 / 32 * 10) & (layers <= 18 / 32 * 10)


def test_answers_are_read_again_without_the_track(outcome: Outcome) -> None:
    for record in outcome.run.records():
        assert record.probe_status["causal boxes"] == record.probe_status["causal top_attention"] == "ok"
        drops = [record.gold_based[f"causal_drop{other}"] for other in ("", "_random", "_null", "_other")]
        assert all(drop is not None and np.isfinite(drop) for drop in drops)
        assert len(set(drops[:3])) == 3 and drops[0] != drops[3]
        assert record.label_free["attention_drop"] != record.label_free["attention_drop_random"]


def test_places_in_the_frames_are_painted(evaluate: Evaluate, tasks: TaskManager) -> None:
    arguments = "max_num_frames=5,lens_probes=attention,lens_causal=boxes,lens_causal_by=pixels"
    (record,) = evaluate("tiny_video", arguments, task_manager=tasks, limit=1, output="pixels").run.records()
    drops = [record.gold_based[f"causal_drop{other}"] for other in ("", "_random", "_null")]
    assert record.probe_status["causal boxes"] == "ok" and len(set(drops)) == 3
