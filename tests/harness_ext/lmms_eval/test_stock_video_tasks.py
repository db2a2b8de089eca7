"""Video tasks that lmms-eval ships, on made-up videos and rows in their own folders and columns."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
import requests
from datasets import List, Value
from lmms_eval.tasks import TaskManager
from lmms_eval_outcome import Evaluate, Outcome
from made_videos import pictures, write_video
from stock_data import Row, Source, write_sources

from lens_tasks.folders import FOLDER_VARIABLE
from lens_tasks.tasks.perceptiontest import prepare

_TEXT, _NUMBER, _TEXTS = Value("string"), Value("int64"), List(Value("string"))
COLOURS = ["red", "green", "blue", "yellow", "grey"]
LETTERED = [f"{letter}. {colour}" for letter, colour in zip("ABCDE", COLOURS, strict=True)]
CUBE = "Is there a red cube in the image?"
ROWS = 2


def _perception(i: int) -> Row:
    named = {"video_name": f"video_{i % ROWS}", "question": "What colour is the cube?", "question_id": "0"}
    labels = {"area": "Physics", "reasoning": "Descriptive", "tag": ["motion"]}
    return {**named, "options": COLOURS[:3], "answer_id": str(i % 3), **labels}


def _mmmu(i: int) -> Row:
    named = {"id": f"test_Biology_{i % ROWS}", "question": "What colour is the cube?"}
    return {**named, "options": COLOURS, "answer": "ABCDE"[i % 5], "question_type": "multiple-choice"}


def _plan(i: int) -> Row:
    choices = {f"choice_{letter}": f"take the {colour} one" for letter, colour in zip("abcd", COLOURS, strict=False)}
    return {"sample_id": i % ROWS, "task_goal": "make tea", "golden_choice_idx": "ABCD"[i % 4], **choices,
            "answer": choices[f"choice_{'abcd'[i % 4]}"]}  # fmt: skip


_PERCEPTION = dict.fromkeys(("video_name", "question", "question_id", "answer_id", "area", "reasoning"), _TEXT)
_MMMU = dict.fromkeys(("id", "question", "answer", "question_type"), _TEXT) | {"options": _TEXTS}
_PLAN = dict.fromkeys(("task_goal", "golden_choice_idx", "answer", *(f"choice_{c}" for c in "abcd")), _TEXT)
_SCHEMA = dict.fromkeys(("question", "video_idx", "answer"), _TEXT)
_COMPASS = dict.fromkeys(("video_id", "question", "answer", "dim"), _TEXT)

SOURCES: dict[str, Source] = {
    "perceptiontest_val_mc": Source(
        "lmms-eval/PerceptionTest_Val", "validation", _PERCEPTION | {"options": _TEXTS, "tag": _TEXTS}, _perception,
        "mc_question_val",
    ),
    "video_mmmu_adaptation": Source("lmms-eval/VideoMMMU", "test", _MMMU, _mmmu, "Adaptation"),
    "video_mmmu_adaptation_question_only": Source("lmms-eval/VideoMMMU", "test", _MMMU, _mmmu, "Adaptation"),
    "video_mmmu_comprehension": Source("lmms-eval/VideoMMMU", "test", _MMMU, _mmmu, "Comprehension"),
    "video_mmmu_perception": Source("lmms-eval/VideoMMMU", "test", _MMMU, _mmmu, "Perception"),
    "egoschema_subset": Source(
        "lmms-eval/egoschema", "test", _SCHEMA | {"option": _TEXTS},
        lambda i: {"question": "What is it?", "video_idx": f"v{i % ROWS}", "answer": str(i % 5), "option": LETTERED},
        "Subset",
    ),
    "egoplan": Source("EgoLife-v1/EgoPlan", "validation", _PLAN | {"sample_id": _NUMBER}, _plan),
    "tempcompass_yes_no": Source(
        "lmms-eval/TempCompass", "test", _COMPASS,
        lambda i: {"video_id": str(i % ROWS), "question": CUBE, "answer": "yes", "dim": "order"}, "yes_no",
    ),
    "tempcompass_multi_choice": Source(
        "lmms-eval/TempCompass", "test", _COMPASS,
        lambda i: {"video_id": str(i % ROWS), "question": "\n".join(["Which?", *LETTERED[:3]]), "answer": "B. green",
                   "dim": "order"},
        "multi-choice",
    ),
}  # fmt: skip
"""Task -> the split that it is asked about."""
VIDEOS = (
    "perceptiontest_val/videos/video_{}.mp4",
    "egoschema/videos/v{}.mp4",
    "egoplan/{}.mp4",
    "tempcompass/videos/{}.mp4",
    "video_mmmu/Science/test_Biology_{}.mp4",
    "video_mmmu/question_only/test_Biology_{}_image.mp4",
)
"""Where the tasks look below HF_HOME."""


@pytest.fixture
def fresh_modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tasks ask where HF_HOME is when they are imported: they are imported anew here, and anew afterwards."""

    def of_tasks() -> list[str]:
        return [name for name in sys.modules if name.startswith("lmms_eval.tasks.") and name.count(".") > 2]

    for name in of_tasks():
        monkeypatch.delitem(sys.modules, name)  # those of before come back at the end
    yield
    for name in of_tasks():
        del sys.modules[name]


