"""The YAML files through lmms-eval's own task manager, offline, from any working directory."""

from __future__ import annotations

import importlib
import json
import shutil
from io import BytesIO
from pathlib import Path

import pytest
import yaml
from datasets import Dataset, Features, Value
from datasets import Image as ImageFeature
from lmms_eval.tasks import TaskManager, get_task_dict
from PIL import Image

from lens_tasks import target_for
from lens_tasks.folders import FOLDER_VARIABLE, MissingDataError, lmms_eval_tasks
from lens_tasks.tasks.clevr_release import prepare
from lens_tasks.tasks.repope import LABELS_VARIABLE

MINIS = ["clevr_mini", "pope_mini", "ruclevr_mini", "weird_mini"]
OTHERS = ["clevr", "perception_mini", "pope_repope", "ruclevr", "rucommonvqa", "sound_mini", "weird"]
TASKS = sorted([*MINIS, *OTHERS, "reasoning_mini", "reasoning_mini_direct"])
POPE_FEATURES = Features(
    {name: Value("string") for name in ("id", "question_id", "question", "answer", "image_source", "category")}
    | {"image": ImageFeature()}
)
MERA_FEATURES = {
    "instruction": Value("string"),
    "inputs": {"image": ImageFeature(decode=False), "question": Value("string")},
    "outputs": Value("string"),
    "meta": {"id": Value("int32"), "question_type": Value("string")},
}


def png(level=0):
    buffer = BytesIO()
    Image.new("RGB", (8, 8), (level, 0, 0)).save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": f"{level}.png"}


def write_pope(path):
    path.parent.mkdir(parents=True)
    rows = [
        {
            "id": str(index),
            "question_id": str(index),
            "question": "Is there a red cube in the image?",
            "answer": ["yes", "no"][index % 2],
            "image_source": f"scene{index // 2}",
            "category": "random",
            "image": png(index),
        }
        for index in range(4)
    ]
    Dataset.from_list(rows, features=POPE_FEATURES).to_parquet(path)


def load(name, folder, monkeypatch, cwd, cache):
    monkeypatch.chdir(cwd)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(cache))
    manager = TaskManager(include_path=str(folder), include_defaults=False, model_name="hf-multimodal-lens")
    return get_task_dict([name], manager, "chat")[name]


@pytest.fixture
def loaded(monkeypatch, tmp_path):
    """Loads one of the package's tasks with the working directory in tmp_path."""
    return lambda name, folder=None: load(name, folder or lmms_eval_tasks(), monkeypatch, tmp_path, tmp_path / "cache")


def test_all_tasks_and_groups_are_found():
    manager = TaskManager(include_path=str(lmms_eval_tasks()), include_defaults=False)
    assert manager.all_subtasks == TASKS
    assert manager.all_groups == ["lens_mini", "lens_suite"]


@pytest.fixture(scope="module")
def everything():
    """The stock tasks and ours; reading all the stock files takes seconds."""
    return TaskManager(include_path=str(lmms_eval_tasks()), model_name="hf-multimodal-lens")


def test_no_name_hides_behind_a_stock_task(everything):
    for name in [*TASKS, "lens_mini", "lens_suite"]:
        assert Path(everything.task_index[name]["yaml_path"]).parent == lmms_eval_tasks()


@pytest.mark.parametrize("group", ["lens_mini", "lens_suite"])
def test_groups_name_tasks_that_exist(group, everything):
    members = yaml.safe_load((lmms_eval_tasks() / f"{group}.yaml").read_text())["task"]
    assert len(members) == 4
    assert set(members) <= set(everything.all_subtasks)


def test_a_bundled_parquet_is_found_from_any_directory(loaded, tmp_path):
    """The folder is copied with a data file of its own, as it lies in an installed package."""
    package = tmp_path / "site-packages" / "lens_tasks"
    shutil.copytree(lmms_eval_tasks(), package / "lmms_eval")
    write_pope(package / "minis" / "pope_mini.parquet")
    task = loaded("pope_mini", package / "lmms_eval")
    doc = task.eval_docs[0]
    (turn,) = task.doc_to_messages(doc)
    assert [part["type"] for part in turn["content"]] == ["image", "text"]
    assert turn["content"][1]["text"] == (
        "Is there a red cube in the image?\nAnswer the question using a single word or phrase."
    )
    scores = task.process_results(task.eval_docs_no_media[0], ["Yes"])
    assert scores["pope_accuracy"]["score"] == 1.0
    assert list(scores) == list(task.aggregation())
    assert task.aggregation()["pope_predicted_yes_ratio"]([1.0, 0.0]) == 0.5
    assert target_for("pope_mini", doc, gold=task.doc_to_target(doc)).cluster == "scene0"


