"""The seven data sets of MERA with videos and sounds, as documents of their form: from the task to the archive."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import transformers
from datasets import Dataset
from hearing_checkpoint import hearing_checkpoint, seeing_checkpoint
from lm_eval.tasks import TaskManager
from lm_eval_outcome import Evaluate, Outcome
from mera_media_folder import AUDIO, MEDIA_TASKS, VIDEO, write_media_tasks
from packaging.version import Version

from harness_ext.submission import check_submission, write_submission
from lens_models.loading import resolve_pretrained

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:transformers"),
]
OLD = Version(transformers.__version__) < Version("5")
FILES = {
    "commonvideoqa": "CommonVideoQA",
    "realvideoqa": "RealVideoQA",
    "ruhhh_video": "ruHHH_Video",
    "ruenvaqa": "ruEnvAQA",
    "aquaria": "AQUARIA",
    "ruslun": "ruSLUn",
    "rutie_audio_default": "ruTiE_Audio",
}
# task -> labels, right options, clusters, question type
EXPECTED: dict[str, tuple[str, list[int | None], list[str | None], str | None]] = {
    "commonvideoqa": ("ABCD", [0, 1, 2], [None] * 3, "counting"),
    "realvideoqa": ("ABCD", [None] * 3, [None] * 3, "counting"),
    "ruhhh_video": ("AB", [0, 1, 0], ["316", "316", "317"], "helpful"),
    "ruenvaqa": ("ABCD", [0, 1, 2], [None] * 3, "Scene"),
    "aquaria": ("ABCD", [None] * 3, [None] * 3, "Audio comparison"),
    "ruslun": ("", [None] * 3, [None] * 3, None),
    "rutie_audio_default": ("ABCD", [None] * 3, [None] * 3, "Вводная категория"),
}
LETTERS = ("A", "B", "C", "D")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_media_tasks(tmp_path_factory.mktemp("tasks"))


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What answers tasks with videos and with sounds; a letter, so that every answer has a place."""
    hears = hearing_checkpoint("qwen2_audio", tmp_path_factory.mktemp("hears"), LETTERS)
    if OLD:
        return {"video": Path(resolve_pretrained("lens_tiny_video")), "audio": hears}
    return {"video": seeing_checkpoint("qwen2_vl", tmp_path_factory.mktemp("sees"), LETTERS), "audio": hears}


@pytest.fixture
def runs(evaluate: Evaluate, folder: Path, checkpoints: dict[str, Path]) -> dict[str, Outcome]:
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    given: dict[str, Any] = {"task_manager": manager, "batch_size": 1}
    return {
        kind: evaluate(",".join(tasks), f"pretrained={checkpoints[kind]}", output=kind, **given)
        for kind, tasks in (("video", VIDEO), ("audio", AUDIO))
    }


def test_from_the_documents_to_the_archive(runs: dict[str, Outcome], folder: Path, tmp_path: Path) -> None:
    for task in MEDIA_TASKS:
        run = runs["video" if task in VIDEO else "audio"]
        records = sorted((each for each in run.run.records() if each.task == task), key=lambda each: each.doc_id)
        labels, gold, clusters, kind = EXPECTED[task]
        assert [each.doc_id for each in records] == [0, 1, 2], task
        assert [each.cluster for each in records] == clusters, task
        assert {each.question_type for each in records} == {kind}, task
        assert [each.response for each in records] == run.texts(task), task
        assert all(bool(each.videos) == (task in VIDEO) != bool(each.sounds) for each in records), task
        read = [each for each in records if each.status == "ok"]
        assert read, task
        for record in read:
            assert record.candidates == (tuple(labels) or record.candidates), task
            assert record.gold_candidate == gold[record.doc_id], task
            named = record.pred_candidate is not None and gold[record.doc_id] is not None
            assert (record.correct is None) == (not named), task
        has_gold = any(each is not None for each in gold)
        metrics = {name.partition(",")[0] for name in run.results["results"][task]}
        assert ("lens_emerged" in metrics) == has_gold, f"{task}: without a right option there is no emergence"
        assert "lens_coverage" in metrics, task
    _archives(runs, folder, tmp_path)
    scores = runs["audio"].results["results"]["ruslun"]
    assert (scores["intent_EM,scoring"], scores["slot_f1,scoring"]) == (0, 0)


def _archives(runs: dict[str, Outcome], folder: Path, tmp_path: Path) -> None:
    for kind, tasks in (("video", VIDEO), ("audio", AUDIO)):
        done = write_submission(runs[kind].folder, tmp_path / kind)
        assert done.answers == {f"{FILES[task]}.json": 3 for task in tasks}
        assert check_submission(done.path).answers == done.answers
        with zipfile.ZipFile(done.path) as archive:
            for task in tasks:
                packed = json.loads(archive.read(f"{FILES[task]}.json"))["data"]["test"]
                documents = Dataset.from_parquet(str(folder / task / "data.parquet"))
                assert [each["meta"]["id"] for each in packed] == [doc["meta"]["id"] for doc in documents]
                assert [each["outputs"] for each in packed] == [_answer(task, text) for text in runs[kind].texts(task)]


def _answer(task: str, text: str) -> Any:
    """What MERA's packer takes: the first filtered answer, which ruSLUn's filter has in a list and in small letters."""
    return text.lower() if task == "ruslun" else text
