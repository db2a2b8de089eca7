from __future__ import annotations

import json
import os

import pytest
from datasets import Dataset

from lens_tasks.folders import MissingDataError
from lens_tasks.tasks.repope import LABELS_VARIABLE, label_files, question_key, read_labels, row_relabeller

POPE = Dataset.from_list(
    [
        {"question_id": str(index), "image_source": image, "question": question, "answer": answer}
        for index, (image, question, answer) in enumerate(
            [
                ("COCO_val2014_000000000001", "Is there a dog in the image?", "yes"),
                ("COCO_val2014_000000000001", "Is there a cat in the image?", "no"),
                ("COCO_val2014_000000000002", "Is there a dog in the image?", "no"),
                ("COCO_val2014_000000000003", "Is there a bear in the image?", "yes"),
            ]
        )
    ]
)


def line(image, thing, label):
    text = f"Is there a {thing} in the image?"
    return (
        json.dumps({"question_id": 1, "image": f"COCO_val2014_{image:012d}.jpg", "text": text, "label": label}) + "\n"
    )


@pytest.fixture
def annotations(tmp_path):
    folder = tmp_path / "annotations"
    folder.mkdir()
    (folder / "coco_repope_random.json").write_text(line(1, "dog", "no") + line(2, "dog", "no"))
    (folder / "coco_repope_popular.json").write_text("\n" + line(1, "cat", "Yes") + line(2, "dog", "no"))
    return folder


def test_rows_get_the_new_labels_and_ambiguous_ones_go(annotations):
    rows = row_relabeller(str(annotations))(POPE)
    assert rows["answer"][:] == ["no", "yes", "no"]
    assert rows["pope_answer"][:] == ["yes", "no", "no"]
    assert rows["question_id"][:] == ["0", "1", "2"]


def test_files_can_be_named_one_by_one(annotations):
    setting = os.pathsep.join(str(annotations / f"coco_repope_{name}.json") for name in ("random", "popular"))
    assert [path.name for path in label_files(setting)] == ["coco_repope_random.json", "coco_repope_popular.json"]
    assert len(row_relabeller(str(annotations / "coco_repope_random.json"))(POPE)) == 2


@pytest.mark.parametrize("setting", ["", "nowhere", "nowhere.json"])
def test_missing_labels_say_what_to_do(setting, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(LABELS_VARIABLE, setting)
    with pytest.raises(MissingDataError, match=f"set {LABELS_VARIABLE} to the folder 'annotations' of https://"):
        row_relabeller()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "line 1: expected a JSON object"),
        ('{"image": "a", "text": "b"}', "line 1: expected a JSON object with image, text and label"),
        (line(1, "dog", "perhaps"), "expected the label yes or no, found 'perhaps'"),
        (line(1, "dog", "yes") + line(1, "dog", "no"), "line 2: .* has the other label elsewhere"),
    ],
)
def test_broken_label_files(content, said, tmp_path):
    path = tmp_path / "labels.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=said):
        read_labels([path])


def test_labels_of_other_images_are_an_error(tmp_path):
    path = tmp_path / "labels.json"
    path.write_text(line(99, "dog", "yes"))
    with pytest.raises(ValueError, match="none of 4 POPE questions has a label"):
        row_relabeller(str(path))(POPE)


def test_questions_are_matched_by_image_and_words():
    assert question_key("val/COCO_1.jpg", " Is there  a Dog? ") == question_key("COCO_1", "is there a dog?")