@pytest.mark.parametrize("name", MINIS)
def test_bundled_minis(name, loaded):
    task = loaded(name)
    assert len(task.eval_docs) >= 600
    golds = set()
    for doc in task.eval_docs_no_media:
        target = target_for(name, doc, gold=task.doc_to_target(doc))
        assert target.note is None
        assert target.gold in target.labels
        assert target.cluster is not None
        assert target.question_type is not None
        scores = task.process_results(doc, [target.gold_texts[0]])
        assert scores.get("exact_match", 1.0) == scores.get("pope_accuracy", {"score": 1.0})["score"] == 1.0
        golds.add(target.gold)
    assert len(golds) >= 2
    doc = task.eval_docs[0]
    assert "image" in [part["type"] for part in task.doc_to_messages(doc)[0]["content"]]
    assert task.doc_to_visual(doc)[0].mode == "RGB"


def test_perception_mini_asks_and_scores_as_the_stock_task(loaded, monkeypatch, tmp_path):
    """Prompt, right answer and score of the harness's own functions on the same documents."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "data"))
    stock = importlib.import_module("lmms_eval.tasks.perceptiontest.val.utils")
    task = loaded("perception_mini")
    assert len(task.eval_docs) == 572
    areas = {"memory", "abstraction", "physics", "semantics"}
    assert set(task.aggregation()) == {"accuracy", "format_error", "no_answer", *(f"accuracy_{area}" for area in areas)}
    for number, doc in enumerate(task.eval_docs_no_media):
        prompt = task.doc_to_text(doc)
        assert prompt == stock.perceptiontest_val_doc_to_text(doc)
        assert task.doc_to_target(doc) == stock.perceptiontest_val_doc_to_answer(doc)
        target = target_for("perception_mini", doc, prompt=prompt, gold=task.doc_to_target(doc))
        assert (target.source, target.note, target.labels) == ("perception", None, ("A", "B", "C"))
        assert target.gold == "ABC"[int(doc["answer_id"])]
        assert (target.cluster, target.question_type) == (doc["video_name"], doc["question_id"])
        for response in ("A", "B.", " C", "The answer is B", "a", "D", f"{target.gold}. {doc['options'][0]}")[
            number % 2 :
        ]:
            scores = task.process_results(doc, [response])
            theirs = stock.perceptiontest_val_process_results_mc(doc, [response])["accuracy"]["correct"]
            assert scores["accuracy"] == scores[f"accuracy_{doc['area'].lower()}"] == theirs
            assert set(scores) == {"accuracy", f"accuracy_{doc['area'].lower()}", "format_error", "no_answer"}
    doc = task.eval_docs[0]
    (turn,) = task.doc_to_messages(doc)
    assert [part["type"] for part in turn["content"]] == ["video", "text"]
    assert turn["content"][0]["url"].startswith(str(tmp_path / "data" / "perception_mini" / "video_0000_"))


def test_the_minis_load_as_a_group(everything, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    ((group, members),) = get_task_dict(["lens_mini"], everything, "chat").items()
    assert group.group == "lens_mini"
    assert sorted(members) == MINIS


def test_pope_mini_asks_as_the_stock_task(loaded, tmp_path, everything):
    package = tmp_path / "lens_tasks"
    shutil.copytree(lmms_eval_tasks(), package / "lmms_eval")
    write_pope(package / "minis" / "pope_mini.parquet")
    write_pope(tmp_path / "lmms-lab-encoder" / "POPE" / "test-00000-of-00001.parquet")
    ours = loaded("pope_mini", package / "lmms_eval")
    theirs = get_task_dict(["pope"], everything, "chat")["pope"]
    assert ours.doc_to_text(ours.eval_docs[1]) == theirs.doc_to_text(theirs.eval_docs[1])
    assert ours.config.generation_kwargs == theirs.config.generation_kwargs
    assert set(theirs.aggregation()) <= set(ours.aggregation())


@pytest.mark.parametrize("name", ["ruclevr", "rucommonvqa"])
def test_mera_schema(name, loaded, tmp_path):
    outputs = [Value("string")] if name == "rucommonvqa" else Value("string")
    features = Features({**MERA_FEATURES, "outputs": outputs})
    row = {
        "instruction": "Смотри:\n<image>\nВопрос: {question}",
        "inputs": {"image": png(), "question": "Есть ли шар?"},
        "outputs": ["нет"] if name == "rucommonvqa" else "нет",
        "meta": {"id": 3, "question_type": "binary"},
    }
    folder = {"ruclevr": "ruCLEVR", "rucommonvqa": "ruCommonVQA"}[name]
    data = tmp_path / "MERA-evaluation" / folder / "data"
    data.mkdir(parents=True)
    for split in ("shots", "test"):
        Dataset.from_list([row], features=features).to_parquet(data / f"{split}-00000-of-00001.parquet")
    task = loaded(name)
    doc = task.eval_docs[0]
    content = task.doc_to_messages(doc)[0]["content"]
    assert [part["type"] for part in content] == ["text", "image", "text"]
    assert content[2]["text"] == "\nВопрос: Есть ли шар?"
    assert task.config.generation_kwargs["until"] == ["\n\n"]
    scored = task.eval_docs_no_media[0]
    assert "image" not in scored
    assert b"PNG" not in str(scored).encode()
    assert task.process_results(scored, ["Нет."])["exact_match"] == 1.0
    assert target_for(name, doc, gold=task.doc_to_target(doc)).gold == "нет"


def test_weird_real_record(loaded, tmp_path, weird_doc):
    weird_doc["inputs"]["image"] = {"bytes": png()["bytes"], "path": "weird_0000.jpg"}
    data = tmp_path / "MERA-evaluation" / "WEIRD" / "data"
    data.mkdir(parents=True)
    Dataset.from_list([weird_doc]).to_parquet(data / "test-00000-of-00001.parquet")
    Dataset.from_list([weird_doc]).to_parquet(data / "shots-00000-of-00001.parquet")
    task = loaded("weird")
    doc = task.eval_docs[0]
    assert "A. нормальное\nB. странное\nОтвет:" in task.doc_to_text(doc)
    assert task.process_results(task.eval_docs_no_media[0], ["В"])["exact_match_lenient"] == 1.0
    target = target_for("weird", doc, gold=task.doc_to_target(doc))
    assert (target.gold, target.cluster) == ("B", "v5_7")


def test_clevr_without_data_says_what_to_run(loaded, tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(MissingDataError, match="run: mmlens prepare clevr"):
        loaded("clevr")


def test_clevr_after_preparing(loaded, tmp_path, monkeypatch, release):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "data"))
    prepare(release)
    task = loaded("clevr")
    doc = task.eval_docs[1]
    assert task.doc_to_visual(doc)[0].size == (48, 32)
    assert task.doc_to_text(doc).startswith("Question 1?\n")
    assert task.process_results(task.eval_docs_no_media[1], ["3"])["exact_match"] == 1.0
    assert target_for("clevr", doc, gold=task.doc_to_target(doc)).question_type == "count"


def test_pope_with_repope_labels(loaded, tmp_path, monkeypatch):
    write_pope(tmp_path / "lmms-lab-encoder" / "POPE" / "test-00000-of-00001.parquet")
    labels = tmp_path / "coco_repope_random.json"
    labels.write_text(
        json.dumps({"image": "scene0.jpg", "text": "Is there a red cube in the image?", "label": "no"}) + "\n"
    )
    monkeypatch.setenv(LABELS_VARIABLE, str(labels))
    task = loaded("pope_repope")
    assert task.eval_docs["answer"][:] == ["no", "no"]
    assert task.eval_docs["pope_answer"][:] == ["yes", "no"]
    assert task.process_results(task.eval_docs_no_media[0], ["no"])["pope_accuracy"]["score"] == 1.0
    assert task.dump_config()["task"] == "pope_repope"


def test_pope_repope_without_labels_says_what_to_set(loaded, monkeypatch):
    monkeypatch.delenv(LABELS_VARIABLE, raising=False)
    with pytest.raises(MissingDataError, match=f"set {LABELS_VARIABLE}"):
        loaded("pope_repope")
