"""COCO's boxes for POPE's documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness_ext.cli import app
from lens_tasks.folders import FOLDER_VARIABLE, MissingDataError
from lens_tasks.regions import regions_of
from lens_tasks.tasks.coco import prepare

CONTENT = {
    "categories": [{"id": 1, "name": "person"}, {"id": 67, "name": "dining table"}],
    "annotations": [
        {"image_id": 310196, "category_id": 67, "bbox": [10.5, 20, 100, 50]},
        {"image_id": 310196, "category_id": 67, "bbox": [200, 20, 30, 50]},
        {"image_id": 310196, "category_id": 1, "bbox": [5, 5, 20, 20]},
        {"image_id": 310196, "category_id": 1, "bbox": [5, 5, 0, 20]},
    ],
}


@pytest.fixture
def annotations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "data"))
    file = tmp_path / "instances_val2014.json"
    file.write_text(json.dumps(CONTENT))
    return file


def asked(question: str, image: str = "COCO_val2014_000000310196") -> Any:
    return regions_of("pope", {"question": question, "image_source": image}).placed([(640, 480)])


def test_the_object_asked_for_has_its_boxes_and_the_others_are_others(annotations: Path) -> None:
    assert asked("Is there a dining table in the image?") == ()
    prepare(annotations)
    found = asked("Is there a dining table in the image?")
    assert [(each.role, each.label) for each in found] == [("asked", "dining table")] * 2 + [("other", "person")]
    assert found[0].box == pytest.approx((10.5 / 640, 20 / 480, 110.5 / 640, 70 / 480))


def test_an_absent_object_and_an_unknown_image_have_none(annotations: Path) -> None:
    prepare(annotations)
    assert {each.role for each in asked("Is there a cat in the image?")} == {"other"}
    assert asked("Is there a person in the image?", "COCO_val2014_000000000001") == ()
    assert asked("Is there a person in the image?", "scene_000000") == ()


def test_the_command_says_where_it_wrote_and_what_is_wrong(annotations: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["prepare", "coco", str(annotations)])
    assert done.exit_code == 0 and "boxes.json" in done.output
    annotations.write_text("[]")
    with pytest.raises(ValueError, match="holds no COCO annotations"):
        prepare(annotations)
    with pytest.raises(MissingDataError, match=r"instances_val2014\.json from https"):
        prepare(tmp_path / "nothing.json")
