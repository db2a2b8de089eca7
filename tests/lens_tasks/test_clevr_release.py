from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest
from clevr_questions import ANSWERS, PROGRAMS, SCENE, step

from lens_tasks.folders import FOLDER_VARIABLE, MissingDataError, data_folder
from lens_tasks.tasks.clevr_release import prepare, prepared_validation, question_family


def test_prepared_rows(release, tmp_path):
    path = prepare(release, tmp_path / "out")
    assert path == tmp_path / "out" / "clevr" / "validation.parquet"
    rows = pq.read_table(path).to_pylist()
    assert [row["question_family"] for row in rows] == list(PROGRAMS)
    assert [row["answer"] for row in rows] == list(ANSWERS.values())
    assert [json.loads(row["program"]) for row in rows] == list(PROGRAMS.values())
    assert rows[1]["image"] == {"bytes": None, "path": str(release / "images/val/CLEVR_val_000001.png")}
    assert not list(path.parent.glob("*.part"))


def test_the_folder_around_the_release_will_do(release, tmp_path):
    assert prepare(release.parent, tmp_path / "a").read_bytes() == prepare(release, tmp_path / "b").read_bytes()


def test_the_task_finds_what_was_prepared(release, tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "data"))
    path = prepare(release)
    assert prepared_validation() == str(path)


def test_a_missing_preparation_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(MissingDataError, match=r"Download CLEVR_v1\.0\.zip from https://.*run: mmlens prepare clevr"):
        prepared_validation()


def test_a_folder_that_is_no_release(tmp_path):
    with pytest.raises(MissingDataError, match=r"questions/CLEVR_val_questions\.json is not in it\. Download"):
        prepare(tmp_path)


def test_a_missing_image(release, tmp_path):
    (release / "images" / "val" / "CLEVR_val_000001.png").unlink()
    with pytest.raises(MissingDataError, match=r"CLEVR_val_000001\.png is missing"):
        prepare(release, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_test_split_has_no_answers(release, tmp_path):
    path = release / "questions" / "CLEVR_val_questions.json"
    content = json.loads(path.read_text())
    del content["questions"][2]["program"]
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="question 2 has no 'program'"):
        prepare(release, tmp_path / "out")


@pytest.mark.parametrize("family", PROGRAMS)
@pytest.mark.parametrize("key", ["function", "type"])
def test_families(family, key):
    program = [{key: each["function"], "inputs": each["inputs"]} for each in PROGRAMS[family]]
    assert question_family(program) == family


@pytest.mark.parametrize("program", [[], [SCENE], [step("relate")]])
def test_a_program_without_answer_is_an_error(program):
    with pytest.raises(ValueError, match=r"found (nothing|scene|relate)"):
        question_family(program)


def test_data_folder_defaults_to_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert data_folder() == tmp_path / "mmlens"