@pytest.fixture
def shipped(fresh_modules: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TaskManager:
    """lmms-eval's own tasks, with their rows in the working directory and their videos below HF_HOME."""
    home = tmp_path / "hf_home"
    monkeypatch.setenv("HF_HOME", str(home))
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "mmlens"))
    monkeypatch.chdir(write_sources(tmp_path, SOURCES))
    for place in VIDEOS:
        for number in range(ROWS):
            path = home / place.format(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_video(path, pictures(6, 64, 64, seed=number), rate=2)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))

    def judge(*_: Any, **__: Any) -> Any:
        """TempCompass asks a judge about answers that name no option."""
        answer = requests.Response()
        answer._content = json.dumps({"choices": [{"message": {"content": "Incorrect"}}]}).encode()
        return answer

    monkeypatch.setattr(requests, "post", judge)
    return TaskManager("ERROR", model_name="hf-multimodal-lens")


def annotations(folder: Path) -> Path:
    """Tracks of both videos, in the form of the official annotations: a cube that moves, and a lamp."""
    frames = [0, 2, 4]
    kept = {
        "is_occluder": 0,
        "frame_ids": frames,
        "timestamps": [at * 500_000 for at in frames],
        "is_masked": [0, 0, 0],
    }
    cube = {
        "id": 0,
        "label": "red cube",
        **kept,
        "bounding_boxes": [[at / 8, 0.0, at / 8 + 0.25, 0.5] for at in frames],
    }
    lamp = {"id": 1, "label": "lamp", **kept, "bounding_boxes": [[0.5, 0.75, 1.0, 1.0]] * 3}
    file = folder / "all_valid.json"
    file.write_text(json.dumps({f"video_{number}": {"object_tracking": [cube, lamp]} for number in range(ROWS)}))
    return file


def local(folder: Path, name: str, definition: str) -> TaskManager:
    """A task of one's own beside the shipped ones."""
    (folder / "own").mkdir()
    (folder / "own" / f"{name}.yaml").write_text(definition)
    return TaskManager("ERROR", include_path=str(folder / "own"), model_name="hf-multimodal-lens")


@pytest.fixture
def outcome(evaluate: Evaluate, shipped: TaskManager, tmp_path: Path) -> Outcome:
    prepare(annotations(tmp_path))
    arguments = "max_num_frames=6,lens_probes=attention+image_tokens"
    return evaluate(",".join(SOURCES), arguments, task_manager=shipped, batch_size=2, limit=ROWS)


@pytest.mark.end_to_end
@pytest.mark.filterwarnings("ignore")  # of the shipped tasks' own code
def test_stock_video_tasks_run_from_local_folders(outcome: Outcome) -> None:
    samples = outcome.run.samples
    assert samples["task"].value_counts().to_dict() == dict.fromkeys(SOURCES, ROWS)
    assert set(outcome.results["results"]) >= set(SOURCES)
    clustered = ("perceptiontest_val_mc", "egoschema_subset", "tempcompass_yes_no", "tempcompass_multi_choice")
    assert samples[samples["task"].isin(clustered)]["cluster"].notna().all()
    records = {(record.task, record.doc_id): record for record in outcome.run.records()}
    assert all(len(record.videos) == 1 and record.videos[0]["frames"] == 6 for record in records.values())
    assert all(record.gold for record in records.values())
    for number in range(ROWS):
        record = records["perceptiontest_val_mc", number]
        assert record.question_type == "What colour is the cube?" and record.probe_status["boxes"] == "ok"
        asked = record.probes["tracks"]["asked"] == 1
        assert record.probes["tracks"]["frame"][asked].tolist() == [0, 1, 2, 3, 4], "the last frame is after the track"
        assert record.probes["tracks"]["box"][asked][:, 0].tolist() == [0.0, 0.125, 0.25, 0.375, 0.5]
        assert record.gold_based["box_lift"] is not None and record.gold_based["other_box_lift"] is not None
        assert "map red" in record.probes["image_tokens"], "the label of what is asked about"
        assert record.label_free["image_confidence"] is None
    assert "boxes" not in records["egoplan", 0].probe_status


@pytest.mark.end_to_end
@pytest.mark.filterwarnings("ignore")  # of the shipped tasks' own code
def test_the_multiple_choice_of_perception_test_fails_upstream(evaluate: Evaluate, shipped: TaskManager) -> None:
    """docs/tracks.md says so, and what to do."""
    with pytest.raises(KeyError, match="correct"):
        evaluate("perceptiontest_val_mcppl", "max_num_frames=6", task_manager=shipped, limit=ROWS, force_simple=True)


@pytest.mark.end_to_end
@pytest.mark.filterwarnings("ignore")
def test_the_remedy_of_the_page_scores_it(evaluate: Evaluate, shipped: TaskManager, tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "tracks.md").read_text(encoding="utf-8")
    (definition,) = re.findall(r"```yaml\n(task: perceptiontest_val_choices\n.*?)```", page, flags=re.DOTALL)
    prepare(annotations(tmp_path))
    manager = local(tmp_path, "perceptiontest_val_choices", definition)
    arguments = "max_num_frames=6,lens_probes=attention"
    found = evaluate("perceptiontest_val_choices", arguments, task_manager=manager, limit=ROWS, force_simple=True)
    assert 0 <= found.value("perceptiontest_val_choices", "acc") <= 1
    records = list(found.run.records())
    assert [record.candidates for record in records] == [tuple(COLOURS[:3])] * ROWS
    assert [record.gold_candidate for record in records] == [0, 1]
    assert all(record.gold_based["box_lift"] is not None for record in records)
